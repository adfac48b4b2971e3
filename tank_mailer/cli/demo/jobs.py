"""The demo's jobs: a mixed set, each with what is expected to become of it; or the lines of a file."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind
from tank_mailer.core.job import EmailJob, parse_job
from tank_mailer.core.ledger import State
from tank_mailer.core.status import Status

SENDER: Final = "Tank Shop <shop@example.com>"
BOUNCED: Final = "bounced@example.org"  # on the suppression list from the start
SIMULATOR: Final = "simulator.amazonses.com"  # SES: mailbox simulator; what comes back goes by the name before the @
DEAD_MAILBOX: Final = f"bounce@{SIMULATOR}"
ANNOYED: Final = f"complaint@{SIMULATOR}"
SETTLED: Final = "SES's answer was lost; its event has settled the doubt, and nothing was sent again"
URGENT: Final = "on the priority lane: goes before all that waits"
NOT_QUEUED: Final = "not_queued"
DROPPED: Final = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message for the queue.

    Attributes:
        fate: the state that it is to end in; None: any end will do.
        reason: the reason that goes with it.
        mails: how many SES is to accept.
        statuses: of recipients to whom the mail is not simply delivered, by address.
        told: what is special about it.
        name: stands for it where no email_id can be read.
    """

    body: str
    fate: str | None = None
    reason: str | None = None
    mails: int = 1
    statuses: Mapping[str, Status] = field(default_factory=dict)
    told: str = ""
    name: str = ""

    @property
    def email_id(self) -> str | None:
        """As far as it can be read."""
        return parse_job(self.body).email_id

    def expected_statuses(self) -> Mapping[str, Status]:
        """What each recipient's status is to be in the end; nothing where any will do, or none is kept."""
        job = parse_job(self.body)
        if not isinstance(job, EmailJob) or self.fate not in {State.ACCEPTED, State.SUPPRESSED}:
            return {}
        usual = Status.DELIVERED if self.fate == State.ACCEPTED else Status.SUPPRESSED
        return {one.key: self.statuses.get(one.key, usual) for one in job.recipients}


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What is put on the queue, and when.

    Attributes:
        opening: one whose answer is lost on the way; goes first and alone.
        main: go together.
        urgent: go on the priority lane's queue as soon as `main` is on the other one.
        sequel: go once all of `main` have ended and SES has reported on them, for they come again to what was.
        suppressed: addresses on the suppression list from the start.
        throttles: so many calls in the middle of `main` are told that the rate was exceeded.
        reports: kinds of events that SES is to report; any others may come too.
        learned: addresses that its reports are to put on the suppression list, each with the reason; empty: any.
    """

    main: tuple[Entry, ...]
    opening: Entry | None = None
    urgent: tuple[Entry, ...] = ()
    sequel: tuple[Entry, ...] = ()
    suppressed: tuple[str, ...] = ()
    throttles: int = 0
    reports: Collection[EventKind] = ()
    learned: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many messages."""
        return len(self.main) + len(self.urgent) + len(self.sequel) + (self.opening is not None)


