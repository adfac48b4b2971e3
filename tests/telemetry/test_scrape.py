"""What a scrape shows of how things stand: all that is known, nothing that is not, and nobody's address."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tank_mailer.core.lanes import LANES
from tank_mailer.core.view import NodeView
from tank_mailer.telemetry.measures import MEASURES, PAUSES, samples_of
from tank_mailer.telemetry.scrape import Scrape
from tests.metering import (
    AT,
    EARLIER,
    SENDER,
    STANDING,
    VIEW,
    Sample,
    full_scrape,
    make_sources,
    read,
    sample,
    strangers,
)

QUIET = NodeView("mail-1", "4f1d", "0.1.0", AT, AT)


def shown(view: NodeView = VIEW, **changes: object) -> dict[Sample, float]:
    return read(Scrape(make_sources(view, **changes)).text())  # type: ignore[arg-type]


def test_all_of_the_catalogue_is_shown_and_nothing_else() -> None:
    text = full_scrape()
    names = {name for name, _ in read(text)}

    assert [
        one.name for one in MEASURES if not {n.removeprefix("tank_mailer_") for n in samples_of(one)} <= names
    ] == []
    assert strangers(text) == []


def test_no_address_is_shown() -> None:
    """A paused sender is one; metrics are kept for years, and by others."""
    text = full_scrape().decode()

    assert "@" not in text
    assert "example.com" not in text


@pytest.mark.parametrize(
    ("name", "labels", "number"),
    [
        pytest.param("build_info", {"version": "0.1.0"}, 1, id="the-version"),
        pytest.param("start_timestamp_seconds", {}, EARLIER.timestamp(), id="the-start"),
        pytest.param("jobs_in_flight", {}, 3, id="requests"),
        pytest.param("slots", {}, 10, id="slots"),
        pytest.param("alerts_firing", {"alert": "dead_letters", "severity": "critical"}, 1, id="an-alert"),
        pytest.param("alerts_firing", {"alert": "job_old", "severity": "warning"}, 0, id="an-alert-that-is-off"),
        pytest.param("lane_recipients_waiting", {"lane": "ordinary"}, 9, id="who-waits"),
        pytest.param("lane_messages_in_hand", {"lane": "priority"}, 4, id="what-is-in-hand"),
        pytest.param("lane_requests_in_flight", {"lane": "priority"}, 2, id="a-lanes-requests"),
        pytest.param("lane_polled", {"lane": "ordinary"}, 1, id="polled"),
        pytest.param("last_poll_timestamp_seconds", {"queue": "ordinary"}, EARLIER.timestamp(), id="a-lanes-poll"),
        pytest.param("last_poll_timestamp_seconds", {"queue": "events"}, EARLIER.timestamp(), id="the-events-poll"),
        pytest.param("queue_messages", {"queue": "ordinary", "place": "visible"}, 7, id="visible"),
        pytest.param("queue_messages", {"queue": "events", "place": "in_flight"}, 3, id="hidden"),
        pytest.param("queue_asked_timestamp_seconds", {"lane": "ordinary"}, EARLIER.timestamp(), id="asked"),
        pytest.param("dead_letter_queue_messages", {"lane": "priority"}, 10, id="dead-letters-hidden-ones-too"),
        pytest.param("oldest_received_age_seconds", {"lane": "ordinary"}, 12.5, id="the-oldest-received"),
        pytest.param("oldest_unfinished_age_seconds", {"state": "deferred"}, 600, id="the-oldest-of-the-ledger"),
        pytest.param("oldest_unfinished_age_seconds", {"state": "sending"}, 0, id="none-is-0"),
        pytest.param("jobs_unfinished", {"state": "in_doubt"}, 2, id="in-doubt"),
        pytest.param("doubts", {"age": "900"}, 1, id="doubts-by-age"),
        pytest.param("doubts", {"age": "inf"}, 0, id="the-oldest-doubts"),
        pytest.param("jobs_dead_without_copy", {}, 1, id="dead-in-the-ledger-alone"),
        pytest.param("outbox_letters", {}, 12, id="news"),
        pytest.param("outbox_oldest_age_seconds", {}, 600, id="old-news"),
        pytest.param("last_event_timestamp_seconds", {}, EARLIER.timestamp(), id="the-last-event"),
        pytest.param("last_accepted_timestamp_seconds", {}, AT.timestamp(), id="the-last-acceptance"),
        pytest.param("store_free_bytes", {}, 1e10, id="the-disk"),
        pytest.param("rate_set_recipients_per_second", {}, 12.6, id="the-set-rate"),
        pytest.param("rate_in_force_recipients_per_second", {}, 10.5, id="the-rate-in-force"),
        pytest.param("rate_account_recipients_per_second", {}, 14, id="the-accounts-rate"),
        pytest.param("nodes", {}, 2, id="nodes"),
        pytest.param("quota_limit_recipients", {}, 50_000, id="the-quota"),
        pytest.param("quota_used_recipients", {}, 40_000, id="its-use"),
        pytest.param("quota_room_recipients", {"lane": "ordinary"}, 7_500, id="its-room"),
        pytest.param("bounces_ratio", {}, 0.02, id="bounces"),
        pytest.param("complaints_ratio", {}, 0.0005, id="complaints"),
        pytest.param("reputation_recipients", {}, 10_000, id="of-how-many"),
        pytest.param("ready", {}, 1, id="ready"),
        pytest.param("draining", {}, 0, id="not-draining"),
    ],
)
def test_how_things_stand(name: str, labels: dict[str, str], number: float) -> None:
    assert shown()[sample(name, **labels)] == number


@pytest.mark.parametrize(
    "name",
    [
        "rate_account_recipients_per_second",
        "quota_limit_recipients",
        "quota_room_recipients",
        "bounces_ratio",
        "complaints_ratio",
        "last_poll_timestamp_seconds",
        "queue_messages",
        "dead_letter_queue_messages",
        "jobs_unfinished",
        "doubts",
        "outbox_letters",
        "store_free_bytes",
    ],
)
def test_what_is_not_known_is_missing(name: str) -> None:
    """A 0 would be a lie: no limit is not a limit of nothing."""
    found = shown(QUIET, facts={}, standing=None, polled_at=None)

    assert name not in {known for known, _ in found}
    assert found[sample("nodes")] == 1


def test_the_disk_of_a_server_is_not_ours_to_look_at() -> None:
    assert sample("store_free_bytes") not in shown(standing=replace(STANDING, free_bytes=None))


# --- pauses ----------------------------------------------------------------------------------------


def test_every_pause_that_may_be_reads_0() -> None:
    found = {key: number for key, number in shown(QUIET).items() if key[0] == "pauses"}

    assert found == {sample("pauses", concern=concern, reason=reason): 0 for concern, reason in PAUSES}


def test_pauses_are_counted_by_what_and_why() -> None:
    """Two senders for one reason are two; the older of them says since when."""
    found = shown()
    senders = {"concern": "sender", "reason": "unverified_sender"}
    ses = {"concern": "ses", "reason": "ses_unavailable"}

    assert found[sample("pauses", **senders)] == 2
    assert found[sample("pauses", **ses)] == 1
    assert found[sample("pause_since_timestamp_seconds", **senders)] == EARLIER.timestamp()
    assert found[sample("pause_next_probe_timestamp_seconds", **ses)] == AT.timestamp()
    assert sample("pause_next_probe_timestamp_seconds", **senders) not in found, "a job of its own lifts it"


def test_the_earliest_probe_is_told() -> None:
    probed = [replace(SENDER, next_probe_at=AT + timedelta(seconds=seconds)) for seconds in (30, 10)]
    found = shown(replace(VIEW, pauses=(SENDER, *probed)))

    number = found[sample("pause_next_probe_timestamp_seconds", concern="sender", reason="unverified_sender")]
    assert number == AT.timestamp() + 10


def test_a_pause_of_the_table_that_is_not_in_it_is_told_all_the_same() -> None:
    """A reason may come to a pause while it lasts that none begins with."""
    odd = replace(SENDER, concern="store", reason="queue_missing")

    assert shown(replace(VIEW, pauses=(odd,)))[sample("pauses", concern="store", reason="queue_missing")] == 1


def test_a_paused_lane_is_not_polled() -> None:
    lanes = {name: replace(VIEW.lanes[name], is_polled=False) for name in LANES}

    assert shown(replace(VIEW, lanes=lanes))[sample("lane_polled", lane="ordinary")] == 0


def test_who_is_not_ready_or_stops_says_so() -> None:
    found = shown(replace(VIEW, is_draining=True), is_ready=False)

    assert (found[sample("ready")], found[sample("draining")]) == (0, 1)
