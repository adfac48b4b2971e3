"""What events change in the books: in whatever order, how often and in what batches they come (DESIGN 4 and 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.booking import Booking, Known, Rise, book, is_ours, is_to_be_ended, job_of, names_of
from tank_mailer.core.canary import canary_id
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind, SesEvent
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import Row, State, first_row
from tank_mailer.core.meaning import notes_of
from tank_mailer.core.news import News
from tank_mailer.core.status import Status
from tests.builders import HARD, MAIL_AT, SOFT, make_event

JOB = "order-4711"
ANN, BEN, CY = ALL = "ann@example.org", "ben@example.org", "cy@example.org"
NOW = MAIL_AT + timedelta(hours=1)
LATER = MAIL_AT + timedelta(minutes=5)
NEXT_DAY = MAIL_AT + timedelta(days=1)
AN_HOUR, A_MOMENT = timedelta(hours=1), timedelta(microseconds=1)


def make_row(email_id: str = JOB, state: State = State.ACCEPTED, **changes: Any) -> Row:
    """A job as it may stand when an event of it comes."""
    first = first_row(
        email_id=email_id, content_hash="c0ffee", lane="outbound", queue_message_id="message-1", now=MAIL_AT
    )
    return replace(first, **{"state": state, "version": 4, "attempt": 9, **changes})


DOUBTFUL = make_row(state=State.IN_DOUBT, receipt_handle="handle-1", reason=Reason.ANSWER_LOST, due_at=NOW, attempt=1)


@dataclass
class Books:
    """Keeps what is booked as the store does: rows, receipts and statuses, and each note by its key only once."""

    rows: dict[str, Row] = field(default_factory=lambda: {JOB: make_row()})
    mails: dict[str, str] = field(default_factory=dict)
    statuses: dict[tuple[str, str], Status] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    forgets: bool = False  # takes each note for a new one

    @property
    def known(self) -> Known:
        mails = {job: frozenset(mail for mail, of in self.mails.items() if of == job) for job in self.rows}
        return Known(
            job_of_mail=dict(self.mails),
            job_of_tag={email_id_tag(job): job for job in self.rows},
            rows=dict(self.rows),
            statuses=dict(self.statuses),
            mails_of_job={job: found for job, found in mails.items() if found},
        )

    def take(self, *events: SesEvent) -> Booking:
        """Book a batch."""
        known = self.known
        notes = list[tuple[str | None, Any]]()
        for event in events:
            for note in notes_of(event):
                if self.forgets or note.key not in self.seen:
                    self.seen.add(note.key)
                    notes.append((job_of(event, known), note))
        booking = book(notes, known, now=NOW)
        self.rows |= {job: after for job, (_, after) in booking.proven.items()}
        self.mails |= {mail: job for mail, (job, _) in booking.mails.items()}
        self.statuses |= {key: rise.status for key, rise in booking.rises.items()}
        self.news += booking.news
        self.doubled += booking.doubled
        return booking

    def of(self, email_id: str = JOB) -> dict[str, Status]:
        """How far it has come for each recipient."""
        return {address: status for (job, address), status in self.statuses.items() if job == email_id}


def told(booking: Booking) -> list[tuple[str | None, Status | None]]:
    return [(one.recipient, one.status) for one in booking.news]


# --- whose event -----------------------------------------------------------------------------------

ODD = "orders@example.com/4711"  # its tag is a hash (DESIGN 5.4)
KNOWN = Known(
    job_of_mail={"ses-1": "by-mail"},
    job_of_tag={JOB: JOB, email_id_tag(ODD): ODD, "by-header": "by-header"},
)


def of(mail: str, *, tag: str | None = None, header: str | None = None) -> SesEvent:
    return make_event(email_id=None, ses_message_id=mail, tag=tag, header=header)


@pytest.mark.parametrize(
    ("event", "email_id"),
    [
        pytest.param(of("ses-1"), "by-mail", id="by-sess-id"),
        pytest.param(of("ses-1", tag=JOB, header="by-header"), "by-mail", id="sess-id-before-all-else"),
        pytest.param(of("new", tag=JOB), JOB, id="by-tag"),
        pytest.param(of("new", tag=JOB, header="by-header"), JOB, id="the-tag-before-the-header"),
        pytest.param(of("new", tag=email_id_tag(ODD)), ODD, id="by-a-tag-that-is-a-hash"),
        pytest.param(of("new", header="by-header"), "by-header", id="by-header-where-there-is-no-tag"),
        pytest.param(of("new", header=email_id_tag(ODD)), ODD, id="by-a-header-that-is-a-hash"),
        pytest.param(
            of("new", tag="strange", header="by-header"), "by-header", id="by-header-where-no-job-has-the-tag"
        ),
        pytest.param(of("new", tag="not-yet", header="either"), "not-yet", id="its-tag-stands-for-a-job-not-yet-known"),
        pytest.param(of("new", header="not-yet"), "not-yet", id="its-header-does-where-there-is-no-tag"),
        pytest.param(of("new"), None, id="a-mail-of-another-application-is-nobodys"),
    ],
)
def test_whose_event_it_is(event: SesEvent, email_id: str | None) -> None:
    assert job_of(event, KNOWN) == email_id


@pytest.mark.parametrize(
    ("event", "ours", "names"),
    [
        pytest.param(of("ses-1", tag=JOB), True, (JOB,), id="by-our-tag"),
        pytest.param(of("ses-1", header=JOB), True, (JOB,), id="by-our-header"),
        pytest.param(of("ses-1", tag="a", header="b"), True, ("a", "b"), id="the-tag-comes-first"),
        pytest.param(of("ses-1"), False, (), id="without-either-nobody-knows"),
    ],
)
def test_whether_it_is_ours(event: SesEvent, ours: bool, names: tuple[str, ...]) -> None:
    assert is_ours(event) is ours
    assert names_of(event) == names


@pytest.mark.parametrize("email_id", [None, "unknown"])
def test_a_mail_of_no_job_that_we_know_changes_nothing(email_id: str | None) -> None:
    notes = [(email_id, note) for note in notes_of(make_event(EventKind.BOUNCE))]

    assert book(notes, Known(rows={JOB: DOUBTFUL}), now=NOW) == Booking()


# --- statuses --------------------------------------------------------------------------------------


def test_only_those_that_a_bounce_lists_are_touched() -> None:
    books = Books(statuses={(JOB, name): Status.ACCEPTED for name in ALL})

    booking = books.take(make_event(EventKind.BOUNCE, to=ALL, listed=(BEN,), occurred_at=LATER))

    assert booking.rises == {(JOB, BEN): Rise(Status.HARD_BOUNCED, Reason.HARD_BOUNCE, LATER)}
    assert told(booking) == [(BEN, Status.HARD_BOUNCED)]


def test_that_others_bounced_still_shows_that_ses_took_the_mail_for_all() -> None:
    """Whom the bounce does not list has been mailed, and no more is known of him."""
    booking = Books().take(make_event(EventKind.BOUNCE, to=(ANN, BEN), listed=(BEN,), occurred_at=LATER))

    assert booking.rises == {
        (JOB, ANN): Rise(Status.ACCEPTED, None, MAIL_AT),
        (JOB, BEN): Rise(Status.HARD_BOUNCED, Reason.HARD_BOUNCE, LATER),
    }


@pytest.mark.parametrize("kind", [EventKind.OPEN, EventKind.CLICK, EventKind.SUBSCRIPTION])
@pytest.mark.parametrize("status", [status for status in Status if status >= Status.ACCEPTED])
def test_opens_and_clicks_are_no_statuses(kind: EventKind, status: Status) -> None:
    booking = Books(statuses={(JOB, ANN): status}).take(make_event(kind, to=(ANN,)))

    assert (booking.rises, booking.news) == ({}, [])


@pytest.mark.parametrize("kind", [EventKind.REJECT, EventKind.RENDERING_FAILURE])
def test_what_stops_a_mail_stops_it_for_all(kind: EventKind) -> None:
    books = Books()

    books.take(make_event(kind, to=(ANN, BEN)))

    assert books.of() == {ANN: Status.REJECTED, BEN: Status.REJECTED}


@pytest.mark.parametrize("before", list(Status))
@pytest.mark.parametrize(
    ("event", "said"),
    [
        pytest.param(make_event(EventKind.SEND, to=(ANN,)), Status.ACCEPTED, id="send"),
        pytest.param(make_event(EventKind.DELIVERY_DELAY, to=(ANN,)), Status.DELAYED, id="delay"),
        pytest.param(make_event(EventKind.BOUNCE, to=(ANN,), facts=SOFT), Status.SOFT_BOUNCED, id="soft-bounce"),
        pytest.param(make_event(EventKind.DELIVERY, to=(ANN,)), Status.DELIVERED, id="delivery"),
        pytest.param(make_event(EventKind.REJECT, to=(ANN,)), Status.REJECTED, id="reject"),
        pytest.param(make_event(EventKind.BOUNCE, to=(ANN,)), Status.HARD_BOUNCED, id="hard-bounce"),
        pytest.param(make_event(EventKind.COMPLAINT, to=(ANN,)), Status.COMPLAINED, id="complaint"),
    ],
)
def test_a_status_rises_or_stays(before: Status, event: SesEvent, said: Status) -> None:
    books = Books(statuses={(JOB, ANN): before})

    booking = books.take(event)

    assert books.of() == {ANN: max(before, said)}
    assert bool(booking.rises) == bool(booking.news) == (said > before)


def test_a_piece_of_news_says_what_has_happened_when_to_whom() -> None:
    booking = Books().take(make_event(EventKind.DELIVERY_DELAY, to=(ANN,), occurred_at=LATER))

    assert booking.news == [
        News(
            email_id=JOB,
            state=State.ACCEPTED,
            occurred_at=MAIL_AT,
            recipient=ANN,
            status=Status.ACCEPTED,
            ses_message_id="ses-1",
        ),
        News(
            email_id=JOB,
            state=State.ACCEPTED,
            occurred_at=LATER,
            recipient=ANN,
            status=Status.DELAYED,
            reason=Reason.DELAYED,
            ses_message_id="ses-1",
        ),
    ]


def test_a_bounce_is_told_of_the_mail_that_it_belongs_to() -> None:
    """The first mail's answer was lost, the second was sent for it; each may bounce."""
    row = make_row(ses_message_id="ses-2")
    books = Books(rows={JOB: row}, mails={"ses-2": JOB}, statuses={(JOB, ANN): Status.DELIVERED})

    booking = books.take(make_event(EventKind.BOUNCE, to=(ANN,), ses_message_id="ses-1"))

    assert [one.ses_message_id for one in booking.news] == ["ses-1"]
    assert books.rows[JOB] == row


