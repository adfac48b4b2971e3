"""Slots and tokens are conserved: whatever a job does, it leaves nothing behind and goes at its turn."""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.lanes import LANES, ORDINARY, PRIORITY
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Fault, Receipt
from tank_mailer.flows.governor import FAR_S, Governor
from tank_mailer.flows.line import Ticket
from tank_mailer.flows.stop import Stop
from tests.flows.conftest import MakeRig, Rig

THROTTLE = Fault("Maximum sending rate exceeded.", "TooManyRequestsException", 429)
LATE_S = 1e-4  # the loop's ticks


def make_governor(rate: float, slots: int = 10, *, has_priority: bool = False) -> Governor:
    return Governor(slots=slots, rate=rate, has_priority=has_priority)


def recipients(count: int) -> list[str]:
    return [f"r{n}@example.org" for n in range(count)]


@dataclass(frozen=True, slots=True)
class Start:
    """A request that left."""

    at_s: float
    tokens: int


def fullest_second(starts: list[Start]) -> int:
    """Recipients in the fullest sliding second."""
    return max(
        (sum(s.tokens for s in starts if first.at_s <= s.at_s < first.at_s + 1 - LATE_S) for first in starts), default=0
    )


def starts_of(rig: Rig) -> list[Start]:
    return [Start(at_s, len(job.recipients)) for (job, _), at_s in zip(rig.mailer.sent, rig.mailer.sent_s, strict=True)]


def assert_nothing_in_use(governor: Governor) -> None:
    assert governor.is_idle
    assert (governor.in_use, [governor.waiting(lane) for lane in LANES]) == (0, [0, 0])
    for line in governor._lines.values():
        assert (line.ready, len(line.tickets), len(line.turns), len(line.waiting)) == (0, 0, 0, 0)


# --- its turn ----------------------------------------------------------------------------------------


async def test_a_job_whose_turn_is_far_off_is_told_when_to_come_back() -> None:
    """A lease that waits for minutes is a lease at risk; the queue waits for nothing."""
    governor = make_governor(1.0)
    large = governor.enter(50)
    assert await governor.near(large) is None
    waits = governor.enter(20)
    far = governor.enter(1)

    assert await governor.near(far) == 70
    assert not waits.near.done(), "its turn is fifty seconds off: it stays"
    for ticket in (large, waits, far):
        governor.leave(ticket)
    assert_nothing_in_use(governor)


async def test_what_is_given_back_comes_again_and_goes_out(make_rig: MakeRig) -> None:
    """Ten calls of fifty at five a second are a hundred seconds of tokens: the last ones wait on the queue."""
    rig = make_rig(rate=5)
    for n in range(10):
        rig.put(email_id=f"job-{n}", to=recipients(50))
    async with rig.running():
        await rig.until(lambda: bool(rig.queue.hidden))
        delays = [seconds for _, seconds in rig.queue.hidden]
        assert min(delays) > FAR_S
        assert max(delays) <= 100
        deferred = [row for row in rig.ledger.rows.values() if row.state is State.DEFERRED]
        assert {(row.attempt, row.charged, row.reason) for row in deferred} == {(0, 0, None)}
        await rig.until(lambda: not rig.queue.left)

    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}
    assert len(rig.mailer.sent) == 10


async def test_what_is_given_back_unpaid_is_not_paid_back(make_rig: MakeRig) -> None:
    """Else the jobs that come next go all at once, and SES throttles."""
    rig = make_rig(rate=5)
    for n in range(10):
        rig.put(email_id=f"job-{n}", to=recipients(50))
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert fullest_second(starts_of(rig)) <= 5 + 50


async def test_suppressed_jobs_earn_no_tokens(make_rig: MakeRig) -> None:
    """They end before their turn: a list of old addresses must not let the next hundred mails out in a second."""
    rig = make_rig(rate=5)
    rig.ledger.suppressions["gone@example.org"] = None
    for n in range(50):
        rig.put(email_id=f"gone-{n}", to="gone@example.org")
    rig.put_many(50)
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 50
    assert fullest_second(starts_of(rig)) <= 5 + 1


