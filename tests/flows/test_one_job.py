"""One job's way through a lane, from each thing that may happen to it."""

import json
from typing import Any

import pytest

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Fault
from tests.builders import make_body
from tests.flows.conftest import MakeRig

THROTTLE = Fault("Maximum sending rate exceeded.", "TooManyRequestsException", 429)
BROKEN = Fault("oops", "InternalFailure", 500)
LOST = Fault("ReadTimeoutError")
NEVER = Fault("EndpointConnectionError", "EndpointConnectionError", connected=False)
REJECTED = Fault("Bad content", "MessageRejected", 400)
UNVERIFIED = Fault(
    "Email address is not verified. The following identities failed the check in region EU-WEST-1: sender@example.com",
    "MessageRejected",
    400,
)


async def test_a_job_becomes_one_email(make_rig: MakeRig) -> None:
    """The main job: accepted, on disk, off the queue."""
    rig = make_rig()
    rig.put()

    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.attempt, row.ses_message_id) == (State.ACCEPTED, 1, "ses-message-1")
    assert len(rig.mailer.sent) == 1


async def test_sending_is_on_disk_before_the_request_leaves(make_rig: MakeRig) -> None:
    """Else a crash during the request would look as if nothing had been begun."""
    seen: list[Any] = []

    async def look(job: Any, attempt: int) -> Fault:
        seen.append(await rig.row())
        return REJECTED

    rig = make_rig(look)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert seen[0].state is State.SENDING
    assert seen[0].receipt_handle
    assert seen[0].lease_ends_at > seen[0].started_at


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("hello", Reason.NOT_JSON, id="not-json"),
        pytest.param(make_body(email_id=...), Reason.MISSING_FIELD, id="no-email-id"),
        pytest.param(make_body(from_=...), Reason.MISSING_FIELD, id="no-from"),
        pytest.param(make_body(to="nobody"), Reason.BAD_ADDRESS, id="bad-address"),
        pytest.param(make_body(subject="a\r\nBcc: b@example.org"), Reason.HEADER_INJECTION, id="injection"),
    ],
)
async def test_an_invalid_job_is_deleted_and_kept_aside(make_rig: MakeRig, body: str, reason: Reason) -> None:
    """It can never succeed; on the dead-letter queue it would only hide the jobs that can."""
    rig = make_rig()
    rig.queue.put(body)

    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert [(a.kind, a.reason, a.raw) for a in rig.ledger.asides.values()] == [("invalid", reason, body)]
    assert rig.mailer.sent == []
    assert rig.dead_letters
    assert rig.dead_letters.put_aside == []


async def test_a_refused_job_is_deleted_and_kept_aside(make_rig: MakeRig) -> None:
    rig = make_rig(REJECTED)
    rig.put()

    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).state is State.REFUSED
    assert [a.kind for a in rig.ledger.asides.values()] == ["refused"]
    assert rig.dead_letters
    assert rig.dead_letters.put_aside == []


async def test_an_unknown_sender_is_refused_a_known_one_is_held(make_rig: MakeRig) -> None:
    """The first is the web developer's mistake; the second would lose mail for a slip at AWS."""
    rig = make_rig(UNVERIFIED)
    rig.put(email_id="first")
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)
        rig.put(email_id="good")
        await rig.until(lambda: not rig.queue.left)
        rig.mailer.answers.append(UNVERIFIED)
        rig.put(email_id="held")
        await rig.until(lambda: rig.sent("held") == 2, within_s=900)
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row("first")).state is State.REFUSED
    held = await rig.row("held")
    assert (held.state, held.charged) == (State.ACCEPTED, 0)
    assert rig.pauses.all == ()


async def test_a_throttle_is_tried_again_at_once_and_charges_nothing(make_rig: MakeRig) -> None:
    rig = make_rig(THROTTLE, THROTTLE)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left, within_s=60)

    row = await rig.row()
    assert (row.state, row.charged, row.attempt) == (State.ACCEPTED, 0, 3)
    assert rig.queue.deleted
    assert len(rig.queue.received) <= 3, "within one receive"
    assert rig.governor.current_rate < 1000


