"""What the account and the queue say of themselves, and what is told of it: each trouble once, with its remedy."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.renewal import QueueLife
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.watch import EVERY_S, SOON_S, AccountWatch, QueueWatch
from tank_mailer.ports import AccountFacts, AccountUnknown
from tests.builders import make_body
from tests.fakes import GOOD_ACCOUNT, FakeAccount, FakeClock, FakeQueue
from tests.flows.conftest import MakeRig

DENIED = AccountUnknown(Reason.ACCESS_DENIED, "no right to ses:GetAccount", reached=True)
ODD = AccountUnknown(Reason.SERVICE_ERROR, "HTTP 500", reached=True)
AWAY = AccountUnknown(Reason.UNREACHABLE, "EndpointConnectionError", reached=False)
RAISED = replace(GOOD_ACCOUNT, max_send_rate=50.0)
CUT = replace(GOOD_ACCOUNT, max_send_rate=7.0)

Lines = list[MutableMapping[str, Any]]


def told(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line["event"] == event]


@dataclass(frozen=True, kw_only=True)
class Post:
    """An account watch, without a lane."""

    account: FakeAccount
    governor: Governor
    pauses: Pauses
    watch: AccountWatch


def make_post(*answers: AccountFacts | AccountUnknown, fixed_rate: float | None = None) -> Post:
    account, governor = FakeAccount(*answers), Governor(slots=10, rate=0.0)
    pauses = Pauses(clock=FakeClock())
    watch = AccountWatch(account=account, governor=governor, pauses=pauses, fixed_rate=fixed_rate, share=0.9)
    return Post(account=account, governor=governor, pauses=pauses, watch=watch)


@asynccontextmanager
async def running(watch: AccountWatch | QueueWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()


# --- the account -------------------------------------------------------------------------------------


async def test_the_rate_is_a_share_of_what_the_account_allows() -> None:
    """Others may send through the same account; before it has answered, nothing is sent."""
    post = make_post()
    assert post.governor.current_rate == 0
    assert post.governor.room() == 0, "nothing is received either"

    assert await post.watch.probe()
    assert post.governor.current_rate == pytest.approx(14 * 0.9)
    assert post.watch.known == GOOD_ACCOUNT


async def test_a_fixed_rate_is_the_operators_word() -> None:
    """TANK_SEND_RATE is the total for this daemon: no share of it, and no account changes it."""
    post = make_post(GOOD_ACCOUNT, RAISED, fixed_rate=3.0)
    await post.watch.probe()
    await post.watch.probe()

    assert post.governor.current_rate == 3.0


@pytest.mark.parametrize("later", [RAISED, CUT], ids=["raised", "cut"])
async def test_a_change_of_the_account_is_followed_without_a_restart(later: AccountFacts) -> None:
    """AWS raises limits within hours and cuts them without a word; who owns the account wants to know."""
    post = make_post(GOOD_ACCOUNT, GOOD_ACCOUNT, later)
    with capture_logs() as lines:
        await post.watch.probe()
        async with running(post.watch):
            await asyncio.sleep(EVERY_S * 4 + 1)

    assert post.account.asked == 5
    assert post.governor.current_rate == pytest.approx(later.max_send_rate * 0.9)
    [line] = told(lines, "account_changed")
    assert (line["before"], line["max_send_rate"]) == (14.0, later.max_send_rate)


@pytest.mark.parametrize("fixed_rate", [None, 3.0], ids=["unknown-rate", "fixed-rate"])
async def test_a_key_that_may_not_ask_sends_slowly_and_says_what_helps(fixed_rate: float | None) -> None:
    """One a second is what every account allows; the warning names the right that is missing, once."""
    post = make_post(DENIED, fixed_rate=fixed_rate)
    with capture_logs() as lines:
        assert await post.watch.probe(), "SES itself can be had"
        assert await post.watch.probe()

    assert post.governor.current_rate == (fixed_rate or 1.0)
    assert post.pauses.all == ()
    [line] = told(lines, "account_unknown")
    assert line["log_level"] == "warning"
    assert line["reason"] == Reason.ACCESS_DENIED
    assert line["rate"] == post.governor.current_rate
    assert "ses:GetAccount" in line["remedy"]
    assert "TANK_SEND_RATE" in line["remedy"]


async def test_another_trouble_is_told_anew_and_the_rate_stays() -> None:
    """What is known already is a better guess than one a second."""
    post = make_post(GOOD_ACCOUNT, DENIED, DENIED, ODD, GOOD_ACCOUNT, DENIED)
    with capture_logs() as lines:
        for _ in range(6):
            assert await post.watch.probe()
            assert post.governor.current_rate == pytest.approx(14 * 0.9)

    reasons = [line["reason"] for line in told(lines, "account_unknown")]
    assert reasons == [Reason.ACCESS_DENIED, Reason.SERVICE_ERROR, Reason.ACCESS_DENIED]
    assert told(lines, "account_changed") == []


async def test_the_rate_that_is_told_is_the_rate_in_force() -> None:
    """An operator who reads 1/s of a daemon that sends 12.6/s looks in the wrong place."""
    post = make_post(GOOD_ACCOUNT, DENIED)
    with capture_logs() as lines:
        await post.watch.probe()
        await post.watch.probe()

    [line] = told(lines, "account_unknown")
    assert line["rate"] == pytest.approx(post.governor.current_rate)


@pytest.mark.parametrize("reason", [Reason.BAD_CREDENTIALS, Reason.CLOCK_SKEW])
async def test_a_key_or_a_clock_that_is_wrong_pauses_the_account(reason: Reason) -> None:
    """Every request would be refused: no job need be the one to find out."""
    post = make_post(AccountUnknown(reason, "SES does not take the signature", reached=True))

    await post.watch.start()
    [pause] = post.pauses.all
    assert (pause.concern, pause.reason) == (Concern(Concerned.ACCOUNT), reason)
    assert post.pauses.halted


async def test_ses_out_of_reach_is_a_pause() -> None:
    """Not the account's fault, and not told as such."""
    post = make_post(AWAY)

    await post.watch.start()
    [pause] = post.pauses.all
    assert (pause.concern, pause.reason) == (Concern(Concerned.SES), Reason.SES_UNAVAILABLE)


