"""The web server is told everything, in order, however long it is away."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.flows.notify import GATHER_S, IDLE_S, RENEW_S, REQUEST_S, TURN, TURN_S, Notifier
from tank_mailer.ports import Letter, NotTold, Told
from tests.fakes import FakeClock
from tests.flows.conftest import pass_until
from tests.nodes_fakes import FakeTurns
from tests.outbox_fakes import FakeOutbox, FakeReceiver, refuses, takes

HOUR_S = 3_600.0
DAY_S = 86_400.0
OLD = timedelta(days=3)
GONE = NotTold("the web server answered 410, and only 2xx means that it has the news", 410)


@dataclass(kw_only=True)
class Desk:
    """A notifier on fakes."""

    clock: FakeClock
    outbox: FakeOutbox
    receiver: FakeReceiver
    notifier: Notifier
    lines: list[MutableMapping[str, Any]] = field(default_factory=list)

    def write(self, *email_ids: str, nudge: bool = True) -> list[int]:
        ids = [self.outbox.add(email_id) for email_id in email_ids]
        if nudge:
            self.notifier.nudge()
        return ids

    def logged(self, event: str) -> list[MutableMapping[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    async def until(self, holds: Callable[[], bool], within_s: float = HOUR_S) -> None:
        await pass_until(holds, within_s=within_s)

    async def until_all_are_told(self, within_s: float = HOUR_S) -> None:
        await self.until(lambda: not self.outbox.due_at and not self.outbox.given_up, within_s)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with capture_logs() as self.lines:
            task = asyncio.create_task(self.notifier.run())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        assert not self.logged("flow_crashed")


@pytest.fixture
async def desk() -> Desk:
    clock = FakeClock()
    outbox, receiver = FakeOutbox(clock), FakeReceiver()
    notifier = Notifier(outbox=outbox, receiver=receiver, clock=clock, jitter=lambda: 0.5)
    return Desk(clock=clock, outbox=outbox, receiver=receiver, notifier=notifier)


def only(*ids: int) -> Callable[[Letter], Told | NotTold]:
    """It takes all but these."""
    return lambda letter: refuses(letter) if letter.id in ids else takes(letter)


# --- good days -------------------------------------------------------------------------------------


async def test_what_is_written_is_told_at_once(desk: Desk) -> None:
    async with desk.running():
        await asyncio.sleep(HOUR_S + IDLE_S / 2)
        written_s = desk.clock.boot_s()
        (letter,) = desk.write("order-4711")
        await desk.until_all_are_told()

    assert desk.receiver.times(letter)[0] - written_s <= 2 * GATHER_S
    assert desk.outbox.told_at.keys() == {letter}


async def test_what_another_process_writes_is_found(desk: Desk) -> None:
    """`webhook replay` is a process of its own, which cannot nudge us."""
    async with desk.running():
        await asyncio.sleep(HOUR_S)
        desk.write("order-4711", nudge=False)
        await desk.until_all_are_told(within_s=IDLE_S + 1)


async def test_an_idle_daemon_hardly_reads(desk: Desk) -> None:
    async with desk.running():
        await asyncio.sleep(HOUR_S)

    assert desk.outbox.reads <= HOUR_S / IDLE_S + 1


async def test_nudges_in_a_row_are_one_look(desk: Desk) -> None:
    """A nudge for each of a thousand events must not be a read for each of them."""
    async with desk.running():
        for _ in range(1_000):
            desk.notifier.nudge()
            await asyncio.sleep(0.001)

    assert desk.outbox.reads <= 1_000 * 0.001 / GATHER_S + 5


async def test_eight_at_a_time_and_marked_together(desk: Desk) -> None:
    letters = desk.write(*(f"order-{n}" for n in range(500)))

    async with desk.running():
        await desk.until_all_are_told()

    assert desk.receiver.most_in_flight == 8
    assert sorted(desk.receiver.told) == letters
    assert len(desk.outbox.marks) < 50
    assert desk.outbox.reads < 30


async def test_one_that_hangs_holds_nobody_else_up(desk: Desk) -> None:
    async def hang(letter: Letter) -> Told:
        if letter.id == 1:
            await asyncio.sleep(15.0)
        return Told()

    desk.receiver.manner = hang
    desk.write(*(f"order-{n}" for n in range(400)))

    async with desk.running():
        await desk.until(lambda: len(desk.outbox.told_at) == 399, within_s=10.0)


# --- order -----------------------------------------------------------------------------------------


async def test_a_job_s_letters_go_one_after_the_other(desk: Desk) -> None:
    """`delivered` before `accepted` would make every web server keep ranks of its own."""
    in_flight = set[str]()

    async def watch(letter: Letter) -> Told:
        assert letter.email_id not in in_flight
        in_flight.add(letter.email_id)
        await asyncio.sleep(0.01 * (letter.id % 7))
        in_flight.remove(letter.email_id)
        return Told()

    desk.receiver.manner = watch
    letters = desk.write(*(f"order-{n % 5}" for n in range(100)))

    async with desk.running():
        await desk.until_all_are_told(within_s=10.0)

    for job in range(5):
        mine = [letter for letter in letters if desk.outbox.letters[letter].email_id == f"order-{job}"]
        assert [letter for letter in desk.receiver.told if letter in mine] == mine


async def test_later_letters_wait_while_an_earlier_one_is_retried(desk: Desk) -> None:
    first, second, other = desk.write("order-1", "order-1", "order-2")
    desk.receiver.manner = only(first)

    async with desk.running():
        await desk.until(lambda: len(desk.receiver.times(first)) == 3)
        assert desk.receiver.told == [other]
        desk.receiver.manner = takes
        await desk.until_all_are_told()

    assert desk.receiver.told == [other, first, second]


async def test_a_letter_given_up_lets_the_next_one_go(desk: Desk) -> None:
    first, second = desk.write("order-1", "order-1")
    desk.receiver.manner = only(first)

    async with desk.running():
        # Other news comes through meanwhile: it is the letter, and not the web server.
        for n in range(3 * 24 * 2):
            desk.write(f"other-{n}")
            await asyncio.sleep(HOUR_S / 2)
        assert desk.receiver.times(second) == []
        await desk.until(lambda: second in desk.receiver.told, within_s=3 * HOUR_S)

    assert desk.outbox.given_up == [first]
    (line,) = desk.logged("webhook_given_up")
    assert (line["email_id"], line["log_level"]) == ("order-1", "error")
    assert "webhook replay" in line["remedy"]


# --- a letter that is not taken --------------------------------------------------------------------


async def test_retries_of_one_letter_among_others(desk: Desk) -> None:
    """DESIGN 6: retried for days; each wait as the table has it, and three days in all."""
    (letter,) = desk.write("odd")
    desk.receiver.manner = only(letter)

    async def others() -> None:
        for n in range(100_000):
            desk.write(f"other-{n}")
            await asyncio.sleep(90.0)

    async with desk.running():
        writing = asyncio.create_task(others())
        await desk.until(lambda: desk.outbox.given_up == [letter], within_s=4 * DAY_S)
        writing.cancel()

    times = desk.receiver.times(letter)
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[:8] == pytest.approx([5, 30, 120, 600, 1_800, 3_600, 7_200, 7_200], abs=6)
    assert times[-1] == pytest.approx(3 * DAY_S, abs=10)
    assert not desk.logged("webhook_failing")


async def test_an_old_letter_is_tried_before_it_is_given_up(desk: Desk) -> None:
    """The daemon stood still for four days: that is no fault of the web server's."""
    letter = desk.outbox.add("order-1", created_at=desk.clock.now() - timedelta(days=4))
    desk.receiver.manner = lambda one: refuses(one) if len(desk.receiver.times(letter)) < 2 else takes(one)

    async with desk.running():
        await desk.until_all_are_told()


