"""When it is not the job's fault: account, network, SES, store, queue."""

from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import QueueError, Reason, StoreError
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Concern, Concerned, Fault, Receipt
from tank_mailer.ports import AccountUnknown, Settled
from tests.flows.conftest import MakeRig

PAUSED = Fault("Sending paused for this account.", "SendingPausedException", 400)
NO_SET = Fault("Configuration set <tank> does not exist.", "NotFoundException", 404)
BROKEN = Fault("oops", "InternalFailure", 500)
NEVER = Fault("EndpointConnectionError", "EndpointConnectionError", connected=False)
SICK = StoreError(Reason.STORE_SICK, "disk I/O error")


@pytest.mark.parametrize("fault", [PAUSED, NO_SET], ids=["account-paused", "default-set-missing"])
async def test_a_held_account_stops_the_polling_and_charges_nothing(make_rig: MakeRig, fault: Fault) -> None:
    """One job is kept to see when it is over; the others wait on the queue, unpolled."""
    healed = False

    def answer(job: Any, attempt: int) -> Any:
        return Receipt(f"ok-{job.email_id}") if healed else fault

    rig = make_rig(*[answer] * 500, slots=2)
    rig.put_many(40)
    async with rig.running():
        await rig.until(lambda: bool(rig.pauses.all))
        await rig.until(lambda: len(rig.mailer.sent) >= 4)
        polled = len(rig.queue.received)
        sent = len(rig.mailer.sent)
        await rig.until(lambda: len(rig.mailer.sent) >= sent + 3)  # one probe after the other
        assert len(rig.queue.received) == polled, "nothing is received while paused"
        assert len({job.email_id for job, _ in rig.mailer.sent[-3:]}) == 1, "always the same job"
        healed = True
        await rig.until(lambda: not rig.queue.left)

    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}
    assert {row.charged for row in rig.ledger.rows.values()} == {0}
    assert rig.pauses.all == ()
    assert rig.dead_letters
    assert rig.dead_letters.put_aside == []


async def test_five_failures_in_a_row_open_the_breaker(make_rig: MakeRig) -> None:
    """It is not the jobs: after a pause one of them is tried, and then all go."""
    rig = make_rig(*[BROKEN] * 5, rate=5)
    rig.put_many(30)
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: bool(rig.pauses.all))
            assert [pause.reason for pause in rig.pauses.all] == [Reason.SES_UNAVAILABLE]
            tried = len(rig.mailer.sent)
            assert tried <= 5 + 2
            await rig.until(lambda: not rig.queue.left)

    events = [line["event"] for line in lines]
    assert events.count("pause_begun") == events.count("pause_lifted") == 1
    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}


async def test_an_outage_kills_no_job(make_rig: MakeRig) -> None:
    """Attempts are spent only while others pass: an outage of hours ends with an empty dead-letter queue."""
    up = False

    def answer(job: Any, attempt: int) -> Any:
        return Receipt(f"ok-{job.email_id}") if up else BROKEN

    rig = make_rig(*[answer] * 5000)
    rig.put_many(12)
    async with rig.running() as _:
        await rig.until(lambda: rig.clock.boot_s() > 6 * 3600, within_s=7 * 3600)
        up = True
        await rig.until(lambda: not rig.queue.left)

    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}
    assert rig.dead_letters
    assert rig.dead_letters.put_aside == []


async def test_a_poisonous_job_dies_while_others_pass(make_rig: MakeRig) -> None:
    def answer(job: Any, attempt: int) -> Any:
        return BROKEN if job.email_id == "poison" else Receipt(f"ok-{job.email_id}-{attempt}")

    rig = make_rig(*[answer] * 5000)
    rig.put(email_id="poison")
    async with rig.running():
        await rig.until(lambda: rig.sent("poison") == 1)
        rig.put_many(5)
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row("poison")
    assert (row.state, row.charged, rig.sent("poison")) == (State.DEAD, 3, 3)
    assert row.copied_at
    assert rig.dead_letters
    assert len(rig.dead_letters.put_aside) == 1


@pytest.mark.parametrize(
    ("error", "has_queue"),
    [
        pytest.param(None, False, id="no-dead-letter-queue"),
        pytest.param(QueueError(Reason.TOO_LARGE, "too large"), True, id="too-large"),
        pytest.param(QueueError(Reason.ACCESS_DENIED, "HTTP 403"), True, id="denied"),
    ],
)
async def test_a_dead_job_without_a_copy_rests_in_the_ledger(
    make_rig: MakeRig, error: QueueError | None, has_queue: bool
) -> None:
    """Its text is kept, the message deleted, and somebody is told."""
    rig = make_rig(Fault("ReadTimeoutError"), has_dead_letter_queue=has_queue)
    if rig.dead_letters and error:
        rig.dead_letters.faults.append(error)
    rig.put(at_most_once=True)
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.copied_at) == (State.DEAD, None)
    assert [a.kind for a in rig.ledger.asides.values()] == ["dead"]
    assert "dead_letter_failed" in [line["event"] for line in lines]


