"""What is refused before it reaches a queue or an account, as a caller without an SDK would meet it."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tank_mailer.standin import AccountSettings, ManualClock, Standin, StandinOptions, serve

URL = "http://127.0.0.1/000000000000/jobs"
STRING = {"DataType": "String", "StringValue": "x"}


async def sqs(http: aiohttp.ClientSession, operation: str, **request: object) -> tuple[str, str]:
    """Code and text of the answer."""
    headers = {"X-Amz-Target": f"AmazonSQS.{operation}"}
    async with http.post("/", json={"QueueUrl": URL} | request, headers=headers) as answer:
        body = await answer.json(content_type="application/x-amz-json-1.0")
        assert answer.headers["x-amzn-RequestId"]
        return answer.headers.get("x-amzn-query-error", ""), body.get("message", "")


def redriven(policy: str) -> dict[str, Any]:
    return {"Attributes": {"RedrivePolicy": policy}}


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        pytest.param("Dance", {}, "AWS.SimpleQueueService.UnsupportedOperation;Sender", id="operation"),
        pytest.param("SendMessage", {"QueueUrl": None}, "MissingParameter;Sender", id="no-url"),
        pytest.param("SendMessage", {"QueueUrl": "jobs"}, "InvalidAddress;Sender", id="url-without-account"),
        pytest.param(
            "SendMessage",
            {"QueueUrl": "http://x/123456789012/jobs"},
            "AWS.SimpleQueueService.NonExistentQueue;Sender",
            id="another-account",
        ),
        pytest.param("SendMessage", {}, "MissingParameter;Sender", id="no-body"),
        pytest.param("SendMessage", {"MessageBody": ""}, "MissingParameter;Sender", id="empty-body"),
        pytest.param("SendMessage", {"MessageBody": 1}, "SerializationException;Sender", id="body-type"),
        pytest.param(
            "SendMessage",
            {"MessageBody": "x", "MessageAttributes": []},
            "SerializationException;Sender",
            id="attributes-type",
        ),
        pytest.param(
            "SendMessage",
            {"MessageBody": "x", "MessageAttributes": {"a": "x"}},
            "InvalidParameterValue;Sender",
            id="attribute-type",
        ),
        pytest.param(
            "SendMessage",
            {"MessageBody": "x", "MessageAttributes": {"a": {"StringValue": "x"}}},
            "InvalidParameterValue;Sender",
            id="attribute-without-type",
        ),
        pytest.param(
            "SendMessage",
            {"MessageBody": "x", "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "?"}}},
            "InvalidParameterValue;Sender",
            id="no-base64",
        ),
        pytest.param(
            "SendMessage",
            {"MessageBody": "x", "MessageAttributes": {"a": STRING | {"StringValue": "\x00"}}},
            "InvalidMessageContents;Sender",
            id="attribute-characters",
        ),
        pytest.param(
            "SendMessage",
            {"MessageBody": "x", "MessageSystemAttributes": {"SenderId": STRING}},
            "InvalidParameterValue;Sender",
            id="system-attribute",
        ),
        pytest.param(
            "SendMessage",
            {"MessageBody": "x", "DelaySeconds": "1"},
            "SerializationException;Sender",
            id="delay-type",
        ),
        pytest.param("SendMessageBatch", {"Entries": {}}, "SerializationException;Sender", id="entries-type"),
        pytest.param("SendMessageBatch", {"Entries": ["x"]}, "SerializationException;Sender", id="entry-type"),
        pytest.param("ReceiveMessage", {"MaxNumberOfMessages": 11}, "InvalidParameterValue;Sender", id="11"),
        pytest.param("ReceiveMessage", {"WaitTimeSeconds": 21}, "InvalidParameterValue;Sender", id="21-s"),
        pytest.param("ChangeMessageVisibility", {"ReceiptHandle": "x"}, "MissingParameter;Sender", id="no-time"),
        pytest.param("CreateQueue", {"QueueName": "a b"}, "InvalidParameterValue;Sender", id="queue-name"),
        pytest.param(
            "SetQueueAttributes",
            {"Attributes": {"VisibilityTimeout": "43201"}},
            "InvalidAttributeValue;Sender",
            id="out-of-bounds",
        ),
        pytest.param(
            "SetQueueAttributes",
            {"Attributes": {"VisibilityTimeout": 30}},
            "InvalidAttributeValue;Sender",
            id="value-type",
        ),
        pytest.param(
            "SetQueueAttributes", {"Attributes": {"Colour": "red"}}, "InvalidAttributeName;Sender", id="unknown"
        ),
        pytest.param(
            "SetQueueAttributes", {"Attributes": {"FifoQueue": "true"}}, "InvalidAttributeName;Sender", id="fifo"
        ),
        pytest.param("SetQueueAttributes", redriven("{"), "InvalidAttributeValue;Sender", id="policy-json"),
        pytest.param("SetQueueAttributes", redriven("{}"), "InvalidAttributeValue;Sender", id="policy-empty"),
        pytest.param(
            "SetQueueAttributes",
            redriven('{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:dead", "maxReceiveCount": 1}'),
            "InvalidParameterValue;Sender",
            id="policy-of-another-region",
        ),
    ],
)
async def test_what_sqs_refuses(
    http: aiohttp.ClientSession, standin: Standin, operation: str, request_: dict[str, object], code: str
) -> None:
    standin.state.queues.create("jobs", {})

    assert (await sqs(http, operation, **request_))[0] == code
    assert standin.state.queues.named("jobs").queue.messages == {}


async def test_an_empty_policy_is_taken_away(standin: Standin) -> None:
    queues = standin.state.queues
    dead = queues.create("dead", {"RedriveAllowPolicy": '{"redrivePermission": "byQueue"}'})
    policy = f'{{"deadLetterTargetArn": "{dead.queue.arn}", "maxReceiveCount": "3"}}'
    queues.change(dead, {"RedriveAllowPolicy": ""})
    jobs = queues.create("jobs", {"RedrivePolicy": policy, "Policy": "{}"})
    assert queues.sources_of(dead) == ["jobs"]

    queues.change(jobs, {"RedrivePolicy": "", "Policy": ""})

    assert queues.sources_of(dead) == []
    assert not {"RedrivePolicy", "Policy"} & jobs.queue.settings.attributes().keys()


async def test_a_short_poll_at_the_ceiling_is_over_the_limit(
    http: aiohttp.ClientSession, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aws-facts 5.1; long polls get nothing instead."""
    monkeypatch.setattr("tank_mailer.standin.queue.MAX_IN_FLIGHT", 0)
    standin.state.queues.create("jobs", {})

    assert (await sqs(http, "ReceiveMessage"))[0] == "OverLimit;Sender"