# --- a web server that takes nothing ---------------------------------------------------------------


async def test_a_dead_web_server_is_asked_by_one_letter_a_minute(desk: Desk) -> None:
    """100,000 letters behind a dead web server cost next to nothing, and all go out once it is back."""
    desk.receiver.manner = refuses
    desk.write(*(f"order-{n}" for n in range(3_000)))

    async with desk.running():
        await asyncio.sleep(60.0)
        reads, asked = desk.outbox.reads, len(desk.receiver.asked)
        assert asked <= 20
        desk.receiver.most_in_flight = 0
        await asyncio.sleep(HOUR_S)
        assert len(desk.receiver.asked) - asked <= 65
        assert desk.outbox.reads - reads <= 65
        assert desk.receiver.most_in_flight == 1
        desk.receiver.manner = takes
        await desk.until_all_are_told(within_s=120.0)


async def test_it_is_said_when_it_begins_then_every_quarter_of_an_hour_and_when_it_is_over(desk: Desk) -> None:
    desk.receiver.manner = refuses
    begun = desk.clock.now()
    desk.write(*(f"order-{n}" for n in range(20)))

    async with desk.running():
        await asyncio.sleep(2.0)
        (line,) = desk.logged("webhook_failing")
        assert (line["waiting"], line["log_level"]) == (20, "error")
        assert timedelta(0) <= line["since"] - begun <= timedelta(seconds=1)
        assert "500" in line["detail"]
        assert "webhook test" in line["remedy"]
        assert desk.notifier.trouble is not None
        await asyncio.sleep(HOUR_S + 60.0)
        assert len(desk.logged("webhook_failing")) == 5
        desk.receiver.manner = takes
        await desk.until_all_are_told()
        await asyncio.sleep(HOUR_S)

    assert len(desk.logged("webhook_failing")) == 5
    (over,) = desk.logged("webhook_recovered")
    assert over["duration_s"] == pytest.approx(HOUR_S, abs=150)
    assert over["log_level"] == "info"
    assert desk.notifier.trouble is None


