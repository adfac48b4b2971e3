"""Ways to lose, double or stop mail that a fresh reading of the code found; each was so once."""

import asyncio
from datetime import timedelta
from typing import Any

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Fault, Receipt
from tests.flows.conftest import MakeRig
from tests.flows.test_pace import most_in_a_second

BROKEN = Fault("oops", "InternalFailure", 500)
PAUSED = Fault("Sending paused for this account.", "SendingPausedException", 400)


async def test_suppressed_jobs_earn_no_tokens(make_rig: MakeRig) -> None:
    """A refund for what was never paid became a burst."""
    rig = make_rig(rate=5.0)
    rig.ledger.suppressions["gone@example.org"] = None
    for n in range(30):
        rig.put(email_id=f"gone-{n}", to="gone@example.org")
    async with rig.running():
        await rig.until(lambda: len(rig.queue.deleted) == 30)
        for n in range(30):
            rig.put(email_id=f"here-{n}")
        await rig.until(lambda: len(rig.mailer.sent) == 30)

    assert most_in_a_second(rig.mailer.sent_s) <= 6


async def test_a_pause_of_fourteen_hours_is_lifted(make_rig: MakeRig) -> None:
    """The kept job's message lives for twelve."""

    def answer(job: Any, attempt: int) -> Any:
        return PAUSED if rig.clock.boot_s() < 14 * 3600 else Receipt(f"ok-{job.email_id}-{attempt}")

    rig = make_rig(*[answer] * 5000)
    rig.put_many(3)
    async with rig.running():
        await rig.until(lambda: not rig.queue.left, within_s=20 * 3600)

    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}
    assert {row.charged for row in rig.ledger.rows.values()} == {0}


async def test_poisonous_jobs_do_not_hold_up_the_others(make_rig: MakeRig) -> None:
    """Five of them trip the breaker; the job that shows whether SES is well must not be one of them for ever."""

    def answer(job: Any, attempt: int) -> Any:
        return BROKEN if job.email_id.startswith("poison") else Receipt(f"ok-{job.email_id}-{attempt}")

    rig = make_rig(*[answer] * 5000)
    for n in range(5):
        rig.put(email_id=f"poison-{n}")
    async with rig.running():
        await rig.until(lambda: bool(rig.pauses.all))
        rig.put_many(5)
        await rig.until(lambda: not rig.queue.left, within_s=12 * 3600)

    states = {email_id: row.state for email_id, row in rig.ledger.rows.items()}
    assert {states[f"job-{n}"] for n in range(5)} == {State.ACCEPTED}
    assert {states[f"poison-{n}"] for n in range(5)} == {State.DEAD}
    assert max(row.attempt for row in rig.ledger.rows.values()) <= 12


async def test_a_store_that_fails_between_begin_and_token_leaves_no_doubt(make_rig: MakeRig) -> None:
    """Only this process knows that nothing left; with `hold` the jobs would be dead-lettered unsent."""
    rig = make_rig(rate=5.0, policy=RetryPolicy(in_doubt_wait_s=120.0, resends_doubt=False))
    rig.put_many(6)
    async with rig.running():
        await rig.until(lambda: sum(row.state is State.SENDING for row in rig.ledger.rows.values()) >= 3)
        rig.ledger.sick = StoreError(Reason.STORE_SICK, "disk I/O error")
        await asyncio.sleep(20)
        rig.ledger.sick = None
        await rig.until(lambda: not rig.queue.left)

    dead = [row.email_id for row in rig.ledger.rows.values() if row.state is State.DEAD]
    assert [email_id for email_id in dead if not rig.sent(email_id)] == []


async def test_an_accepted_job_keeps_its_lease_while_its_store_is_away(make_rig: MakeRig) -> None:
    """Another node, whose way to the store is well, must not take it for a dead one and send it again."""

    def fall_sick(job: Any, attempt: int) -> Receipt:
        rig.ledger.sick = StoreError(Reason.STORE_SICK, "cut off")
        return Receipt("one")

    rig = make_rig(fall_sick)
    message = rig.put()
    async with rig.running():
        await rig.until(lambda: bool(rig.mailer.sent))
        for _ in range(60):
            await asyncio.sleep(60)
            assert rig.queue.visible_in_s(message) > 0
        rig.ledger.sick = None
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 1


async def test_a_refusal_of_an_overtaken_row_does_not_lose_the_job(make_rig: MakeRig) -> None:
    """Its message may only go once its end is on disk."""

    def overtaken(job: Any, attempt: int) -> Fault:
        now = rig.clock.now()
        row = rig.ledger.rows[job.email_id]
        rig.ledger.rows[job.email_id] = row.doubted(now + timedelta(seconds=120), now, Reason.PROCESS_DIED)
        return Fault("Bad content", "MessageRejected", 400)

    rig = make_rig(overtaken)
    rig.put()
    async with rig.running():
        await rig.until(lambda: bool(rig.queue.hidden))
        assert rig.queue.left, "still on the queue"
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).state in {State.ACCEPTED, State.REFUSED}


async def test_a_drain_does_not_wait_for_a_pause_that_begins_in_it(make_rig: MakeRig) -> None:
    async def slowly_held(job: Any, attempt: int) -> Fault:
        await asyncio.sleep(2)
        return PAUSED

    rig = make_rig(slowly_held)
    rig.put()
    async with rig.running() as polling:
        await rig.until(lambda: rig.mailer.in_flight == 1)
        started_s = rig.clock.boot_s()
        assert await rig.drain(polling) == 0
        assert rig.clock.boot_s() - started_s < 25
