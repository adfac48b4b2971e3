from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.renewal import QueueLife, must_renew

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
HOUR_S, DAY_S = 3_600.0, 86_400.0
LIMITS = st.integers(1, 1000)  # SQS: maxReceiveCount


def renews(
    life: QueueLife, *, receive_count: int = 1, age_s: float = 0.0, held_s: float = 0.0, delay_s: float = 30.0
) -> bool:
    return must_renew(
        life,
        receive_count=receive_count,
        sent_at=NOW - timedelta(seconds=age_s),
        now=NOW,
        held_s=held_s,
        delay_s=delay_s,
    )


# --- receives ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_receive_count", "last_kept", "first_renewed"),
    [
        pytest.param(1, None, 1, id="1-renews-at-once"),
        pytest.param(2, None, 1, id="2-renews-at-once"),
        pytest.param(3, 1, 2, id="3-keeps-one-receive-in-reserve"),
        pytest.param(20, 16, 17, id="20-keeps-three"),
        pytest.param(100, 88, 89, id="100-keeps-eleven"),
        pytest.param(1000, 898, 899, id="1000-keeps-a-hundred-and-one"),
    ],
)
def test_before_the_queue_gives_it_up(max_receive_count: int, last_kept: int | None, first_renewed: int) -> None:
    """A backoff costs a receive; the one after `maxReceiveCount` is SQS's own dead-lettering."""
    life = QueueLife(max_receive_count)

    assert last_kept is None or not renews(life, receive_count=last_kept)
    assert renews(life, receive_count=first_renewed)
    assert renews(life, receive_count=first_renewed + 1)


def test_a_queue_without_a_redrive_policy_counts_nothing() -> None:
    assert not renews(QueueLife(None), receive_count=100_000)


def test_a_queue_that_may_not_be_asked_is_taken_for_a_strict_one() -> None:
    assert QueueLife().max_receive_count == 3
    assert renews(QueueLife(), receive_count=2)


@given(limit=LIMITS)
def test_the_last_receive_is_never_reached_unrenewed(limit: int) -> None:
    assert renews(QueueLife(limit), receive_count=limit)
    assert renews(QueueLife(limit), receive_count=max(1, limit - 1))


@given(limit=st.integers(3, 1000))
def test_a_first_receive_is_not_renewed_where_there_is_room(limit: int) -> None:
    assert not renews(QueueLife(limit), receive_count=1)


@given(limit=LIMITS, receive_count=st.integers(1, 1000))
def test_a_later_receive_is_no_less_a_reason(limit: int, receive_count: int) -> None:
    assert renews(QueueLife(limit), receive_count=receive_count + 1) or not renews(
        QueueLife(limit), receive_count=receive_count
    )


# --- retention -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retention_s", "margin_s"),
    [
        pytest.param(4 * DAY_S, DAY_S, id="four-days-keep-one"),
        pytest.param(14 * DAY_S, DAY_S, id="fourteen-days-keep-one"),
        pytest.param(DAY_S, 6 * HOUR_S, id="one-day-keeps-a-quarter"),
        pytest.param(60.0, 15.0, id="a-minute-keeps-a-quarter"),
    ],
)
def test_before_the_queue_deletes_it(retention_s: float, margin_s: float) -> None:
    """What counts is how old it will be at the end of the wait."""
    life = QueueLife(None, retention_s)
    limit_s = retention_s - margin_s

    assert not renews(life, age_s=limit_s - 10, delay_s=10)
    assert renews(life, age_s=limit_s - 10, delay_s=10.001)
    assert renews(life, age_s=limit_s + 10, delay_s=0)
    assert not renews(life, age_s=0, delay_s=0)


def test_sqs_keeps_for_four_days_unless_set() -> None:
    assert QueueLife().retention_s == 4 * DAY_S


# --- twelve hours --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held_s", "delay_s", "expected"),
    [
        pytest.param(0.0, 11 * HOUR_S, False, id="eleven-hours-fit"),
        pytest.param(0.0, 12 * HOUR_S - 300, False, id="up-to-five-minutes-before"),
        pytest.param(0.0, 12 * HOUR_S - 299, True, id="not-the-last-five-minutes"),
        pytest.param(0.0, 12 * HOUR_S, True, id="not-twelve-hours"),
        pytest.param(6 * HOUR_S, 5 * HOUR_S, False, id="what-was-held-counts-and-fits"),
        pytest.param(6 * HOUR_S, 6 * HOUR_S, True, id="what-was-held-counts"),
        pytest.param(12 * HOUR_S, 0.0, True, id="held-to-the-end"),
    ],
)
def test_before_sqs_shows_it_again(held_s: float, delay_s: float, expected: bool) -> None:
    """SQS: twelve hours from the receive, however often it is extended."""
    assert renews(QueueLife(None), held_s=held_s, delay_s=delay_s) is expected
