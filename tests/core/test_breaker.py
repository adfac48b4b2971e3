import pytest

from tank_mailer.core.breaker import Breaker
from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import (
    Accepted,
    Concern,
    Concerned,
    Failed,
    Held,
    InDoubt,
    Outcome,
    Refused,
    Throttled,
    Unreachable,
)

AWAY = Unreachable("ConnectTimeoutError")
BROKEN = Failed(Reason.SERVICE_ERROR, "HTTP 500 InternalFailure")
LOST = InDoubt(Reason.ANSWER_LOST, "ReadTimeoutError")
ACCEPTED = Accepted("ses-1")
REFUSED = Refused(Reason.REJECTED, "")
THROTTLED = Throttled()
HELD = Held(Concern(Concerned.ACCOUNT), Reason.QUOTA_EXCEEDED, "")

Attempts = list[tuple[Outcome, str]]


def each(*outcomes: Outcome) -> Attempts:
    """One job each."""
    return [(outcome, f"job-{number}") for number, outcome in enumerate(outcomes)]


def after(attempts: Attempts) -> Breaker:
    breaker = Breaker()
    for outcome, email_id in attempts:
        breaker = breaker.after(outcome, email_id)
    return breaker


@pytest.mark.parametrize(
    ("attempts", "is_tripped"),
    [
        pytest.param([], False, id="at-first"),
        pytest.param(each(*[AWAY] * 4), False, id="four-unreachable"),
        pytest.param(each(*[AWAY] * 5), True, id="five-unreachable"),
        pytest.param(each(*[BROKEN] * 5), True, id="five-failed"),
        pytest.param(each(*[LOST] * 5), True, id="five-in-doubt"),
        pytest.param(each(AWAY, BROKEN, LOST, AWAY, BROKEN), True, id="five-of-any-of-these"),
        pytest.param(each(*[AWAY] * 9), True, id="it-stays-tripped"),
        pytest.param([(BROKEN, "one-job")] * 9, False, id="one-bad-job-trips-nothing"),
        pytest.param([*each(*[BROKEN] * 4), (BROKEN, "job-0")], False, id="four-bad-jobs-trip-nothing"),
        pytest.param(each(*[AWAY] * 4, ACCEPTED, *[AWAY] * 4), False, id="an-acceptance-between-starts-anew"),
        pytest.param(each(*[AWAY] * 5, ACCEPTED), False, id="an-acceptance-ends-it"),
        pytest.param(each(ACCEPTED, *[AWAY] * 5), True, id="an-acceptance-before-does-not-count"),
        pytest.param(each(*[AWAY] * 4, REFUSED, AWAY), True, id="a-refusal-between-is-no-acceptance"),
        pytest.param(each(*[AWAY] * 4, THROTTLED, AWAY), True, id="a-throttle-between-is-no-acceptance"),
        pytest.param(each(*[AWAY] * 4, HELD, AWAY), True, id="a-hold-between-is-no-acceptance"),
        pytest.param(each(*[REFUSED] * 9), False, id="refusals-are-answers"),
        pytest.param(each(*[THROTTLED] * 9), False, id="throttles-are-answers"),
        pytest.param(each(*[HELD] * 9), False, id="holds-are-answers"),
    ],
)
def test_five_different_jobs_in_a_row_trip_it(attempts: Attempts, is_tripped: bool) -> None:
    """DESIGN 5.5: unreachable, failed or in doubt, none accepted between."""
    assert after(attempts).is_tripped is is_tripped


def test_it_remembers_who_tripped_it() -> None:
    """They go last afterwards."""
    assert after(each(AWAY, REFUSED, LOST, HELD, BROKEN)).jobs == {"job-0", "job-2", "job-4"}
