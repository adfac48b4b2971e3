"""How fast something is put back, on a clock of its own."""

from dataclasses import dataclass, field

import pytest

from tank_mailer.cli.putback.pace import Pace


@dataclass(slots=True)
class Time:
    now_s: float = 100.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


@pytest.mark.parametrize(
    ("rate", "at_once"),
    [(0.5, 1), (1.0, 1), (7.5, 7), (20.0, 10), (500.0, 10)],
    ids=["slower-than-one", "one", "less-than-a-batch", "more-than-a-batch", "the-most"],
)
def test_a_batch_holds_no_more_than_a_second(rate: float, at_once: int) -> None:
    assert Pace(rate=rate).at_once == at_once


async def test_the_rate_is_kept() -> None:
    time = Time()
    pace = Pace(rate=5.0, sleep=time.sleep, now_s=lambda: time.now_s)

    for _ in range(4):
        await pace.turn(5)

    assert time.now_s == 103.0


async def test_time_that_passes_anyway_is_not_waited_for() -> None:
    time = Time()
    pace = Pace(rate=5.0, sleep=time.sleep, now_s=lambda: time.now_s)

    await pace.turn(5)
    time.now_s += 0.75
    await pace.turn(5)
    time.now_s += 60.0
    await pace.turn(5)
    await pace.turn(5)

    assert time.slept == [0.25, 1.0]