async def test_what_comes_back_late_is_not_spent_at_once(make_rig: MakeRig) -> None:
    """A token is good for its own second: after a network trouble of half a minute SES still counts per second."""

    async def never(job: Any, attempt: int) -> Fault:
        await asyncio.sleep(20)
        return Fault("ConnectTimeoutError", "ConnectTimeoutError", connected=False)

    rig = make_rig(*[never] * 4, rate=5, slots=20)
    for n in range(4):
        rig.put(email_id=f"large-{n}", to=recipients(20))
    async with rig.running():
        await rig.until(lambda: not rig.mailer.answers and not rig.mailer.in_flight)
        tried = len(rig.mailer.sent)
        rig.put_many(60)
        await rig.until(lambda: not rig.queue.left)

    assert fullest_second(starts_of(rig)[tried:]) <= 5 + 20


async def test_a_job_cancelled_while_it_waits_is_not_taken_for_one_that_goes() -> None:
    """The second signal and a new rate in one breath: its place falls to the next."""
    governor = make_governor(0.0)
    waiting = [asyncio.create_task(_pass_through(governor)) for _ in range(2)]
    running = asyncio.create_task(governor.run())
    await asyncio.sleep(1)
    waiting[0].cancel()
    governor.set_rate(1.0)

    assert await waiting[1]
    with suppress(asyncio.CancelledError):
        await waiting[0]
    assert waiting[0].cancelled()
    assert_nothing_in_use(governor)
    running.cancel()


async def _pass_through(governor: Governor) -> bool:
    ticket = governor.enter(1)
    try:
        return await governor.near(ticket) is None and await governor.turn(ticket, 1)
    finally:
        governor.leave(ticket)


async def test_a_halt_gives_back_who_waits_and_who_has_asked_for_a_slot() -> None:
    """A pause that stops everything: what is in flight goes on, nothing else leaves."""
    governor = make_governor(1.0, slots=1)
    running = asyncio.create_task(governor.run())
    sending, turning, ready = (governor.enter(tokens) for tokens in (1, 1, 30))
    waiting, gone = governor.enter(1), governor.enter(1)
    for ticket in (sending, turning):
        assert await governor.near(ticket) is None
    assert await governor.turn(sending, 1)
    assert await governor.near(ready) is None
    head = asyncio.create_task(governor.turn(turning, 1))
    behind = asyncio.create_task(governor.turn(ready, 30))
    await asyncio.sleep(1)
    gone.near.cancel()

    governor.halt()
    assert not await behind
    assert not await head, "promised nothing yet: a slot and a token are given in one breath"
    assert await governor.near(waiting) == 0
    assert governor.in_flight(ORDINARY) == 1
    governor.leave(sending)
    for ticket in (turning, ready, waiting, gone):
        governor.leave(ticket)
    await asyncio.sleep(5)
    assert_nothing_in_use(governor)
    running.cancel()


async def test_a_turn_that_was_cancelled_is_passed_over_by_a_halt() -> None:
    """Pause and second signal in one breath."""
    governor = make_governor(10.0)
    ticket = governor.enter(1)
    assert await governor.near(ticket) is None
    turn = asyncio.create_task(governor.turn(ticket, 1))
    await asyncio.sleep(1)
    turn.cancel()
    governor.halt()
    await asyncio.gather(turn, return_exceptions=True)

    assert turn.cancelled()
    governor.leave(ticket)
    assert_nothing_in_use(governor)


