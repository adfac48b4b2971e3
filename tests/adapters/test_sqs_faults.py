"""SQS refused, half done, out of reach, or not SQS at all."""

import json
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tank_mailer.adapters.sqs import SqsDeadLetterQueue, SqsQueue
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.ports import QueueFacts, QueueMessage, Settled
from tests.adapters import rude_server as rude
from tests.adapters.conftest import open_clients
from tests.adapters.rude_server import Manner, Request, RudeServer

HANDLE = "AQEBsecret-handle"
BODY = '{"email_id": "secret-order"}'
MESSAGE = QueueMessage("queue-message-1", HANDLE, BODY, 1, datetime(2026, 11, 2, tzinfo=UTC))

Work = Callable[[SqsQueue], Coroutine[Any, Any, object]]
CALLS: dict[str, Work] = {
    "receive": lambda queue: queue.receive(limit=10, wait_s=0, visibility_s=60),
    "delete": lambda queue: queue.delete([HANDLE]),
    "hide": lambda queue: queue.hide([(HANDLE, 60)]),
    "copy": lambda queue: queue.copy(MESSAGE, delay_s=0),
    "facts": lambda queue: queue.facts(),
    "put": lambda queue: SqsDeadLetterQueue(url=queue.url, client=queue.settling).put(BODY, note="secret note"),
}


def coded(status: int, code: str, message: str = "", *, query: str = "") -> Manner:
    """An error in SQS's own words; `query` is the code of the old protocol."""
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message}).encode()
    headers = {"x_amzn_RequestId": "r-1", "Content_Type": "application/x-amz-json-1.0"}
    if query:
        headers["x_amzn_query_error"] = f"{query};Sender"
    return rude.answers(status, body, **headers)


async def errors_of(manner: Manner, *calls: str) -> list[QueueError]:
    """What each of the calls raises; all of them, where none is named."""
    errors = list[QueueError]()
    async with RudeServer(manner).listen() as server, open_clients(server.url) as clients:
        queue = SqsQueue(url=f"{server.url}/0/jobs", receiving=clients.receiving, settling=clients.settling)
        for name in calls or CALLS:
            with pytest.raises(QueueError) as raised:
                await CALLS[name](queue)
            errors.append(raised.value)
    return errors


async def answer_of(manner: Manner, work: Work) -> Any:
    async with RudeServer(manner).listen() as server, open_clients(server.url) as clients:
        return await work(SqsQueue(url=f"{server.url}/0/jobs", receiving=clients.receiving, settling=clients.settling))


# --- not SQS ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "manner",
    [
        pytest.param(rude.answers(200, rude.PAGE), id="a-portals-page"),
        pytest.param(rude.answers(200, "Grüße".encode("latin-1")), id="a-page-that-is-not-utf-8"),
        pytest.param(rude.answers(200, b"[]"), id="json-but-no-object"),
        pytest.param(rude.answers(200, b"{}"), id="an-object-without-a-request-id"),
        pytest.param(rude.answers(204), id="nothing"),
    ],
)
async def test_a_page_is_not_taken_for_an_answer(manner: Manner) -> None:
    """The SDK raises nothing: a receive would look like an empty queue, a delete like a done one."""
    for error in await errors_of(manner):
        assert error.reason is Reason.QUEUE_UNREACHABLE
        assert "secret" not in str(error)


async def test_a_reset_of_each_call_is_a_queue_out_of_reach() -> None:
    for error in await errors_of(rude.resets_at_once, "receive"):
        assert error.reason is Reason.QUEUE_UNREACHABLE


async def test_a_refused_connection_is_a_queue_out_of_reach() -> None:
    url = f"http://127.0.0.1:{rude.free_port()}"
    async with open_clients(url) as clients:
        queue = SqsQueue(url=f"{url}/0/jobs", receiving=clients.receiving, settling=clients.settling)
        with pytest.raises(QueueError) as raised:
            await CALLS["receive"](queue)

    assert raised.value.reason is Reason.QUEUE_UNREACHABLE


async def test_a_receive_is_asked_once() -> None:
    """A repeat by the SDK would hand out, and hide, a second batch that nobody takes."""
    async with RudeServer(rude.closes_after_the_request).listen() as server, open_clients(server.url) as clients:
        queue = SqsQueue(url=f"{server.url}/0/jobs", receiving=clients.receiving, settling=clients.settling)
        with pytest.raises(QueueError):
            await CALLS["receive"](queue)

    assert len(server.requests) == 1


# --- refused ---------------------------------------------------------------------------------------

