from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import ENDED_WITHOUT_MAIL, UNFINISHED, Row, State, first_row

FIRST_SEEN = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
NOW = FIRST_SEEN + timedelta(hours=1)
LATER = NOW + timedelta(minutes=5)
LEASE_END = NOW + timedelta(minutes=1)

FIRST = first_row(
    email_id="order-4711", content_hash="c0ffee", lane="outbound", queue_message_id="message-1", now=FIRST_SEEN
)


def begin(row: Row) -> Row:
    return row.begun(owner="node-1/77", now=NOW, lease_ends_at=LEASE_END, receipt_handle="handle-1")


SENDING = begin(FIRST)
DOUBTFUL = SENDING.doubted(LATER, NOW, Reason.ANSWER_LOST, "ReadTimeoutError")
# A row that carries something in every field: what a step does not name, it must keep.
FULL = Row(
    email_id="order-4711",
    state=State.SENDING,
    content_hash="c0ffee",
    lane="outbound",
    queue_message_id="message-1",
    first_seen_at=FIRST_SEEN,
    updated_at=FIRST_SEEN,
    owner="node-1/77",
    attempt=9,
    charged=2,
    resends=1,
    throttles=4,
    receipt_handle="handle-1",
    lease_ends_at=LEASE_END,
    due_at=FIRST_SEEN,
    started_at=FIRST_SEEN,
    first_failed_at=FIRST_SEEN,
    reason=Reason.SERVICE_ERROR,
    detail="HTTP 500 InternalFailure",
    version=20,
)


def test_a_first_row_is_not_written_yet() -> None:
    assert (FIRST.version, FIRST.attempt, FIRST.state) == (0, 0, State.DEFERRED)
    assert (FIRST.first_seen_at, FIRST.updated_at) == (FIRST_SEEN, FIRST_SEEN)
    assert FIRST.due_at is None


def test_states_have_the_designs_names() -> None:
    assert {state.value for state in State} == {
        *("sending", "accepted", "deferred", "in_doubt", "dead"),
        *("invalid", "refused", "suppressed", "expired", "dry_run"),
    }
    assert UNFINISHED.isdisjoint(ENDED_WITHOUT_MAIL)
    assert set(State) - UNFINISHED - ENDED_WITHOUT_MAIL == {State.ACCEPTED, State.DEAD}