async def test_nothing_is_known_of_a_web_server_that_was_not_tried(desk: Desk) -> None:
    """After a restart a letter may wait for hours: until then nobody can say that all is well again."""
    async with desk.running():
        await asyncio.sleep(HOUR_S)
        assert not desk.notifier.is_known
        desk.write("order-1")
        await desk.until_all_are_told()

    assert desk.notifier.is_known


async def test_a_second_outage_is_said_at_once(desk: Desk) -> None:
    desk.receiver.manner = refuses
    desk.write("a", "b", "c")

    async with desk.running():
        await desk.until(lambda: bool(desk.logged("webhook_failing")))
        desk.receiver.manner = takes
        await desk.until_all_are_told()
        desk.receiver.manner = refuses
        desk.write("d", "e", "f")
        await desk.until(lambda: len(desk.logged("webhook_failing")) == 2, within_s=10.0)


async def test_a_single_letter_that_nothing_gets_through_beside_makes_it_failing_too(desk: Desk) -> None:
    desk.receiver.manner = refuses
    (letter,) = desk.write("order-1")

    async with desk.running():
        await asyncio.sleep(50.0)
        assert not desk.logged("webhook_failing")
        await asyncio.sleep(150.0)
        assert desk.logged("webhook_failing")
        desk.receiver.manner = takes
        await desk.until(lambda: desk.receiver.told == [letter], within_s=75.0)


async def test_new_letters_in_an_outage_are_not_a_way_around_the_probes(desk: Desk) -> None:
    desk.receiver.manner = refuses
    desk.write("a", "b", "c")

    async with desk.running():
        await asyncio.sleep(HOUR_S)
        asked = len(desk.receiver.asked)
        for n in range(600):
            desk.write(f"order-{n}")
            await asyncio.sleep(1.0)

    assert len(desk.receiver.asked) - asked <= 11


async def test_one_odd_letter_does_not_stop_the_others(desk: Desk) -> None:
    """Fifty jobs whose news a web server will not take are not a web server that is away."""
    odd = desk.write(*(f"odd-{n}" for n in range(2)))
    desk.receiver.manner = only(*odd)
    good = desk.write(*(f"order-{n}" for n in range(200)))

    async with desk.running():
        await desk.until(lambda: set(good) <= desk.outbox.told_at.keys(), within_s=5.0)
        assert not desk.logged("webhook_failing")


