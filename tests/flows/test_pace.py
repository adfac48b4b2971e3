"""The pace: smooth from the first second, in recipients, without starving anybody; and few calls."""

import asyncio
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

import pytest

from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Fault, Receipt
from tank_mailer.flows.governor import Governor
from tests.flows.conftest import MakeRig

THROTTLE = Fault("Maximum sending rate exceeded.", "TooManyRequestsException", 429)


def most_in_a_second(times: list[float], weights: list[int] | None = None) -> int:
    """The fullest sliding second."""
    weights = weights or [1] * len(times)
    return max(sum(w for t, w in zip(times, weights, strict=True) if start <= t < start + 1) for start in times)


async def slow(job: Any, attempt: int) -> Receipt:
    await asyncio.sleep(0.2)
    return Receipt(f"{job.email_id}-{attempt}")


@pytest.mark.parametrize("rate", [12.6, 14.0, 50.0])
async def test_no_second_is_too_full_not_even_the_first(make_rig: MakeRig, rate: float) -> None:
    rig = make_rig(*[slow] * 2000, rate=rate, slots=40)
    rig.put_many(int(rate * 30))
    async with rig.running():
        await rig.until(lambda: len(rig.mailer.sent) == int(rate * 30))

    assert most_in_a_second(rig.mailer.sent_s) <= rate + 1
    assert rig.mailer.sent_s[-1] - rig.mailer.sent_s[0] <= 30 / 0.97, "nor slower than need be"


async def test_calls_are_few_at_14_a_second(make_rig: MakeRig) -> None:
    """Ten receives of one cost ten times one receive of ten."""
    rig = make_rig(*[slow] * 2000, rate=12.6)
    rig.queue.latency_s = 0.1
    rig.put_many(300)
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)
        deletes = sum(call == "delete" for call, _ in rig.queue.batches)
        calls = len(rig.mailer.sent) + len(rig.queue.received) + deletes

    assert calls / 300 <= 1.25
    assert rig.mailer.sent_s[-1] - rig.mailer.sent_s[0] <= 300 / 12.6 / 0.97


async def test_no_more_than_the_slots_are_in_flight_and_ten_wait(make_rig: MakeRig) -> None:
    rig = make_rig(*[slow] * 2000, rate=500, slots=4)
    rig.put_many(200)
    most = 0
    async with rig.running():
        while rig.queue.left:
            held = len(rig.lane.keeper._held) - len(rig.mailer.sent) + len(rig.queue.deleted)
            most = max(most, held)
            await asyncio.sleep(0.01)

    assert rig.mailer.most_in_flight == 4
    assert most <= 4 + 10 + 10  # in flight, waiting, and those whose delete is under way


async def test_a_call_of_fifty_at_one_a_second_starves_nobody(make_rig: MakeRig) -> None:
    """It goes with its first token; what it owes delays the next, but does not stop them."""
    rig = make_rig(rate=1.0)
    rig.put(email_id="large", to=[f"r{n}@example.org" for n in range(50)])
    rig.put_many(5)
    async with rig.running():
        await rig.until(lambda: not rig.queue.left, within_s=300)

    sent = {job.email_id: at for (job, _), at in zip(rig.mailer.sent, rig.mailer.sent_s, strict=True)}
    assert len(rig.mailer.sent) == 6
    assert max(sent.values()) <= 75
    weights = [len(job.recipients) for job, _ in rig.mailer.sent]
    assert most_in_a_second(rig.mailer.sent_s, weights) <= 50 + 1 + 1


async def test_throttling_slows_down_and_recovers(make_rig: MakeRig) -> None:
    rig = make_rig(*[slow] * 20, THROTTLE, rate=14)
    rig.put_many(500)
    async with rig.running():
        await rig.until(lambda: rig.governor.current_rate < 14)
        assert rig.governor.current_rate == pytest.approx(14 * 0.7)
        await rig.until(lambda: rig.governor.current_rate == 14)
        await rig.until(lambda: not rig.queue.left)

    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}


