from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet

from tank_mailer.core import gate
from tank_mailer.core.errors import Reason
from tank_mailer.core.gate import (
    EARLY_S,
    OVERDUE_S,
    WHAT_A_MESSAGE_FINDS,
    Admitted,
    Bond,
    Delivery,
    Finding,
    Skipped,
    Standing,
    Step,
    admit,
    find,
    spare_suppressed,
)
from tank_mailer.core.ledger import ENDED_WITHOUT_MAIL, Row, State, first_row
from tests.builders import make_job

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
EARLY = timedelta(seconds=EARLY_S)
OVERDUE = timedelta(seconds=OVERDUE_S)
MINUTE = timedelta(minutes=1)
BOUND, ANOTHER = "message-1", "message-2"
THE_SAME, OTHER = "c0ffee", "decaf"


def make_row(state: State, **changes: Any) -> Row:  # `replace` checks the names
    row = first_row(
        email_id="order-4711", content_hash=THE_SAME, lane="outbound", queue_message_id=BOUND, now=NOW - 10 * MINUTE
    )
    return replace(row, state=state, version=1, **changes)


def found(row: Row | None, bond: Bond = Bond.SAME, sent_at: datetime = NOW) -> Finding:
    message_id = BOUND if bond is Bond.SAME else ANOTHER
    content_hash = OTHER if bond is Bond.OTHER else THE_SAME
    return find(row, queue_message_id=message_id, content_hash=content_hash, sent_at=sent_at, now=NOW)


# --- the second table of DESIGN 4 ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: rows that stand alike, and what a message does that finds one."""

    standing: Standing
    rows: tuple[Row | None, ...]
    same: Step
    copy: Step
    other: Step

    def cells(self) -> Iterator[tuple[Row | None, Bond, Step]]:
        for row, (bond, step) in product(
            self.rows, ((Bond.SAME, self.same), (Bond.COPY, self.copy), (Bond.OTHER, self.other))
        ):
            yield row, bond, step


def waiting(due_at: datetime | None) -> tuple[Row, Row]:
    return make_row(State.DEFERRED, due_at=due_at), make_row(State.IN_DOUBT, due_at=due_at)


LINES = (
    Line(Standing.NONE, (None,), Step.BEGIN, Step.BEGIN, Step.BEGIN),
    # ended: only finish settling | accepted: duplicate, delete, note; other content: invalid
    Line(
        Standing.ACCEPTED,
        (make_row(State.ACCEPTED, ses_message_id="ses-1", accepted_at=NOW),),
        Step.FINISH,
        Step.DROP_DUPLICATE,
        Step.REFUSE_CONFLICT,
    ),
    # ended without a mail: a fresh start
    Line(
        Standing.ENDED,
        tuple(make_row(state) for state in sorted(ENDED_WITHOUT_MAIL)),
        Step.FINISH,
        Step.BEGIN_AGAIN,
        Step.BEGIN_AGAIN,
    ),
    # dead: copy unless marked, then delete | a redriven one comes under another MessageId: a fresh start
    Line(Standing.DEAD, (make_row(State.DEAD, copied_at=NOW),), Step.FINISH, Step.BEGIN_AGAIN, Step.BEGIN_AGAIN),
    Line(Standing.DEAD_UNCOPIED, (make_row(State.DEAD),), Step.COPY_AND_FINISH, Step.BEGIN_AGAIN, Step.BEGIN_AGAIN),
    # given up in doubt, and the message is older: the producer had put the job twice, nobody has put it back
    Line(
        Standing.DEAD_IN_DOUBT,
        (make_row(State.DEAD, reason=Reason.IN_DOUBT, updated_at=NOW, copied_at=NOW),),
        Step.FINISH,
        Step.DROP_DUPLICATE,
        Step.REFUSE_CONFLICT,
    ),
    # sending, lease alive: hide it until the lease ends | the same
    Line(
        Standing.LEASED,
        (make_row(State.SENDING, lease_ends_at=NOW + TICK), make_row(State.SENDING, lease_ends_at=NOW + MINUTE)),
        Step.HIDE,
        Step.HIDE,
        Step.HIDE,
    ),
    # sending, lease over: becomes in_doubt | the same
    Line(
        Standing.LAPSED,
        (
            make_row(State.SENDING, lease_ends_at=NOW),
            make_row(State.SENDING, lease_ends_at=NOW - MINUTE),
            make_row(State.SENDING),
        ),
        Step.DOUBT,
        Step.DOUBT,
        Step.DOUBT,
    ),
    # deferred, in_doubt: hidden for the backoff, or until evidence or the window's end (first table); other content:
    # id_conflict
    Line(
        Standing.EARLY,
        (*waiting(NOW + EARLY + TICK), *waiting(NOW + 12 * 60 * MINUTE)),
        Step.HIDE,
        Step.HIDE,
        Step.REFUSE_CONFLICT,
    ),
    # go on | hide until the bound one is due; other content: id_conflict
    Line(
        Standing.DUE,
        (*waiting(NOW + EARLY), *waiting(NOW), *waiting(None), *waiting(NOW - OVERDUE)),
        Step.GO_ON,
        Step.HIDE,
        Step.REFUSE_CONFLICT,
    ),
    # go on | overdue (moved, purged, redriven): adopt this message; other content: id_conflict
    Line(
        Standing.OVERDUE,
        (*waiting(NOW - OVERDUE - TICK), *waiting(NOW - 24 * 60 * MINUTE)),
        Step.GO_ON,
        Step.ADOPT,
        Step.REFUSE_CONFLICT,
    ),
)