async def test_one_answer_that_does_not_come_later_is_told_but_stops_nobody() -> None:
    """The mails themselves show whether SES can be had; this question is only about the rate."""
    post = make_post(GOOD_ACCOUNT, AWAY, GOOD_ACCOUNT)
    with capture_logs() as lines:
        await post.watch.start()
        async with running(post.watch):
            await asyncio.sleep(EVERY_S + 1)

    assert post.pauses.all == ()
    assert [line["reason"] for line in told(lines, "account_unknown")] == [Reason.SES_UNAVAILABLE]
    assert post.governor.current_rate == pytest.approx(14 * 0.9)


async def test_an_account_without_a_rate_is_paused() -> None:
    """Closed by AWS: no pace can be made of nothing."""
    post = make_post(replace(GOOD_ACCOUNT, max_send_rate=0.0), GOOD_ACCOUNT)
    await post.watch.start()
    [pause] = post.pauses.all
    assert (pause.concern, pause.reason) == (Concern(Concerned.ACCOUNT), Reason.SENDING_PAUSED)

    assert await post.watch.probe()
    assert post.governor.current_rate == pytest.approx(14 * 0.9)


async def test_a_key_that_is_wrong_at_start_is_waited_for(make_rig: MakeRig) -> None:
    """Mended at AWS, not here: what helps must not need a restart."""
    rig = make_rig()
    good = (*rig.account.answers,)
    rig.account.now_says(AccountUnknown(Reason.BAD_CREDENTIALS, "SES does not know the key", reached=True))
    rig.put_many(3)
    async with rig.running():
        await rig.watch.start()
        await rig.until(lambda: rig.account.asked >= 4)
        assert rig.mailer.sent == []
        rig.account.now_says(*good)
        await rig.until(lambda: not rig.queue.left)

    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}
    assert rig.pauses.all == ()


# --- the queue ---------------------------------------------------------------------------------------


def make_queue_watch(
    *, polls: int = 0, has_dead_letters: bool = True, **facts: Any
) -> tuple[FakeQueue, Pauses, QueueWatch]:
    clock = FakeClock()
    queue, pauses = FakeQueue(clock, **facts), Pauses(clock=clock)
    return (
        queue,
        pauses,
        QueueWatch(has_dead_letters=has_dead_letters, queue=queue, pauses=pauses, polls_without=lambda: polls),
    )


async def test_a_queue_that_redrives_early_is_told_of_once_with_its_remedy() -> None:
    """With three receives a message is dead-lettered by SQS itself after two restarts and a pause."""
    queue, _, watch = make_queue_watch(max_receive_count=3, retention_s=86_400.0)
    with capture_logs() as lines:
        assert await watch.ask()
        async with running(watch):
            await asyncio.sleep(EVERY_S * 3 + 1)
    [line] = told(lines, "queue_redrives_early")
    assert line["max_receive_count"] == 3
    assert "maxReceiveCount to 100" in line["remedy"]
    assert watch.life == QueueLife(max_receive_count=3, retention_s=86_400.0)

    queue.max_receive_count = 5
    with capture_logs() as lines:
        await watch.ask()
    assert len(told(lines, "queue_redrives_early")) == 1, "something has changed, but not enough"
    assert watch.life.max_receive_count == 5


