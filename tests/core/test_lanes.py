"""Priority before ordinary, first come first served within a lane, and a floor for the ordinary one (DESIGN 7)."""

from dataclasses import asdict, dataclass

import pytest

from tank_mailer.core.lanes import (
    DUE,
    FLOOR,
    LANES,
    ORDINARY,
    PRIORITY,
    PRIORITY_SLOTS,
    ahead_of,
    next_lane,
    owed_after,
    slots_of,
)


@pytest.mark.parametrize(
    ("lane", "slots", "has_priority", "may_use"),
    [
        pytest.param(ORDINARY, 10, False, 10, id="one-lane-has-them-all"),
        pytest.param(ORDINARY, 10, True, 8, id="two-are-the-priority-lanes-own"),
        pytest.param(PRIORITY, 10, True, 10, id="which-may-use-all"),
        pytest.param(ORDINARY, 2, True, 1, id="the-ordinary-lane-has-one-at-least"),
        pytest.param(ORDINARY, 1, True, 1, id="even-the-only-one"),
        pytest.param(PRIORITY, 1, True, 1, id="which-both-may-use"),
    ],
)
def test_slots(lane: str, slots: int, has_priority: bool, may_use: int) -> None:
    assert slots_of(lane, slots=slots, has_priority=has_priority) == may_use


def test_the_lanes_in_the_order_in_which_they_go() -> None:
    assert LANES == (PRIORITY, ORDINARY)
    assert PRIORITY_SLOTS == 2
    assert FLOOR == 0.1


@pytest.mark.parametrize(
    ("owed", "priority", "ordinary", "lane"),
    [
        pytest.param(0.0, True, True, PRIORITY, id="priority-first"),
        pytest.param(0.9, True, True, PRIORITY, id="until-a-whole-recipient-is-owed"),
        pytest.param(1.0, True, True, ORDINARY, id="then-the-floor"),
        pytest.param(-49.0, True, True, PRIORITY, id="not-while-it-was-taken-in-advance"),
        pytest.param(-49.0, False, True, ORDINARY, id="which-stops-nobody-who-is-alone"),
        pytest.param(5.0, True, False, PRIORITY, id="a-lane-without-jobs-has-no-floor"),
        pytest.param(5.0, False, False, None, id="nobody-goes-where-nobody-waits"),
    ],
)
def test_next_lane(owed: float, priority: bool, ordinary: bool, lane: str | None) -> None:
    assert next_lane(owed, priority=priority, ordinary=ordinary) == lane


@pytest.mark.parametrize(
    ("owed", "lane", "recipients", "is_contested", "after"),
    [
        pytest.param(0.0, PRIORITY, 9, True, 1.0, id="nine-of-ten-owe-the-tenth"),
        pytest.param(0.0, PRIORITY, 45, True, 5.0, id="recipients-count-not-jobs"),
        pytest.param(0.5, PRIORITY, 9, False, 0.0, id="who-does-not-wait-saves-nothing-up"),
        pytest.param(-5.0, PRIORITY, 9, False, -4.0, id="an-advance-is-paid-off-all-the-same"),
        pytest.param(1.0, ORDINARY, 1, True, 0.0, id="the-floor-was-given"),
        pytest.param(1.0, ORDINARY, 50, True, -49.0, id="a-large-job-takes-it-in-advance"),
        pytest.param(0.5, ORDINARY, 50, False, 0.0, id="alone-it-owes-nothing"),
        pytest.param(-7.0, ORDINARY, 50, False, -7.0, id="nor-is-an-advance-forgiven"),
    ],
)
def test_owed(owed: float, lane: str, recipients: int, is_contested: bool, after: float) -> None:
    assert owed_after(owed, lane, recipients, is_contested=is_contested) == pytest.approx(after)


@pytest.mark.parametrize("priority", [1, 3, 50])
@pytest.mark.parametrize("ordinary", [1, 7, 50])
def test_in_the_long_run_the_ordinary_lane_has_a_tenth(priority: int, ordinary: int) -> None:
    """Whatever the sizes of the jobs: recipients count."""
    sizes = {PRIORITY: priority, ORDINARY: ordinary}
    went, owed = {PRIORITY: 0, ORDINARY: 0}, 0.0
    for _ in range(20_000):
        lane = next_lane(owed, priority=True, ordinary=True)
        assert lane is not None
        owed = owed_after(owed, lane, sizes[lane], is_contested=True)
        went[lane] += sizes[lane]

    assert went[ORDINARY] == pytest.approx(FLOOR * sum(went.values()), rel=0.02)


def test_ninths_add_up() -> None:
    """Nine times a ninth is a little less than one."""
    owed = 0.0
    for _ in range(9):
        owed = owed_after(owed, PRIORITY, 1, is_contested=True)

    assert owed >= DUE


@dataclass(frozen=True, slots=True)
class Queue:
    """What `ahead_of` is told."""

    owed: float
    debt: int
    priority: int
    ordinary: int


@pytest.mark.parametrize(
    ("lane", "queue", "ahead"),
    [
        pytest.param(PRIORITY, Queue(0.0, 0, 0, 500), 0, id="nothing-ordinary-goes-before-priority"),
        pytest.param(PRIORITY, Queue(0.0, 49, 3, 500), 52, id="but-the-debt-of-what-went"),
        pytest.param(ORDINARY, Queue(0.0, 49, 3, 10), 62, id="all-goes-before-ordinary"),
        pytest.param(ORDINARY, Queue(0.0, 0, 500, 0), 9, id="at-most-nine-by-the-floor"),
        pytest.param(ORDINARY, Queue(0.0, 0, 500, 2), 29, id="nine-for-each-of-its-own"),
        pytest.param(ORDINARY, Queue(1.0, 5, 500, 0), 5, id="none-where-it-is-owed"),
        pytest.param(ORDINARY, Queue(-49.0, 0, 500, 0), 450, id="many-after-an-advance"),
    ],
)
def test_ahead(lane: str, queue: Queue, ahead: float) -> None:
    assert ahead_of(lane, **asdict(queue)) == pytest.approx(ahead)