async def test_a_token_that_finds_its_job_cancelled_is_the_next_ones() -> None:
    """In one breath with its token: the job has not left yet."""
    gang = Gang(governor=make_governor(1.0))
    running = asyncio.create_task(gang.governor.run())
    for name in ("first", "second"):
        gang.come(name)
    await asyncio.sleep(0.5)
    assert gang.governor.waiting(ORDINARY) == 2
    gang.tickets["first"].go.cancel()
    await asyncio.sleep(0.6)

    assert gang.went == ["second"]
    gang.leave("first")
    gang.come("third")
    await asyncio.sleep(0.5)
    gang.tickets["third"].go.cancel()
    await asyncio.sleep(0.6)
    gang.leave("third")
    gang.come("fourth")
    await asyncio.sleep(0.01)
    assert gang.went == ["second", "fourth"], "nor is it lost where nobody else waits just then"
    running.cancel()
    await asyncio.gather(*gang.tasks, return_exceptions=True)


async def test_after_the_close_nobody_gets_in_and_nobody_goes() -> None:
    """A drain: what had begun when it came is given back before its request."""
    governor = make_governor(10.0)
    begun = governor.enter(1)
    assert await governor.near(begun) is None
    governor.close()

    late = governor.enter(1)
    assert await governor.near(late) == 0
    assert not await governor.turn(begun, 1)
    assert governor.room() == 0
    for ticket in (begun, late):
        governor.leave(ticket)
    assert_nothing_in_use(governor)


async def test_a_rest_ends_with_the_close_or_by_itself() -> None:
    governor = make_governor(10.0)
    loop = asyncio.get_running_loop()
    await governor.rest(5)
    assert loop.time() == pytest.approx(5, abs=0.1)
    loop.call_later(1, governor.close)
    await governor.rest(500)
    assert loop.time() == pytest.approx(6, abs=0.1)


async def test_an_account_whose_rate_falls_to_nothing_stops_sending_but_not_the_daemon() -> None:
    """AWS takes an account's sending away; what waits for its turn waits on."""
    governor = make_governor(5.0)
    running = asyncio.create_task(governor.run())
    turns = [asyncio.create_task(_turn(governor, governor.enter(1))) for _ in range(4)]
    await turns[0]
    governor.set_rate(0.0)
    await asyncio.sleep(60)
    assert not running.done()
    assert not turns[3].done()
    governor.set_rate(5.0)
    await asyncio.wait_for(turns[3], 60)
    running.cancel()


async def _turn(governor: Governor, ticket: Any) -> None:
    assert await governor.near(ticket) is None
    assert await governor.turn(ticket, 1)


# --- lanes -------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Gang:
    """Jobs that wait for their turn, and the order in which they went."""

    governor: Governor
    went: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def come(self, name: str, tokens: int = 1, lane: str = ORDINARY) -> None:
        self.tasks.append(asyncio.create_task(self._turn(name, tokens, lane)))

    async def _turn(self, name: str, tokens: int, lane: str) -> None:
        ticket = self.tickets[name] = self.governor.enter(tokens, lane)
        is_near = await self.governor.near(ticket) is None
        if is_near and await self.governor.turn(ticket, tokens):
            self.went.append(name)
        else:
            self.refused.append(name)
            self.governor.leave(ticket)

    def leave(self, name: str, *, refund: bool = False) -> None:
        self.governor.leave(self.tickets[name], refund=refund)


async def test_who_goes_is_chosen_only_when_the_token_is_there() -> None:
    """A code that comes while a newsletter waits for its token goes with that token."""
    gang = Gang(governor=make_governor(1.0, has_priority=True))
    running = asyncio.create_task(gang.governor.run())
    for name in ("first", "second"):
        gang.come(name)
    await asyncio.sleep(0.9)
    gang.come("code", lane=PRIORITY)
    await asyncio.sleep(3)

    assert gang.went == ["code", "first", "second"][: len(gang.went)]
    assert gang.went[0] == "code"
    running.cancel()


