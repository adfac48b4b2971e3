"""Each alert at its edges: raised, not raised, unknown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tank_mailer.core.alertrules import Finding, Unknown, judge, span
from tank_mailer.core.alerts import PAUSES, RULES, AlertName, Severity
from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Concerned
from tank_mailer.core.reputation import Fine, Kind, Rate, Standing, Stop, Warn, Window
from tank_mailer.core.situation import LaneSituation, Situation, Trouble
from tank_mailer.core.view import PauseView, QuotaView

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=s) for s in (1, 60, 3_600, 86_400))
MIB = 1024 * 1024
FINE: dict[Kind, Standing] = dict.fromkeys(Kind, Fine())
QUIET = Situation(  # a healthy node that knows all there is to know
    node="mail-1",
    now=NOW,
    began_at=NOW - DAY,
    max_job_age_s=3_600.0,
    min_free_bytes=256 * MIB,
    lanes={"ordinary": LaneSituation(visible=0, retention_s=345_600.0, last_poll_at=NOW)},
    dead_letters={"dead": 0},
    doubts_before=0,
    has_channel=True,
    last_event_at=NOW - MINUTE,
    free_bytes=10_000 * MIB,
    standings=FINE,
    quota=QuotaView(limit=50_000.0, used=10.0),
    is_reviewed=False,
    key_created_at=NOW - DAY,
)
RATE = Rate(kind=Kind.BOUNCES, window=Window.DAY, rate=0.07, volume=1_000, bad=70, left=30)


def situation(**changes: Any) -> Situation:
    return replace(QUIET, **changes)


def lane(**changes: Any) -> dict[str, LaneSituation]:
    return {"ordinary": replace(QUIET.lanes["ordinary"], **changes)}


def names(now: Situation) -> list[tuple[AlertName, str]]:
    return [(found.name, found.subject) for found in judge(now).found]


def paused(concern: Concerned, name: str = "", detail: str = "said so", reason: Reason = Reason.OPERATOR) -> PauseView:
    return PauseView(concern, name, reason, NOW, detail=detail, remedy="do this")


def test_a_healthy_node_has_no_alert_and_no_doubt() -> None:
    judgement = judge(QUIET)

    assert judgement.found == ()
    assert judgement.unknown == frozenset()


RAISED = [
    pytest.param(situation(dead_letters={"dead": 1}), AlertName.DEAD_LETTERS, "dead", id="one-dead-letter"),
    pytest.param(situation(dead_uncopied=1), AlertName.DEAD_UNCOPIED, "", id="a-dead-job-without-a-copy"),
    pytest.param(
        situation(oldest={"deferred": NOW - HOUR - SECOND}), AlertName.JOB_OLD, "", id="a-job-older-than-the-setting"
    ),
    pytest.param(
        situation(lanes=lane(oldest_sent_at=NOW - HOUR - SECOND)), AlertName.JOB_OLD, "", id="received-older-than-it"
    ),
    pytest.param(
        situation(lanes=lane(oldest_sent_at=NOW - HOUR - SECOND), has_store=False),
        AlertName.JOB_OLD,
        "",
        id="received-older-than-it-while-the-store-is-silent",
    ),
    pytest.param(
        situation(lanes=lane(oldest_sent_at=NOW - 3 * DAY - SECOND), max_job_age_s=1e9),
        AlertName.JOB_NEAR_RETENTION,
        "ordinary",
        id="a-day-before-four-days",
    ),
    pytest.param(
        situation(lanes=lane(oldest_sent_at=NOW - 46 * MINUTE, retention_s=3_600.0)),
        AlertName.JOB_NEAR_RETENTION,
        "ordinary",
        id="a-quarter-before-a-short-retention",
    ),
    pytest.param(
        situation(lanes=lane(is_polled=False, visible=5, last_poll_at=NOW - 4 * DAY)),
        AlertName.JOB_NEAR_RETENTION,
        "ordinary",
        id="a-lane-that-was-not-received-from-for-days",
    ),
    pytest.param(
        situation(lanes=lane(is_polled=False, visible=5, last_poll_at=None), began_at=NOW - 4 * DAY),
        AlertName.JOB_NEAR_RETENTION,
        "ordinary",
        id="nor-since-the-start-four-days-ago",
    ),
    pytest.param(situation(doubts=10, doubts_before=0), AlertName.DOUBTS_GROWING, "", id="ten-doubts-more"),
    pytest.param(situation(doubts=30, doubts_before=20), AlertName.DOUBTS_GROWING, "", id="ten-more-than-twenty"),
    pytest.param(
        situation(happened={AlertName.DUPLICATES_PROVEN: 1}), AlertName.DUPLICATES_PROVEN, "", id="one-mail-twice"
    ),
    pytest.param(situation(is_reviewed=True), AlertName.ACCOUNT_REVIEWED, "", id="an-account-on-probation"),
    pytest.param(situation(quota_step=0.8), AlertName.QUOTA_80, "", id="eighty-percent"),
    pytest.param(
        situation(lanes=lane(is_silent=True, visible=3)), AlertName.QUEUE_SILENT, "ordinary", id="polls-bring-nothing"
    ),
    pytest.param(
        situation(unheard_since=NOW - 15 * MINUTE), AlertName.EVENTS_SILENT, "", id="a-quarter-of-an-hour-no-event"
    ),
    pytest.param(
        situation(unheard_since=NOW - HOUR, last_event_at=None, began_at=NOW - 15 * MINUTE),
        AlertName.EVENTS_SILENT,
        "",
        id="never-an-event-since-the-start",
    ),
    pytest.param(situation(happened={AlertName.EVENTS_LOST: 2}), AlertName.EVENTS_LOST, "", id="mails-without-events"),
    pytest.param(situation(canary_is_lost=True), AlertName.CANARY_LOST, "", id="a-lost-canary"),
    pytest.param(
        situation(webhook=Trouble(NOW - HOUR, "it answered 500")), AlertName.WEBHOOK_FAILING, "", id="a-web-server-away"
    ),
    pytest.param(situation(free_bytes=512 * MIB - 1), AlertName.DISK_LOW, "mail-1", id="less-than-twice-the-least"),
    pytest.param(situation(key_created_at=NOW - 90 * DAY - SECOND), AlertName.KEY_OLD, "", id="a-key-of-ninety-days"),
]


@pytest.mark.parametrize(("now", "name", "subject"), RAISED)
def test_what_raises(now: Situation, name: AlertName, subject: str) -> None:
    assert names(now) == [(name, subject)]


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(situation(oldest={"deferred": NOW - HOUR}), id="a-job-as-old-as-the-setting"),
        pytest.param(situation(lanes=lane(oldest_sent_at=NOW - HOUR)), id="received-as-old-as-it"),
        pytest.param(
            situation(lanes=lane(oldest_sent_at=NOW - 3 * DAY), max_job_age_s=1e9), id="not-within-a-day-of-retention"
        ),
        pytest.param(
            situation(lanes=lane(is_polled=False, visible=0, last_poll_at=NOW - 4 * DAY)), id="an-empty-paused-queue"
        ),
        pytest.param(situation(lanes=lane(visible=5, last_poll_at=NOW - 4 * DAY)), id="a-lane-that-is-polled"),
        pytest.param(situation(doubts=9, doubts_before=0), id="a-handful-of-doubts"),
        pytest.param(situation(doubts=30, doubts_before=21), id="doubts-that-hardly-grow"),
        pytest.param(situation(doubts=100, doubts_before=100), id="many-old-doubts"),
        pytest.param(situation(happened={AlertName.DUPLICATES_PROVEN: 0}), id="no-new-duplicate"),
        pytest.param(situation(unheard_since=NOW - 15 * MINUTE + SECOND), id="an-event-may-still-come"),
        pytest.param(situation(unheard_since=NOW - HOUR, has_channel=False), id="no-channel"),
        pytest.param(situation(free_bytes=512 * MIB), id="twice-the-least-bytes"),
        pytest.param(situation(free_bytes=None), id="a-store-on-a-server"),
        pytest.param(situation(key_created_at=NOW - 90 * DAY), id="a-key-of-ninety-days-to-the-second"),
        pytest.param(situation(quota=QuotaView(limit=None), quota_step=0.0), id="no-quota"),
        pytest.param(situation(lanes=lane(visible=3)), id="messages-that-are-on-their-way"),
    ],
)
def test_what_does_not(now: Situation) -> None:
    judgement = judge(now)

    assert (judgement.found, judgement.unknown) == ((), frozenset())


@pytest.mark.parametrize(
    ("now", "unknown"),
    [
        pytest.param(
            situation(dead_letters={"dead": None, "other": 0}),
            {Unknown(AlertName.DEAD_LETTERS, "dead")},
            id="a-dead-letter-queue-that-cannot-be-asked-is-not-empty",
        ),
        pytest.param(
            situation(has_store=False),
            {
                *map(Unknown, (AlertName.DEAD_UNCOPIED, AlertName.JOB_OLD, AlertName.DOUBTS_GROWING)),
                Unknown(AlertName.EVENTS_SILENT),
                Unknown(AlertName.DISK_LOW, "mail-1"),
            },
            id="the-store-does-not-answer",
        ),
        pytest.param(situation(doubts_before=None), {Unknown(AlertName.DOUBTS_GROWING)}, id="doubts-never-counted"),
        pytest.param(
            situation(lanes=lane(visible=None, retention_s=None)),
            {Unknown(AlertName.JOB_NEAR_RETENTION, "ordinary"), Unknown(AlertName.QUEUE_SILENT, "ordinary")},
            id="a-queue-that-may-not-be-asked",
        ),
        pytest.param(
            situation(standings=None),
            {
                *map(Unknown, (AlertName.BOUNCES_HIGH, AlertName.BOUNCES_DANGER)),
                *map(Unknown, (AlertName.COMPLAINTS_HIGH, AlertName.COMPLAINTS_DANGER)),
            },
            id="rates-not-read-yet",
        ),
        pytest.param(situation(is_reviewed=None), {Unknown(AlertName.ACCOUNT_REVIEWED)}, id="GetAccount-denied"),
        pytest.param(
            situation(quota=None), set(map(Unknown, (AlertName.QUOTA_80, AlertName.QUOTA_95))), id="no-account"
        ),
        pytest.param(
            situation(unheard_since=NOW - HOUR, last_event_at=None, began_at=NOW - MINUTE),
            {Unknown(AlertName.EVENTS_SILENT)},
            id="mail-from-before-a-channel-that-never-spoke",
        ),
        pytest.param(situation(key_created_at=None), {Unknown(AlertName.KEY_OLD)}, id="iam-says-nothing"),
        pytest.param(
            situation(webhook_is_known=False), {Unknown(AlertName.WEBHOOK_FAILING)}, id="a-web-server-not-tried-yet"
        ),
        pytest.param(situation(canary_is_lost=None), {Unknown(AlertName.CANARY_LOST)}, id="a-canary-still-under-way"),
    ],
)
def test_what_is_not_known_is_neither(now: Situation, unknown: set[Unknown]) -> None:
    judgement = judge(now)

    assert (judgement.found, judgement.unknown) == ((), frozenset(unknown))


def test_unknown_may_be_one_subject_or_all() -> None:
    judgement = judge(situation(dead_letters={"dead": None}, key_created_at=None))

    assert judgement.is_unknown(AlertName.DEAD_LETTERS, "dead")
    assert not judgement.is_unknown(AlertName.DEAD_LETTERS, "other")
    assert judgement.is_unknown(AlertName.KEY_OLD, "anything")


# --- reputation and quota --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "standing", "expected"),
    [
        pytest.param(Kind.BOUNCES, Warn(RATE), [AlertName.BOUNCES_HIGH], id="bounces-worth-a-word"),
        pytest.param(
            Kind.BOUNCES, Stop(RATE), [AlertName.BOUNCES_HIGH, AlertName.BOUNCES_DANGER], id="danger-is-high-too"
        ),
        pytest.param(
            Kind.COMPLAINTS, Warn(replace(RATE, kind=Kind.COMPLAINTS)), [AlertName.COMPLAINTS_HIGH], id="complaints"
        ),
        pytest.param(
            Kind.COMPLAINTS,
            Stop(replace(RATE, kind=Kind.COMPLAINTS)),
            [AlertName.COMPLAINTS_HIGH, AlertName.COMPLAINTS_DANGER],
            id="complaints-in-danger",
        ),
    ],
)
def test_rates(kind: Kind, standing: Standing, expected: list[AlertName]) -> None:
    assert [name for name, _ in names(situation(standings={**FINE, kind: standing}))] == expected


def test_a_rate_says_how_many_more_there_may_be() -> None:
    (found,) = judge(situation(standings={**FINE, Kind.BOUNCES: Warn(RATE)})).found

    assert found.detail == "7.00% of 1000 recipients in a day; after 30 more the ordinary lane pauses, at 10.00%"


@pytest.mark.parametrize(
    ("concern", "name", "is_near"),
    [
        pytest.param(Concerned.OPERATOR, "all", True, id="all"),
        pytest.param(Concerned.OPERATOR, "lane/ordinary", True, id="this-lane"),
        pytest.param(Concerned.REPUTATION, "ordinary", True, id="this-lane-for-its-bounces"),
        pytest.param(Concerned.OPERATOR, "lane/priority", False, id="another-lane"),
        pytest.param(Concerned.OPERATOR, "sender/a@example.com", False, id="a-sender"),
    ],
)
def test_a_start_within_a_pause_makes_no_message_younger(concern: Concerned, name: str, *, is_near: bool) -> None:
    """A person's pause outlives restarts, and SQS deletes what waits for its end."""
    pause = replace(paused(concern, name), since=NOW - 4 * DAY)
    lanes = lane(is_polled=False, visible=5, last_poll_at=None)

    found = names(situation(lanes=lanes, pauses=[pause], began_at=NOW - MINUTE))

    assert ((AlertName.JOB_NEAR_RETENTION, "ordinary") in found) is is_near


