"""The pace: smooth from the first second, in recipients, without starving anybody; and few calls."""

import asyncio
from typing import Any

import pytest

from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Fault, Receipt
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