async def test_the_priority_lane_owns_two_slots() -> None:
    """However long SES takes over ordinary mail."""
    gang = Gang(governor=make_governor(100.0, slots=4, has_priority=True))
    running = asyncio.create_task(gang.governor.run())
    for n in range(4):
        gang.come(f"ordinary-{n}")
    await asyncio.sleep(1)
    assert gang.went == ["ordinary-0", "ordinary-1"]
    for n in range(4):
        gang.come(f"code-{n}", lane=PRIORITY)
    await asyncio.sleep(1)

    assert gang.went[2:] == ["code-0", "code-1"], "all four are in use"
    assert (gang.governor.in_flight(PRIORITY), gang.governor.in_flight(ORDINARY), gang.governor.in_use) == (2, 2, 4)
    assert (gang.governor.waiting(PRIORITY), gang.governor.waiting(ORDINARY)) == (2, 2)
    gang.leave("ordinary-0")
    await asyncio.sleep(1)
    assert gang.went[4:] == ["code-2"], "a slot that falls free is the priority lane's"
    running.cancel()


async def test_an_alarm_is_near_at_once_whatever_waits() -> None:
    governor = make_governor(1.0, has_priority=True)
    ordinary = [governor.enter(1) for _ in range(20)]
    alarm = governor.enter(1, PRIORITY)
    await asyncio.sleep(0)

    assert alarm.near.done()
    assert [ticket.near.done() for ticket in ordinary].count(True) <= 2


async def test_the_priority_lanes_long_poll_is_always_open() -> None:
    """An empty one costs the other lane nothing; what it brings goes first."""
    governor = make_governor(1.0, has_priority=True)
    alone = governor.room(ORDINARY)
    for _ in range(30):
        governor.enter(1)
    governor.expect(30)
    assert governor.room(ORDINARY) == 0
    assert governor.room(PRIORITY) == 2
    governor.expect(1, PRIORITY)
    assert governor.room(PRIORITY) == 1
    governor.expect(1, PRIORITY)
    assert governor.room(PRIORITY) == 0, "received and waiting: these are its two"

    assert make_governor(1.0, has_priority=True).room(ORDINARY) == alone


async def test_a_busy_priority_lane_asks_for_whole_batches() -> None:
    """Calls are money there too; what waits on the ordinary lane does not count."""
    governor = make_governor(50.0, has_priority=True)
    governor.expect(90)
    for _ in range(90):
        governor.enter(1)

    assert governor.room(PRIORITY) == 10


async def test_an_ordinary_lane_behind_many_alarms_still_has_something_for_its_floor() -> None:
    """It counts all that is ahead of it; but a lane that asks for nothing has nothing to go with."""
    governor = make_governor(14.0, has_priority=True)
    for _ in range(10):
        governor.enter(5, PRIORITY)

    assert governor.room(ORDINARY) == 2, "two seconds of a tenth of the rate"
    governor.enter(1)
    governor.enter(1)
    governor.expect(2)
    assert governor.room(ORDINARY) == 0


async def test_one_lane_halts_alone() -> None:
    gang = Gang(governor=make_governor(1.0, has_priority=True))
    gang.come("newsletter")
    gang.come("code", lane=PRIORITY)
    await asyncio.sleep(0)
    gang.governor.halt(ORDINARY)
    running = asyncio.create_task(gang.governor.run())
    await asyncio.sleep(5)

    assert (gang.went, gang.refused) == (["code"], ["newsletter"])
    running.cancel()


# --- limits ------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Quota:
    """A limit with room for so many; may halt its lane once there is none."""

    left: int | None
    governor: Governor | None = None
    calls: list[tuple[str, str, int]] = field(default_factory=list)

    def room(self, lane: str) -> int | None:
        return self.left

    def took(self, lane: str, recipients: int) -> None:
        self.calls.append(("took", lane, recipients))
        if self.left is not None:
            self.left -= recipients
            if self.left <= 0 and self.governor is not None:
                self.governor.halt()

    def gave_back(self, lane: str, recipients: int) -> None:
        self.calls.append(("gave_back", lane, recipients))

    def ended(self, lane: str, recipients: int) -> None:
        self.calls.append(("ended", lane, recipients))


