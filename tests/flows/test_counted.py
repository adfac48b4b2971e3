"""Each thing is counted where it happens, once."""

from typing import Any

import pytest

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind
from tank_mailer.core.outcome import Concern, Concerned, Receipt
from tests.builders import make_body
from tests.flows.conftest import MakeRig
from tests.flows.test_feedback import PINNED, make_event_rig, send_event
from tests.flows.test_one_job import BROKEN, LOST, NEVER, REJECTED, THROTTLE
from tests.metering import rising

RESENDS = RetryPolicy(in_doubt_wait_s=120.0)


@pytest.mark.parametrize(
    ("answer", "settled", "attempts"),
    [
        pytest.param(None, {("delete", "none"): 1}, {("accepted", "none"): 1}, id="accepted"),
        pytest.param(REJECTED, {("delete", "rejected"): 1}, {("refused", "rejected"): 1}, id="refused"),
        pytest.param(
            NEVER,
            {("retry", "unreachable"): 1, ("delete", "none"): 1},
            {("unreachable", "unreachable"): 1, ("accepted", "none"): 1},
            id="unreachable-at-first",
        ),
        pytest.param(
            BROKEN,
            {("retry", "service_error"): 1, ("delete", "none"): 1},
            {("failed", "service_error"): 1, ("accepted", "none"): 1},
            id="failed-at-first",
        ),
        pytest.param(
            THROTTLE,
            {("delete", "none"): 1},
            {("throttled", "throttled"): 1, ("accepted", "none"): 1},
            id="throttled-and-tried-again-in-the-same-receive",
        ),
    ],
)
async def test_receives_and_attempts(
    make_rig: MakeRig, answer: Any, settled: dict[tuple[str, ...], int], attempts: dict[tuple[str, ...], int]
) -> None:
    rig = make_rig(*([] if answer is None else [answer]))
    rig.put(to=["a@example.org", "b@example.org"])
    with rising() as risen:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert risen.all_of("jobs_settled_total") == settled
    assert risen.all_of("attempts_total") == attempts
    assert risen.of("attempt_duration_seconds_count") == sum(attempts.values())
    assert risen.of("limiter_wait_seconds_count", lane="ordinary") == sum(attempts.values())
    assert risen.of("job_age_seconds_count", lane="ordinary") == 1, "a job ends once"
    accepted = 2 * attempts.get(("accepted", "none"), 0)
    assert risen.of("recipients_accepted_total", lane="ordinary") == accepted
    never_left = 2 * attempts.get(("unreachable", "unreachable"), 0)
    assert risen.of("tokens_used_total", lane="ordinary") == 2 * sum(attempts.values()) - never_left
    assert risen.of("rate_cuts_total") == attempts.get(("throttled", "throttled"), 0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("not json", "not_json", id="invalid"),
        pytest.param(make_body(expires_at="2020-01-01T00:00:00Z"), "expired", id="expired"),
    ],
)
async def test_jobs_that_end_without_an_attempt(make_rig: MakeRig, body: str, reason: str) -> None:
    rig = make_rig()
    rig.queue.put(body)
    with rising() as risen:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert risen.all_of("jobs_settled_total") == {("delete", reason): 1}
    assert risen.all_of("attempts_total") == {}
    assert risen.of("job_age_seconds_count", lane="ordinary") == 1


async def test_a_job_that_is_given_up(make_rig: MakeRig) -> None:
    async def answer(job: Any, attempt: int) -> Any:
        return BROKEN if job.email_id == "poison" else Receipt(f"{job.email_id}-{attempt}")

    rig = make_rig(*[answer] * 100)
    rig.put(email_id="poison")
    with rising() as risen:
        async with rig.running():
            await rig.until(lambda: rig.sent("poison") == 2)
            rig.put(email_id="healthy")  # others pass: it is the job's own fault
            await rig.until(lambda: not rig.queue.left)

    assert risen.all_of("dead_letters_total") == {("attempts_spent",): 1}
    assert risen.all_of("jobs_settled_total")["dead_letter", "attempts_spent"] == 1
    assert risen.of("job_age_seconds_count", lane="ordinary") == 2


async def test_a_doubt_begins_and_ends_in_a_resend(make_rig: MakeRig) -> None:
    rig = make_rig(LOST, policy=RESENDS)
    rig.put()
    with rising() as risen:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert risen.all_of("doubts_begun_total") == {("answer_lost",): 1}
    assert risen.all_of("doubts_ended_total") == {("resent",): 1}
    assert risen.all_of("jobs_settled_total")["park", "answer_lost"] == 1


async def test_a_doubt_that_nothing_settles_is_given_up(make_rig: MakeRig) -> None:
    rig = make_rig(LOST, policy=RetryPolicy(in_doubt_wait_s=120.0, resends_doubt=False))
    rig.put()
    with rising() as risen:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert risen.all_of("doubts_ended_total") == {("given_up",): 1}
    assert risen.all_of("dead_letters_total") == {("in_doubt",): 1}


async def test_a_doubt_that_an_event_settles(make_rig: MakeRig) -> None:
    lane = make_rig(LOST, policy=RetryPolicy(in_doubt_wait_s=900.0, has_channel=True))
    events = make_event_rig(lane, policy=PINNED)
    lane.put(email_id="job-1")
    with rising() as risen:
        async with lane.running(), events.running():
            await lane.until(lambda: lane.sent("job-1") == 1 and not lane.lane.intake.in_hand)
            events.queue.put(send_event(1))
            await lane.until(lambda: not lane.queue.left)

    assert risen.all_of("doubts_begun_total") == {("answer_lost",): 1}
    assert risen.all_of("doubts_ended_total") == {("event",): 1}


async def test_pauses_are_counted_as_they_begin(make_rig: MakeRig) -> None:
    rig = make_rig()
    with rising() as risen:
        for _ in range(2):  # it goes on
            rig.pauses.begin(Concern(Concerned.QUEUE, "ordinary"), Reason.QUEUE_MISSING, "gone")
        rig.pauses.lift(Concern(Concerned.QUEUE, "ordinary"))
        rig.pauses.begin(Concern(Concerned.QUEUE, "ordinary"), Reason.QUEUE_MISSING, "gone again")

    assert risen.by == {
        ("pauses_begun_total", frozenset({("concern", "queue"), ("reason", "queue_missing")})): 2,
    }


async def test_events_are_counted_once_and_with_their_lag(make_rig: MakeRig) -> None:
    events = make_event_rig(make_rig(), policy=PINNED)
    for body in (send_event(1), send_event(2), send_event(1), "{"):
        events.queue.put(body)
    with rising() as risen:
        async with events.running():
            await events.drained()

    assert risen.all_of("events_recorded_total") == {(EventKind.SEND.value,): 2}
    assert risen.all_of("recipients_reported_total") == {("other", "accepted"): 2}
    assert risen.of("event_lag_seconds_count") == 2
    assert risen.all_of("events_quarantined_total") == {("not_json",): 1}