async def test_410_switches_nothing_off(desk: Desk) -> None:
    """Standard Webhooks lets 410 end a subscription; here nobody would be told any more, and nobody would know."""
    desk.receiver.manner = lambda _: GONE
    letters = desk.write(*(f"order-{n}" for n in range(10)))

    async with desk.running():
        await asyncio.sleep(DAY_S)
        assert desk.logged("webhook_failing")
        assert not desk.outbox.given_up
        desk.receiver.manner = takes
        await desk.until_all_are_told(within_s=120.0)

    assert sorted(desk.receiver.told) == letters


async def test_after_three_days_of_outage_old_letters_are_given_up_each_with_its_line(desk: Desk) -> None:
    desk.receiver.manner = refuses
    old = desk.write(*(f"old-{n}" for n in range(250)))

    async with desk.running():
        await asyncio.sleep(2 * DAY_S)
        young = desk.write(*(f"young-{n}" for n in range(5)))
        await asyncio.sleep(DAY_S - HOUR_S)
        assert not desk.outbox.given_up
        await asyncio.sleep(2 * HOUR_S)
        assert desk.outbox.given_up == old
        assert {line["email_id"] for line in desk.logged("webhook_given_up")} == {f"old-{n}" for n in range(250)}
        assert len(desk.logged("webhook_given_up")) == 250
        desk.receiver.manner = takes
        await desk.until(lambda: young[-1] in desk.receiver.told, within_s=120.0)

    assert sorted(desk.receiver.told) == young


async def test_an_outage_that_has_only_begun_costs_no_old_letter(desk: Desk) -> None:
    """Both machines come up after a week: ours first."""
    week_ago = desk.clock.now() - timedelta(days=7)
    letters = [desk.outbox.add(f"order-{n}", created_at=week_ago) for n in range(100)]
    desk.receiver.manner = refuses

    async with desk.running():
        await asyncio.sleep(120.0)
        assert desk.logged("webhook_failing")
        desk.receiver.manner = takes
        await desk.until_all_are_told(within_s=180.0)

    assert sorted(desk.receiver.told) == letters


async def test_an_empty_outbox_is_not_complained_about(desk: Desk) -> None:
    desk.receiver.manner = refuses
    desk.write("a", "b", "c")

    async with desk.running():
        await desk.until(lambda: len(desk.outbox.given_up) == 3, within_s=4 * DAY_S)
        said = len(desk.logged("webhook_failing"))
        await asyncio.sleep(DAY_S)

    assert len(desk.logged("webhook_failing")) == said


# --- a sick store, a bug, a stop -------------------------------------------------------------------

SICK = StoreError(Reason.STORE_SICK, "the fake is sick")


async def test_a_sick_store_is_waited_for(desk: Desk) -> None:
    desk.outbox.sick = SICK
    letters = desk.write("a", "b")

    async with desk.running():
        await asyncio.sleep(HOUR_S)
        (line,) = desk.logged("outbox_stuck")
        assert (line["reason"], line["log_level"]) == (Reason.STORE_SICK, "warning")
        desk.outbox.sick = None
        await desk.until_all_are_told(within_s=30.0)

    assert sorted(desk.receiver.told) == letters


async def test_a_store_that_falls_sick_in_between_loses_nothing_and_repeats_nothing(desk: Desk) -> None:
    letters = desk.write(*(f"order-{n}" for n in range(50)))

    def take(letter: Letter) -> Told:
        if letter.id == 5:
            desk.outbox.sick = SICK
        return Told()

    desk.receiver.manner = take
    async with desk.running():
        await desk.until(lambda: desk.outbox.sick is not None)
        await asyncio.sleep(60.0)
        desk.outbox.sick = None
        await desk.until_all_are_told(within_s=30.0)

    assert sorted(desk.receiver.told) == letters


async def test_a_failure_is_written_down_once_the_store_is_well(desk: Desk) -> None:
    def refuse(letter: Letter) -> NotTold:
        desk.outbox.sick = SICK
        return refuses(letter)

    desk.receiver.manner = refuse
    (letter,) = desk.write("order-1")
    async with desk.running():
        await asyncio.sleep(60.0)
        desk.outbox.sick = None
        desk.receiver.manner = takes
        await desk.until_all_are_told(within_s=30.0)

    assert desk.outbox.letters[letter].tries == 1


