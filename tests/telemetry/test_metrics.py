"""What is counted: each thing under the name and the labels that the catalogue has for it."""

from collections.abc import Callable
from typing import get_args

import pytest

from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind
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
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.measures import MEASURES, Ending, Kind, Measure
from tests.builders import SOFT, make_event
from tests.metering import Sample, counted, full_scrape, rising, sample, strangers

HELD = Held(Concern(Concerned.ACCOUNT), Reason.SENDING_PAUSED, "")
OUTCOMES: list[tuple[Outcome, str, str]] = [
    (Accepted("ses-1"), "accepted", "none"),
    (Refused(Reason.REJECTED, ""), "refused", "rejected"),
    (Throttled(), "throttled", "throttled"),
    (HELD, "held", "sending_paused"),
    (Unreachable(""), "unreachable", "unreachable"),
    (Failed(Reason.SERVICE_ERROR, ""), "failed", "service_error"),
    (InDoubt(Reason.ANSWER_LOST, ""), "in_doubt", "answer_lost"),
]


@pytest.mark.parametrize(("outcome", "word", "reason"), OUTCOMES, ids=[word for _, word, _ in OUTCOMES])
def test_an_attempt_is_counted_by_what_it_ended_in(outcome: Outcome, word: str, reason: str) -> None:
    with rising() as risen:
        metrics.attempt_ended(outcome, 0.2)

    assert risen.by == {
        sample("attempts_total", outcome=word, reason=reason): 1,
        sample("attempt_duration_seconds_count"): 1,
    }


def test_every_outcome_has_been_tried() -> None:
    assert {type(outcome) for outcome, _, _ in OUTCOMES} == set(get_args(Outcome))