QUOTED = f'The receipt handle "{HANDLE}" is not valid; body {BODY}'


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        pytest.param(
            coded(400, "QueueDoesNotExist", query="AWS.SimpleQueueService.NonExistentQueue"),
            Reason.QUEUE_MISSING,
            id="no-such-queue",
        ),
        pytest.param(coded(400, "QueueDoesNotExist"), Reason.QUEUE_MISSING, id="no-such-queue-without-the-old-code"),
        pytest.param(
            coded(400, "QueueDeletedRecently", query="AWS.SimpleQueueService.QueueDeletedRecently"),
            Reason.QUEUE_MISSING,
            id="deleted-a-moment-ago",
        ),
        pytest.param(coded(403, "AccessDeniedException", QUOTED), Reason.ACCESS_DENIED, id="denied"),
        pytest.param(
            coded(400, "KmsAccessDenied", QUOTED, query="KMS.AccessDeniedException"),
            Reason.ACCESS_DENIED,
            id="the-queues-key-denied",
        ),
        pytest.param(coded(403, "InvalidClientTokenId", QUOTED), Reason.BAD_CREDENTIALS, id="no-such-key"),
        pytest.param(coded(403, "SignatureDoesNotMatch"), Reason.BAD_CREDENTIALS, id="a-wrong-secret"),
        pytest.param(coded(403, "RequestExpired"), Reason.CLOCK_SKEW, id="the-clock-is-wrong"),
        pytest.param(
            coded(403, "InvalidSignatureException", "Signature expired: 20261102T080000Z is now earlier than"),
            Reason.CLOCK_SKEW,
            id="the-clock-is-wrong-in-other-words",
        ),
        pytest.param(coded(403, "OptInRequired"), Reason.BAD_CREDENTIALS, id="a-region-that-is-not-enabled"),
        pytest.param(rude.answers(403, rude.PAGE), Reason.ACCESS_DENIED, id="a-proxy-that-forbids"),
        pytest.param(coded(400, "ReceiptHandleIsInvalid", QUOTED), Reason.QUEUE_UNREACHABLE, id="another-refusal"),
    ],
)
async def test_refused(manner: Manner, reason: Reason) -> None:
    """The reason decides about the pause and its remedy; nothing that SQS quotes may end in a log."""
    for error in await errors_of(manner, "receive", "delete", "put"):
        assert error.reason is reason
        assert "secret" not in str(error)
        assert "AQEB" not in str(error)


@pytest.mark.parametrize(
    ("manner", "call", "detail"),
    [
        pytest.param(
            coded(403, "AccessDeniedException", QUOTED),
            "receive",
            "HTTP 403 AccessDeniedException, sqs:ReceiveMessage",
            id="the-action",
        ),
        pytest.param(
            coded(403, "AccessDenied", QUOTED),
            "hide",
            "HTTP 403 AccessDenied, sqs:ChangeMessageVisibility",
            id="the-action-that-a-batch-needs",
        ),
        pytest.param(
            coded(400, "KmsAccessDenied", query="KMS.AccessDeniedException"),
            "receive",
            "HTTP 400 KmsAccessDenied",
            id="none-where-the-queues-key-says-no",
        ),
        pytest.param(rude.answers(403, rude.PAGE), "receive", "HTTP 403 403", id="none-where-a-proxy-says-no"),
    ],
)
async def test_a_denial_names_the_action(manner: Manner, call: str, detail: str) -> None:
    """The remedy sends an operator there: allow the action that the detail names."""
    [error] = await errors_of(manner, call)

    assert (error.reason, error.detail) == (Reason.ACCESS_DENIED, detail)


async def test_too_large_for_the_queue() -> None:
    text = "One or more parameters are invalid. Reason: Message must be shorter than 262144 bytes."

    [error] = await errors_of(coded(400, "InvalidParameterValue", text), "put")

    assert error.reason is Reason.TOO_LARGE


async def test_a_503_is_a_queue_out_of_reach() -> None:
    [error] = await errors_of(coded(503, "ServiceUnavailable"), "receive")

    assert (error.reason, error.detail) == (Reason.QUEUE_UNREACHABLE, "HTTP 503 ServiceUnavailable")


async def test_without_keys() -> None:
    async with (
        RudeServer(rude.answers(200)).listen() as server,
        open_clients(server.url, keys={}) as clients,
    ):
        queue = SqsQueue(url=f"{server.url}/0/jobs", receiving=clients.receiving, settling=clients.settling)
        with pytest.raises(QueueError) as raised:
            await CALLS["receive"](queue)

    assert raised.value.reason is Reason.BAD_CREDENTIALS
    assert server.requests == []


# --- batches -----------------------------------------------------------------------------------------

Failed = tuple[int, str, str]  # position, code, message


def batch(done: Sequence[int] = (), failed: Sequence[Failed] = ()) -> Manner:
    """An answer to ten entries, by position; what is in neither list is missing from the answer."""

    def answer(request: Request) -> object:
        ids = [entry["Id"] for entry in request.json["Entries"]]
        return {
            "Successful": [{"Id": ids[n]} for n in done],
            "Failed": [{"Id": ids[n], "Code": c, "Message": m, "SenderFault": True} for n, c, m in failed],
        }

    return rude.answers_json(answer)


STALE = "Value {handle} for parameter ReceiptHandle is invalid. Reason: "
NOT_THERE = STALE + "Message does not exist or is not available for visibility timeout change."
EXPIRED = STALE + "The receipt handle has expired."
TWELVE_HOURS = (
    "Value 43200 for parameter VisibilityTimeout is invalid."
    " Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]."
)


