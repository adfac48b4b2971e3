"""What is written down: every end with its reason, over nobody else's word, and only what was looked for."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.errors import QueueError, Reason, StoreError
from tank_mailer.core.gate import Delivery
from tank_mailer.core.ledger import Row, State, first_row
from tank_mailer.core.outcome import Fault, Receipt
from tank_mailer.core.renewal import QueueLife
from tank_mailer.core.status import Status
from tank_mailer.flows.sending import MAX_NAMES_TOLD
from tank_mailer.ports import Change
from tests.builders import make_address, make_job
from tests.fakes import EPOCH, FakeLedger
from tests.flows.conftest import MakeRig, Rig

THROTTLE = Fault("Maximum sending rate exceeded.", "TooManyRequestsException", 429)
BROKEN = Fault("oops", "InternalFailure", 500)
LOST = Fault("ReadTimeoutError")
UNVERIFIED = Fault("Email address is not verified. sender@example.com", "MessageRejected", 400)
SICK = StoreError(Reason.STORE_SICK, "disk I/O error")


def recipients(count: int) -> list[str]:
    return [f"r{n}@example.org" for n in range(count)]


async def overtake(ledger: FakeLedger, row: Row) -> None:
    """Another node writes the row's next version."""
    assert await ledger.write(Change(row))


def doubtful(rig: Rig, queue_message_id: str, *, due_s: float, email_id: str = "order-4711") -> Row:
    """An attempt whose answer was lost, and which nobody has settled since."""
    now = EPOCH + timedelta(seconds=due_s)
    return first_row(
        email_id=email_id,
        content_hash=make_job(email_id=email_id).content_hash,
        lane="ordinary",
        queue_message_id=queue_message_id,
        now=now,
    ).doubted(now, now, Reason.ANSWER_LOST)


# --- ends without a mail -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delivery", "changes", "end"),
    [
        pytest.param(Delivery(dry_run=True), {}, (State.DRY_RUN, Reason.DRY_RUN, True), id="dry-run"),
        pytest.param(
            Delivery(allowed_senders=frozenset({"example.net"})),
            {},
            (State.REFUSED, Reason.SENDER_NOT_ALLOWED, True),
            id="sender-not-allowed",
        ),
        pytest.param(
            None,
            {"configuration_set": "tunk"},
            (State.INVALID, Reason.UNKNOWN_CONFIGURATION_SET, True),
            id="misspelled-set",
        ),
        pytest.param(
            None, {"expires_at": "2026-11-01T08:00:00Z"}, (State.EXPIRED, Reason.EXPIRED, False), id="too-late"
        ),
    ],
)
async def test_an_end_without_a_mail_is_on_record_with_what_a_person_needs(
    make_rig: MakeRig,
    delivery: Delivery | None,
    changes: dict[str, object],
    end: tuple[State, Reason, bool],
) -> None:
    """Where something may be mended, the text is kept; an expired mail is of no use to anybody."""
    state, reason, is_kept = end
    rig = make_rig(delivery=delivery)
    rig.put(**changes)
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.reason, row.attempt) == (state, reason, 0)
    assert rig.mailer.sent == []
    assert [(a.kind, a.reason) for a in rig.ledger.asides.values()] == ([(state, reason)] if is_kept else [])


async def test_a_redirected_mail_reaches_nobody_that_the_job_names(make_rig: MakeRig) -> None:
    """For a test system with real data: one slip, and customers have it."""
    rig = make_rig(delivery=Delivery(redirect_to=make_address("test@example.net")))
    rig.put(to=recipients(3), cc="boss@example.org", bcc="archive@example.org")
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    [(job, _)] = rig.mailer.sent
    assert [address.key for address in job.recipients] == ["test@example.net"]
    assert {address for _, address in rig.ledger.recipients} == {"test@example.net"}