def test_at_95_percent_80_are_passed_as_well() -> None:
    now = situation(quota_step=0.95, quota=QuotaView(limit=1_000.0, used=961.4))

    assert [name for name, _ in names(now)] == [AlertName.QUOTA_80, AlertName.QUOTA_95]
    assert judge(now).found[0].detail == "961 of 1000 recipients in 24 hours, 96%"


# --- pauses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pause", "name", "subject"),
    [
        pytest.param(paused(Concerned.ACCOUNT), AlertName.PAUSE_ACCOUNT, "", id="the-account"),
        pytest.param(paused(Concerned.SES), AlertName.PAUSE_SES, "", id="ses"),
        pytest.param(paused(Concerned.STORE), AlertName.PAUSE_STORE, "mail-1", id="the-store-of-this-node"),
        pytest.param(paused(Concerned.QUEUE, "priority"), AlertName.PAUSE_QUEUE, "priority", id="a-lanes-queue"),
        pytest.param(paused(Concerned.QUOTA, "ordinary"), AlertName.PAUSE_QUOTA, "ordinary", id="a-lanes-quota"),
        pytest.param(paused(Concerned.REPUTATION, "ordinary"), AlertName.PAUSE_REPUTATION, "ordinary", id="a-stop"),
        pytest.param(paused(Concerned.SUSPECT, "ordinary"), AlertName.PAUSE_SUSPECT, "ordinary", id="whose-queue"),
        pytest.param(paused(Concerned.SENDER, "ann@example.org"), AlertName.PAUSE_SENDER, "", id="a-sender-unnamed"),
        pytest.param(
            paused(Concerned.CONFIGURATION_SET, "tank"), AlertName.PAUSE_CONFIGURATION_SET, "tank", id="a-set"
        ),
        pytest.param(paused(Concerned.OPERATOR, "lane/ordinary"), AlertName.PAUSE_OPERATOR, "lane/ordinary", id="lane"),
        pytest.param(paused(Concerned.OPERATOR, "all"), AlertName.PAUSE_OPERATOR, "all", id="everything"),
        pytest.param(
            paused(Concerned.OPERATOR, "sender/ann@example.org"), AlertName.PAUSE_OPERATOR, "sender", id="by-a-person"
        ),
    ],
)
def test_a_pause_is_an_alert_without_an_address(pause: PauseView, name: AlertName, subject: str) -> None:
    (found,) = judge(situation(pauses=[pause])).found

    assert (found.name, found.subject, found.remedy) == (name, subject, "do this")
    assert "@" not in found.detail