def all_cells() -> Iterator[ParameterSet]:
    for line in LINES:
        for number, (row, bond, step) in enumerate(line.cells()):
            state = f"-{row.state}" if row else ""
            sentence = f"{line.standing}{state}-{number // 3 + 1}-by-{bond}-message-means-{step}"
            yield pytest.param(line.standing, row, bond, step, id=sentence)


@pytest.mark.parametrize(("standing", "row", "bond", "step"), list(all_cells()))
def test_what_a_message_finds(standing: Standing, row: Row | None, bond: Bond, step: Step) -> None:
    assert (
        standing is Standing.DEAD_IN_DOUBT or gate._standing(row, NOW) is standing
    )  # so that each cell is met by a row of its own
    assert found(row, bond).step is step
    assert WHAT_A_MESSAGE_FINDS[standing, bond] is step


def test_a_job_dead_in_doubt_starts_afresh_only_when_somebody_put_it_back() -> None:
    """A message that is newer than the verdict was redriven by a person."""
    row = make_row(State.DEAD, reason=Reason.IN_DOUBT, updated_at=NOW, copied_at=NOW)
    assert found(row, Bond.COPY, sent_at=NOW + TICK).step is Step.BEGIN_AGAIN


def test_the_table_is_complete() -> None:
    assert set(WHAT_A_MESSAGE_FINDS) == set(product(Standing, Bond))
    assert {line.standing for line in LINES} == set(Standing)
    assert {row.state for line in LINES for row in line.rows if row} == set(State)


DUE_AT = NOW + 7 * MINUTE


@pytest.mark.parametrize(
    ("row", "bond", "until"),
    [
        pytest.param(
            make_row(State.SENDING, lease_ends_at=NOW + MINUTE), Bond.SAME, NOW + MINUTE, id="until-the-lease-ends"
        ),
        pytest.param(
            make_row(State.SENDING, lease_ends_at=NOW + MINUTE, due_at=DUE_AT),
            Bond.COPY,
            NOW + MINUTE,
            id="a-copy-too-until-the-lease-ends",
        ),
        pytest.param(
            make_row(State.DEFERRED, due_at=DUE_AT, lease_ends_at=NOW - MINUTE),
            Bond.SAME,
            DUE_AT,
            id="the-bound-one-until-it-is-due",
        ),
        pytest.param(
            make_row(State.IN_DOUBT, due_at=DUE_AT), Bond.COPY, DUE_AT, id="a-copy-until-the-bound-one-is-due"
        ),
    ],
)
def test_hidden_until(row: Row, bond: Bond, until: datetime) -> None:
    assert found(row, bond) == Finding(Step.HIDE, until)


