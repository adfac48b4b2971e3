"""Slots and tokens are conserved: whatever a job does, it leaves nothing behind and goes at its turn."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Fault, Receipt
from tank_mailer.flows.governor import FAR_S, Governor
from tank_mailer.flows.stop import Stop
from tests.flows.conftest import MakeRig, Rig, SkippingLoop

THROTTLE = Fault("Maximum sending rate exceeded.", "TooManyRequestsException", 429)
LATE_S = 1e-4  # the loop's ticks


def make_governor(rate: float, slots: int = 10) -> Governor:
    governor = Governor(slots=slots, rate=0.0)
    governor.set_rate(rate)
    return governor


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
    assert not governor._waiting
    assert governor._ready_tokens == 0
    assert governor._in_use == 0
    assert governor._turns.empty()


# --- a property --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Visit:
    """One job's way through the governor, as `Attempt` leads it.

    Attributes:
        after_s: between the job before and this one.
        spared: recipients that the suppression list takes out between its nearness and its turn.
        is_skipped: it ends between its nearness and its turn.
        fails: nothing of it reaches SES.
        cancel_s: when it is cancelled, from its entrance; None: never.
    """

    after_s: float
    tokens: int
    spared: int
    begins_s: float
    lasts_s: float
    is_skipped: bool = False
    fails: bool = False
    cancel_s: float | None = None


@dataclass(kw_only=True)
class Course:
    """What was seen of all visits."""

    governor: Governor
    starts: list[Start] = field(default_factory=list)
    given_back: int = 0

    async def visit(self, visit: Visit) -> None:
        governor, tokens = self.governor, visit.tokens
        ticket = governor.enter(tokens)
        refund = True
        try:
            if (delay_s := await governor.near(ticket)) is not None:
                assert delay_s == 0 or delay_s > FAR_S
                self.given_back += 1
                return
            await asyncio.sleep(visit.begins_s)
            if visit.is_skipped:
                return
            tokens = max(1, tokens - visit.spared)
            if not await governor.turn(ticket, tokens):
                self.given_back += 1
                return
            refund = visit.fails
            if not visit.fails:
                self.starts.append(Start(asyncio.get_running_loop().time(), tokens))
            await asyncio.sleep(visit.lasts_s)
        finally:
            governor.leave(ticket, refund=refund)


async def go(visits: list[Visit], changes: list[tuple[float, float | str]], *, rate: float, slots: int) -> Course:
    """Let all visits happen, and change the rate meanwhile (a number, or a word for something else)."""
    course = Course(governor=make_governor(rate, slots))
    running = asyncio.create_task(course.governor.run())

    async def change() -> None:
        for after_s, what in changes:
            await asyncio.sleep(after_s)
            match what:
                case "throttled":
                    course.governor.slow_down()
                case "halt":
                    course.governor.halt()
                case float():
                    course.governor.set_rate(what)
                case _:
                    raise AssertionError(what)

    changing = asyncio.create_task(change())
    tasks = list[asyncio.Task[None]]()
    for visit in visits:
        await asyncio.sleep(visit.after_s)
        task = asyncio.create_task(course.visit(visit))
        tasks.append(task)
        if visit.cancel_s is not None:
            asyncio.get_running_loop().call_later(visit.cancel_s, task.cancel)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await changing
    assert [result for result in results if isinstance(result, Exception)] == []
    await asyncio.sleep(1000)  # debts are paid
    assert not running.done()
    running.cancel()
    return course


def on_skipping_loop(story: Coroutine[Any, Any, Course]) -> Course:
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(story)


def some_visits(*, fails: bool) -> st.SearchStrategy[list[Visit]]:
    return st.lists(
        st.builds(
            Visit,
            after_s=st.sampled_from([0.0, 0.0, 0.01, 0.3, 2.0]),
            tokens=st.sampled_from([1, 1, 1, 2, 7, 50]),
            spared=st.sampled_from([0, 0, 0, 1, 3]),
            begins_s=st.sampled_from([0.0, 0.005]),
            lasts_s=st.sampled_from([0.0, 0.1, 3.0, 30.0]),
            is_skipped=st.sampled_from([False, False, False, True]),
            fails=st.booleans() if fails else st.just(False),
            cancel_s=st.none() | st.floats(0, 20),
        ),
        max_size=40,
    )


RATES = st.sampled_from([0.5, 1.0, 5.0, 12.6, 100.0])
CHANGES = st.lists(
    st.tuples(st.floats(0, 10), RATES | st.sampled_from(["throttled", "halt"])),
    max_size=4,
)


def assert_pace_was_kept(
    course: Course, visits: list[Visit], changes: list[tuple[float, float | str]], rate: float
) -> None:
    """No second exceeds the fastest rate that was ever set by more than the largest job."""
    fastest = max([rate, *(what for _, what in changes if isinstance(what, float))])
    assert fullest_second(course.starts) <= fastest + max((visit.tokens for visit in visits), default=0)


@settings(max_examples=150, deadline=None)
@given(visits=some_visits(fails=False), changes=CHANGES, rate=RATES, slots=st.integers(1, 10))
def test_slots_and_tokens_are_conserved(
    visits: list[Visit], changes: list[tuple[float, float | str]], rate: float, slots: int
) -> None:
    """Cancelled, halted, skipped, given back, at whatever moment: the pace holds and nothing stays behind."""
    course = on_skipping_loop(go(visits, changes, rate=rate, slots=slots))

    assert_nothing_in_use(course.governor)
    assert_pace_was_kept(course, visits, changes, rate)
    assert course.governor._debt == 0
    assert course.governor._credit <= 1, "what a cancelled turn had drawn already"


@settings(max_examples=100, deadline=None)
@given(visits=some_visits(fails=True), changes=CHANGES, rate=RATES, slots=st.integers(1, 10))
def test_whatever_happens_slots_come_free(
    visits: list[Visit], changes: list[tuple[float, float | str]], rate: float, slots: int
) -> None:
    """A slot or a place that is lost is lost until the restart."""
    course = on_skipping_loop(go(visits, changes, rate=rate, slots=slots))

    assert_nothing_in_use(course.governor)


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
    assert await governor.near(waiting) == 0
    assert not head.done(), "already promised the next slot: its job looks at the pauses once more"
    governor.leave(sending)
    assert await head
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
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}
    assert [rig.sent(f"job-{n}") for n in range(3)] == [2, 1, 1]
    assert rig.governor.is_idle