async def test_a_job_goes_while_there_is_any_room_and_those_after_it_are_given_back() -> None:
    """SES accepts a request while any quota is left (aws-facts 1.4)."""
    gang = Gang(governor=make_governor(100.0))
    gang.governor.limits += [Quota(left=None), Quota(left=1)]
    running = asyncio.create_task(gang.governor.run())
    gang.come("large", 50)
    gang.come("late")
    await asyncio.sleep(5)

    assert (gang.went, gang.refused) == (["large"], ["late"])
    gang.leave("large")
    assert_nothing_in_use(gang.governor)
    running.cancel()


async def test_a_limit_that_pauses_from_within_takes_nobody_back_who_goes() -> None:
    """The quota is used up by this very job: it goes, the others do not, and nothing is counted twice."""
    gang = Gang(governor=make_governor(100.0))
    gang.governor.limits.append(Quota(left=1, governor=gang.governor))
    running = asyncio.create_task(gang.governor.run())
    for n in range(5):
        gang.come(f"job-{n}")
    await asyncio.sleep(1)

    assert gang.went == ["job-0"]
    assert sorted(gang.refused) == [f"job-{n}" for n in range(1, 5)]
    gang.leave("job-0")
    assert_nothing_in_use(gang.governor)
    assert not running.done()
    running.cancel()


async def test_limits_are_told_what_goes_what_comes_back_and_what_is_over() -> None:
    gang = Gang(governor=make_governor(100.0, has_priority=True))
    quota = Quota(left=None)
    gang.governor.limits.append(quota)
    running = asyncio.create_task(gang.governor.run())
    gang.come("sent", 3)
    await asyncio.sleep(1)
    gang.come("never-left", 2, PRIORITY)
    await asyncio.sleep(1)
    gang.leave("sent")
    gang.leave("never-left", refund=True)
    gang.leave("never-left", refund=True)

    assert quota.calls == [
        ("took", ORDINARY, 3),
        ("took", PRIORITY, 2),
        ("ended", ORDINARY, 3),
        ("gave_back", PRIORITY, 2),
        ("ended", PRIORITY, 2),
    ]
    running.cancel()


@pytest.mark.parametrize(
    ("left", "expected", "asked", "room"),
    [
        pytest.param(None, 0, 0, 10, id="no-limit"),
        pytest.param(4, 0, 0, 4, id="no-more-than-may-go"),
        pytest.param(4, 1, 0, 3, id="less-what-is-received"),
        pytest.param(4, 0, 3, 1, id="less-what-is-asked-for"),
        pytest.param(0, 0, 0, 0, id="nothing-without-room"),
        pytest.param(-49, 0, 0, 0, id="nothing-in-debt"),
    ],
)
async def test_nothing_is_received_that_may_not_go(left: int | None, expected: int, asked: int, room: int) -> None:
    governor = make_governor(100.0)
    governor.limits += [Quota(left=left), Quota(left=40)]
    line = governor._lines[ORDINARY]
    line._starts.extend([-0.1] * 200)  # so many go that receives overlap
    governor.expect(expected)
    governor.ask(asked)

    assert governor.room() == room


async def test_who_waits_for_room_looks_again_when_a_limit_has_changed() -> None:
    """The quota's window has moved on: nobody else would say so."""
    governor = make_governor(100.0)
    quota = Quota(left=0)
    governor.limits.append(quota)
    waiting = asyncio.create_task(governor.wait_for_room())
    await asyncio.sleep(100)
    assert not waiting.done()
    quota.left = 5
    governor.look_again()

    assert await waiting == 5


# --- refunds -----------------------------------------------------------------------------------------


async def test_the_debt_of_a_job_that_never_left_is_nobodys() -> None:
    gang = Gang(governor=make_governor(1.0))
    running = asyncio.create_task(gang.governor.run())
    gang.come("large", 50)
    await asyncio.sleep(3)
    assert gang.went == ["large"]
    gang.leave("large", refund=True)
    gang.come("small")
    await asyncio.sleep(0.01)

    assert gang.went == ["large", "small"], "nor need it wait for a token: one was paid already"
    running.cancel()