@pytest.mark.parametrize("due_at", [NOW + EARLY, NOW, NOW - OVERDUE, None])
@pytest.mark.parametrize("state", [State.DEFERRED, State.IN_DOUBT])
def test_a_copy_whose_bound_one_is_due_comes_back_when_that_is_overdue(state: State, due_at: datetime | None) -> None:
    """It waits for the bound one no longer than it must, and then finds the row free to be adopted."""
    row = make_row(state, due_at=due_at)

    finding = found(row, Bond.COPY)

    assert finding.step is Step.HIDE
    assert finding.until is not None
    assert NOW < finding.until <= NOW + OVERDUE + 2 * EARLY
    later = replace(row, due_at=due_at or NOW)
    again = find(later, queue_message_id=ANOTHER, content_hash=THE_SAME, sent_at=NOW, now=finding.until)
    assert again.step is Step.ADOPT


@pytest.mark.parametrize(
    "step", [Step.BEGIN, Step.GO_ON, Step.FINISH, Step.DOUBT, Step.ADOPT, Step.DROP_DUPLICATE, Step.REFUSE_CONFLICT]
)
def test_only_hiding_has_an_end(step: Step) -> None:
    findings = [found(row, bond) for line in LINES for row, bond, _ in line.cells()]
    assert {finding.until for finding in findings if finding.step is step} == {None}


# --- may it be sent? -----------------------------------------------------------------------------------

EXPIRED = (State.EXPIRED, Reason.EXPIRED)
UNKNOWN_SET = (State.INVALID, Reason.UNKNOWN_CONFIGURATION_SET)
NOT_ALLOWED = (State.REFUSED, Reason.SENDER_NOT_ALLOWED)
DRY_RUN = (State.DRY_RUN, Reason.DRY_RUN)
ADMITTED = None


def allowing(*senders: str) -> Delivery:
    return Delivery(allowed_senders=frozenset(senders))


SETS = Delivery(configuration_sets=frozenset({"tank", "marketing"}))


@pytest.mark.parametrize(
    ("changes", "delivery", "end"),
    [
        pytest.param({}, Delivery(), ADMITTED, id="an-ordinary-job-is-admitted"),
        pytest.param({"expires_at": NOW + TICK}, Delivery(), ADMITTED, id="a-job-is-sent-up-to-its-deadline"),
        pytest.param({"expires_at": NOW}, Delivery(), EXPIRED, id="a-job-is-expired-at-its-deadline"),
        pytest.param({"expires_at": NOW - MINUTE}, Delivery(), EXPIRED, id="a-job-is-expired-after-its-deadline"),
        pytest.param({"configuration_set": "tank"}, SETS, ADMITTED, id="one-of-the-configured-sets"),
        pytest.param({"configuration_set": "marketing"}, SETS, ADMITTED, id="another-of-the-configured-sets"),
        pytest.param({"configuration_set": "Tank"}, SETS, UNKNOWN_SET, id="a-sets-name-has-its-case"),
        pytest.param({"configuration_set": "other"}, SETS, UNKNOWN_SET, id="a-set-that-is-not-configured"),
        pytest.param({"configuration_set": "tank"}, Delivery(), UNKNOWN_SET, id="a-set-where-none-is-configured"),
        pytest.param({}, SETS, ADMITTED, id="a-job-need-not-name-a-set"),
        pytest.param({}, allowing("sender@example.com"), ADMITTED, id="an-allowed-address"),
        pytest.param({"sender": "Sender@Example.COM"}, allowing("sender@example.com"), ADMITTED, id="in-any-case"),
        pytest.param({"sender": "Ann <sender@example.com>"}, allowing("sender@example.com"), ADMITTED, id="any-name"),
        pytest.param({"sender": "other@example.com"}, allowing("sender@example.com"), NOT_ALLOWED, id="its-neighbour"),
        pytest.param({"sender": "any@example.com"}, allowing("example.com"), ADMITTED, id="an-allowed-domain"),
        pytest.param({"sender": "any@EXAMPLE.com"}, allowing("example.com"), ADMITTED, id="a-domain-in-any-case"),
        pytest.param({"sender": "any@news.example.com"}, allowing("example.com"), NOT_ALLOWED, id="a-sub-domain"),
        pytest.param({"sender": "any@example.com"}, allowing("news.example.com"), NOT_ALLOWED, id="its-parent"),
        pytest.param({"sender": "any@badexample.com"}, allowing("example.com"), NOT_ALLOWED, id="an-ending-alike"),
        pytest.param(
            {"sender": "example.com@example.org"}, allowing("example.com"), NOT_ALLOWED, id="a-domain-as-name"
        ),
        pytest.param(
            {"sender": '"sender@example.com" <a@example.org>'},
            allowing("sender@example.com"),
            NOT_ALLOWED,
            id="an-allowed-address-as-display-name",
        ),
        pytest.param({}, allowing("a@example.org", "example.com"), ADMITTED, id="one-of-several"),
        pytest.param({}, Delivery(dry_run=True), DRY_RUN, id="a-dry-run-ends-just-before-the-mail"),
        pytest.param(
            {"expires_at": NOW}, Delivery(dry_run=True), EXPIRED, id="a-dry-run-says-what-would-have-ended-it"
        ),
        pytest.param(
            {"sender": "any@example.org"},
            Delivery(dry_run=True, allowed_senders=frozenset({"example.com"})),
            NOT_ALLOWED,
            id="a-dry-run-minds-the-allowed-senders",
        ),
        pytest.param(
            {"configuration_set": "other"}, replace(SETS, dry_run=True), UNKNOWN_SET, id="a-dry-run-minds-the-sets"
        ),
    ],
)
def test_admit(changes: dict[str, object], delivery: Delivery, end: tuple[State, Reason] | None) -> None:
    admitted = admit(make_job(**changes), delivery=delivery, now=NOW)

    if end is ADMITTED:
        assert admitted == Admitted()
    else:
        assert isinstance(admitted, Skipped)
        assert (admitted.state, admitted.reason) == end
        assert "@" not in admitted.detail  # no address in any log