async def test_what_was_told_is_marked_by_a_stop(desk: Desk) -> None:
    """A deploy at noon must not repeat what the last moments have told."""
    desk.write(*(f"order-{n}" for n in range(100)))
    async with desk.running():
        await desk.until(lambda: len(desk.receiver.told) >= 20, within_s=10.0)

    assert set(desk.receiver.told) == desk.outbox.told_at.keys()
    assert len(desk.receiver.told) < 100


async def test_what_was_not_marked_is_told_again_after_a_restart(desk: Desk) -> None:
    """At least once: the webhook-id tells the repetition."""
    letters = desk.write(*(f"order-{n}" for n in range(10)))
    desk.receiver.latency_s = 1.0
    async with desk.running():
        await desk.until(lambda: desk.receiver.in_flight > 0)
        desk.outbox.sick = SICK
        await desk.until(lambda: len(desk.receiver.told) == 8)
    desk.outbox.sick = None

    desk.notifier = Notifier(outbox=desk.outbox, receiver=desk.receiver, clock=desk.clock, jitter=lambda: 0.5)
    async with desk.running():
        await desk.until_all_are_told()

    assert set(desk.receiver.told) == set(letters)
    assert len(desk.receiver.told) == 18


async def test_a_bug_of_one_request_does_not_hold_its_job_for_ever(desk: Desk) -> None:
    bugs: Iterable[Exception] = iter([RuntimeError("a bug")])

    def stumble(_: Letter) -> Told:
        for bug in bugs:
            raise bug
        return Told()

    desk.receiver.manner = stumble
    desk.write("order-1", "order-1")
    with capture_logs() as lines:
        task = asyncio.create_task(desk.notifier.run())
        await desk.until_all_are_told()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert [(line["event"], line["email_id"]) for line in lines if line["log_level"] == "error"] == [
        ("flow_crashed", "order-1")
    ]


# --- several nodes ---------------------------------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class CountedTurns:
    """Turns of one node.

    Attributes:
        asked: how often the turn was asked for.
        answers_after_s: what is given then is some seconds old when it is known here.
    """

    turns: FakeTurns
    asked: int = 0
    answers_after_s: float = 0.0

    async def take(self, name: str, *, for_s: float) -> bool:
        self.asked += 1
        is_ours = await self.turns.take(name, for_s=for_s)
        await asyncio.sleep(self.answers_after_s)
        return is_ours

    async def give_up(self, name: str) -> None:
        await self.turns.give_up(name)


@dataclass(kw_only=True, eq=False)
class Node:
    """A notifier that shares outbox and web server with others; what it reads may come late, and may not come.

    Attributes:
        reads_for_s: from now on, reading takes so long.
    """

    name: str
    turns: CountedTurns
    outbox: FakeOutbox
    receiver: FakeReceiver
    notifier: Notifier
    reads_for_s: float = 0.0
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.notifier.run())

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def die(self) -> None:
        """Without a word to anybody."""
        self.cut_off()
        await self.stop()

    def cut_off(self) -> None:
        self.outbox.sick = self.turns.turns.sick = SICK

    def recover(self) -> None:
        self.outbox.sick = self.turns.turns.sick = None


@dataclass(kw_only=True, eq=False)
class Nodes:
    """Two of them.

    Attributes:
        asked: each letter, by which node, and when it went and was answered.
    """

    one: Node
    two: Node
    clock: FakeClock
    asked: list[tuple[int, str, float, float]] = field(default_factory=list)

    def write(self, *email_ids: str) -> list[int]:
        """Both accept mails all the time, and each is nudged by its own."""
        letters = [self.one.outbox.add(email_id) for email_id in email_ids]
        self.one.notifier.nudge()
        self.two.notifier.nudge()
        return letters

    def by(self, node: Node) -> list[int]:
        return [letter for letter, name, *_ in self.asked if name == node.name]

    async def until_all_are_told(self, within_s: float) -> None:
        await pass_until(lambda: not self.one.outbox.due_at, within_s=within_s)

    @property
    def overlaps(self) -> list[int]:
        """Letters that were on their way from both at a time."""
        spans = list(self.asked)
        return [
            letter
            for letter, name, began_s, ended_s in spans
            for other, whose, start_s, end_s in spans
            if (letter, name) < (other, whose) and letter == other and began_s < end_s and start_s < ended_s
        ]


