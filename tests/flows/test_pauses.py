"""Pauses: what stops, what goes on, and how one job shows that it is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import (
    Accepted,
    Concern,
    Concerned,
    Failed,
    Fault,
    Held,
    InDoubt,
    Outcome,
    Receipt,
    Refused,
    Throttled,
    Unreachable,
)
from tank_mailer.core.pausing import FIRST_PROBE_S, LEAST_HIDE_S, MAX_PROBE_S
from tank_mailer.flows.pauses import Pauses
from tank_mailer.ports import AccountUnknown
from tests.fakes import FakeClock
from tests.flows.conftest import MakeRig, Rig

ACCOUNT = Concern(Concerned.ACCOUNT)
SES = Concern(Concerned.SES)
SENDER = Concern(Concerned.SENDER, "a@example.com")
SET = Concern(Concerned.CONFIGURATION_SET, "other")
OWN = (SENDER, SET)

PAUSED = Fault("Sending paused for this account.", "SendingPausedException", 400)
BROKEN = Fault("oops", "InternalFailure", 500)
LOST = Fault("ReadTimeoutError")
NEVER = Fault("EndpointConnectionError", "EndpointConnectionError", connected=False)
AWAY = AccountUnknown(Reason.UNREACHABLE, "EndpointConnectionError", reached=False)


@asynccontextmanager
async def probing(pauses: Pauses) -> AsyncIterator[None]:
    task = asyncio.create_task(pauses.run())
    try:
        yield
    finally:
        task.cancel()


def begin(pauses: Pauses, concern: Concern) -> None:
    pauses.begin(concern, Reason.SENDING_PAUSED, "paused")


def soon(seconds: float) -> Any:
    """So long, but for the ticks of the loop."""
    return pytest.approx(seconds, abs=0.1)


def left_s(pauses: Pauses) -> float:
    """Seconds until the next probe of what stops everything."""
    assert pauses.halted
    return pauses.halted.next_probe_s - pauses.clock.boot_s()


# --- learning from attempts --------------------------------------------------------------------------

HELD = Held(ACCOUNT, Reason.SENDING_PAUSED, "still")
HELD_ELSEWHERE = Held(SENDER, Reason.ACCESS_DENIED, "another trouble")
FAILED = Failed(Reason.SERVICE_ERROR, "HTTP 500")
IN_DOUBT = InDoubt(Reason.ANSWER_LOST, "ReadTimeoutError")


@pytest.mark.parametrize(
    ("outcome", "paused", "shown"),
    [
        pytest.param(Accepted("m-1"), set(), None, id="accepted-is-the-proof"),
        pytest.param(Refused(Reason.REJECTED, ""), set(), None, id="refused-so-ses-answers-about-the-job"),
        pytest.param(Throttled(), set(), None, id="throttled-so-ses-takes-mails"),
        pytest.param(HELD, {ACCOUNT}, ACCOUNT, id="held-as-before"),
        pytest.param(HELD_ELSEWHERE, {SENDER}, SENDER, id="held-by-something-else"),
        pytest.param(Unreachable(""), {ACCOUNT}, ACCOUNT, id="unreachable-proves-nothing"),
        pytest.param(FAILED, {ACCOUNT}, ACCOUNT, id="failed-proves-nothing"),
        pytest.param(IN_DOUBT, {ACCOUNT}, ACCOUNT, id="in-doubt-proves-nothing"),
    ],
)
async def test_on_trial_one_outcome_decides(outcome: Outcome, paused: set[Concern], shown: Concern | None) -> None:
    """What it shows to be out of order is what its job may be kept for."""
    pauses = Pauses(clock=FakeClock())
    begin(pauses, ACCOUNT)
    async with probing(pauses):
        await asyncio.sleep(FIRST_PROBE_S + 1)
        assert pauses.on_trial
        assert not pauses.halted

        assert pauses.observe(outcome, email_id="job", own=()) == shown
    assert {pause.concern for pause in pauses.all} == paused
    assert not pauses.on_trial
    if ACCOUNT in paused:
        assert left_s(pauses) == soon(2 * FIRST_PROBE_S), "the wait doubles"


@pytest.mark.parametrize(
    ("outcome", "paused"),
    [
        pytest.param(Accepted("m-1"), {ACCOUNT}, id="accepted-may-have-left-before-the-pause"),
        pytest.param(Refused(Reason.REJECTED, ""), {ACCOUNT, SENDER}, id="refused"),
        pytest.param(Throttled(), {ACCOUNT, SENDER}, id="throttled"),
        pytest.param(HELD, {ACCOUNT, SENDER}, id="held-once-more"),
        pytest.param(Unreachable(""), {ACCOUNT, SENDER}, id="unreachable"),
        pytest.param(FAILED, {ACCOUNT, SENDER}, id="failed"),
        pytest.param(IN_DOUBT, {ACCOUNT, SENDER}, id="in-doubt"),
    ],
)
async def test_off_trial_an_outcome_of_earlier_requests_changes_nothing(outcome: Outcome, paused: set[Concern]) -> None:
    """All but one: a mail that SES took lifts the pause of its own sender."""
    pauses = Pauses(clock=FakeClock())
    begin(pauses, ACCOUNT)
    begin(pauses, SENDER)

    assert pauses.observe(outcome, email_id="job", own=OWN) == (ACCOUNT if outcome == HELD else None)
    assert {pause.concern for pause in pauses.all} == paused
    assert left_s(pauses) == soon(FIRST_PROBE_S), "not put off either"


async def test_the_breaker_counts_jobs_and_an_acceptance_starts_it_anew() -> None:
    """One job that fails five times says nothing about SES; five different ones do."""
    pauses = Pauses(clock=FakeClock())
    for _ in range(9):
        assert not pauses.observe(FAILED, email_id="poison", own=OWN)
    for n in range(3):
        assert not pauses.observe(FAILED, email_id=f"job-{n}", own=OWN)
    pauses.observe(Accepted("m-1"), email_id="good", own=OWN)
    for n in range(4):
        assert not pauses.observe(IN_DOUBT, email_id=f"job-{n}", own=OWN)
    assert pauses.reason_of(SES) is None

    assert pauses.observe(Unreachable("refused"), email_id="job-4", own=OWN) == SES
    assert pauses.reason_of(SES) is Reason.SES_UNAVAILABLE


async def test_a_pause_is_said_once() -> None:
    """Ten requests in flight come back with the same answer."""
    pauses = Pauses(clock=FakeClock())
    with capture_logs() as lines:
        for _ in range(10):
            begin(pauses, ACCOUNT)

    assert [line["event"] for line in lines] == ["pause_begun"]


# --- who waits ---------------------------------------------------------------------------------------


async def test_a_paused_sender_stops_nobody_else() -> None:
    """It shares its queue with others: its jobs are hidden, and one that comes when it is due tries for all."""
    pauses = Pauses(clock=FakeClock())
    begin(pauses, SENDER)

    assert not pauses.halted
    assert pauses.is_polled("ordinary")
    assert not pauses.lets_through(SENDER)
    assert pauses.lets_through(Concern(Concerned.SENDER, "b@example.com"))
    assert pauses.hide_s(SENDER) == LEAST_HIDE_S
    async with probing(pauses):
        await asyncio.sleep(FIRST_PROBE_S + 1)
        assert not pauses.on_trial, "nothing else waits for it"
        assert pauses.lets_through(SENDER), "due"
        assert not pauses.lets_through(SENDER), "one job is enough"

        begin(pauses, SENDER)
        await asyncio.sleep(2 * FIRST_PROBE_S - 1)
        assert not pauses.lets_through(SENDER), "the wait doubles"
        await asyncio.sleep(2)
        assert pauses.lets_through(SENDER)


async def test_jobs_of_a_paused_sender_are_hidden_for_about_as_long_as_it_has_lasted() -> None:
    """So none is later than that, and a pause of days costs each of them a receive an hour."""
    pauses = Pauses(clock=FakeClock())
    begin(pauses, SENDER)
    hidden = list[float]()
    for wait_s in (0, 60, 540, 86_400):
        await asyncio.sleep(wait_s)
        hidden.append(round(pauses.hide_s(SENDER)))

    assert hidden == [60, 60, 600, 3600]


async def test_the_default_set_stops_everything_another_does_not() -> None:
    pauses = Pauses(clock=FakeClock(), default_set="tank")
    begin(pauses, SET)
    assert not pauses.halted
    begin(pauses, Concern(Concerned.CONFIGURATION_SET, "tank"))
    assert pauses.halted


async def test_a_second_volunteer_is_not_needed() -> None:
    """One job shows it as well as two, and each that waits keeps a lease."""
    pauses = Pauses(clock=FakeClock())
    begin(pauses, ACCOUNT)
    first = asyncio.create_task(pauses.trial(ACCOUNT))
    await asyncio.sleep(1)
    assert not await pauses.trial(ACCOUNT)

    async with probing(pauses):
        assert await first
    assert FIRST_PROBE_S <= pauses.clock.boot_s() < FIRST_PROBE_S + 1


async def test_a_job_whose_pause_was_lifted_meanwhile_goes_on_at_once() -> None:
    """Writing its outcome down may take longer than the trouble itself."""
    pauses = Pauses(clock=FakeClock())
    begin(pauses, ACCOUNT)
    pauses.lift(ACCOUNT)
    pauses.lift(ACCOUNT)

    assert await pauses.trial(ACCOUNT)


async def test_a_kept_job_goes_on_when_the_pause_is_lifted_by_others() -> None:
    pauses = Pauses(clock=FakeClock())
    begin(pauses, ACCOUNT)
    kept = asyncio.create_task(pauses.trial(ACCOUNT))
    await asyncio.sleep(1)
    pauses.lift(ACCOUNT)

    assert await kept


async def test_everybody_who_waits_for_a_change_hears_of_it() -> None:
    """Two changes in one breath, and waiters that have gone: nobody is told twice, nobody is missed."""
    pauses = Pauses(clock=FakeClock())
    waiting = [pauses.change() for _ in range(3)]
    await asyncio.sleep(1)
    waiting[0].cancel()
    await asyncio.sleep(1)
    begin(pauses, ACCOUNT)
    pauses.lift(ACCOUNT)
    await asyncio.gather(*waiting[1:])

    later = pauses.change()
    await asyncio.sleep(100)
    assert not later.done(), "what was before does not count"
    begin(pauses, SENDER)
    await later


async def test_probes_come_ever_more_seldom_but_at_least_every_five_minutes() -> None:
    """An outage of a day is noticed to be over within minutes, without thousands of calls."""
    asked = list[float]()

    async def probe() -> bool:
        asked.append(pauses.clock.boot_s())
        return False

    pauses = Pauses(clock=FakeClock())
    pauses.probe_by(Concerned.ACCOUNT, probe)
    begin(pauses, ACCOUNT)
    async with probing(pauses):
        await asyncio.sleep(3600)

    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert asked[0] == soon(FIRST_PROBE_S)
    assert gaps == [soon(2**n * FIRST_PROBE_S) for n in range(1, 6)] + [soon(MAX_PROBE_S)] * (len(gaps) - 5)
    assert len(gaps) > 10


async def test_each_pause_is_probed_in_its_own_time() -> None:
    """A trouble that is an hour old does not make the new one wait."""
    asked = list[tuple[str, float]]()

    def probe_of(name: str) -> Any:
        async def probe() -> bool:
            asked.append((name, round(pauses.clock.boot_s())))
            return False

        return probe

    pauses = Pauses(clock=FakeClock())
    pauses.probe_by(Concerned.ACCOUNT, probe_of("account"))
    pauses.probe_by(Concerned.STORE, probe_of("store"))
    begin(pauses, ACCOUNT)
    async with probing(pauses):
        await asyncio.sleep(3)
        begin(pauses, Concern(Concerned.STORE))
        await asyncio.sleep(16)

    assert asked == [("account", 5), ("store", 8), ("account", 15), ("store", 18)]


# --- what it means for jobs --------------------------------------------------------------------------


def answering(answer: Any) -> Any:
    """An answer that may be changed while the story goes on: `answer.now = ...`."""

    class Switch:
        now = answer

        def __call__(self, job: Any, attempt: int) -> Any:
            return self.now if isinstance(self.now, Fault) else Receipt(f"ok-{job.email_id}-{attempt}")

    return Switch()


async def kept(rig: Rig) -> None:
    """Until the pause has begun and one job waits for its end, the others given back."""
    await rig.until(lambda: bool(rig.pauses.all))
    await rig.until(lambda: sum(lease.is_kept for lease in rig.lane.keeper._held.values()) == 1)
    await rig.until(lambda: len(rig.lane.keeper._held) == 1)


async def test_a_job_that_expires_while_it_is_kept_makes_room_for_another(make_rig: MakeRig) -> None:
    """Else the pause would wait for ever for a job that is never tried."""
    switch = answering(PAUSED)
    rig = make_rig(*[switch] * 500)
    rig.put(email_id="kept", expires_at="2026-11-02T08:00:04Z")
    async with rig.running():
        await kept(rig)
        rig.put(email_id="next")
        switch.now = None
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row("kept")).state is State.EXPIRED
    assert rig.sent("kept") == 1
    assert (await rig.row("next")).state is State.ACCEPTED
    assert rig.pauses.all == ()


async def test_a_trial_that_ends_in_doubt_makes_room_for_another(make_rig: MakeRig) -> None:
    """The job itself waits for its evidence: the next trial needs another."""
    switch = answering(PAUSED)
    rig = make_rig(*[switch] * 500)
    rig.put(email_id="kept")
    async with rig.running():
        await kept(rig)
        switch.now = LOST
        await rig.until(lambda: rig.ledger.rows["kept"].state is State.IN_DOUBT)
        assert rig.pauses.halted, "a lost answer proves nothing"
        switch.now = None
        rig.put(email_id="next")
        await rig.until(lambda: rig.sent("next") == 1, within_s=60)
        await rig.until(lambda: not rig.queue.left)

    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}
    assert rig.pauses.all == ()


async def test_a_kept_job_that_lost_its_lease_makes_room_for_another(make_rig: MakeRig) -> None:
    """A person purged the queue, or moved the message: the pause must end all the same."""
    switch = answering(PAUSED)
    rig = make_rig(*[switch] * 500)
    message = rig.put(email_id="kept")
    async with rig.running():
        await kept(rig)
        del rig.queue._stored[message]
        rig.account.now_says(AWAY)  # no trial before the keeper notices
        await rig.until(lambda: any(lease.is_lost for lease in rig.lane.keeper._held.values()), within_s=120)
        rig.account.now_says(*make_rig().account.answers)
        switch.now = None
        rig.put(email_id="next")
        await rig.until(lambda: not rig.queue.left)

    assert rig.sent("kept") == 1
    assert (await rig.row("next")).state is State.ACCEPTED


async def test_a_drain_gives_the_kept_job_back_at_once(make_rig: MakeRig) -> None:
    """A stop must not wait for AWS to lift a pause."""
    rig = make_rig(*[PAUSED] * 50)
    message = rig.put()
    async with rig.running() as polling:
        await kept(rig)
        started_s = rig.clock.boot_s()
        assert await rig.drain(polling) == 0
        assert rig.clock.boot_s() - started_s < 2

    assert rig.queue.visible_in_s(message) == 0
    row = await rig.row()
    assert (row.state, row.charged) == (State.DEFERRED, 0)


async def test_a_trial_with_a_broken_network_keeps_the_pause(make_rig: MakeRig) -> None:
    """The account is not better because SES cannot be reached; nor is that told as a second pause."""
    switch = answering(PAUSED)
    rig = make_rig(*[switch] * 500)
    rig.put(email_id="kept")
    async with rig.running():
        await kept(rig)
        switch.now = NEVER
        await rig.until(lambda: rig.sent("kept") >= 3)
        assert [pause.concern for pause in rig.pauses.all] == [ACCOUNT]
        switch.now = None
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row("kept")
    assert (row.state, row.charged) == (State.ACCEPTED, 0)


async def test_an_outage_goes_on_through_its_trials(make_rig: MakeRig) -> None:
    """Each trial that fails prolongs the one pause, by one job."""
    rig = make_rig(*[NEVER] * 9)
    rig.put_many(6)
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    events = [line["event"] for line in lines]
    assert events.count("pause_begun") == events.count("pause_lifted") == 1
    assert events.count("pause_prolonged") >= 3
    assert {row.charged for row in rig.ledger.rows.values()} == {0}


async def test_while_a_job_is_on_trial_no_other_is_received(make_rig: MakeRig) -> None:
    """One at a time: a trickle that fails is cheap, a batch that fails is not."""

    async def hang(job: Any, attempt: int) -> Receipt:
        await asyncio.sleep(20)
        return Receipt("at last")

    rig = make_rig(PAUSED, hang)
    rig.put(email_id="kept")
    async with rig.running():
        await kept(rig)
        rig.put_many(5)
        await rig.until(lambda: rig.sent("kept") == 2)
        polls = len(rig.queue.received)
        await asyncio.sleep(15)
        assert len(rig.queue.received) == polls
        await rig.until(lambda: not rig.queue.left)

    assert rig.pauses.all == ()


async def test_a_queue_that_said_no_is_polled_again(make_rig: MakeRig) -> None:
    """The poll itself is the proof."""
    rig = make_rig()
    rig.queue.fail("receive", QueueError(Reason.ACCESS_DENIED, "HTTP 403"))
    rig.put_many(5)
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 5
    assert rig.pauses.all == ()


async def test_a_queue_that_is_away_keeps_nobody_from_sending_what_is_in_hand(make_rig: MakeRig) -> None:
    """SES is well, and the leases run."""
    rig = make_rig(rate=5)
    rig.put_many(20)
    async with rig.running():
        await rig.until(lambda: bool(rig.mailer.sent))
        rig.queue.fail("receive", QueueError(Reason.ACCESS_DENIED, "HTTP 403"))
        await rig.until(lambda: not rig.pauses.is_polled("ordinary"))
        await rig.until(lambda: len(rig.mailer.sent) == 10)
        assert not rig.pauses.is_polled("ordinary")
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 20
    assert rig.pauses.all == ()


async def test_other_jobs_of_a_paused_sender_are_hidden_without_a_request(make_rig: MakeRig) -> None:
    """SES would refuse each; the sender's next job that is due tries for all."""
    denied = Fault("Mail from domain is not verified", "MailFromDomainNotVerifiedException", 400)
    bad = True

    def answer(job: Any, attempt: int) -> Any:
        return denied if bad and job.sender.key == "a@example.com" else Receipt(f"ok-{job.email_id}")

    rig = make_rig(*[answer] * 500)
    rig.put(email_id="first", from_="a@example.com")
    async with rig.running():
        await rig.until(lambda: rig.sent("first") == 2)
        second = rig.put(email_id="second", from_="a@example.com")
        rig.put(email_id="other", from_="b@example.com")
        await rig.until(lambda: rig.sent("other") == 1)
        await rig.until(lambda: second in {message for message, _ in rig.queue.hidden})
        assert rig.sent("second") == 0
        row = await rig.row("second")
        assert (row.state, row.reason, row.attempt) == (State.DEFERRED, Reason.MAIL_FROM_DOMAIN, 0)
        bad = False
        await rig.until(lambda: not rig.queue.left)

    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}
    assert rig.pauses.all == ()