@pytest.mark.parametrize(
    ("manner", "settled"),
    [
        pytest.param(batch([0, 1, 2]), ["done", "done", "done"], id="all-done"),
        pytest.param(batch([2, 0, 1]), ["done", "done", "done"], id="in-another-order"),
        pytest.param(batch([2], [(0, "InternalError", "")]), ["failed", "failed", "done"], id="one-is-missing"),
        pytest.param(batch(), ["failed", "failed", "failed"], id="all-are-missing"),
        pytest.param(
            batch([1], [(2, "ReceiptHandleIsInvalid", ""), (0, "InternalError", "try again")]),
            ["failed", "done", "gone"],
            id="failed-shuffled",
        ),
        pytest.param(
            batch([0], [(1, "AWS.SimpleQueueService.MessageNotInflight", ""), (2, "MessageNotInflight", "")]),
            ["done", "gone", "gone"],
            id="came-back-in-the-meantime",
        ),
        pytest.param(
            batch([0], [(1, "InvalidParameterValue", NOT_THERE), (2, "InvalidParameterValue", EXPIRED)]),
            ["done", "gone", "gone"],
            id="a-stale-handle-in-the-words-of-sqs",
        ),
        pytest.param(
            batch([0], [(1, "InvalidParameterValue", TWELVE_HOURS), (2, "InvalidParameterValue", "something else")]),
            ["done", "too_long", "failed"],
            id="beyond-twelve-hours",
        ),
    ],
)
async def test_batches(manner: Manner, settled: list[str]) -> None:
    """HTTP 200 says nothing: each entry counts, and what the answer leaves out is not done."""

    async def both(queue: SqsQueue) -> object:
        handles = ["h-0", "h-1", "h-2"]
        return await queue.delete(handles), await queue.hide([(handle, 60) for handle in handles])

    deleted, hidden = await answer_of(manner, both)

    assert list(deleted) == list(hidden) == [Settled(word) for word in settled]


async def test_a_batch_names_every_handle_with_its_own_wait() -> None:
    async with RudeServer(batch([0, 1])).listen() as server, open_clients(server.url) as clients:
        queue = SqsQueue(url=f"{server.url}/0/jobs", receiving=clients.receiving, settling=clients.settling)
        await queue.hide([("h-0", 0), ("h-1", 43_200)])

    [request] = server.requests
    assert [(e["ReceiptHandle"], e["VisibilityTimeout"]) for e in request.json["Entries"]] == [
        ("h-0", 0),
        ("h-1", 43_200),
    ]


# --- odd but right answers -----------------------------------------------------------------------------


async def test_an_answer_without_messages_is_an_empty_one() -> None:
    assert await answer_of(rude.answers_json(lambda _: {}), CALLS["receive"]) == []


async def test_a_message_with_the_least_that_sqs_gives() -> None:
    """Some emulators know only the old name of the system attributes, and give none."""
    message = {"MessageId": "m-1", "ReceiptHandle": HANDLE, "Body": BODY}

    [received] = await answer_of(rude.answers_json(lambda _: {"Messages": [message]}), CALLS["receive"])

    assert (received.queue_message_id, received.receive_count, received.attributes) == ("m-1", 1, {})


async def test_a_receive_asks_for_what_the_flow_wants() -> None:
    async with RudeServer(rude.answers_json(lambda _: {})).listen() as server, open_clients(server.url) as clients:
        queue = SqsQueue(url=f"{server.url}/0/jobs", receiving=clients.receiving, settling=clients.settling)
        await queue.receive(limit=7, wait_s=20, visibility_s=80)

    [request] = server.requests
    asked = request.json
    assert (asked["MaxNumberOfMessages"], asked["WaitTimeSeconds"], asked["VisibilityTimeout"]) == (7, 20, 80)
    assert set(asked["MessageSystemAttributeNames"]) == {"ApproximateReceiveCount", "SentTimestamp"}


@pytest.mark.parametrize(
    ("attributes", "facts"),
    [
        pytest.param({}, QueueFacts(0, 0, 345_600.0, 30.0, None, None, 1_048_576), id="none-at-all"),
        pytest.param(
            {"RedrivePolicy": "", "ApproximateNumberOfMessages": "5"},
            QueueFacts(5, 0, 345_600.0, 30.0, None, None, 1_048_576),
            id="an-empty-policy",
        ),
        pytest.param(
            {"RedrivePolicy": "no JSON"}, QueueFacts(0, 0, 345_600.0, 30.0, None, None, 1_048_576), id="a-broken-policy"
        ),
        pytest.param(
            {"RedrivePolicy": '{"maxReceiveCount": "5", "deadLetterTargetArn": "arn:aws:sqs:r:1:dead"}'},
            QueueFacts(0, 0, 345_600.0, 30.0, 5, "dead", 1_048_576),
            id="a-policy-with-its-number-as-text",
        ),
        pytest.param(
            {"MaximumMessageSize": "262144"}, QueueFacts(0, 0, 345_600.0, 30.0, None, None, 262_144), id="an-old-limit"
        ),
    ],
)
async def test_facts(attributes: dict[str, str], facts: QueueFacts) -> None:
    assert await answer_of(rude.answers_json(lambda _: {"Attributes": attributes}), CALLS["facts"]) == facts
