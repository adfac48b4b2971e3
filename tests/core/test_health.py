"""Whether the daemon lives and does its work: what counts against it, and what has no say."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tank_mailer.core.health import COMMITTED_S, POLLED_S, Lack, Liveness, Pulse, Readiness, judge_readiness
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.view import LaneView, NodeView, PauseView

AT = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
LANE = LaneView(queue="mails", last_poll_at=AT - timedelta(seconds=3))
WELL = NodeView("mail-1", "4f1d", "0.1.0", AT, AT, lanes={PRIORITY: LANE, ORDINARY: LANE})


# --- alive -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silent_s", "is_still"),
    [
        pytest.param(0.0, False, id="it-has-nothing-to-do"),
        pytest.param(59.0, False, id="it-is-at-it"),
        pytest.param(60.0, False, id="it-may-take-so-long"),
        pytest.param(60.1, True, id="it-hangs"),
    ],
)
def test_a_loop_hangs_when_it_finishes_nothing(silent_s: float, is_still: bool) -> None:
    assert Pulse("lane/ordinary", silent_s, 60.0).is_still is is_still


def test_one_that_hangs_is_one_too_many() -> None:
    liveness = Liveness([Pulse("loop", 0.4, 30.0), Pulse("store", 200.0, 180.0), Pulse("lane/ordinary", 3.0, 60.0)])

    assert not liveness.is_alive
    assert liveness.shape() == {
        "alive": False,
        "reasons": [{"loop": "store", "silent_s": 200.0, "at_most_s": 180.0}],
        "loops": {"loop": 0.4, "store": 200.0, "lane/ordinary": 3.0},
    }


def test_who_has_no_loops_yet_lives() -> None:
    assert Liveness([]).shape() == {"alive": True, "reasons": [], "loops": {}}


# --- ready -----------------------------------------------------------------------------------------


def lacks(view: NodeView = WELL, *, committed_s: float = 1.0) -> list[tuple[Lack, str | None]]:
    return [(flaw.lack, flaw.lane) for flaw in judged(view, committed_s=committed_s).flaws]


def judged(view: NodeView = WELL, *, committed_s: float = 1.0) -> Readiness:
    return judge_readiness(view, committed_s=committed_s, default_set="tank")


def with_lane(**changes: object) -> NodeView:
    return replace(WELL, lanes={PRIORITY: LANE, ORDINARY: replace(LANE, **changes)})  # type: ignore[arg-type]


def ago(seconds: float) -> datetime:
    return AT - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("view", "found"),
    [
        pytest.param(WELL, [], id="all-is-well"),
        pytest.param(with_lane(last_poll_at=ago(POLLED_S)), [], id="polled-a-minute-ago"),
        pytest.param(with_lane(last_poll_at=ago(61)), [(Lack.NOT_POLLED, ORDINARY)], id="not-polled-for-a-minute"),
        pytest.param(with_lane(last_poll_at=None), [(Lack.NOT_POLLED, ORDINARY)], id="not-polled-yet"),
        pytest.param(with_lane(last_poll_at=ago(900), in_hand=10), [], id="its-hands-are-full-at-a-low-rate"),
        pytest.param(with_lane(last_poll_at=ago(900), is_polled=False), [], id="a-pause-says-so-itself"),
        pytest.param(replace(WELL, is_draining=True), [(Lack.DRAINING, None)], id="it-stops"),
        pytest.param(
            replace(with_lane(last_poll_at=ago(900)), is_draining=True),
            [(Lack.DRAINING, None)],
            id="who-stops-polls-no-more",
        ),
    ],
)
def test_what_keeps_a_node_from_its_work(view: NodeView, found: Sequence[tuple[Lack, str | None]]) -> None:
    assert lacks(view) == list(found)


@pytest.mark.parametrize(
    ("pause", "found", "beside"),
    [
        pytest.param(("account", "", "sending_paused"), [(Lack.PAUSED, None)], 0, id="the-account"),
        pytest.param(("ses", "", "ses_unavailable"), [(Lack.PAUSED, None)], 0, id="ses"),
        pytest.param(("store", "", "store_sick"), [(Lack.PAUSED, None)], 0, id="the-store"),
        pytest.param(("queue", PRIORITY, "queue_missing"), [(Lack.PAUSED, PRIORITY)], 0, id="a-queue"),
        pytest.param(("quota", ORDINARY, "quota_exceeded"), [(Lack.PAUSED, ORDINARY)], 0, id="a-lanes-quota"),
        pytest.param(("operator", "all", "operator"), [(Lack.PAUSED, None)], 0, id="a-persons-word"),
        pytest.param(("operator", "lane/ordinary", "operator"), [(Lack.PAUSED, ORDINARY)], 0, id="about-a-lane"),
        pytest.param(("sender", "a@example.com", "access_denied"), [], 1, id="one-sender-keeps-nobody-else"),
        pytest.param(("operator", "sender/a@example.com", "operator"), [], 1, id="a-persons-word-about-a-sender"),
        pytest.param(("configuration_set", "news", "configuration_set_paused"), [], 1, id="one-set-of-several"),
        pytest.param(
            ("configuration_set", "tank", "configuration_set_missing"), [(Lack.PAUSED, None)], 0, id="the-default-set"
        ),
    ],
)
def test_pauses(pause: tuple[str, str, str], found: Sequence[tuple[Lack, str | None]], beside: int) -> None:
    concern, name, reason = pause
    readiness = judged(replace(WELL, pauses=(PauseView(concern, name, reason, AT),)))

    assert [(flaw.lack, flaw.lane) for flaw in readiness.flaws] == list(found)
    assert len(readiness.beside) == beside
    assert readiness.is_ready is not bool(found)


@pytest.mark.parametrize(
    ("committed_s", "found"),
    [
        pytest.param(COMMITTED_S, [], id="a-minute"),
        pytest.param(61.0, [(Lack.STORE_SILENT, None)], id="longer"),
    ],
)
def test_a_store_that_takes_nothing(committed_s: float, found: Sequence[tuple[Lack, str | None]]) -> None:
    assert lacks(committed_s=committed_s) == list(found)


def test_all_reasons_are_told_with_their_remedies_and_without_a_name() -> None:
    """Whoever is on the host may read it: a paused sender is an address, and a person's note may name somebody."""
    view = replace(
        with_lane(last_poll_at=ago(120)),
        is_draining=False,
        pauses=(
            PauseView("sender", "news@example.com", "unverified_sender", AT, remedy="verify it"),
            PauseView("ses", "", "ses_unavailable", ago(60), AT, detail="no answer", lifted_by="SES answers"),
        ),
    )
    shape = judged(view, committed_s=70.2).shape()

    assert shape == {
        "ready": False,
        "reasons": [
            {
                "reason": "paused",
                "concern": "ses",
                "pause": "ses_unavailable",
                "since": "2026-11-02T07:59:00.000Z",
                "next_probe_at": "2026-11-02T08:00:00.000Z",
                "lifted_by": "SES answers",
                "detail": "no answer",
            },
            {"reason": "store_silent", "detail": "no transaction has gone well for 70 s"},
            {"reason": "not_polled", "lane": "ordinary", "detail": "last polled at 2026-11-02T07:58:00.000Z"},
        ],
        "beside": [
            {
                "reason": "paused",
                "concern": "sender",
                "pause": "unverified_sender",
                "since": "2026-11-02T08:00:00.000Z",
                "remedy": "verify it",
            }
        ],
    }
    assert "@" not in json.dumps(shape)
