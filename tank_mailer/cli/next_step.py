"""What a person can do about an email as it stands, in one line."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Final

from tank_mailer.adapters.desk_emails import Report
from tank_mailer.core.address import HASHED
from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import State
from tank_mailer.core.status import Status

_OF_STATUS: Final[Mapping[Status, str]] = {  # the weightiest first
    Status.COMPLAINED: "{who}: called it spam, so mailed no more ({check})",
    Status.HARD_BOUNCED: "{who}: hard-bounced, so suppressed ({check})",
    Status.REJECTED: "{who}: given up by SES, for the reason beside the recipient",
    Status.SOFT_BOUNCED: "{who}: soft-bounced, SES has given up; put it on the queue again if it is still wanted",
    Status.DELAYED: "{who}: not through yet, SES goes on trying by itself, for hours if need be",
    Status.ACCEPTED: "{who}: SES has it and has not told more yet; without TANK_EVENT_QUEUE_URL it never will",
    Status.DELIVERED: "{who}: delivered, nothing to do",
    Status.SUPPRESSED: "{who}: left out ({check})",
}


def what_next(report: Report) -> str:
    """Say it, whatever the state."""
    name = shlex.quote(report.email_id)
    aside = report.aside
    back = f"tank-mailer refused requeue {name}"
    if aside and aside.requeued_at and report.state == aside.state:
        return "it waits on the queue again; ask again in a moment"
    match State(report.state):
        case State.SENDING:
            return "an attempt is under way; ask again in a moment"
        case State.ACCEPTED:
            return _of_accepted(report)
        case State.DEFERRED:
            return f"nothing; it is tried again by itself, and `tank-mailer why {name}` tells what holds it"
        case State.IN_DOUBT:
            return (
                "nothing by hand: an event of SES settles it the moment it comes; if none does by then, it is sent"
                " again, or given up (TANK_IN_DOUBT=hold, at_most_once), or waits on while no event of any mail comes"
                " back, six hours from the request at most"
            )
        case State.INVALID:
            return f"correct the job (`tank-mailer refused show {name}`), then `{back} --file CORRECTED.json`"
        case State.REFUSED:
            return f"mend what the reason names, then `{back}`"
        case State.SUPPRESSED:
            return "`tank-mailer suppress check ADDRESS` says why; once that is mended, put the job on the queue again"
        case State.EXPIRED:
            return "put the job on the queue again with a later expires_at, if it is still wanted"
        case State.DRY_RUN:
            return f"with TANK_DELIVERY=live: `{back}`"
        case State.DEAD:
            return _of_dead(report, back)


def _of_accepted(report: Report) -> str:
    found = {status: [one.address for one in report.recipients if one.status is status] for status in _OF_STATUS}
    count = len(report.recipients)
    said = [
        text.format(who=_who(found[status], count), check=_check(found[status]))
        for status, text in _OF_STATUS.items()
        if found[status]
    ]
    return "; ".join(said) or "SES has it; what becomes of it is told by SES's events (TANK_EVENT_QUEUE_URL)"


def _of_dead(report: Report, back: str) -> str:
    if report.reason == Reason.IN_DOUBT:
        return f"nobody knows whether SES has it: ask the recipient; if it did not come, `{back} --may-double`"
    return f"mend what the reason names, then `{back}`, or redrive it from the dead-letter queue"


def _who(addresses: Sequence[str], count: int) -> str:
    if len(addresses) == 1:
        return addresses[0]
    return f"all {count}" if len(addresses) == count else f"{len(addresses)} of {count}"


def _check(addresses: Sequence[str]) -> str:
    """The command to look it up; an erased address is not known by name any more."""
    one = shlex.quote(addresses[0]) if len(addresses) == 1 and not addresses[0].startswith(HASHED) else "ADDRESS"
    return f"`tank-mailer suppress check {one}`"