NEXT = {"updated_at": NOW, "version": 21, "reason": None, "detail": None, "due_at": None}


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        pytest.param(
            lambda row: row.begun(owner="node-2/8", now=NOW, lease_ends_at=LATER, receipt_handle="handle-2"),
            {
                "state": State.SENDING,
                "owner": "node-2/8",
                "attempt": 10,
                "started_at": NOW,
                "lease_ends_at": LATER,
                "receipt_handle": "handle-2",
            },
            id="begun-counts-the-attempt-and-says-who-holds-it",
        ),
        pytest.param(
            lambda row: row.accepted("ses-1", NOW),
            {
                "state": State.ACCEPTED,
                "accepted_at": NOW,
                "ses_message_id": "ses-1",
                "throttles": 0,
                "receipt_handle": None,
            },
            id="accepted-keeps-the-id",
        ),
        pytest.param(
            lambda row: row.deferred(LATER, NOW, Reason.UNREACHABLE, "ConnectTimeoutError"),
            {"state": State.DEFERRED, "due_at": LATER, "reason": Reason.UNREACHABLE, "detail": "ConnectTimeoutError"},
            id="deferred-charges-nothing",
        ),
        pytest.param(
            lambda row: row.deferred(LATER, NOW, Reason.THROTTLED),
            {"state": State.DEFERRED, "due_at": LATER, "reason": Reason.THROTTLED, "throttles": 5},
            id="deferred-counts-a-throttle",
        ),
        pytest.param(
            lambda row: row.put_off(LATER, NOW, Reason.THROTTLED, "HTTP 429"),
            {"state": State.DEFERRED, "due_at": LATER, "reason": Reason.THROTTLED, "detail": "HTTP 429"},
            id="put-off-counts-no-throttle-twice",
        ),
        pytest.param(
            lambda row: row.put_off(LATER, NOW, Reason.THROTTLED, ""),
            {"state": State.DEFERRED, "due_at": LATER, "reason": Reason.THROTTLED},
            id="put-off-without-a-detail",
        ),
        pytest.param(
            lambda row: row.failed(LATER, NOW, Reason.SERVICE_ERROR, "HTTP 503"),
            {
                "state": State.DEFERRED,
                "due_at": LATER,
                "reason": Reason.SERVICE_ERROR,
                "detail": "HTTP 503",
                "charged": 3,
                "throttles": 0,
            },
            id="failed-charges-one-attempt",
        ),
        pytest.param(
            lambda row: row.failed(LATER, NOW, Reason.THROTTLED, "HTTP 429"),
            {
                "state": State.DEFERRED,
                "due_at": LATER,
                "reason": Reason.THROTTLED,
                "detail": "HTTP 429",
                "charged": 3,
                "throttles": 0,
            },
            id="the-twentieth-throttle-is-counted-from-nothing-again",
        ),
        pytest.param(
            lambda row: row.given_back(LATER, NOW, Reason.LEASE_LOST),
            {"state": State.DEFERRED, "due_at": LATER, "reason": Reason.LEASE_LOST},
            id="given-back-charges-nothing",
        ),
        pytest.param(
            lambda row: row.given_back(LATER, NOW, None),
            {"state": State.DEFERRED, "due_at": LATER},
            id="given-back-for-want-of-tokens-needs-no-reason",
        ),
        pytest.param(
            lambda row: row.doubted(LATER, NOW, Reason.ANSWER_LOST, "ReadTimeoutError"),
            {"state": State.IN_DOUBT, "due_at": LATER, "reason": Reason.ANSWER_LOST, "detail": "ReadTimeoutError"},
            id="doubted-keeps-the-handle-and-charges-nothing",
        ),
        pytest.param(
            lambda row: row.doubted(LATER, NOW, Reason.PROCESS_DIED),
            {"state": State.IN_DOUBT, "due_at": LATER, "reason": Reason.PROCESS_DIED},
            id="doubted-without-a-detail",
        ),
        pytest.param(
            lambda row: row.ended(State.REFUSED, NOW, Reason.REJECTED, "HTTP 400"),
            {"state": State.REFUSED, "reason": Reason.REJECTED, "detail": "HTTP 400", "receipt_handle": None},
            id="ended-says-why",
        ),
        pytest.param(
            lambda row: row.ended(State.SUPPRESSED, NOW, Reason.SUPPRESSED),
            {"state": State.SUPPRESSED, "reason": Reason.SUPPRESSED, "receipt_handle": None},
            id="ended-without-a-detail",
        ),
        pytest.param(
            lambda row: row.dead(NOW, Reason.ATTEMPTS_SPENT, "HTTP 500", charged=1),
            {
                "state": State.DEAD,
                "reason": Reason.ATTEMPTS_SPENT,
                "detail": "HTTP 500",
                "charged": 3,
                "receipt_handle": None,
            },
            id="dead-charges-the-last-attempt-and-is-not-copied-yet",
        ),
        pytest.param(
            lambda row: row.dead(NOW, Reason.IN_DOUBT, "no event told"),
            {"state": State.DEAD, "reason": Reason.IN_DOUBT, "detail": "no event told", "receipt_handle": None},
            id="dead-of-a-doubt-charges-nothing",
        ),
    ],
)
def test_steps(step: Callable[[Row], Row], changes: dict[str, object]) -> None:
    """What a step does not name stays as it was."""
    assert step(FULL) == replace(FULL, **(NEXT | changes))  # type: ignore[arg-type]  # any field's value


def test_copied_changes_nothing_but_the_mark() -> None:
    dead = FULL.dead(NOW, Reason.ATTEMPTS_SPENT, "HTTP 500")

    assert dead.copied(LATER) == replace(dead, copied_at=LATER, updated_at=LATER, version=dead.version + 1)


def test_bound_is_no_step_of_its_own() -> None:
    """The begin that follows writes it, over the version that was read."""
    assert FULL.bound("message-2") == replace(FULL, queue_message_id="message-2", receipt_handle=None)


def test_rebound_changes_nothing_but_the_message() -> None:
    """The old handle would hide or delete the old message; state, reason and due time stay."""
    assert FULL.rebound("message-2", NOW) == replace(
        FULL, queue_message_id="message-2", receipt_handle=None, updated_at=NOW, version=21
    )


def test_the_first_failure_is_remembered() -> None:
    """Whether others were accepted since decides if the job is dead."""
    first = SENDING.failed(LATER, NOW, Reason.SERVICE_ERROR, "HTTP 500")
    second = begin(first).failed(LATER, LATER, Reason.SERVICE_ERROR, "HTTP 500")
    assert first.first_failed_at == NOW
    assert second.first_failed_at == NOW


def test_throttles_are_counted_from_the_first() -> None:
    """Twenty throttles make a failure only if others passed since the first of them."""
    assert SENDING.deferred(LATER, NOW, Reason.THROTTLED).first_failed_at == NOW


@pytest.mark.parametrize("reason", [Reason.QUOTA_EXCEEDED, Reason.ACCESS_DENIED, Reason.UNREACHABLE])
def test_what_is_not_the_jobs_fault_is_not_its_first_failure(reason: Reason) -> None:
    """Promise 4: held in the morning, failed three times in an outage at noon: dead for what passed between."""
    assert SENDING.deferred(LATER, NOW, reason).first_failed_at is None


