"""SNS, STS and IAM as a doctor asks them: on the stand-in and on moto's server alike."""

import json
from typing import Any

import aioboto3
import pytest
from botocore.exceptions import ClientError

from tank_mailer.standin import Standin
from tank_mailer.standin.access import Key
from tests.conformance.conftest import ONE_ATTEMPT

STANDIN_ONLY = pytest.mark.parametrize("cloud", [pytest.param("standin", id="standin-only")], indirect=True)


@pytest.fixture
async def clients(cloud: str, session: aioboto3.Session) -> Any:
    async with (
        session.client("sns", endpoint_url=cloud, config=ONE_ATTEMPT) as sns,
        session.client("sqs", endpoint_url=cloud, config=ONE_ATTEMPT) as sqs,
        session.client("sts", endpoint_url=cloud, config=ONE_ATTEMPT) as sts,
        session.client("iam", endpoint_url=cloud, config=ONE_ATTEMPT) as iam,
    ):
        yield {"sns": sns, "sqs": sqs, "sts": sts, "iam": iam}


async def subscribed(clients: Any, standin: Standin, cloud: str) -> tuple[str, str]:
    """A topic with one queue; the stand-in's topics are made by an observer. Returns both ARNs."""
    url = (await clients["sqs"].create_queue(QueueName="events"))["QueueUrl"]
    told = await clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    queue: str = told["Attributes"]["QueueArn"]
    if cloud == standin.url:
        arn = standin.state.events.topics.create("ses-events")
        standin.state.events.topics.subscribe(arn, "events")
        return arn, queue
    arn = (await clients["sns"].create_topic(Name="ses-events"))["TopicArn"]
    await clients["sns"].subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue)
    return arn, queue


async def test_a_topic_and_its_policy(clients: Any, standin: Standin, cloud: str) -> None:
    arn, _ = await subscribed(clients, standin, cloud)

    told = (await clients["sns"].get_topic_attributes(TopicArn=arn))["Attributes"]

    assert told["TopicArn"] == arn
    assert {"SubscriptionsConfirmed", "SubscriptionsPending", "Owner"} <= set(told)  # moto counts nobody
    assert json.loads(told["Policy"])["Statement"]
    assert "KmsMasterKeyId" not in told


async def test_a_subscription(clients: Any, standin: Standin, cloud: str) -> None:
    arn, queue = await subscribed(clients, standin, cloud)

    (one,) = (await clients["sns"].list_subscriptions_by_topic(TopicArn=arn))["Subscriptions"]
    told = (await clients["sns"].get_subscription_attributes(SubscriptionArn=one["SubscriptionArn"]))["Attributes"]

    assert (one["Protocol"], one["Endpoint"], one["TopicArn"]) == ("sqs", queue, arn)
    assert one["SubscriptionArn"].startswith(f"{arn}:")
    assert told["RawMessageDelivery"] == "false"
    assert told["PendingConfirmation"] == "false"
    assert "FilterPolicy" not in told
    assert "RedrivePolicy" not in told


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        pytest.param("get_topic_attributes", {"TopicArn": "{}:none"}, id="topic"),
        pytest.param("get_subscription_attributes", {"SubscriptionArn": "{}:ses-events:none"}, id="subscription"),
    ],
)
async def test_what_is_not_there(
    clients: Any, standin: Standin, cloud: str, operation: str, arguments: dict[str, str]
) -> None:
    arn, _ = await subscribed(clients, standin, cloud)
    given = {name: value.format(arn.rpartition(":")[0]) for name, value in arguments.items()}

    with pytest.raises(ClientError) as caught:
        await getattr(clients["sns"], operation)(**given)

    assert caught.value.response["Error"]["Code"] == "NotFound"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


async def test_whoever_asks_is_told_who_he_is(clients: Any) -> None:
    told = await clients["sts"].get_caller_identity()

    assert len(told["Account"]) == 12
    assert told["Arn"].startswith("arn:aws:")
    assert told["UserId"]


@STANDIN_ONLY
async def test_a_simulation(clients: Any, standin: Standin) -> None:
    """One answer an action, by its name; moto's own breaks off with 500."""
    standin.state.access.denied["sqs:DeleteMessage"] = ""

    told = await clients["iam"].simulate_principal_policy(
        PolicySourceArn=standin.state.access.arn,
        ActionNames=["sqs:SendMessage", "sqs:DeleteMessage"],
        ResourceArns=["arn:aws:sqs:eu-west-1:000000000000:jobs"],
    )

    decided = {one["EvalActionName"]: one["EvalDecision"] for one in told["EvaluationResults"]}
    assert decided == {"sqs:SendMessage": "allowed", "sqs:DeleteMessage": "implicitDeny"}


@STANDIN_ONLY
async def test_keys(clients: Any, standin: Standin) -> None:
    """Moto has none of whoever asks without a user's name."""
    standin.state.access.keys += [Key(key_id="AKIA1"), Key(key_id="AKIA2", is_active=False)]

    told = (await clients["iam"].list_access_keys())["AccessKeyMetadata"]

    assert [(one["AccessKeyId"], one["Status"]) for one in told] == [("AKIA1", "Active"), ("AKIA2", "Inactive")]
    assert told[0]["CreateDate"] == standin.state.access.keys[0].created_at


@STANDIN_ONLY
@pytest.mark.parametrize(
    ("call", "code"),
    [
        pytest.param(("sns", "get_topic_attributes", {"TopicArn": "a:b"}), "AuthorizationError", id="sns"),
        pytest.param(("iam", "list_access_keys", {}), "AccessDenied", id="iam"),
        pytest.param(("sqs", "receive_message", {"QueueUrl": "http://x/1/jobs"}), "AccessDenied", id="sqs"),
    ],
)
async def test_what_is_denied(clients: Any, standin: Standin, call: tuple[str, str, dict[str, str]], code: str) -> None:
    """Moto asks nobody for his rights; the codes are each service's own (aws-facts 1.5, and SNS's errors)."""
    service, operation, arguments = call
    action = f"{service}:{''.join(part.title() for part in operation.split('_'))}"
    standin.state.access.denied[action] = ""

    with pytest.raises(ClientError, match=action) as caught:
        await getattr(clients[service], operation)(**arguments)

    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@STANDIN_ONLY
async def test_a_batch_needs_the_right_of_the_single_call(clients: Any, standin: Standin) -> None:
    """Aws-facts 5.2."""
    standin.state.access.denied["sqs:SendMessage"] = "jobs"

    with pytest.raises(ClientError, match="sqs:SendMessage"):
        await clients["sqs"].send_message_batch(QueueUrl=f"{standin.url}/000000000000/jobs", Entries=[])

    other = (await clients["sqs"].create_queue(QueueName="other"))["QueueUrl"]
    await clients["sqs"].send_message(QueueUrl=other, MessageBody="x")