@pytest.mark.parametrize(
    ("count", "what"),
    [
        pytest.param(
            lambda: metrics.job_settled("retry", Reason.THROTTLED),
            {sample("jobs_settled_total", verdict="retry", reason="throttled"): 1},
            id="a-job-settled",
        ),
        pytest.param(
            lambda: metrics.job_settled("delete", None),
            {sample("jobs_settled_total", verdict="delete", reason="none"): 1},
            id="a-job-settled-for-no-reason",
        ),
        pytest.param(
            lambda: metrics.job_ended("priority", 3.0),
            {sample("job_age_seconds_count", lane="priority"): 1},
            id="an-age",
        ),
        pytest.param(
            lambda: metrics.turn_came("ordinary", 0.07),
            {sample("limiter_wait_seconds_count", lane="ordinary"): 1},
            id="a-wait",
        ),
        pytest.param(
            lambda: metrics.recipients_accepted("ordinary", Accepted("ses-1"), 3),
            {sample("recipients_accepted_total", lane="ordinary"): 3},
            id="recipients",
        ),
        pytest.param(lambda: metrics.recipients_accepted("ordinary", Throttled(), 3), {}, id="recipients-not-accepted"),
        pytest.param(
            lambda: metrics.tokens_used("priority", 5), {sample("tokens_used_total", lane="priority"): 5}, id="tokens"
        ),
        pytest.param(
            lambda: metrics.dead_lettered(Reason.IN_DOUBT),
            {sample("dead_letters_total", reason="in_doubt"): 1},
            id="a-dead-letter",
        ),
        pytest.param(metrics.rate_cut, {sample("rate_cuts_total"): 1}, id="a-cut"),
        pytest.param(
            lambda: metrics.pause_begun(Concerned.STORE, Reason.STORE_SICK),
            {sample("pauses_begun_total", concern="store", reason="store_sick"): 1},
            id="a-pause",
        ),
        pytest.param(
            lambda: metrics.doubt_begun(Reason.PROCESS_DIED),
            {sample("doubts_begun_total", reason="process_died"): 1},
            id="a-doubt",
        ),
        pytest.param(
            lambda: metrics.doubt_ended(Ending.RESENT), {sample("doubts_ended_total", ending="resent"): 1}, id="its-end"
        ),
        pytest.param(metrics.duplicate_proven, {sample("duplicates_proven_total"): 1}, id="a-duplicate"),
        pytest.param(
            lambda: metrics.event_recorded(EventKind.RENDERING_FAILURE, -0.4),
            {
                sample("events_recorded_total", kind="rendering_failure"): 1,
                sample("event_lag_seconds_count"): 1,
            },
            id="an-event-from-a-clock-ahead-of-ours",
        ),
        pytest.param(
            lambda: metrics.recipients_reported(
                make_event(EventKind.DELIVERY, listed=("a@gmail.com", "b@example.org"))
            ),
            {
                sample("recipients_reported_total", provider="gmail", status="delivered"): 1,
                sample("recipients_reported_total", provider="other", status="delivered"): 1,
            },
            id="recipients-that-an-event-lists",
        ),
        pytest.param(
            lambda: metrics.recipients_reported(make_event(EventKind.SEND, to=("a@gmail.com", "b@gmail.com"))),
            {sample("recipients_reported_total", provider="gmail", status="accepted"): 2},
            id="all-recipients-of-a-mail-that-was-sent",
        ),
        pytest.param(
            lambda: metrics.recipients_reported(make_event(EventKind.BOUNCE, to=("a@gmx.de",))),
            {sample("recipients_reported_total", provider="gmx", status="hard_bounced"): 1},
            id="a-bounce-as-it-is-judged",
        ),
        pytest.param(
            lambda: metrics.recipients_reported(
                make_event(EventKind.BOUNCE, to=("a@me.com",), facts=SOFT, code="4.2.2")
            ),
            {sample("recipients_reported_total", provider="apple", status="soft_bounced"): 1},
            id="a-full-mailbox",
        ),
        pytest.param(
            lambda: metrics.recipients_reported(make_event(EventKind.OPEN)), {}, id="an-open-says-nothing-of-delivery"
        ),
        pytest.param(
            lambda: metrics.event_quarantined(Reason.NOT_JSON),
            {sample("events_quarantined_total", reason="not_json"): 1},
            id="an-event-put-aside",
        ),
        pytest.param(lambda: metrics.events_lost(7), {sample("events_lost_total"): 7}, id="lost-events"),
        pytest.param(
            lambda: metrics.address_suppressed("complaint"),
            {sample("addresses_suppressed_total", reason="complaint"): 1},
            id="a-suppression",
        ),
        pytest.param(
            lambda: metrics.address_suppressed("someone@example.com said so"),
            {sample("addresses_suppressed_total", reason="none"): 1},
            id="a-suppression-for-no-reason-of-ours",
        ),
        pytest.param(
            lambda: metrics.transaction_ended(0.004), {sample("store_transaction_seconds_count"): 1}, id="a-transaction"
        ),
        pytest.param(lambda: metrics.loop_lagged(-1e-9), {sample("loop_lag_seconds_count"): 1}, id="a-loop-in-time"),
    ],
)
def test_what_is_counted(count: Callable[[], None], what: dict[Sample, float]) -> None:
    with rising() as risen:
        count()

    assert risen.by == what
    assert strangers(full_scrape()) == []


@pytest.mark.parametrize(
    "measure", [one for one in MEASURES if one.kind is not Kind.GAUGE and not one.labels], ids=lambda one: one.name
)
def test_what_has_no_labels_is_there_from_the_start(measure: Measure) -> None:
    suffix = "_count" if measure.kind is Kind.HISTOGRAM else ""

    assert sample(measure.name + suffix) in counted()


@pytest.mark.parametrize("measure", [one for one in MEASURES if one.preset], ids=lambda one: one.name)
def test_what_a_rule_looks_for_is_there_from_the_start(measure: Measure) -> None:
    """An absent series keeps an alert from ever firing, and from ever saying that all is well."""
    suffix = "_count" if measure.kind is Kind.HISTOGRAM else ""
    names = [label.name for label in measure.labels]
    wanted = {sample(measure.name + suffix, **dict(zip(names, values, strict=True))) for values in measure.preset}

    assert wanted <= counted().keys()


def test_a_total_is_over_all_labels() -> None:
    before = metrics.total("dead_letters_total")
    metrics.dead_lettered(Reason.IN_DOUBT)
    metrics.dead_lettered(Reason.ATTEMPTS_SPENT)

    assert metrics.total("dead_letters_total") - before == 2
