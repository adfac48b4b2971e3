"""When a doubt is sent again, given up, or left alone: each sentence of DESIGN 6."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.doubt import (
    Drained,
    Resend,
    Settling,
    Sight,
    WaitOn,
    absence_counts,
    is_near_empty,
    request_ended_by,
    settle_doubt,
)
from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.verdict import DeadLetter

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
CHANNEL = RetryPolicy(has_channel=True)
HOLDS = RetryPolicy(has_channel=True, resends_doubt=False)
NO_CHANNEL = RetryPolicy(has_channel=False)
GIVEN_UP = DeadLetter(Reason.IN_DOUBT)
MINUTES = timedelta(minutes=1)


def make_doubt(**changes: object) -> Row:
    row = Row(
        email_id="order-4711",
        state=State.IN_DOUBT,
        content_hash="c0ffee",
        lane="ordinary",
        queue_message_id="queue-message-1",
        first_seen_at=NOON,
        updated_at=NOON,
        started_at=NOON,
        configuration_set="tank",
        attempt=1,
    )
    return replace(row, **changes)  # type: ignore[arg-type]  # any field's value


@pytest.mark.parametrize(
    ("resends", "at_most_once", "policy", "settling"),
    [
        pytest.param(0, False, CHANNEL, Resend(), id="proven-absence-is-sent-again"),
        pytest.param(2, False, CHANNEL, Resend(), id="a-third-time-too"),
        pytest.param(3, False, CHANNEL, GIVEN_UP, id="after-three-resends-it-is-given-up"),
        pytest.param(9, False, CHANNEL, GIVEN_UP, id="after-more-too"),
        pytest.param(0, True, CHANNEL, GIVEN_UP, id="at-most-once-is-never-sent-again"),
        pytest.param(0, False, HOLDS, GIVEN_UP, id="hold-never-sends-again"),
        pytest.param(0, True, HOLDS, GIVEN_UP, id="at-most-once-under-hold"),
    ],
)
def test_proven_absence(resends: int, at_most_once: bool, policy: RetryPolicy, settling: Settling) -> None:
    row, later = make_doubt(resends=resends), NOON + 15 * MINUTES

    assert settle_doubt(row, now=later, absence_counts=True, at_most_once=at_most_once, policy=policy) == settling


@pytest.mark.parametrize("policy", [CHANNEL, HOLDS], ids=["resend", "hold"])
@pytest.mark.parametrize("at_most_once", [False, True], ids=["ordinary", "at-most-once"])
@pytest.mark.parametrize("minutes", [15, 60, 359])
def test_silence_of_a_channel_that_may_be_dead_settles_nothing(
    minutes: int, at_most_once: bool, policy: RetryPolicy
) -> None:
    now = NOON + minutes * MINUTES

    settling = settle_doubt(make_doubt(), now=now, absence_counts=False, at_most_once=at_most_once, policy=policy)

    assert isinstance(settling, WaitOn)
    assert now < settling.until <= NOON + 360 * MINUTES


@pytest.mark.parametrize("minutes", [360, 361, 5_000])
def test_after_six_hours_an_unsettled_doubt_is_given_up(minutes: int) -> None:
    now = NOON + minutes * MINUTES

    assert settle_doubt(make_doubt(), now=now, absence_counts=False, at_most_once=False, policy=CHANNEL) == GIVEN_UP


@pytest.mark.parametrize(
    ("row", "policy"),
    [
        pytest.param(make_doubt(), NO_CHANNEL, id="no-event-queue"),
        pytest.param(make_doubt(configuration_set=None), CHANNEL, id="no-configuration-set"),
        pytest.param(make_doubt(configuration_set=""), CHANNEL, id="an-empty-one"),
    ],
)
def test_without_a_channel_nothing_is_waited_for(row: Row, policy: RetryPolicy) -> None:
    """A double is possible then; the README and a warning at start say so."""
    settling = settle_doubt(row, now=NOON + 2 * MINUTES, absence_counts=False, at_most_once=False, policy=policy)

    assert settling == Resend()


def test_the_six_hours_count_from_the_doubtful_request() -> None:
    """Not from the first sight of the job, and not from the last look at it."""
    row = make_doubt(first_seen_at=NOON - timedelta(days=3), updated_at=NOON + 300 * MINUTES)

    settling = settle_doubt(row, now=NOON + 301 * MINUTES, absence_counts=False, at_most_once=False, policy=CHANNEL)

    assert isinstance(settling, WaitOn)


@pytest.mark.parametrize(
    ("visible", "in_flight", "a_second", "is_empty"),
    [
        pytest.param(0, 0, 0, True, id="empty"),
        pytest.param(10, 0, 0, True, id="one-receive"),
        pytest.param(11, 0, 0, False, id="more-than-one-while-nothing-is-drained"),
        pytest.param(60, 400, 300, True, id="busy-and-keeping-up"),
        pytest.param(5_000, 0, 300, False, id="a-backlog"),
        pytest.param(0, 50_000, 0, False, id="a-backlog-in-somebodys-hands"),
    ],
)
def test_near_empty(visible: int, in_flight: int, a_second: float, is_empty: bool) -> None:
    assert is_near_empty(visible=visible, in_flight=in_flight, a_second=a_second) is is_empty


def test_the_request_is_over_when_its_lease_is() -> None:
    row = make_doubt(lease_ends_at=NOON + MINUTES)

    assert request_ended_by(row) == NOON + MINUTES


def test_a_lease_of_hours_does_not_keep_the_doubt_for_hours() -> None:
    row = make_doubt(lease_ends_at=NOON + 600 * MINUTES)

    assert NOON + 5 * MINUTES < request_ended_by(row) < NOON + 6 * MINUTES


def look(sight: Sight, seconds: int, *, empty: bool = True) -> Sight:
    return sight.after(is_near_empty=empty, at=NOON + timedelta(seconds=seconds), visibility_s=60.0)


def test_a_sight_counts_once_all_that_was_hidden_has_come_back() -> None:
    sight = look(look(look(Sight(), 0), 30), 60)
    assert sight.drained_at is None

    assert look(sight, 100).drained_at == NOON + timedelta(seconds=30)


def test_a_backlog_begins_the_sight_anew() -> None:
    sight = look(look(look(Sight(), 0), 100), 110, empty=False)
    known = sight.drained_at

    assert look(sight, 120).drained_at == known == NOON + timedelta(seconds=30)
    assert look(look(sight, 120), 200).drained_at == NOON + timedelta(seconds=130)


@pytest.mark.parametrize(
    ("policy", "configuration_set", "seconds"),
    [
        pytest.param(CHANNEL, "tank", 900, id="a-channel"),
        pytest.param(CHANNEL, None, 120, id="a-mail-through-no-set"),
        pytest.param(NO_CHANNEL, "tank", 120, id="no-event-queue"),
        pytest.param(RetryPolicy(in_doubt_wait_s=5, has_channel=False), None, 5, id="a-shorter-wait-stays"),
    ],
)
def test_how_long_evidence_is_awaited(policy: RetryPolicy, configuration_set: str | None, seconds: float) -> None:
    assert policy.doubt_wait_s(configuration_set) == seconds


@pytest.mark.parametrize(
    ("until", "looked", "is_fresh"),
    [
        pytest.param(-60, 0, True, id="just-now"),
        pytest.param(-360, -300, True, id="five-minutes-ago"),
        pytest.param(-360, -301, False, id="longer-ago"),
        pytest.param(1, 1, False, id="drained-in-the-future"),
        pytest.param(-60, 301, False, id="by-a-clock-that-goes-ahead"),
    ],
)
def test_an_old_sight_says_nothing_of_the_present(until: int, looked: int, is_fresh: bool) -> None:
    drained = Drained(NOON + timedelta(seconds=until), NOON + timedelta(seconds=looked))

    assert drained.is_fresh(NOON) is is_fresh


@pytest.mark.parametrize(
    ("proof", "counts"),
    [
        pytest.param(None, False, id="nothing-came-back"),
        pytest.param(NOON + timedelta(seconds=30), False, id="a-mail-while-the-doubtful-request-was-under-way"),
        pytest.param(NOON + MINUTES, False, id="one-at-its-very-end"),
        pytest.param(NOON + 2 * MINUTES, True, id="one-after-it-was-over"),
    ],
)
def test_which_mail_shows_that_the_channel_lives(proof: datetime | None, counts: bool) -> None:
    assert absence_counts(make_doubt(lease_ends_at=NOON + MINUTES), proof=proof) is counts
