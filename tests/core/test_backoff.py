import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.backoff import RetryPolicy, backoff_s

JITTERS = st.floats(0, 1)
FAILURES = st.integers(-1, 100)


@pytest.mark.parametrize(
    ("failures", "step_s"),
    [
        pytest.param(1, 30.0, id="half-a-minute-after-the-first"),
        pytest.param(2, 300.0, id="five-minutes-after-the-second"),
        pytest.param(3, 1800.0, id="half-an-hour-after-the-third"),
        pytest.param(4, 1800.0, id="half-an-hour-after-each-later-one"),
        pytest.param(1000, 1800.0, id="no-longer-however-many"),
        pytest.param(0, 30.0, id="none-waits-like-one"),
    ],
)
def test_half_is_fixed_and_half_is_jitter(failures: int, step_s: float) -> None:
    """DESIGN 5.5: jobs that failed together shall not come back together."""
    assert backoff_s(failures, 0.0) == step_s / 2
    assert backoff_s(failures, 0.5) == step_s * 3 / 4
    assert backoff_s(failures, 1.0) == step_s


@given(failures=FAILURES, jitter=JITTERS)
def test_it_never_waits_less_than_half_nor_more_than_the_whole(failures: int, jitter: float) -> None:
    assert 15.0 <= backoff_s(failures, jitter) <= 1800.0


@given(failures=FAILURES, jitter=JITTERS)
def test_a_later_failure_waits_no_shorter(failures: int, jitter: float) -> None:
    assert backoff_s(failures + 1, jitter) >= backoff_s(failures, jitter)


def test_the_policy_is_the_designs_unless_set() -> None:
    assert RetryPolicy() == RetryPolicy(
        max_attempts=3, in_doubt_wait_s=900.0, resends_doubt=True, max_resends=3, max_throttles=20
    )
