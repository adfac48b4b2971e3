"""What nodes of different versions read of each other."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.view import (
    LaneView,
    NodeView,
    OutcomeView,
    PauseView,
    QuotaView,
    ReputationView,
    read_view,
    still_there,
)

AT = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
LONELY = NodeView("mail-1", "4f1d", "1.4.0", AT, AT)
BUSY = replace(
    LONELY,
    rate=12.6,
    account_rate=14.0,
    nodes=2,
    lanes={"ordinary": LaneView(queue="mails", in_hand=7, visible=50_000, asked_at=AT, per_s=12.5)},
    pauses=(PauseView("sender", "news@example.com", "unverified_sender", AT, on_trial=True),),
    quota=QuotaView(limit=50_000.0, used=49_900.0, room={"ordinary": 0}, room_at={"ordinary": AT}),
    reputation=ReputationView(bounce_rate=0.02, volume=10_000, bounces_left=300),
    outcomes={"accepted": 49_900},
    last=(OutcomeView(AT, "order-4711", "ordinary", "throttled", "throttled"),),
)


def read_again(view: NodeView) -> NodeView:
    return read_view(json.loads(json.dumps(view.shape())))


# --- there and back --------------------------------------------------------------------------------

texts = st.text(max_size=12)
counts = st.integers(0, 10**9)
figures = st.floats(allow_nan=False, allow_infinity=False)
moments = st.datetimes(
    datetime(1971, 1, 1),  # noqa: DTZ001 - the zone is drawn, too
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5.5))]),
).map(lambda at: at.replace(microsecond=at.microsecond // 1_000 * 1_000))
lanes = st.builds(
    LaneView,
    queue=texts,
    in_hand=counts,
    waiting=counts,
    in_flight=counts,
    visible=st.none() | counts,
    asked_at=st.none() | moments,
    last_poll_at=st.none() | moments,
    is_polled=st.booleans(),
    per_s=figures,
)
pauses = st.builds(
    PauseView,
    concern=texts,
    name=texts,
    reason=texts,
    since=moments,
    next_probe_at=st.none() | moments,
    on_trial=st.booleans(),
    detail=texts,
    lifted_by=texts,
    remedy=st.none() | texts,
)
quotas = st.builds(
    QuotaView,
    limit=st.none() | figures,
    used=figures,
    room=st.dictionaries(texts, st.integers(-(10**6), 10**6), max_size=2),
    room_at=st.dictionaries(texts, moments, max_size=2),
)
reputations = st.builds(
    ReputationView,
    bounce_rate=st.none() | figures,
    complaint_rate=st.none() | figures,
    volume=counts,
    bounces_left=st.none() | counts,
    complaints_left=st.none() | counts,
    is_trickling=st.booleans(),
)
outcomes = st.builds(OutcomeView, at=moments, email_id=texts, lane=texts, outcome=texts, reason=st.none() | texts)
views = st.builds(
    NodeView,
    node=st.text(min_size=1, max_size=12),
    process=st.text(min_size=1, max_size=12),
    version=texts,
    started_at=moments,
    seen_at=moments,
    rate=figures,
    set_rate=figures,
    account_rate=st.none() | figures,
    nodes=counts,
    slots=counts,
    slots_in_use=counts,
    lanes=st.dictionaries(texts, lanes, max_size=2),
    pauses=st.lists(pauses, max_size=2).map(tuple),
    quota=quotas,
    reputation=reputations,
    outcomes=st.dictionaries(texts, counts, max_size=2),
    last=st.lists(outcomes, max_size=2).map(tuple),
    is_draining=st.booleans(),
)


@given(view=views)
def test_a_view_comes_back_as_it_was(view: NodeView) -> None:
    assert read_again(view) == view


def test_times_are_told_to_the_millisecond() -> None:
    told = replace(LONELY, seen_at=AT.replace(microsecond=123_456))

    assert read_again(told).seen_at == AT.replace(microsecond=123_000)


# --- other versions --------------------------------------------------------------------------------


def test_an_older_version_tells_less() -> None:
    """Two versions run side by side while nodes are upgraded one by one."""
    older = {"node": "mail-1", "process": "4f1d", "started_at": "2026-11-02T08:00:00Z", "seen_at": "2026-11-02T08:00Z"}

    assert read_view(older) == replace(LONELY, version="")


def test_a_newer_version_tells_more() -> None:
    newer = BUSY.shape() | {"mood": "fine"}
    newer["lanes"]["ordinary"]["oldest_at"] = "2026-11-02T08:00:00.000Z"
    newer["pauses"][0]["by"] = {"name": "ann"}

    assert read_view(newer) == BUSY


@pytest.mark.parametrize(
    ("changes", "view"),
    [
        pytest.param({"rate": "fast"}, replace(BUSY, rate=0.0), id="a-text-is-no-rate"),
        pytest.param({"rate": True}, replace(BUSY, rate=0.0), id="a-flag-is-no-rate"),
        pytest.param({"rate": float("nan")}, replace(BUSY, rate=0.0), id="nan-is-no-rate"),
        pytest.param({"rate": 10**400}, replace(BUSY, rate=0.0), id="what-no-double-holds-is-no-rate"),
        pytest.param({"rate": 12}, replace(BUSY, rate=12.0), id="a-whole-number-is-a-rate"),
        pytest.param({"nodes": 1.5}, replace(BUSY, nodes=1), id="half-a-node-is-none"),
        pytest.param({"nodes": True}, replace(BUSY, nodes=1), id="a-flag-counts-nothing"),
        pytest.param({"is_draining": 1}, BUSY, id="a-number-is-no-flag"),
        pytest.param({"version": 2}, replace(BUSY, version=""), id="a-version-is-a-text"),
        pytest.param({"account_rate": None}, replace(BUSY, account_rate=None), id="null-is-not-known"),
        pytest.param({"account_rate": "14"}, replace(BUSY, account_rate=None), id="a-broken-one-is-not-known"),
        pytest.param({"quota": []}, replace(BUSY, quota=QuotaView()), id="a-list-is-no-quota"),
        pytest.param({"reputation": None}, replace(BUSY, reputation=ReputationView()), id="null-is-no-reputation"),
        pytest.param({"lanes": ["ordinary"]}, replace(BUSY, lanes={}), id="a-list-has-no-lanes-by-name"),
        pytest.param({"lanes": {"ordinary": 5}}, replace(BUSY, lanes={}), id="a-number-is-no-lane"),
        pytest.param(
            {"outcomes": {"dead": "2", "accepted": 5}}, replace(BUSY, outcomes={"accepted": 5}), id="one-of-two"
        ),
        pytest.param({"pauses": "none"}, replace(BUSY, pauses=()), id="a-text-is-no-list"),
        pytest.param(
            {"pauses": [{"concern": "account", "name": "", "reason": "operator"}]},
            replace(BUSY, pauses=()),
            id="a-pause-since-never-is-left-out",
        ),
        pytest.param(
            {"last": [{"at": "yesterday"}, None]}, replace(BUSY, last=()), id="so-is-an-outcome-without-a-time"
        ),
    ],
)
def test_what_makes_no_sense_is_not_known_and_the_rest_stands(changes: dict[str, Any], view: NodeView) -> None:
    assert read_view(BUSY.shape() | changes) == view


@pytest.mark.parametrize("name", ["node", "process", "started_at", "seen_at"])
@pytest.mark.parametrize("value", [..., None, "", 5, ["mail-1"]])
def test_a_view_of_nobody_or_of_no_time_is_none(name: str, value: object) -> None:
    shape = {key: one for key, one in (BUSY.shape() | {name: value}).items() if one is not ...}

    with pytest.raises(ValueError, match="no "):
        read_view(shape)


@pytest.mark.parametrize("shape", [[], "mail-1", None, 5])
def test_no_object_is_no_view(shape: object) -> None:
    with pytest.raises(ValueError, match="no object"):
        read_view(shape)


def test_a_killed_process_whose_node_runs_again_is_no_longer_there() -> None:
    """For half a minute it would else count as a node that goes on, or one that is paused."""
    at = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    killed = NodeView(node="a", process="1", version="", started_at=at, seen_at=at + timedelta(seconds=60))
    later = at + timedelta(seconds=65)
    anew = NodeView(node="a", process="2", version="", started_at=later, seen_at=later)
    beside = NodeView(node="b", process="3", version="", started_at=at, seen_at=at)

    assert still_there([killed, anew, beside]) == [anew, beside]
    assert still_there([killed, beside]) == [killed, beside]