def test_jobs_of_one_batch_do_not_mix() -> None:
    """One address may be in both; what is said of the one mail is not said of the other."""
    books = Books(rows={"a": make_row("a"), "b": replace(DOUBTFUL, email_id="b")})

    booking = books.take(
        make_event(EventKind.BOUNCE, email_id="a", ses_message_id="ses-a", to=(ANN,)),
        make_event(EventKind.DELIVERY, email_id="b", ses_message_id="ses-b", to=(ANN,)),
    )

    assert (books.of("a"), books.of("b")) == ({ANN: Status.HARD_BOUNCED}, {ANN: Status.DELIVERED})
    assert {mail: job for mail, (job, _) in booking.mails.items()} == {"ses-a": "a", "ses-b": "b"}
    assert list(booking.proven) == ["b"]
    assert booking.doubled == []


def test_a_canary_is_booked_and_nobody_is_told() -> None:
    canary = canary_id(MAIL_AT)
    books = Books(rows={canary: make_row(canary)})

    booking = books.take(make_event(EventKind.DELIVERY, email_id=canary, to=(ANN,)))

    assert books.of(canary) == {ANN: Status.DELIVERED}
    assert not any(one.is_told for one in booking.news)


# --- any order, any doubling, any batches ----------------------------------------------------------