@pytest.fixture
async def nodes(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Nodes]:
    clock = FakeClock()
    held: dict[str, Any] = {}
    shared = FakeOutbox(clock)
    due = FakeOutbox.due

    def make(name: str) -> Node:
        turns = CountedTurns(turns=FakeTurns(clock, owner=name, held=held))
        outbox = FakeOutbox(clock, due_at=shared.due_at, told_at=shared.told_at, letters=shared.letters)
        receiver = FakeReceiver()
        notifier = Notifier(outbox=outbox, receiver=receiver, clock=clock, jitter=lambda: 0.5, turns=turns)
        return Node(name=name, turns=turns, outbox=outbox, receiver=receiver, notifier=notifier)

    made = Nodes(one=make("one"), two=make("two"), clock=clock)

    async def late(self: FakeOutbox, now: Any, *, limit: int) -> Any:
        found = await due(self, now, limit=limit)
        await asyncio.sleep(made.one.reads_for_s if self is made.one.outbox else 0.0)
        return found

    def noted(node: Node) -> Callable[[Letter], Any]:
        async def tell(letter: Letter) -> Told:
            began_s = clock.boot_s()
            try:
                await asyncio.sleep(0.5)
            finally:
                made.asked.append((letter.id, node.name, began_s, clock.boot_s()))
            return Told()

        return tell

    monkeypatch.setattr(FakeOutbox, "due", late)
    for node in (made.one, made.two):
        node.receiver.manner = noted(node)
    made.one.start()
    await asyncio.sleep(1.0)
    assert held[TURN][0] == "one"
    made.two.start()
    with capture_logs() as lines:
        yield made
        for node in (made.one, made.two):
            await node.stop()
    assert not [line for line in lines if line["event"] == "flow_crashed"]


async def test_of_two_nodes_one_tells(nodes: Nodes) -> None:
    """Two would tell everything twice, and a job's letters in any order."""
    letters = nodes.write(*(f"order-{n % 40}" for n in range(120)))

    await nodes.until_all_are_told(within_s=60.0)

    assert sorted(nodes.by(nodes.one)) == letters
    assert nodes.by(nodes.two) == []


async def test_news_of_the_other_node_is_told_as_well(nodes: Nodes) -> None:
    nodes.one.outbox.add("order-1")
    nodes.two.notifier.nudge()

    await nodes.until_all_are_told(within_s=IDLE_S + 1.0)


async def test_a_turn_is_kept_for_as_long_as_there_is_something_to_tell(nodes: Nodes) -> None:
    nodes.write(*(f"order-{n}" for n in range(3_000)))

    await nodes.until_all_are_told(within_s=10 * TURN_S)

    assert nodes.by(nodes.two) == []


async def test_after_a_stop_the_other_goes_on_soon(nodes: Nodes) -> None:
    """A deploy goes node by node: news must not wait for what a turn has left."""
    nodes.write(*(f"order-{n}" for n in range(500)))
    await asyncio.sleep(2.0)
    stopped_s = nodes.clock.boot_s()
    await nodes.one.stop()

    await nodes.until_all_are_told(within_s=60.0)

    first_s = min(began_s for _, name, began_s, _ in nodes.asked if name == "two")
    assert first_s - stopped_s <= RENEW_S + 0.1
    assert nodes.overlaps == []


async def test_whatever_wakes_the_other_meanwhile_it_asks_in_time(nodes: Nodes) -> None:
    await asyncio.sleep(RENEW_S - 0.2)
    nodes.two.notifier.nudge()
    await asyncio.sleep(0.1)
    await nodes.one.stop()
    nodes.two.outbox.add("order-1")

    await nodes.until_all_are_told(within_s=2.0)