async def test_who_was_left_out_is_on_record(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.ledger.suppressions["gone@example.org"] = None
    rig.put(to=["gone@example.org", "here@example.org"])
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert {address: note.status for (_, address), note in rig.ledger.recipients.items()} == {
        "gone@example.org": Status.SUPPRESSED,
        "here@example.org": Status.ACCEPTED,
    }


async def test_a_job_that_expires_while_it_waits_for_its_turn_is_not_begun(make_rig: MakeRig) -> None:
    """A code that arrives after its end only puzzles."""
    rig = make_rig(rate=5)
    rig.put(email_id="large", to=recipients(50))
    rig.put(email_id="code", expires_at="2026-11-02T08:00:05Z")
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row("code")
    assert (row.state, row.attempt, rig.sent("code")) == (State.EXPIRED, 0, 0)


# --- nobody else's word is written over --------------------------------------------------------------


async def test_an_end_is_not_written_over_what_another_node_has_found(make_rig: MakeRig) -> None:
    """It adopted the job while this one waited, and SES has the mail: expired would be a lie."""
    rig = make_rig(rate=5)
    rig.put(email_id="large", to=recipients(50))
    code = rig.put(email_id="code", expires_at="2026-11-02T08:00:05Z")
    row = replace(doubtful(rig, code, due_s=-1, email_id="code"), content_hash="as it came")
    await overtake(rig.ledger, row)
    async with rig.running():
        await asyncio.sleep(3)
        await overtake(rig.ledger, row.accepted("theirs", rig.clock.now()))
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row("code")
    assert (row.state, row.ses_message_id, rig.sent("code")) == (State.ACCEPTED, "theirs", 0)


async def test_a_job_that_was_overtaken_is_looked_at_anew_before_it_is_given_back(make_rig: MakeRig) -> None:
    """A pause came while it waited, and somebody else has sent it: nothing is left to give back."""
    rig = make_rig(rate=5)
    rig.put(email_id="large", to=recipients(50))
    small = rig.put(email_id="small")
    row = replace(doubtful(rig, small, due_s=-1, email_id="small"), content_hash="as it came")
    await overtake(rig.ledger, row)
    async with rig.running():
        await asyncio.sleep(3)
        await overtake(rig.ledger, row.accepted("theirs", rig.clock.now()))
        rig.governor.halt()
        await rig.until(lambda: small not in rig.queue.left)

    row = await rig.row("small")
    assert (row.state, row.ses_message_id, rig.sent("small")) == (State.ACCEPTED, "theirs", 0)


async def test_a_failure_is_not_charged_to_what_another_node_has_sent_meanwhile(make_rig: MakeRig) -> None:
    """Taken for dead and sent again elsewhere: this attempt's end is of no interest any more."""

    async def meanwhile(job: Any, attempt: int) -> Fault:
        now = rig.clock.now()
        doubted = rig.ledger.rows["order-4711"].doubted(now, now, Reason.PROCESS_DIED)
        await overtake(rig.ledger, doubted)
        await overtake(rig.ledger, doubted.accepted("theirs", now))
        return BROKEN

    rig = make_rig(meanwhile)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.charged, len(rig.mailer.sent)) == (State.ACCEPTED, 0, 1)


async def test_two_messages_of_a_hopeless_job_make_one_copy(make_rig: MakeRig) -> None:
    """Both find it doubtful and overdue, both give it up: the row lets one of them."""
    rig = make_rig(policy=RetryPolicy(in_doubt_wait_s=120, resends_doubt=False))
    first = rig.put()
    rig.put()
    await overtake(rig.ledger, doubtful(rig, first, due_s=-600))
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert rig.dead_letters
    assert len(rig.dead_letters.put_aside) == 1


async def test_a_doubled_message_does_not_undo_the_verdict_on_a_doubt(make_rig: MakeRig) -> None:
    """A producer that retried its put has not decided that at-most-once may become twice; a person has to."""
    rig = make_rig(LOST)
    rig.put(at_most_once=True)
    rig.put(at_most_once=True)
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 1
    assert (await rig.row()).state is State.DEAD


async def test_a_second_receipt_is_kept_beside_the_first(make_rig: MakeRig) -> None:
    """Taken for dead, sent again elsewhere, and both were accepted: the row keeps one, the receipts tell of two."""

    async def meanwhile(job: Any, attempt: int) -> Receipt:
        now = rig.clock.now()
        doubted = rig.ledger.rows["order-4711"].doubted(now, now, Reason.PROCESS_DIED)
        await overtake(rig.ledger, doubted)
        await overtake(rig.ledger, doubted.accepted("theirs", now))
        return Receipt("ours")

    rig = make_rig(meanwhile)
    rig.put()
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).ses_message_id == "theirs"
    assert set(rig.ledger.receipts) == {"ours"}, "theirs is written by the other node"
    assert [line["ses_message_id"] for line in lines if line["event"] == "fence_lost"] == ["ours"]


# --- throttled ---------------------------------------------------------------------------------------


async def test_a_throttle_that_lasts_is_left_to_the_queue(make_rig: MakeRig) -> None:
    """After a few tries in the process the job waits where it costs no lease, still uncharged."""
    rig = make_rig(*[THROTTLE] * 5)
    message = rig.put()
    async with rig.running():
        await rig.until(lambda: bool(rig.queue.hidden))
        assert len(rig.mailer.sent) == 5
        assert 15 <= rig.queue.visible_in_s(message) <= 31
        row = await rig.row()
        assert (row.state, row.throttles, row.charged) == (State.DEFERRED, 5, 0)
        assert row.due_at
        assert 15 <= (row.due_at - rig.clock.now()).total_seconds() <= 31
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).state is State.ACCEPTED
    assert rig.queue.receive_count(message) == 2 if rig.queue.left else True