AWAY: dict[str, str | int | bool] = {"type": "Transient", "subtype": "General"}
SAID: Mapping[EventKind, Status] = {
    EventKind.SEND: Status.ACCEPTED,
    EventKind.DELIVERY_DELAY: Status.DELAYED,
    EventKind.DELIVERY: Status.DELIVERED,
    EventKind.REJECT: Status.REJECTED,
    EventKind.RENDERING_FAILURE: Status.REJECTED,
    EventKind.COMPLAINT: Status.COMPLAINED,
}
LISTING = (EventKind.DELIVERY, EventKind.DELIVERY_DELAY, EventKind.BOUNCE, EventKind.COMPLAINT)


def said_by(event: SesEvent) -> dict[str, Status]:
    """What DESIGN 4 makes of one event, without the code."""
    found = dict.fromkeys(event.destination, Status.ACCEPTED)
    status = SAID.get(event.kind)
    if event.kind is EventKind.BOUNCE and event.facts != AWAY:
        status = Status.HARD_BOUNCED if event.facts == HARD else Status.SOFT_BOUNCED
    if status is not None:
        about = [one.address for one in event.listed] if event.kind in LISTING else event.destination
        found |= dict.fromkeys(about, status)
    return found


def highest(events: Sequence[SesEvent]) -> dict[str, Status]:
    found = dict[str, Status]()
    for event in events:
        for address, status in said_by(event).items():
            found[address] = max(found.get(address, Status.SUPPRESSED), status)
    return found