async def test_after_a_death_the_other_goes_on_within_its_turn(nodes: Nodes) -> None:
    nodes.write(*(f"order-{n}" for n in range(500)))
    await asyncio.sleep(2.0)
    died_s = nodes.clock.boot_s()
    await nodes.one.die()

    await nodes.until_all_are_told(within_s=120.0)

    first_s = min(began_s for _, name, began_s, _ in nodes.asked if name == "two")
    assert first_s - died_s <= TURN_S + RENEW_S
    assert nodes.overlaps == []


async def test_one_that_is_cut_off_from_the_store_stops_before_the_other_begins(nodes: Nodes) -> None:
    """It cannot know whether it is still its turn; what a request may take is over by then."""
    nodes.one.receiver.latency_s = 2.0
    letters = nodes.write(*(f"order-{n}" for n in range(2_000)))
    await asyncio.sleep(20.0)
    nodes.one.cut_off()

    await nodes.until_all_are_told(within_s=600.0)

    last_s = max(began_s for _, name, began_s, _ in nodes.asked if name == "one")
    first_s = min(began_s for _, name, began_s, _ in nodes.asked if name == "two")
    assert first_s >= last_s + REQUEST_S
    assert set(nodes.by(nodes.one)) | set(nodes.by(nodes.two)) == set(letters)
    nodes.one.recover()
    more = nodes.write("order-1", "order-2")
    await nodes.until_all_are_told(within_s=60.0)
    assert set(more) <= set(nodes.by(nodes.two)), "it is the other's turn now"


async def test_one_that_wakes_up_late_tells_nothing_that_it_had_read_before(nodes: Nodes) -> None:
    """Stopped for a minute, or its host suspended: meanwhile the other has told it all."""
    nodes.one.reads_for_s = 60.0
    letters = nodes.write(*(f"order-{n}" for n in range(50)))

    await nodes.until_all_are_told(within_s=55.0)
    await asyncio.sleep(60.0)

    assert sorted(nodes.by(nodes.two)) == letters
    assert nodes.by(nodes.one) == []


async def test_nor_does_it_when_the_other_has_left_since(nodes: Nodes) -> None:
    nodes.one.reads_for_s = 60.0
    letters = nodes.write(*(f"order-{n}" for n in range(50)))
    await nodes.until_all_are_told(within_s=55.0)
    await nodes.two.stop()
    nodes.one.reads_for_s = 0.0

    await asyncio.sleep(60.0)
    more = nodes.write("order-1")
    await nodes.until_all_are_told(within_s=10.0)

    assert sorted(nodes.by(nodes.two)) == letters
    assert nodes.by(nodes.one) == more


async def test_a_turn_counts_from_the_asking_and_not_from_the_answer(nodes: Nodes) -> None:
    """By the time of an answer that was under way for long the turn may be nearly over."""
    nodes.one.turns.answers_after_s = TURN_S - REQUEST_S + 1.0
    await asyncio.sleep(RENEW_S)
    nodes.write("order-1")

    await asyncio.sleep(2 * TURN_S)

    assert nodes.by(nodes.one) == []


async def test_only_who_tells_knows_how_the_web_server_is(nodes: Nodes) -> None:
    """What a node has seen an hour ago must not stand in its health for ever."""
    nodes.one.receiver.manner = refuses
    nodes.write("a", "b", "c")
    await asyncio.sleep(10.0)
    assert nodes.one.notifier.trouble is not None
    assert nodes.two.notifier.trouble is None
    assert (nodes.one.notifier.is_known, nodes.two.notifier.is_known) == (True, False)

    nodes.one.cut_off()
    await nodes.until_all_are_told(within_s=120.0)
    nodes.one.recover()
    await asyncio.sleep(20.0)

    assert nodes.one.notifier.trouble is None
    assert (nodes.one.notifier.is_known, nodes.two.notifier.is_known) == (False, True)


async def test_nudges_do_not_make_a_node_ask_for_its_turn(nodes: Nodes) -> None:
    """Each is a transaction; a busy node is nudged a hundred times a second."""
    before = nodes.one.turns.asked, nodes.two.turns.asked
    for _ in range(600):
        nodes.write("order-1")
        await asyncio.sleep(0.1)

    assert nodes.one.turns.asked - before[0] <= 60.0 / RENEW_S + 2
    assert nodes.two.turns.asked - before[1] <= 60.0 / RENEW_S + 2