def test_paused_senders_are_one_alert() -> None:
    quoting = "Email address is not verified: ann@example.org"
    pauses = [
        paused(Concerned.SENDER, f"{who}@example.org", quoting, Reason.UNVERIFIED_SENDER) for who in ("ann", "ben")
    ]

    (found,) = judge(situation(pauses=pauses)).found

    assert found == Finding(AlertName.PAUSE_SENDER, "", "unverified_sender: 2 senders", "do this")


def test_a_pause_without_a_sentence() -> None:
    (found,) = judge(situation(pauses=[paused(Concerned.SES, detail="")])).found

    assert found.detail == "operator"


# --- the table -------------------------------------------------------------------------------------


def test_each_alert_can_be_raised() -> None:
    """A name that nothing raises would be a promise to nobody."""
    raised = {one.values[1] for one in RAISED} | set(PAUSES.values())
    by_rate = {AlertName.BOUNCES_HIGH, AlertName.BOUNCES_DANGER, AlertName.COMPLAINTS_HIGH, AlertName.COMPLAINTS_DANGER}

    assert raised | by_rate | {AlertName.QUOTA_95} == set(AlertName) == set(RULES)


def test_each_pause_has_its_alert() -> None:
    assert set(PAUSES) == set(Concerned)


def test_what_a_person_did_wakes_nobody() -> None:
    assert RULES[AlertName.PAUSE_OPERATOR].severity is Severity.WARNING


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.5, "a moment"),
        (90, "90 seconds"),
        (119, "119 seconds"),
        (150, "2 minutes"),
        (7_200, "2 hours"),
        (1e6, "12 days"),
    ],
)
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words