BOUNCES: Mapping[str, dict[str, str | int | bool]] = {"f-hard": HARD, "f-soft": SOFT, "f-away": AWAY, "f-more": HARD}


@st.composite
def any_event(draw: st.DrawFn) -> SesEvent:
    """Any event of one of the job's two mails; of the one whose receipt there is, also an identity's notification."""
    kind = draw(st.sampled_from(EventKind))
    mail = draw(st.sampled_from(["ses-1", "ses-2"]))
    feedback_id = draw(st.sampled_from(sorted(BOUNCES))) if kind is EventKind.BOUNCE else ""
    is_published = mail == "ses-2" or draw(st.booleans())
    return make_event(
        kind,
        email_id=JOB if is_published else None,
        is_published=is_published,
        ses_message_id=mail,
        to=ALL,
        listed=draw(st.lists(st.sampled_from(ALL), min_size=1, unique=True)) if kind in LISTING else (),
        code="",
        occurred_at=MAIL_AT + timedelta(seconds=draw(st.integers(0, 2))),
        feedback_id=feedback_id,
        facts=BOUNCES.get(feedback_id, {}),
    )


@st.composite
def batches(draw: st.DrawFn) -> list[list[SesEvent]]:
    """Some events, each at least once, in any order and cut anywhere."""
    story = draw(st.lists(any_event(), min_size=1, max_size=7))
    again = draw(st.lists(st.sampled_from(story), max_size=7))
    events = draw(st.permutations(story + again))
    cuts = sorted(draw(st.sets(st.integers(1, len(events)), max_size=4)) | {0, len(events)})
    return [list(events[start:end]) for start, end in pairwise(cuts)]


ROWS = st.sampled_from([make_row(), DOUBTFUL, make_row(state=State.SENDING, lease_ends_at=NOW + AN_HOUR)])