A, B, C = "a@example.org", "b@example.org", "c@example.org"


@pytest.mark.parametrize(
    ("suppressed", "left"),
    [
        pytest.param(set[str](), ({A}, {B}, {C}), id="nobody-suppressed"),
        pytest.param({"x@example.org"}, ({A}, {B}, {C}), id="a-stranger-suppressed"),
        pytest.param({B}, ({A}, set(), {C}), id="the-cc-left-out"),
        pytest.param({C}, ({A}, {B}, set()), id="the-bcc-left-out"),
        pytest.param({B, C}, ({A}, set(), set()), id="to-alone-is-left"),
    ],
)
def test_suppressed_recipients_are_left_out(suppressed: set[str], left: tuple[set[str], set[str], set[str]]) -> None:
    spared = spare_suppressed(make_job(to="A@example.org", cc=B, bcc=C), _listed(suppressed))

    assert not isinstance(spared, Skipped)
    assert tuple({address.key for address in part} for part in (spared.to, spared.cc, spared.bcc)) == left


def test_some_of_several_to_may_be_left_out() -> None:
    spared = spare_suppressed(make_job(to=[A, B]), _listed({A}))

    assert not isinstance(spared, Skipped)
    assert [address.key for address in spared.to] == [B]


@pytest.mark.parametrize("suppressed", [{A}, {A, B}, {A, B, C}])
def test_without_a_to_the_job_ends(suppressed: set[str]) -> None:
    """Even if somebody is left in cc or bcc (DESIGN 3)."""
    spared = spare_suppressed(make_job(to=A, cc=B, bcc=C), _listed(suppressed))

    assert isinstance(spared, Skipped)
    assert (spared.state, spared.reason) == (State.SUPPRESSED, Reason.SUPPRESSED)
    assert "@" not in spared.detail


def test_stale_recipients_are_no_suppressed_ones() -> None:
    """Who asks why nothing was sent shall not look for them on the suppression list."""
    spared = spare_suppressed(make_job(to=[A, B]), {A: Reason.STALE, B: Reason.STALE})

    assert isinstance(spared, Skipped)
    assert (spared.state, spared.reason) == (State.SUPPRESSED, Reason.STALE)


def _listed(keys: set[str]) -> dict[str, Reason]:
    return dict.fromkeys(keys, Reason.SUPPRESSED)