@pytest.mark.parametrize("others_pass", [True, False])
async def test_throttles_while_others_pass_are_a_failure(make_rig: MakeRig, others_pass: bool) -> None:
    """SES throttles this one job for ever: it must not slow all others down for ever."""

    def answer(job: Any, attempt: int) -> Any:
        return THROTTLE if job.email_id == "heavy" and attempt <= 5 else Receipt(f"ok-{job.email_id}-{attempt}")

    rig = make_rig(*[answer] * 500, policy=RetryPolicy(max_throttles=4))
    rig.put(email_id="heavy")
    async with rig.running():
        await rig.until(lambda: rig.sent("heavy") == 1)
        if others_pass:
            rig.put(email_id="light")
        await rig.until(lambda: bool(rig.queue.hidden))
        row = await rig.row("heavy")
        assert (row.charged, row.throttles) == ((1, 0) if others_pass else (0, 5))
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row("heavy")).state is State.ACCEPTED


async def test_throttled_to_death_while_others_pass(make_rig: MakeRig) -> None:
    def answer(job: Any, attempt: int) -> Any:
        return THROTTLE if job.email_id == "heavy" else Receipt(f"ok-{job.email_id}-{attempt}")

    rig = make_rig(*[answer] * 500, policy=RetryPolicy(max_throttles=4, max_attempts=1))
    rig.put(email_id="heavy")
    async with rig.running():
        await rig.until(lambda: rig.sent("heavy") == 1)
        rig.put(email_id="light")
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row("heavy")
    assert (row.state, row.reason, row.charged) == (State.DEAD, Reason.ATTEMPTS_SPENT, 1)
    assert rig.dead_letters
    [(_, note)] = rig.dead_letters.put_aside
    assert "maximum sending rate" in str(json.loads(note)["last_error"]).lower()


# --- the store is only asked where it matters ----------------------------------------------------------


async def test_whether_others_pass_is_asked_at_the_last_attempt_only(make_rig: MakeRig) -> None:
    """It reads an index over all rows; ten thousand first failures of an outage would ask ten thousand times."""
    rig = make_rig(*[BROKEN] * 3)
    ledger = Counting(rig.ledger)
    object.__setattr__(rig.lane.sending.recorder, "ledger", ledger)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert rig.sent("order-4711") == 4
    assert ledger.asked == 1


class Counting:
    """Counts how often it is asked whether others pass."""

    def __init__(self, inner: FakeLedger) -> None:
        self._inner = inner
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def others_accepted_since(self, *asked: Any) -> bool:
        self.asked += 1
        return await self._inner.others_accepted_since(*asked)


async def test_a_sender_that_the_sick_store_cannot_tell_of_is_taken_for_known(make_rig: MakeRig) -> None:
    """A pause loses nothing; a refusal might lose the mail of a sender that was good for years."""

    async def fall_sick(job: Any, attempt: int) -> Fault:
        rig.ledger.sick = SICK
        asyncio.get_running_loop().call_later(30, setattr, rig.ledger, "sick", None)
        return UNVERIFIED

    rig = make_rig(fall_sick)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.charged, len(rig.mailer.sent)) == (State.ACCEPTED, 0, 2)
    assert rig.ledger.asides == {}


# --- renewal -----------------------------------------------------------------------------------------


async def test_a_copy_that_cannot_be_made_leaves_the_message_as_it_is(make_rig: MakeRig) -> None:
    """The old one still has a receive to live: hidden, and tried again next time."""
    rig = make_rig(*[BROKEN] * 2, life=QueueLife(max_receive_count=3))
    rig.queue.fail("copy", QueueError(Reason.ACCESS_DENIED, "no right to sqs:SendMessage"))
    message = rig.put()
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert [line["reason"] for line in lines if line["event"] == "renewal_failed"] == [Reason.ACCESS_DENIED]
    assert rig.queue.deleted == [message]
    row = await rig.row()
    assert (row.state, row.charged, row.queue_message_id) == (State.ACCEPTED, 2, message)


async def test_a_fresh_copy_of_a_double_does_not_take_the_job_over(make_rig: MakeRig) -> None:
    """The row is bound to the other message, which is still on its way."""
    rig = make_rig(life=QueueLife(max_receive_count=1))
    elsewhere = doubtful(rig, "elsewhere", due_s=300)
    await overtake(rig.ledger, elsewhere)
    double = rig.put()
    async with rig.running():
        await rig.until(lambda: rig.queue.deleted == [double])

    assert len(rig.queue.copied) == 1
    assert await rig.row() == elsewhere


# --- told once ---------------------------------------------------------------------------------------


async def test_an_unknown_field_is_told_once(make_rig: MakeRig) -> None:
    """A misspelling shows at the first job; the ten thousand after it say the same."""
    rig = make_rig()
    rig.put_many(5, subjet="Your order", **{"reply-to": "a@example.org"})
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert sorted(line["field"] for line in lines if line["event"] == "job_field_unknown") == ["reply-to", "subjet"]
    assert len(rig.mailer.sent) == 5


async def test_a_producer_that_makes_names_up_does_not_fill_the_log(make_rig: MakeRig) -> None:
    rig = make_rig()
    for n in range(MAX_NAMES_TOLD + 50):
        rig.put(email_id=f"job-{n}", **{f"x{n}": 1})
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert [line["event"] for line in lines].count("job_field_unknown") == MAX_NAMES_TOLD