def read_play(path: Path) -> Play:
    """Each line as it is; empty ones are left out. Raises OSError."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    bodies = [(number, line.removesuffix("\r")) for number, line in enumerate(lines, 1) if line.strip()]
    return Play(main=tuple(Entry(body=body, name=f"line {number}") for number, body in bodies))


def mixed_play() -> Play:
    """About fifty jobs that show what can become of one."""
    receipt = _accepted("receipt-2001", subject="Your receipt")
    return Play(
        opening=_accepted("answer-lost", told=SETTLED),
        main=tuple(_interleaved([receipt, *_good(), *_simulated()], [*_bad(), *_without_a_mail()])),
        urgent=tuple(_accepted(f"code-{number}", subject="Your code", told=URGENT) for number in range(1, 4)),
        sequel=(
            _entry(receipt.body, DROPPED, Reason.DUPLICATE),
            _ended("receipt-2001", State.INVALID, Reason.ID_CONFLICT, subject="Another receipt"),
            _ended("bounces-again", State.SUPPRESSED, Reason.SUPPRESSED, to=DEAD_MAILBOX, told="had bounced"),
            _ended("complains-again", State.SUPPRESSED, Reason.SUPPRESSED, to=ANNOYED, told="had complained"),
        ),
        suppressed=(BOUNCED,),
        throttles=3,
        reports=frozenset(EventKind) - {EventKind.REJECT, EventKind.RENDERING_FAILURE, EventKind.SUBSCRIPTION},
        learned={DEAD_MAILBOX: Reason.HARD_BOUNCE, ANNOYED: Reason.COMPLAINT},
    )


def _good() -> Iterator[Entry]:
    yield _accepted("name", to='"Doe, Jane" <jane@example.org>', told="a display name with a comma")
    yield _accepted("umlauts", from_="Bücherstube Köln <shop@example.com>", to="Jürgen Müller <jm@example.org>",
                    subject="Grüße aus Köln 📚", told="umlauts in names and subject")  # fmt: skip
    yield _accepted("idn-domain", to="kunde@bücher.example.org", told="a domain with an umlaut")
    yield _accepted("copies", cc="Office <office@example.org>", bcc="archive@example.org", reply_to="help@example.com",
                    told="cc, bcc and reply_to")  # fmt: skip
    yield _accepted("five-people", to=[f"friend-{n}@example.org" for n in range(1, 6)], told="one call, five tokens")
    yield _accepted("plain-text", text="Hello!", headers={"X-Campaign": "spring"}, tags={"team": "shop"},
                    told="plain text, header and tag of its own")  # fmt: skip
    yield _accepted("not-again", at_most_once=True, told="at_most_once: a doubt would not be sent again")
    yield _accepted("partly", to=["well@example.org", BOUNCED], statuses={BOUNCED: Status.SUPPRESSED},
                    told="one of two is suppressed")  # fmt: skip
    for number in range(1001, 1021):
        yield _accepted(f"order-{number}", to=f"customer-{number}@example.org", subject=f"Your order {number}")


def _simulated() -> Iterator[Entry]:
    """What SES reports when the mail has been accepted."""
    yield _accepted("delivered", to=f"success@{SIMULATOR}")
    yield _accepted("bounces", to=DEAD_MAILBOX, statuses={DEAD_MAILBOX: Status.HARD_BOUNCED}, told="no such mailbox")
    yield _accepted("complains", to=ANNOYED, statuses={ANNOYED: Status.COMPLAINED}, told="is called spam")
    yield _accepted("out-of-office", to=f"ooto@{SIMULATOR}", told="an automatic reply, which is no bounce")
    full = f"softbounce@{SIMULATOR}"
    yield _accepted("mailbox-full", to=full, statuses={full: Status.SOFT_BOUNCED}, told="five in a row would suppress")
    yield _accepted("delayed", to=f"delay@{SIMULATOR}", told="SES tries for a while, then it is delivered")
    yield _accepted("read", to=f"click@{SIMULATOR}", told="opened, and a link clicked")


def _bad() -> Iterator[Entry]:
    yield _ended(None, State.INVALID, Reason.MISSING_FIELD, name="(no email_id)")
    yield _ended("no-from", State.INVALID, Reason.MISSING_FIELD, from_=...)
    yield _ended("no-such-address", State.INVALID, Reason.BAD_ADDRESS, to="not an address")
    yield _ended("injection", State.INVALID, Reason.HEADER_INJECTION, subject="Hi\r\nBcc: all@example.org")
    yield _entry("Dear queue, please send this.", State.INVALID, Reason.NOT_JSON, name="(not JSON)")
    yield _ended("crowd", State.INVALID, Reason.TOO_MANY_RECIPIENTS, to=[f"fan-{n}@example.org" for n in range(51)])
    yield _ended("other-set", State.INVALID, Reason.UNKNOWN_CONFIGURATION_SET, configuration_set="nobody-knows")


def _without_a_mail() -> Iterator[Entry]:
    yield _ended("unverified", State.REFUSED, Reason.UNVERIFIED_SENDER, from_="shop@example.net")
    yield _ended("too-late", State.EXPIRED, Reason.EXPIRED, expires_at="2024-12-24T18:00:00Z")
    yield _ended("suppressed", State.SUPPRESSED, Reason.SUPPRESSED, to=BOUNCED)


def _interleaved(many: list[Entry], few: list[Entry]) -> Iterator[Entry]:
    """Spread the few among the many."""
    step = len(many) // len(few)
    for number, entry in enumerate(many):
        yield entry
        if number % step == step - 1 and few:
            yield few.pop(0)
    yield from few


def _accepted(
    email_id: str, *, statuses: Mapping[str, Status] | None = None, told: str = "", **changes: object
) -> Entry:
    return Entry(body=_body(email_id, changes), fate=State.ACCEPTED, mails=1, statuses=statuses or {}, told=told)


def _ended(
    email_id: str | None, fate: State, reason: Reason, *, told: str = "", name: str = "", **changes: object
) -> Entry:
    return _entry(_body(email_id, changes), fate, reason, told=told, name=name)


def _entry(body: str, fate: str, reason: str, *, told: str = "", name: str = "") -> Entry:
    return Entry(body=body, fate=fate, reason=reason, mails=0, told=told, name=name)


def _body(email_id: str | None, changes: dict[str, object]) -> str:
    """Spell a job; `...` drops a field, and `from_` stands for `from`, Python's own word."""
    fields: dict[str, object] = {
        "email_id": email_id if email_id is not None else ...,
        "from": SENDER,
        "to": "customer@example.org",
        "subject": "Hello",
        "body": "<p>Hello!</p>",
    }
    fields |= {name.rstrip("_"): value for name, value in changes.items()}
    return json.dumps({name: value for name, value in fields.items() if value is not ...}, ensure_ascii=False)