@given(batches=batches(), row=ROWS, forgets=st.booleans())
def test_no_order_and_no_doubling_can_lie(batches: list[list[SesEvent]], row: Row, *, forgets: bool) -> None:
    """Also where a note is taken for new each time: ranks alone must hold."""
    books = Books(rows={JOB: row}, mails={"ses-1": JOB}, forgets=forgets)

    for batch in batches:
        before = books.of()
        books.take(*batch)
        assert all(books.of()[address] >= status for address, status in before.items()), "a status never falls"

    assert books.of() == highest([event for batch in batches for event in batch])


@given(batches=batches(), forgets=st.booleans())
def test_each_status_of_a_recipient_is_told_once_and_in_rising_order(
    batches: list[list[SesEvent]], *, forgets: bool
) -> None:
    books = Books(mails={"ses-1": JOB}, forgets=forgets)

    for batch in batches:
        books.take(*batch)

    for address, status in books.of().items():
        heard = [one.status for one in books.news if one.recipient == address]
        assert heard == sorted(set(heard), key=lambda each: each or 0)
        assert heard[-1] == status, "the last one told is how it stands"
    assert all(one.email_id == JOB and one.state == State.ACCEPTED for one in books.news)
    assert len({(one.recipient, one.status) for one in books.news}) == len(books.news)


@given(batches=batches(), known=st.sampled_from([(), ("ses-1",)]))
def test_each_mail_beyond_the_first_is_counted_once(batches: list[list[SesEvent]], known: tuple[str, ...]) -> None:
    books = Books(mails=dict.fromkeys(known, JOB), forgets=True)
    tagged = [[event for event in batch if event.tag or known] for batch in batches]

    for batch in tagged:
        books.take(*batch)

    mails = {event.ses_message_id for batch in tagged for event in batch} | set(known)
    assert books.doubled == [JOB] * max(len(mails) - 1, 0)


STORY = (
    make_event(EventKind.SEND, to=(ANN, BEN)),
    make_event(EventKind.DELIVERY, to=(ANN, BEN), listed=(ANN,), occurred_at=LATER),
    make_event(EventKind.BOUNCE, to=(ANN, BEN), listed=(BEN,), occurred_at=LATER, feedback_id="f-1"),
    make_event(EventKind.COMPLAINT, to=(ANN, BEN), listed=(ANN,), occurred_at=NEXT_DAY, feedback_id="f-2"),
)


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_a_delivery_after_a_complaint_changes_nothing(order: tuple[int, ...]) -> None:
    books = Books(rows={JOB: DOUBTFUL})

    books.take(*(STORY[number] for number in order))

    assert books.of() == {ANN: Status.COMPLAINED, BEN: Status.HARD_BOUNCED}
    assert books.rows[JOB].state is State.ACCEPTED


# --- proof -----------------------------------------------------------------------------------------

ALIVE, OVER = NOW + A_MOMENT, NOW - A_MOMENT


@pytest.mark.parametrize(
    ("row", "ends"),
    [
        pytest.param(make_row(state=State.SENDING, lease_ends_at=ALIVE), False, id="a-living-attempt-ends-by-itself"),
        pytest.param(make_row(state=State.SENDING, lease_ends_at=NOW), True, id="a-lease-that-ends-now-is-over"),
        pytest.param(make_row(state=State.SENDING, lease_ends_at=OVER), True, id="a-crashed-attempt-is-ended"),
        pytest.param(make_row(state=State.SENDING), True, id="an-attempt-without-a-lease-is-ended"),
        pytest.param(make_row(lease_ends_at=ALIVE), False, id="accepted-is-ended-already-lease-alive"),
        pytest.param(make_row(lease_ends_at=OVER), False, id="accepted-is-ended-already-lease-over"),
        *[
            pytest.param(make_row(state=state, lease_ends_at=lease_ends_at), True, id=f"{state}-is-overruled-{lease}")
            for state in State
            if state not in {State.SENDING, State.ACCEPTED}
            for lease, lease_ends_at in (("lease-alive", ALIVE), ("lease-over", OVER))
        ],
    ],
)
def test_what_proof_ends(row: Row, ends: bool) -> None:
    """DESIGN 6: any event with our tag, of any attempt, proves acceptance and ends the job."""
    assert is_to_be_ended(row, NOW) is ends