@pytest.mark.parametrize("receives", [None, 20, 100])
async def test_a_queue_that_gives_time_is_not_complained_about(receives: int | None) -> None:
    _, _, watch = make_queue_watch(max_receive_count=receives)
    with capture_logs() as lines:
        await watch.ask()

    assert lines == []
    assert watch.life.max_receive_count == receives


async def test_a_queue_that_may_not_be_asked_is_assumed_to_be_strict() -> None:
    """Copies cost calls; a job that SQS takes away costs a mail."""
    queue, _, watch = make_queue_watch(max_receive_count=100)
    queue.fail("facts", QueueError(Reason.ACCESS_DENIED, "no right to sqs:GetQueueAttributes"))
    with capture_logs() as lines:
        assert await watch.ask() is None
    assert [line["reason"] for line in told(lines, "queue_unknown")] == [Reason.ACCESS_DENIED]
    assert watch.life == QueueLife(max_receive_count=3)

    assert await watch.ask()
    assert watch.life.max_receive_count == 100


async def test_a_queue_that_is_unknown_is_asked_again_soon() -> None:
    """Until then every message is taken for one that is near its last receive."""
    queue, _, watch = make_queue_watch(max_receive_count=100)
    queue.fail("facts", *[QueueError(Reason.QUEUE_UNREACHABLE, "no answer")] * 2)
    async with running(watch):
        await asyncio.sleep(SOON_S * 3 + 1)
        assert watch.life.max_receive_count == 100


@pytest.mark.parametrize(
    ("in_settings", "in_policy", "is_told"),
    [
        pytest.param(False, None, True, id="nowhere"),
        pytest.param(True, None, False, id="in-the-settings"),
        pytest.param(False, "jobs-dead", False, id="in-the-redrive-policy"),
    ],
)
async def test_a_missing_dead_letter_queue_is_told_of_at_start(
    in_settings: bool, in_policy: str | None, is_told: bool
) -> None:
    """Not when the first job dies: then nobody is looking."""
    _, _, watch = make_queue_watch(has_dead_letters=in_settings, dead_letter_queue=in_policy)
    with capture_logs() as lines:
        await watch.ask()
        await watch.ask()

    assert len(told(lines, "dead_letter_queue_missing")) == is_told


async def test_a_queue_that_is_full_but_gives_nothing_is_told_of() -> None:
    """At its in-flight ceiling SQS answers long polls with nothing, as if the queue were empty."""
    queue, _, watch = make_queue_watch(polls=3)
    for n in range(4):
        queue.put(make_body(email_id=f"job-{n}"))
    with capture_logs() as lines:
        async with running(watch):
            await asyncio.sleep(EVERY_S + 1)

    [line] = told(lines, "queue_silent")
    assert (line["visible"], line["polls"]) == (4, 3)


@pytest.mark.parametrize("why", ["empty", "polled-well", "paused", "unknown"])
async def test_silence_that_has_a_reason_is_not_told_of(why: str) -> None:
    """A warning that comes on every quiet night is not read on the one that matters."""
    queue, pauses, watch = make_queue_watch(polls=2 if why == "polled-well" else 9)
    if why != "empty":
        queue.put(make_body())
    if why == "paused":
        pauses.begin(Concern(Concerned.ACCOUNT), Reason.SENDING_PAUSED, "paused")
    if why == "unknown":
        queue.fail("facts", *[QueueError(Reason.QUEUE_UNREACHABLE, "no answer")] * 50)
    with capture_logs() as lines:
        async with running(watch):
            await asyncio.sleep(EVERY_S + 1)

    assert told(lines, "queue_silent") == []


async def test_polls_that_bring_nothing_are_counted_until_one_does(make_rig: MakeRig) -> None:
    """The other half of the silence: how long nothing has come."""
    rig = make_rig()
    async with rig.running():
        await rig.until(lambda: rig.lane.intake.polls_without() == 3)
        assert 60 <= rig.clock.boot_s() < 61, "a long poll each, and no pause between them"
        rig.put()
        await rig.until(lambda: not rig.queue.left)
        assert rig.lane.intake.polls_without() == 0


async def test_the_next_poll_follows_at_once_on_one_that_waited_its_time_out(make_rig: MakeRig) -> None:
    """Only an answer that came too early looks like a proxy's page."""
    rig = make_rig()
    rig.queue.latency_s = 21
    rig.put()
    async with rig.running():
        await rig.until(lambda: len(rig.queue.received) == 2)
        assert rig.clock.boot_s() == pytest.approx(21, abs=0.06)


async def test_nobody_asks_until_somebody_does() -> None:
    """A watch without a lane has seen no silence."""
    clock = FakeClock()
    watch = QueueWatch(has_dead_letters=True, queue=FakeQueue(clock), pauses=Pauses(clock=clock))

    assert watch.polls_without() == 0
