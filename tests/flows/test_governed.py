"""The governor, its limits and the pauses together, as a lane meets them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import Reason
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Concern, Concerned, Receipt
from tank_mailer.core.pausing import FIRST_PROBE_S
from tank_mailer.core.renewal import QueueLife
from tank_mailer.flows.hidden import MOST, Hidden
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.quota import QuotaWatch
from tank_mailer.ports import AccountFacts
from tests.builders import make_body
from tests.fakes import FakeClock, FakeQueue
from tests.flows.conftest import MakeRig, Rig
from tests.volume_fake import FakeVolume

EVERYTHING = Concern(Concerned.OPERATOR, "all")
QUOTA = Concern(Concerned.QUOTA, ORDINARY)


@asynccontextmanager
async def quota_of(
    rig: Rig, limit: float, *, used: int = 0, lanes: tuple[str, ...] = (ORDINARY,)
) -> AsyncIterator[Any]:
    """The rig under a daily quota; what it sends is counted."""
    volume = FakeVolume(clock=rig.clock)
    volume.accept(used)
    watch = QuotaWatch(
        volume=volume,
        pauses=rig.pauses,
        clock=rig.clock,
        lanes=lanes,
        reserve=0.1,
        nudge=rig.governor.look_again,
    )
    rig.governor.limits.append(watch)

    def answer(job: Any, attempt: int) -> Receipt:
        volume.accept(len(job.recipients))
        return Receipt(f"ok-{job.email_id}-{attempt}")

    rig.mailer.answers.extend([answer] * 2000)
    watch.facts(AccountFacts(max_send_rate=14.0, max_24_hour_send=limit, sent_last_24_hours=used))
    task = asyncio.create_task(watch.run())
    try:
        yield volume
    finally:
        task.cancel()


def recipients_sent(rig: Rig) -> int:
    return sum(len(job.recipients) for job, _ in rig.mailer.sent)


@pytest.mark.parametrize(
    ("used", "size", "sent"),
    [
        pytest.param(0, 1, 200, id="to-the-last-recipient"),
        pytest.param(198, 2, 200, id="a-job-that-just-fits"),
        pytest.param(170, 50, 220, id="a-job-that-crosses-the-line-goes-and-is-the-last"),
    ],
)
async def test_the_quota_ends_in_the_middle_of_a_batch(make_rig: MakeRig, used: int, size: int, sent: int) -> None:
    """The job that uses the room up goes: were it given back, its own room would call it again, for ever."""
    rig = make_rig(rate=14, life=QueueLife(max_receive_count=3))
    rig.queue.max_receive_count = 3
    rig.queue.latency_s = 0.015
    for n in range(300 if size == 1 else 10):
        rig.put(email_id=f"job-{n}", to=[f"r{n}-{r}@example.org" for r in range(size)])
    with capture_logs() as lines:
        async with quota_of(rig, 200, used=used), rig.running():
            await rig.until(lambda: rig.pauses.reason_of(QUOTA) is not None)
            await asyncio.sleep(60)
            polls = len(rig.queue.received)
            await asyncio.sleep(20 * 3600)
            assert len(rig.queue.received) == polls, "nothing is polled"

    assert used + recipients_sent(rig) == sent
    assert sum(line["event"] == "pause_begun" for line in lines) == 1
    assert rig.queue.dead_lettered == []
    assert all(row.charged == 0 for row in rig.ledger.rows.values())


async def test_when_yesterdays_mail_leaves_the_count_todays_goes_on_in_step(make_rig: MakeRig) -> None:
    """Never more than the quota in any 24 hours, and nothing left over either."""
    rig = make_rig(rate=1)
    rig.put_many(500)
    sent_at = list[float]()
    async with quota_of(rig, 200), rig.running():
        await asyncio.sleep(60 * 3600)
        sent_at = list(rig.mailer.sent_s)

    day_s = 86_400.0
    for n, at in enumerate(sent_at):
        assert sum(at <= other < at + day_s for other in sent_at[n:]) <= 200
    assert len(sent_at) == 500, "two days and a half"


async def test_the_reserve_is_for_codes_and_alarms(make_rig: MakeRig) -> None:
    """A newsletter that uses its share up leaves a tenth of the day to who must log in."""
    rig = make_rig(rate=14, has_priority=True)
    rig.put_many(300)
    async with quota_of(rig, 200, lanes=(PRIORITY, ORDINARY)), rig.running():
        await rig.until(lambda: rig.pauses.reason_of(QUOTA) is not None)
        assert recipients_sent(rig) == 180
        for n in range(30):
            rig.priority_queue.put(make_body(email_id=f"code-{n}"))
        await rig.until(lambda: rig.pauses.reason_of(Concern(Concerned.QUOTA, PRIORITY)) is not None)
        assert recipients_sent(rig) == 200


async def test_a_job_whose_time_is_over_while_others_go_first_is_not_sent(make_rig: MakeRig) -> None:
    """Its beginning was written down, and then many priority jobs came."""
    rig = make_rig(rate=2, has_priority=True)
    async with rig.running():
        await asyncio.sleep(2)
        for n in range(3):
            rig.put(email_id=f"late-{n}", expires_at=(rig.clock.now() + timedelta(seconds=1)).isoformat())
        await asyncio.sleep(0.02)
        for n in range(20):
            to = [f"r{n}-{r}@example.org" for r in range(5)]
            rig.priority_queue.put(make_body(email_id=f"code-{n}", to=to))
        await rig.until(lambda: not rig.queue.left and not rig.priority_queue.left)

    assert not any(rig.sent(f"late-{n}") for n in range(3))
    assert {(await rig.row(f"late-{n}")).state for n in range(3)} == {State.EXPIRED}
    assert rig.governor.is_idle


async def test_a_lane_hears_of_the_end_of_a_pause_however_soon_it_comes(make_rig: MakeRig) -> None:
    """Between the look at the pauses and the wait for a change nothing may be missed: that wait has no end."""
    rig = make_rig()
    rig.pauses.begin(EVERYTHING, Reason.OPERATOR, "stop")
    rig.put()
    async with rig.running():
        asyncio.get_running_loop().call_soon(rig.pauses.lift, EVERYTHING)
        await rig.until(lambda: not rig.queue.left, within_s=60)


async def test_a_store_that_only_looks_well_is_asked_ever_more_seldom() -> None:
    """Its check passes and its work fails at once: each try costs receives."""
    pauses = Pauses(clock=FakeClock())
    store = Concern(Concerned.STORE)
    lifted = list[float]()
    pauses.when_lifted(lambda _: lifted.append(pauses.clock.boot_s()))
    task = asyncio.create_task(pauses.run())
    for _ in range(8):
        pauses.begin(store, Reason.STORE_SICK, "malformed")
        while pauses.all:
            await pauses.change()
    task.cancel()
    waits = [round(later - earlier) for earlier, later in pairwise([0.0, *lifted])]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]

    await asyncio.sleep(120)
    pauses.begin(store, Reason.STORE_SICK, "another time")
    assert pauses.all[0].interval_s == FIRST_PROBE_S, "it was well for a while"


async def test_the_newest_handles_are_kept_and_what_has_come_is_forgotten() -> None:
    """After days of a pause the messages that are hidden now come, not those of last week."""
    queue = FakeQueue(FakeClock())
    hidden = Hidden(queue=queue)
    sender = Concern(Concerned.SENDER, "shop@example.com")
    ids = [queue.put("{}") for _ in range(20)]
    for n in range(MOST):
        hidden.note(sender, f"old-{n}", "stale")
    for message in await _received(queue):
        hidden.note(sender, message.queue_message_id, message.receipt_handle)
    hidden.forget(ids[0])
    hidden.over(sender)
    task = asyncio.create_task(hidden.run())
    await asyncio.sleep(1)
    task.cancel()

    assert [queue.visible_in_s(name) == 0 for name in ids[:10]] == [False] + [True] * 9


async def _received(queue: FakeQueue) -> Any:
    return await queue.receive(limit=10, wait_s=0, visibility_s=3600)