async def test_time_that_has_passed_does_not_come_back() -> None:
    """Others went since: SES would count both in one second."""
    gang = Gang(governor=make_governor(1.0))
    running = asyncio.create_task(gang.governor.run())
    for n in range(4):
        gang.come(f"job-{n}")
    await asyncio.sleep(2.5)
    assert gang.went == ["job-0", "job-1"]
    gang.leave("job-0", refund=True)
    await asyncio.sleep(0.1)

    assert gang.went == ["job-0", "job-1"]
    running.cancel()


# --- stopping ----------------------------------------------------------------------------------------


async def test_a_drain_does_not_sit_through_the_wait_after_a_throttle(make_rig: MakeRig) -> None:
    """The wait may be eight seconds, four times: the job rests as deferred, and goes back at once."""
    rig = make_rig(*[THROTTLE] * 50)
    rig.put()
    async with rig.running() as polling:
        await rig.until(lambda: rig.sent("order-4711") >= 2)
        await rig.until(lambda: rig.ledger.rows["order-4711"].state is State.DEFERRED)
        started_s = rig.clock.boot_s()
        sent = len(rig.mailer.sent)
        assert await rig.drain(polling) == 0
        assert rig.clock.boot_s() - started_s < 1

    assert len(rig.mailer.sent) == sent
    row = await rig.row()
    assert (row.state, row.charged) == (State.DEFERRED, 0)


async def test_what_is_given_back_while_a_poll_is_under_way_is_not_swallowed(make_rig: MakeRig) -> None:
    """Hidden for a visibility time-out, though nobody has it: after a restart the job would wait for nothing."""
    rig = make_rig(*[THROTTLE] * 50)
    message = rig.put()
    async with rig.running() as polling:
        await rig.until(lambda: rig.sent("order-4711") >= 2)
        assert await rig.drain(polling) == 0

    assert rig.queue.visible_in_s(message) == 0


async def test_the_first_signal_asks_the_second_insists() -> None:
    """Systemd sends SIGTERM, a person at a terminal Ctrl-C, and again when it takes too long."""
    stop = Stop()
    loop = asyncio.get_running_loop()
    stop.listen()
    try:
        started_s = loop.time()
        await stop.wait_s(10)
        assert loop.time() - started_s == pytest.approx(10, abs=0.1)
        assert not stop.is_asked

        asked, insisted = asyncio.create_task(stop.wait()), asyncio.create_task(stop.wait_at_once())
        loop.call_later(1, os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.sleep(2)
        assert stop.is_asked
        assert asked.done()
        assert not insisted.done()
        await stop.wait_s(1000)
        assert loop.time() - started_s < 20

        loop.call_later(1, os.kill, os.getpid(), signal.SIGINT)
        await asyncio.sleep(2)
        assert insisted.done()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def test_a_bug_in_a_poll_is_told_and_is_not_the_last_poll(make_rig: MakeRig) -> None:
    """A daemon that no longer polls, but looks alive, is found when customers ask for their mail."""
    rig = make_rig()
    rig.queue.fail("receive", ZeroDivisionError("a bug"))
    rig.put()
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert [line["event"] for line in lines].count("flow_crashed") == 1
    assert len(rig.mailer.sent) == 1


async def test_a_bug_in_one_job_is_told_and_costs_no_other(make_rig: MakeRig) -> None:
    """Its message comes back when its lease ends; slot and tokens are free."""

    def broken(job: Any, attempt: int) -> Receipt:
        raise ZeroDivisionError("a bug")

    rig = make_rig(broken, slots=1)
    rig.put_many(3)
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert [line["event"] for line in lines].count("flow_crashed") == 1
    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}
    assert [rig.sent(f"job-{n}") for n in range(3)] == [2, 1, 1]
    assert rig.governor.is_idle