def test_a_resend_is_counted_when_it_begins() -> None:
    assert DOUBTFUL.resends == 0
    assert begin(DOUBTFUL).resends == 1
    assert begin(SENDING.deferred(LATER, NOW, Reason.UNREACHABLE)).resends == 0


def test_a_doubt_that_is_given_back_before_it_began_stays_one() -> None:
    given_back = DOUBTFUL.given_back(LATER, NOW, None)
    assert (given_back.state, given_back.resends) == (State.IN_DOUBT, 0)


def test_a_doubt_that_is_given_back_after_it_began_stays_one() -> None:
    """No request left (a pause, a lease too short): nobody knows any more of the earlier one than before."""
    given_back = begin(DOUBTFUL).given_back(LATER, NOW, Reason.LEASE_LOST, before=DOUBTFUL)
    assert (given_back.state, given_back.resends) == (State.IN_DOUBT, 0)


def test_restarted_begins_anew_but_counts_on() -> None:
    """The attempt is a tag of every mail: two attempts of one id never share a number."""
    dead = replace(FULL, resends=3).dead(NOW, Reason.IN_DOUBT, "no event told").copied(NOW)

    again = dead.restarted(content_hash="decaf", lane="priority", queue_message_id="message-2", now=LATER)

    assert again == replace(
        first_row(
            email_id="order-4711", content_hash="decaf", lane="priority", queue_message_id="message-2", now=LATER
        ),
        attempt=9,
        first_seen_at=FIRST_SEEN,
        version=dead.version,
    )
    assert begin(again).version == dead.version + 1
    assert begin(again).attempt == 10


# --- any sequence of steps -----------------------------------------------------------------------------

REASONS = st.sampled_from(Reason)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=30)).map(lambda passed: NOW + passed)
DETAILS = st.text(max_size=5)
HANDLES = st.text(max_size=5)
Step = Callable[[Row], Row]
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        lambda now, end, handle: lambda row: row.begun(owner="n", now=now, lease_ends_at=end, receipt_handle=handle),
        MOMENTS,
        MOMENTS,
        HANDLES,
    ),
    st.builds(lambda now: lambda row: row.accepted("ses-1", now), MOMENTS),
    st.builds(
        lambda due, now, why, said: lambda row: row.deferred(due, now, why, said), MOMENTS, MOMENTS, REASONS, DETAILS
    ),
    st.builds(
        lambda due, now, why, said: lambda row: row.put_off(due, now, why, said), MOMENTS, MOMENTS, REASONS, DETAILS
    ),
    st.builds(
        lambda due, now, why, said: lambda row: row.failed(due, now, why, said), MOMENTS, MOMENTS, REASONS, DETAILS
    ),
    st.builds(lambda due, now, why: lambda row: row.given_back(due, now, why), MOMENTS, MOMENTS, REASONS),
    st.builds(
        lambda due, now, why, said: lambda row: row.doubted(due, now, why, said), MOMENTS, MOMENTS, REASONS, DETAILS
    ),
    st.builds(
        lambda state, now, why: lambda row: row.ended(state, now, why),
        st.sampled_from(sorted(ENDED_WITHOUT_MAIL)),
        MOMENTS,
        REASONS,
    ),
    st.builds(
        lambda now, why, more: lambda row: row.dead(now, why, "x", charged=more), MOMENTS, REASONS, st.integers(0, 1)
    ),
    st.builds(lambda now: lambda row: row.copied(now), MOMENTS),
    st.builds(lambda now, handle: lambda row: row.rebound(handle, now), MOMENTS, HANDLES),
)


@given(steps=st.lists(STEPS, max_size=30))
def test_each_step_is_one_version_and_forgets_no_count(steps: list[Step]) -> None:
    """A write names the version that it replaces: two steps of one version, or none, would break the fence."""
    row = FIRST
    for step in steps:
        stepped = step(row)
        assert stepped.version == row.version + 1
        assert stepped.attempt - row.attempt in {0, 1}
        assert stepped.charged - row.charged in {0, 1}
        assert stepped.resends - row.resends in {0, 1}
        assert (stepped.email_id, stepped.content_hash, stepped.lane) == (row.email_id, row.content_hash, row.lane)
        assert stepped.first_seen_at == row.first_seen_at
        assert row.first_failed_at is None or stepped.first_failed_at == row.first_failed_at
        row = stepped


@given(steps=st.lists(STEPS, max_size=10))
def test_restarted_keeps_the_attempt_and_is_no_version(steps: list[Step]) -> None:
    row = FIRST
    for step in steps:
        row = step(row)
    again = row.restarted(content_hash="decaf", lane="outbound", queue_message_id="message-9", now=LATER)
    assert (again.attempt, again.version, again.first_seen_at) == (row.attempt, row.version, FIRST_SEEN)
    assert (again.charged, again.resends, again.throttles, again.first_failed_at) == (0, 0, 0, None)
