import pytest

from tank_mailer.core.backoff import RetryPolicy
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
from tank_mailer.core.verdict import (
    DeadLetter,
    Delete,
    History,
    Park,
    Pause,
    Retry,
    Verdict,
    decide,
)

POLICY = RetryPolicy()
ONE_CHANCE = RetryPolicy(max_attempts=1)
BRIEF = RetryPolicy(in_doubt_wait_s=120.0)

ACCEPTED = Accepted("ses-1")
REFUSED = Refused(Reason.REJECTED, "HTTP 400 MessageRejected: Virus found.")
BROKEN = Failed(Reason.SERVICE_ERROR, "HTTP 500 InternalFailure")
THROTTLED = Throttled("HTTP 429")
AWAY = Unreachable("ConnectTimeoutError")
LOST = InDoubt(Reason.ANSWER_LOST, "ReadTimeoutError")
UNCLEAR = InDoubt(Reason.ANSWER_UNCLEAR, "HTTP 502")
ACCOUNT = Concern(Concerned.ACCOUNT)
SENDER = Concern(Concerned.SENDER, "sender@example.com")
NO_QUOTA = Held(ACCOUNT, Reason.QUOTA_EXCEEDED, "")
UNVERIFIED = Held(SENDER, Reason.UNVERIFIED_SENDER, "")

FRESH = History()
SPENT = History(charged=2, others_pass=True)
OVERSPENT = History(charged=7, others_pass=True)
OUTAGE = History(charged=2)
LONG_OUTAGE = History(charged=7)
DEAD = DeadLetter(Reason.ATTEMPTS_SPENT)


def throttled(times: int, *, charged: int = 0, others_pass: bool = True) -> History:
    """So often before this time."""
    return History(charged=charged, throttles=times, others_pass=others_pass)


def waits(delay_s: float, reason: Reason, *, charged: bool = False) -> Retry:
    return Retry(delay_s, reason, charged)


BROKE, SLOW = Reason.SERVICE_ERROR, Reason.THROTTLED


@pytest.mark.parametrize(
    ("outcome", "history", "policy", "verdict"),
    [
        pytest.param(ACCEPTED, FRESH, POLICY, Delete(), id="accepted-is-finished"),
        pytest.param(ACCEPTED, OVERSPENT, POLICY, Delete(), id="accepted-is-finished-however-late"),
        pytest.param(REFUSED, FRESH, POLICY, Delete(), id="refused-is-never-dead-lettered"),
        pytest.param(REFUSED, SPENT, POLICY, Delete(), id="refused-is-finished-however-late"),
        # failed: 30 s, 5 min, 30 min, at full jitter
        pytest.param(BROKEN, FRESH, POLICY, waits(30, BROKE, charged=True), id="first-failure-is-charged"),
        pytest.param(
            BROKEN,
            History(charged=1, others_pass=True),
            POLICY,
            waits(300, BROKE, charged=True),
            id="second-failure-waits-longer",
        ),
        pytest.param(BROKEN, SPENT, POLICY, DEAD, id="third-failure-is-dead-while-others-pass"),
        pytest.param(BROKEN, OVERSPENT, POLICY, DEAD, id="a-later-failure-is-dead-once-others-pass"),
        pytest.param(BROKEN, OUTAGE, POLICY, waits(1800, BROKE, charged=True), id="an-outage-is-not-the-jobs-fault"),
        pytest.param(BROKEN, LONG_OUTAGE, POLICY, waits(1800, BROKE, charged=True), id="however-long-it-lasts"),
        pytest.param(
            BROKEN, History(others_pass=True), ONE_CHANCE, DEAD, id="one-attempt-is-enough-where-one-is-allowed"
        ),
        pytest.param(
            BROKEN, FRESH, ONE_CHANCE, waits(30, BROKE, charged=True), id="one-attempt-is-not-enough-in-an-outage"
        ),
        # throttled: nothing charged, but twenty times while others pass are a failure
        pytest.param(THROTTLED, FRESH, POLICY, waits(30, SLOW), id="a-throttle-charges-nothing"),
        pytest.param(THROTTLED, SPENT, POLICY, waits(30, SLOW), id="a-throttle-uses-up-nothing"),
        pytest.param(THROTTLED, throttled(18), POLICY, waits(30, SLOW), id="the-nineteenth-throttle-charges-nothing"),
        pytest.param(
            THROTTLED, throttled(19), POLICY, waits(30, SLOW, charged=True), id="the-twentieth-throttle-is-a-failure"
        ),
        pytest.param(
            THROTTLED,
            throttled(19, charged=1),
            POLICY,
            waits(300, SLOW, charged=True),
            id="the-twentieth-throttle-waits-as-the-second-failure",
        ),
        pytest.param(THROTTLED, throttled(19, charged=2), POLICY, DEAD, id="the-twentieth-throttle-as-third-failure"),
        pytest.param(
            THROTTLED,
            throttled(19, charged=2, others_pass=False),
            POLICY,
            waits(30, SLOW),
            id="throttles-while-nothing-passes-are-not-the-jobs-fault",
        ),
        pytest.param(
            THROTTLED,
            throttled(500, charged=2, others_pass=False),
            POLICY,
            waits(30, SLOW),
            id="however-many-they-are",
        ),
        # never charged
        pytest.param(AWAY, FRESH, POLICY, waits(30, Reason.UNREACHABLE), id="unreachable-charges-nothing"),
        pytest.param(AWAY, OVERSPENT, ONE_CHANCE, waits(30, Reason.UNREACHABLE), id="unreachable-is-never-dead"),
        pytest.param(NO_QUOTA, FRESH, POLICY, Pause(ACCOUNT, Reason.QUOTA_EXCEEDED), id="held-pauses-its-concern"),
        pytest.param(NO_QUOTA, OVERSPENT, ONE_CHANCE, Pause(ACCOUNT, Reason.QUOTA_EXCEEDED), id="held-is-never-dead"),
        pytest.param(UNVERIFIED, SPENT, POLICY, Pause(SENDER, Reason.UNVERIFIED_SENDER), id="a-held-sender-is-paused"),
        pytest.param(LOST, FRESH, POLICY, Park(120, Reason.ANSWER_LOST), id="in-doubt-waits-for-evidence"),
        pytest.param(LOST, OVERSPENT, ONE_CHANCE, Park(120, Reason.ANSWER_LOST), id="in-doubt-is-not-dead-at-once"),
        pytest.param(
            UNCLEAR, History(resends=3), BRIEF, Park(120, Reason.ANSWER_UNCLEAR), id="a-doubt-after-resends-waits-too"
        ),
    ],
)
def test_decide(outcome: Outcome, history: History, policy: RetryPolicy, verdict: Verdict) -> None:
    assert decide(outcome, history=history, policy=policy, jitter=1.0) == verdict


@pytest.mark.parametrize(
    ("outcome", "delay_s"),
    [pytest.param(outcome, 15.0, id=type(outcome).__name__) for outcome in (BROKEN, THROTTLED, AWAY)],
)
def test_half_of_each_wait_is_jitter(outcome: Outcome, delay_s: float) -> None:
    verdict = decide(outcome, history=FRESH, policy=POLICY, jitter=0.0)

    assert isinstance(verdict, Retry)
    assert verdict.delay_s == delay_s
