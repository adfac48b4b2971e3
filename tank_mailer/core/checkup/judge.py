"""All findings, in the order in which people read them."""

from collections.abc import Iterator
from dataclasses import replace

from tank_mailer.core.checkup.account import judge_account
from tank_mailer.core.checkup.catalogue import ABOUT
from tank_mailer.core.checkup.events import judge_events
from tank_mailer.core.checkup.facts import Facts
from tank_mailer.core.checkup.finding import Area, Finding, Level
from tank_mailer.core.checkup.network import judge_network
from tank_mailer.core.checkup.queues import judge_queues
from tank_mailer.core.checkup.records import judge_records
from tank_mailer.core.checkup.rights import judge_rights
from tank_mailer.core.checkup.senders import judge_senders
from tank_mailer.core.checkup.settings import judge_settings
from tank_mailer.core.checkup.setup import Setup
from tank_mailer.core.checkup.store import judge_store

WEIGHT = {level: n for n, level in enumerate((Level.FAULT, Level.WARNING, Level.UNSEEN, Level.NOTE, Level.OK))}
PLACE = {area: n for n, area in enumerate(Area)}


def judge(setup: Setup, facts: Facts) -> list[Finding]:
    """Everything; by area, and within it the weightiest first."""
    found = [
        *judge_settings(setup),
        *judge_network(setup, facts),
        *judge_rights(setup, facts),
        *judge_account(setup, facts),
        *judge_queues(setup, facts),
        *judge_events(setup, facts),
        *judge_senders(setup, facts),
        *judge_records(setup, facts),
        *judge_store(setup, facts),
    ]
    return in_order(list(_folded(found)))


def in_order(found: list[Finding]) -> list[Finding]:
    """Sort, and keep the order of what weighs the same."""
    return sorted(found, key=lambda one: (PLACE[ABOUT[one.check].area], WEIGHT[one.level]))


def _folded(found: list[Finding]) -> Iterator[Finding]:
    """What was not seen for one and the same cause is told once."""
    seen = dict[tuple[str, str], list[Finding]]()
    for one in found:
        if one.level is not Level.UNSEEN:
            yield one
        else:
            seen.setdefault((one.what, one.remedy), []).append(one)
    for same in seen.values():
        names = list(dict.fromkeys(f"{one.check} {one.subject}".strip() for one in same))
        subject = same[0].subject if len(names) == 1 else f"{', '.join(names)}"
        yield replace(same[0], subject=subject)


def is_ill(found: list[Finding], *, is_strict: bool = False) -> bool:
    """Whether something is wrong; `is_strict`: warnings count."""
    bad = {Level.FAULT, Level.WARNING} if is_strict else {Level.FAULT}
    return any(one.level in bad for one in found)
