"""Event destinations, the suppression list and SNS's envelope, by the SDK; moto has no event publishing."""

import json
from datetime import UTC, datetime
from typing import Any

import aioboto3
import pytest
from botocore.exceptions import ClientError
from types_aiobotocore_sesv2 import SESV2Client

from tank_mailer.standin import EventSettings, Standin, StandinOptions
from tests.conformance.conftest import FAST, ONE_ATTEMPT

HELLO: dict[str, Any] = {"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hi"}}}}
STANDIN_ONLY = pytest.mark.parametrize("cloud", [pytest.param("standin", id="standin-only")], indirect=True)


async def one_body(sqs: Any, queue_url: str) -> str:
    reply = await sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=10)
    (message,) = reply["Messages"]
    body: str = message["Body"]
    return body


async def an_envelope_of_moto(session: aioboto3.Session, url: str) -> dict[str, Any]:
    """What its SNS puts onto its SQS."""
    async with (
        session.client("sns", endpoint_url=url, config=ONE_ATTEMPT) as sns,
        session.client("sqs", endpoint_url=url, config=ONE_ATTEMPT) as sqs,
    ):
        queue = (await sqs.create_queue(QueueName="envelopes"))["QueueUrl"]
        facts = await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        topic = (await sns.create_topic(Name="ses-events"))["TopicArn"]
        await sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=facts["Attributes"]["QueueArn"])
        await sns.publish(TopicArn=topic, Message="{}", Subject="Amazon SES Email Event Notification")
        envelope: dict[str, Any] = json.loads(await one_body(sqs, queue))
        return envelope


async def test_the_envelope_is_the_one_of_sns(session: aioboto3.Session, moto_url: str) -> None:
    """The same keys with values of the same type and form; moto signs by version 2, SNS by 1 unless told."""
    theirs = await an_envelope_of_moto(session, moto_url)
    options = StandinOptions(account=FAST, event_queue="events", events=EventSettings(latency_s=0))
    async with (
        Standin.start(options) as standin,
        session.client("sesv2", endpoint_url=standin.url, config=ONE_ATTEMPT) as ses,
        session.client("sqs", endpoint_url=standin.url, config=ONE_ATTEMPT) as sqs,
    ):
        await ses.send_email(
            FromEmailAddress="news@example.com",
            Destination={"ToAddresses": ["you@example.org"]},
            Content=HELLO,
            ConfigurationSetName="tank",
        )
        ours = json.loads(await one_body(sqs, f"{standin.url}/000000000000/events"))

    assert {name: type(value) for name, value in ours.items()} == {name: type(value) for name, value in theirs.items()}
    for name in ("Type", "Subject"):
        assert ours[name] == theirs[name]
    for name in ("MessageId", "Timestamp"):
        assert len(ours[name]) == len(theirs[name])
    assert ours["TopicArn"].split(":")[:4] == theirs["TopicArn"].split(":")[:4]


@STANDIN_ONLY
async def test_an_event_destination_by_the_sdk(ses: SESV2Client, standin: Standin) -> None:
    """As an operator's script would make one."""
    topic = standin.state.events.topics.create("ses-events")
    await ses.create_configuration_set(ConfigurationSetName="mine")
    await ses.create_configuration_set_event_destination(
        ConfigurationSetName="mine",
        EventDestinationName="one",
        EventDestination={
            "Enabled": True,
            "MatchingEventTypes": ["SEND", "RENDERING_FAILURE"],
            "SnsDestination": {"TopicArn": topic},
        },
    )
    await ses.update_configuration_set_event_destination(
        ConfigurationSetName="mine", EventDestinationName="one", EventDestination={"MatchingEventTypes": ["BOUNCE"]}
    )

    (shown,) = (await ses.get_configuration_set_event_destinations(ConfigurationSetName="mine"))["EventDestinations"]
    await ses.delete_configuration_set_event_destination(ConfigurationSetName="mine", EventDestinationName="one")
    left = await ses.get_configuration_set_event_destinations(ConfigurationSetName="mine")

    assert shown == {
        "Name": "one",
        "Enabled": True,
        "MatchingEventTypes": ["BOUNCE"],
        "SnsDestination": {"TopicArn": topic},
    }
    assert left["EventDestinations"] == []
    with pytest.raises(ses.exceptions.NotFoundException):
        await ses.delete_configuration_set_event_destination(ConfigurationSetName="mine", EventDestinationName="one")


@STANDIN_ONLY
async def test_the_suppression_list_by_the_sdk(ses: SESV2Client) -> None:
    """With an address that a path must escape, pages and times."""
    began_at = datetime.now(UTC)
    for address in ("a+b/c@example.org", "d@example.org"):
        await ses.put_suppressed_destination(EmailAddress=address, Reason="BOUNCE")
    await ses.put_suppressed_destination(EmailAddress="e@example.org", Reason="COMPLAINT")

    one = (await ses.get_suppressed_destination(EmailAddress="a+b/c@example.org"))["SuppressedDestination"]
    first = await ses.list_suppressed_destinations(
        Reasons=["BOUNCE"],
        StartDate=datetime(2020, 1, 1, tzinfo=UTC),
        EndDate=datetime(2100, 1, 1, tzinfo=UTC),
        PageSize=1,
    )
    second = await ses.list_suppressed_destinations(Reasons=["BOUNCE"], PageSize=1, NextToken=first["NextToken"])
    none = await ses.list_suppressed_destinations(EndDate=datetime(2020, 1, 1, tzinfo=UTC))
    await ses.delete_suppressed_destination(EmailAddress="a+b/c@example.org")

    assert one["EmailAddress"] == "a+b/c@example.org"
    assert abs((one["LastUpdateTime"] - began_at).total_seconds()) < 60
    assert [entry["EmailAddress"] for entry in first["SuppressedDestinationSummaries"]] == ["a+b/c@example.org"]
    assert [entry["EmailAddress"] for entry in second["SuppressedDestinationSummaries"]] == ["d@example.org"]
    assert "NextToken" not in second
    assert none["SuppressedDestinationSummaries"] == []
    for call in (ses.get_suppressed_destination, ses.delete_suppressed_destination):
        with pytest.raises(ses.exceptions.NotFoundException):
            await call(EmailAddress="a+b/c@example.org")
    with pytest.raises(ses.exceptions.InvalidNextTokenException):
        await ses.list_suppressed_destinations(NextToken="x")


async def test_one_call_a_second_by_the_sdk(session: aioboto3.Session) -> None:
    """Aws-facts 1.4 and 1.5: of the control plane, when the stand-in is strict."""
    async with (
        Standin.start(StandinOptions(strict_control_plane=True)) as standin,
        session.client("sesv2", endpoint_url=standin.url, config=ONE_ATTEMPT) as ses,
    ):
        await ses.put_suppressed_destination(EmailAddress="a@example.org", Reason="BOUNCE")
        with pytest.raises(ClientError, match=r"\(TooManyRequestsException\).*Rate exceeded") as refused:
            await ses.put_suppressed_destination(EmailAddress="a@example.org", Reason="BOUNCE")

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