async def test_a_new_rate_holds_at_once(make_rig: MakeRig) -> None:
    rig = make_rig(rate=5)
    rig.put_many(400)
    async with rig.running():
        await rig.until(lambda: len(rig.mailer.sent) >= 20)
        rig.governor.set_rate(50)
        changed = len(rig.mailer.sent)
        await rig.until(lambda: len(rig.mailer.sent) >= 300)

    times = rig.mailer.sent_s
    assert most_in_a_second(times[:changed]) <= 6
    assert most_in_a_second(times) <= 51
    assert times[299] - times[changed] <= (300 - changed) / 50 / 0.95 + 0.5  # the poll under way asked for the old rate


async def test_what_never_left_is_refunded(make_rig: MakeRig) -> None:
    never = Fault("ConnectTimeoutError", "ConnectTimeoutError", connected=False)
    rig = make_rig(never, rate=1.0)
    rig.put(email_id="large", to=[f"r{n}@example.org" for n in range(30)])
    rig.put(email_id="small")
    async with rig.running():
        await rig.until(lambda: rig.sent("small") == 1, within_s=60)
        assert rig.clock.boot_s() < 10, "the thirty tokens were given back"


async def test_a_lease_outlives_its_attempt(make_rig: MakeRig) -> None:
    """A job that waited long is extended before it is attempted."""
    rig = make_rig(rate=0.25, visibility_s=60)
    rig.put_many(2)
    async with rig.running():
        await rig.until(lambda: not rig.queue.left, within_s=120)

    assert [rig.queue.deleted.count(m) for m in ("queue-message-1", "queue-message-2")] == [1, 1]


async def test_leases_are_extended_while_a_request_takes_long(make_rig: MakeRig) -> None:
    async def very_slow(job: Any, attempt: int) -> Receipt:
        await asyncio.sleep(200)
        return Receipt("late")

    rig = make_rig(very_slow)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left, within_s=300)

    assert len(rig.mailer.sent) == 1
    assert rig.queue.hidden, "extended"