@pytest.mark.parametrize("kind", list(EventKind))
def test_any_event_of_any_attempt_settles_a_doubt(kind: EventKind) -> None:
    """An Open is proof as a Send is, and a bounce, too; the handle stays at hand for the queue message's delete."""
    booking = Books(rows={JOB: DOUBTFUL}).take(make_event(kind, to=(ANN,), attempt=7, occurred_at=LATER))

    [(before, after)] = booking.proven.values()
    assert before == DOUBTFUL
    assert before.receipt_handle == "handle-1"
    assert (after.state, after.ses_message_id, after.accepted_at) == (State.ACCEPTED, "ses-1", MAIL_AT)
    assert (after.reason, after.due_at, after.version) == (None, None, DOUBTFUL.version + 1)


def test_a_row_is_proven_once() -> None:
    """Of several proofs in a batch the first is enough, and none is needed afterwards."""
    books = Books(rows={JOB: DOUBTFUL})

    first = books.take(
        make_event(EventKind.SEND),
        make_event(EventKind.DELIVERY),
        make_event(EventKind.SEND, ses_message_id="ses-2", mail_at=LATER, occurred_at=LATER),
    )
    second = books.take(make_event(EventKind.OPEN))

    [(_, after)] = first.proven.values()
    assert (after.version, after.ses_message_id, after.accepted_at) == (DOUBTFUL.version + 1, "ses-1", MAIL_AT)
    assert second.proven == {}


def test_a_living_attempt_keeps_its_row_and_its_recipients_rise() -> None:
    """SES's event may come before its answer: what it says is true already, and the attempt writes its own end."""
    row = make_row(state=State.SENDING, lease_ends_at=ALIVE)
    books = Books(rows={JOB: row})

    booking = books.take(make_event(EventKind.DELIVERY, to=(ANN,)))

    assert (booking.proven, books.rows[JOB]) == ({}, row)
    assert books.of() == {ANN: Status.DELIVERED}
    assert list(booking.mails) == ["ses-1"]


def test_a_mail_that_the_receipts_know_is_no_new_one() -> None:
    event = make_event(EventKind.SEND)

    assert Books(mails={"ses-1": JOB}).take(event).mails == {}
    assert Books().take(event).mails == {"ses-1": (JOB, event)}


@pytest.mark.parametrize(
    ("known", "seen", "times"),
    [
        pytest.param((), ("ses-1", "ses-1"), 0, id="two-events-of-one-mail-are-no-double"),
        pytest.param(("ses-1",), ("ses-1",), 0, id="the-event-of-the-receipts-own-mail-is-none"),
        pytest.param(("ses-2",), ("ses-1",), 1, id="a-late-event-after-a-resend-is-one"),
        pytest.param(("ses-2",), ("ses-1", "ses-1"), 1, id="told-once-however-many-events-it-has"),
        pytest.param((), ("ses-1", "ses-2"), 1, id="two-mails-in-one-batch-are-one"),
        pytest.param((), ("ses-1", "ses-2", "ses-3"), 2, id="a-third-mail-is-another"),
    ],
)
def test_doubles_are_counted(known: tuple[str, ...], seen: tuple[str, ...], times: int) -> None:
    books = Books(mails=dict.fromkeys(known, JOB))
    kinds = [EventKind.SEND, EventKind.DELIVERY, EventKind.OPEN]

    booking = books.take(*(make_event(kind, ses_message_id=mail) for kind, mail in zip(kinds, seen, strict=False)))

    assert booking.doubled == [JOB] * times
    assert books.take(*(make_event(EventKind.CLICK, ses_message_id=mail) for mail in seen)).doubled == []