@pytest.mark.parametrize("body", ["{", "[]"])
async def test_a_body_that_is_no_object(http: aiohttp.ClientSession, body: str) -> None:
    async with http.post("/v2/email/outbound-emails", data=body) as answer:
        assert answer.headers["x-amzn-ErrorType"] == "SerializationException"


async def test_a_path_that_ses_does_not_have(http: aiohttp.ClientSession) -> None:
    async with http.get("/v2/email/contact-lists") as answer:
        assert answer.status == 404
        assert answer.headers["x-amzn-ErrorType"] == "UnknownOperationException"


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        pytest.param("identities", {"EmailIdentity": "example.com"}, "AlreadyExistsException", id="identity"),
        pytest.param("identities", {"EmailIdentity": "@"}, "BadRequestException", id="identity-name"),
        pytest.param("configuration-sets", {"ConfigurationSetName": "tank"}, "AlreadyExistsException", id="set"),
        pytest.param("configuration-sets", {"ConfigurationSetName": "a b"}, "BadRequestException", id="set-name"),
        pytest.param("outbound-emails", {"Destination": []}, "SerializationException", id="destination"),
        pytest.param("outbound-emails", {"EmailTags": [{"Name": "n"}]}, "BadRequestException", id="tag-without-value"),
        pytest.param("outbound-emails", {"Content": {"Raw": {"Data": "?"}}}, "BadRequestException", id="base64"),
        pytest.param("outbound-emails", {"Destination": {"ToAddresses": [1]}}, "BadRequestException", id="no-address"),
        pytest.param(
            "outbound-emails", {"Destination": {"ToAddresses": ["<<a>"]}}, "BadRequestException", id="brackets"
        ),
        pytest.param(
            "outbound-emails", {"Destination": {"ToAddresses": ["a@b.org"]}}, "BadRequestException", id="no-from"
        ),
    ],
)
async def test_what_ses_refuses(http: aiohttp.ClientSession, path: str, body: dict[str, object], name: str) -> None:
    async with http.post(f"/v2/email/{path}", json=body) as answer:
        assert answer.headers["x-amzn-ErrorType"] == name


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"Template": {"TemplateName": "x"}}, id="template"),
        pytest.param({"Simple": {"Subject": {}, "Body": {"Text": {"Data": "x"}}}}, id="no-subject"),
    ],
)
async def test_content_that_ses_refuses(http: aiohttp.ClientSession, content: dict[str, object]) -> None:
    mail = {
        "FromEmailAddress": "a@example.com",
        "Destination": {"ToAddresses": ["b@example.org"]},
        "EmailTags": [{"Name": "ses:feedback-id-a", "Value": "x"}],
        "Content": content,
    }
    async with http.post("/v2/email/outbound-emails", json=mail) as answer:
        assert answer.headers["x-amzn-ErrorType"] == "BadRequestException"


async def test_serve_runs_until_it_is_told_to_stop(clock: ManualClock) -> None:
    started: list[Standin] = []
    stop = asyncio.Event()

    def on_start(standin: Standin) -> None:
        started.append(standin)
        stop.set()

    options = StandinOptions(
        host="localhost", queues=("jobs",), sqs_latency_s=0.001, account=AccountSettings(max_send_rate=1.0)
    )
    async with asyncio.timeout(5):
        await serve(options, on_start=on_start, stop=stop)

    assert started[0].url.startswith("http://")
    assert started[0].state.options is options