# --- throttling --------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Ses:
    """Lets so many through in a sliding second, others' mail aside.

    Attributes:
        leaves: recipients a second that other senders leave; 0: it throttles all.
    """

    leaves: float
    passed: list[float] = field(default_factory=list)
    throttled: list[float] = field(default_factory=list)

    def send(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        lately = len(self.passed) - bisect_left(self.passed, now_s - 1)
        (self.passed if lately + 1 <= self.leaves else self.throttled).append(now_s)
        return lately + 1 <= self.leaves

    def throttled_between(self, from_s: float, to_s: float) -> int:
        return bisect_left(self.throttled, to_s) - bisect_left(self.throttled, from_s)


async def keep_sending(governor: Governor, ses: Ses, *, call_s: float = 0.06) -> None:
    """Endless mail; what is throttled waits a second, as tenacity lets it."""

    async def job() -> None:
        ticket = governor.enter(1)
        try:
            assert await governor.near(ticket) is None
            assert await governor.turn(ticket, 1)
            await asyncio.sleep(call_s)
            has_passed = ses.send()
        finally:
            governor.leave(ticket)
        if not has_passed:
            governor.slow_down()
            await asyncio.sleep(1)

    async def worker() -> None:
        while True:
            await job()

    await asyncio.gather(*(worker() for _ in range(10)))


async def until_s(seconds: float) -> None:
    await asyncio.sleep(seconds - asyncio.get_running_loop().time())


async def test_another_sender_on_the_account_is_learned_and_forgotten() -> None:
    """He takes more than half; the rest is used, with few throttles, and all of it soon after he has stopped."""
    governor, ses = Governor(slots=10, rate=12.6), Ses(leaves=14)
    tasks = [asyncio.create_task(governor.run()), asyncio.create_task(keep_sending(governor, ses))]
    await until_s(60)
    assert not ses.throttled
    ses.leaves = 5
    await until_s(660)

    assert ses.throttled_between(120, 660) <= 540 / 10, "one in ten seconds, and not one in two"
    used = bisect_left(ses.passed, 660) - bisect_left(ses.passed, 120)
    assert used >= 0.8 * 5 * 540

    ses.leaves = 14
    await until_s(660 + 180)
    assert governor.current_rate >= 0.98 * 12.6, "within three minutes"
    for task in tasks:
        task.cancel()


@pytest.mark.parametrize("rate", [1.0, 12.6, 45.0])
async def test_after_a_storm_of_five_minutes_the_rate_is_back_within_one(rate: float) -> None:
    """SES throttles all, at whatever rate: that says nothing about the rate."""
    governor, ses = Governor(slots=10, rate=rate), Ses(leaves=2 * rate)
    tasks = [asyncio.create_task(governor.run()), asyncio.create_task(keep_sending(governor, ses))]
    await until_s(60)
    ses.leaves = 0
    await until_s(360)
    assert governor.current_rate < 0.4 * rate
    ses.leaves = 2 * rate
    await until_s(360 + 60)

    assert governor.current_rate >= 0.98 * rate
    for task in tasks:
        task.cancel()


async def test_the_answers_of_one_round_trip_count_once() -> None:
    """Ten requests were in flight when SES began to throttle, and take three seconds each."""
    governor, ses = Governor(slots=10, rate=3.0), Ses(leaves=100)
    tasks = [asyncio.create_task(governor.run()), asyncio.create_task(keep_sending(governor, ses, call_s=3.0))]
    await until_s(30)
    ses.leaves = 0
    await until_s(32.9)

    assert len(ses.throttled) > 5
    assert governor.current_rate == pytest.approx(0.7 * 3.0, rel=0.1)
    for task in tasks:
        task.cancel()


async def test_a_rate_may_be_set_at_any_moment() -> None:
    """Also in the very breath in which the one who waits for a token wakes up because of the rate before."""
    governor = Governor(slots=10, rate=0.2)
    running = asyncio.create_task(governor.run())
    going = asyncio.create_task(governor.turn(governor.enter(1), 1))
    await asyncio.sleep(1.5)
    for breaths in range(4):
        governor.set_rate(0.2)
        for _ in range(breaths):
            await asyncio.sleep(0)
        governor.set_rate(0.3)
        await asyncio.sleep(0.1)
    await asyncio.sleep(5)

    assert going.done()
    running.cancel()


async def test_a_raise_and_a_cut_count_at_once_even_while_a_token_is_waited_for() -> None:
    """At a token in ten seconds, whoever waits for the next one must not sleep through the raise."""
    governor = Governor(slots=10, rate=0.1)
    running = asyncio.create_task(governor.run())
    ticket = governor.enter(1)
    going = asyncio.create_task(governor.turn(ticket, 1))
    await asyncio.sleep(2)
    governor.set_rate(10.0)
    await asyncio.sleep(0.2)
    assert going.done()
    governor.set_rate(0.1)
    later = [asyncio.create_task(governor.turn(governor.enter(1), 1)) for _ in range(2)]
    await asyncio.sleep(9)
    assert [turn.done() for turn in later] == [True, False], "what had leaked until then is one token"
    running.cancel()
    later[1].cancel()


async def test_a_slow_rate_recovers_while_a_token_is_waited_for() -> None:
    """One in twenty seconds is what a storm leaves of the sandbox's rate."""
    governor = Governor(slots=10, rate=1.0)
    running = asyncio.create_task(governor.run())
    for _ in range(10):
        governor.slow_down()
        await asyncio.sleep(1)
    assert governor.current_rate < 0.1
    going = asyncio.create_task(governor.turn(governor.enter(1), 1))
    await asyncio.sleep(10)

    assert going.done()
    running.cancel()