async def test_a_dead_letter_queue_that_is_away_is_waited_for(make_rig: MakeRig) -> None:
    rig = make_rig(Fault("ReadTimeoutError"))
    assert rig.dead_letters
    rig.dead_letters.faults.extend([QueueError(Reason.QUEUE_UNREACHABLE, "no answer")] * 6)
    rig.put(at_most_once=True)
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).copied_at
    assert len(rig.dead_letters.put_aside) == 1


async def test_ses_cannot_be_reached_at_start(make_rig: MakeRig) -> None:
    """Ready, paused, and off it goes when AWS is back."""
    rig = make_rig()
    known = (*rig.account.answers,)
    rig.account.now_says(AccountUnknown(Reason.UNREACHABLE, "EndpointConnectionError", reached=False))
    rig.put()
    async with rig.running():
        await rig.watch.start()
        await rig.until(lambda: rig.account.asked >= 4)
        assert rig.mailer.sent == []
        rig.account.now_says(*known)
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).state is State.ACCEPTED


async def test_a_sick_store_sends_nothing_and_recovers(make_rig: MakeRig) -> None:
    """Promise 5: if the store cannot be read, nothing is sent."""
    rig = make_rig()
    rig.ledger.sick = SICK
    rig.put_many(5)
    async with rig.running():
        await rig.until(lambda: bool(rig.pauses.all))
        await rig.until(lambda: rig.clock.boot_s() > 600, within_s=700)
        assert rig.mailer.sent == []
        rig.ledger.sick = None
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 5


async def test_accepted_while_the_store_is_sick(make_rig: MakeRig) -> None:
    """The id stays in memory and is written for as long as it takes; nothing else is sent meanwhile."""

    def fall_sick(job: Any, attempt: int) -> Receipt:
        rig.ledger.sick = SICK
        return Receipt("only-in-memory")

    rig = make_rig(fall_sick)
    rig.put()
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: bool(rig.pauses.all))
            rig.put(email_id="another")
            await rig.until(lambda: rig.clock.boot_s() > 200, within_s=300)
            assert len(rig.mailer.sent) == 1
            assert rig.queue.receive_count("queue-message-1") == 1, "its lease is kept"
            rig.ledger.sick = None
            await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).ses_message_id == "only-in-memory"
    assert len(rig.mailer.sent) == 2
    assert any(line.get("ses_message_id") == "only-in-memory" for line in lines if line["event"] == "record_retried")


async def test_a_queue_that_is_away_is_asked_again(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.queue.fail("receive", *[QueueError(Reason.QUEUE_UNREACHABLE, "no answer")] * 4)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 1
    assert rig.pauses.all == ()


@pytest.mark.parametrize(
    "break_deletes",
    [
        pytest.param(lambda q: q.answer("delete", [Settled.FAILED], [Settled.FAILED]), id="failed-entries"),
        pytest.param(lambda q: q.fail("delete", QueueError(Reason.QUEUE_UNREACHABLE, "x")), id="no-answer"),
    ],
)
async def test_deletes_are_tried_again(make_rig: MakeRig, break_deletes: Callable[[Any], None]) -> None:
    rig = make_rig()
    break_deletes(rig.queue)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 1
    assert rig.queue.receive_count if rig.queue.left else True


async def test_a_sender_that_lost_its_right_is_held_alone(make_rig: MakeRig) -> None:
    """Other senders of the same queue go on."""
    denied = Fault(
        "User `arn:aws:iam::1:user/u' is not authorized to perform `ses:SendEmail' on resource"
        " `arn:aws:ses:eu-west-1:1:identity/bad.example.com'",
        "AccessDeniedException",
        403,
    )
    good_again = False

    def answer(job: Any, attempt: int) -> Any:
        is_bad = job.sender.domain == "bad.example.com" and not good_again
        return denied if is_bad and job.email_id != "known" else Receipt(f"ok-{job.email_id}")

    rig = make_rig(*[answer] * 500)
    rig.put(email_id="known", from_="a@bad.example.com")
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)
        held = rig.put(email_id="held", from_="a@bad.example.com")
        await rig.until(lambda: rig.sent("held") == 1)
        rig.put_many(10)
        await rig.until(lambda: rig.queue.left == [held])
        concerns = [pause.concern for pause in rig.pauses.all]
        assert concerns == [Concern(Concerned.SENDER, "a@bad.example.com")]
        good_again = True
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row("held")
    assert (row.state, row.charged) == (State.ACCEPTED, 0)
    assert rig.pauses.all == ()