async def test_a_throttled_job_rests_as_deferred(make_rig: MakeRig) -> None:
    """Who dies while it waits in the process leaves no doubt behind."""
    states = list[State]()

    async def look(job: Any, attempt: int) -> Fault:
        return THROTTLE

    rig = make_rig(look, look)
    rig.put()
    async with rig.running():
        await rig.until(lambda: len(rig.mailer.sent) == 1)
        await rig.until(lambda: rig.ledger.rows["order-4711"].state is not State.SENDING)
        states.append(rig.ledger.rows["order-4711"].state)
        await rig.until(lambda: not rig.queue.left)

    assert states == [State.DEFERRED]


async def test_a_failure_is_charged_and_backs_off(make_rig: MakeRig) -> None:
    rig = make_rig(BROKEN)
    message = rig.put()
    async with rig.running():
        await rig.until(lambda: bool(rig.queue.hidden))
        assert 15 <= rig.queue.visible_in_s(message) <= 31
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.charged) == (State.ACCEPTED, 1)
    assert rig.mailer.sent_s[1] - rig.mailer.sent_s[0] >= 15


async def test_what_never_left_is_not_charged(make_rig: MakeRig) -> None:
    rig = make_rig(NEVER, NEVER, NEVER, NEVER)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.charged, len(rig.mailer.sent)) == (State.ACCEPTED, 0, 5)


async def test_a_lost_answer_parks_the_job_then_sends_it_again(make_rig: MakeRig) -> None:
    """Without SES's events nothing can prove anything; the wait and the resend are on record."""
    rig = make_rig(LOST)
    message = rig.put()
    async with rig.running():
        await rig.until(lambda: bool(rig.queue.hidden))
        row = await rig.row()
        assert (row.state, row.reason) == (State.IN_DOUBT, Reason.ANSWER_LOST)
        assert 110 <= rig.queue.visible_in_s(message) <= 121
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.resends, row.charged) == (State.ACCEPTED, 1, 0)
    assert rig.mailer.sent_s[1] - rig.mailer.sent_s[0] >= 120


@pytest.mark.parametrize(
    ("policy", "changes"),
    [
        pytest.param(RetryPolicy(in_doubt_wait_s=120, resends_doubt=False), {}, id="hold"),
        pytest.param(RetryPolicy(in_doubt_wait_s=120), {"at_most_once": True}, id="at-most-once"),
    ],
)
async def test_a_doubt_that_may_not_be_resent_is_dead_lettered(
    make_rig: MakeRig, policy: RetryPolicy, changes: dict[str, object]
) -> None:
    rig = make_rig(LOST, policy=policy)
    rig.put(**changes)
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).state is State.DEAD
    assert len(rig.mailer.sent) == 1
    assert rig.dead_letters
    [(body, note)] = rig.dead_letters.put_aside
    assert json.loads(body)["email_id"] == "order-4711"
    told = json.loads(note)
    assert set(told) >= {"reason", "remedy", "lane", "source", "attempts", "last_error", "first_seen"}
    assert told["reason"] == "in_doubt"
    assert "tank-mailer dlq redrive" in told["remedy"]


async def test_three_resends_and_no_more(make_rig: MakeRig) -> None:
    rig = make_rig(LOST, LOST, LOST, LOST, LOST)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.resends, len(rig.mailer.sent)) == (State.DEAD, 3, 4)


async def test_an_expired_job_is_not_sent_not_even_after_its_wait(make_rig: MakeRig) -> None:
    rig = make_rig(BROKEN)
    rig.put(expires_at="2026-11-02T08:00:10Z")
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).state is State.EXPIRED
    assert len(rig.mailer.sent) == 1


async def test_suppressed_recipients_are_left_out(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.ledger.suppressions["gone@example.org"] = None
    rig.put(to=["gone@example.org", "here@example.org"], cc="Gone@Example.org")
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    [(job, _)] = rig.mailer.sent
    assert [a.key for a in job.recipients] == ["here@example.org"]
    assert (await rig.row()).state is State.ACCEPTED


async def test_all_suppressed_ends_the_job(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.ledger.suppressions["recipient@example.org"] = None
    rig.put(cc="here@example.org")
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).state is State.SUPPRESSED
    assert rig.mailer.sent == []
