"""`tank-mailer standin` as a process, as web developers use it."""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
import aiohttp
import pytest
from botocore.exceptions import ClientError

from tank_mailer.cli.options import environment

PATIENCE_S = 20.0


@asynccontextmanager
async def standin(*arguments: str) -> AsyncIterator[Process]:
    """Run it; killed at the end of the block if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tank_mailer", "standin", *arguments), stdout=PIPE, stderr=PIPE, env={**environment()}
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def told(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    shown: dict[str, Any] = json.loads(await process.stdout.readline())
    return shown


def client(service: str, given: dict[str, str]) -> Any:
    session = aioboto3.Session(
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        region_name=given["AWS_DEFAULT_REGION"],
    )
    return session.client(service, endpoint_url=given["AWS_ENDPOINT_URL"])


def mail(to: str = "you@example.org", sender: str = "shop@shop.example") -> dict[str, Any]:
    simple = {"Subject": {"Data": "Hello"}, "Body": {"Html": {"Data": "<p>Hello!</p>"}}}
    return {
        "FromEmailAddress": sender,
        "Destination": {"ToAddresses": [to]},
        "Content": {"Simple": simple},
        "ConfigurationSetName": "mine",
    }


async def test_one_mail_can_be_sent_and_seen() -> None:
    """With what it prints, and nothing else."""
    async with standin("--port", "0", "--json", "--identity", "shop.example", "--configuration-set", "mine") as process:
        shown = await told(process)
        async with client("sesv2", shown["environment"]) as ses:
            answer = await ses.send_email(**mail())
            with pytest.raises(ClientError, match="not verified"):
                await ses.send_email(**mail(sender="shop@example.com"))
        async with aiohttp.ClientSession(shown["url"]) as http, http.get("/_standin/log") as log:
            (accepted,) = await log.json()
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()

    assert accepted["message_id"] == answer["MessageId"]
    assert (process.returncode, err) == (0, b"")


async def test_the_queue_is_there_with_its_dead_letter_queue() -> None:
    async with standin("--port", "0", "--json", "--queue", "one", "--queue", "two") as process:
        shown = await told(process)
        url = shown["environment"]["TANK_OUTBOUND_QUEUE_URL"]
        async with client("sqs", shown["environment"]) as sqs:
            sent = await sqs.send_message(QueueUrl=url, MessageBody="{}")
            facts = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])

    assert sent["MessageId"]
    assert url == shown["queues"]["one"]
    assert set(shown["queues"]) == {"one", "two", "tank-priority", "tank-dead-letter", "tank-events"}
    assert json.loads(facts["Attributes"]["RedrivePolicy"])["maxReceiveCount"] in {100, "100"}


async def test_a_queue_for_what_goes_first_is_there_too() -> None:
    async with standin("--port", "0", "--json", "--priority-queue", "codes") as process:
        shown = await told(process)
        url = shown["environment"]["TANK_PRIORITY_QUEUE_URL"]
        async with client("sqs", shown["environment"]) as sqs:
            await sqs.send_message(QueueUrl=url, MessageBody="{}")
            facts = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])

    assert url == shown["queues"]["codes"] != shown["environment"]["TANK_OUTBOUND_QUEUE_URL"]
    assert json.loads(facts["Attributes"]["RedrivePolicy"])["maxReceiveCount"] in {100, "100"}


async def test_or_there_is_one_lane() -> None:
    async with standin("--port", "0", "--json", "--priority-queue", "") as process:
        shown = await told(process)

    assert "TANK_PRIORITY_QUEUE_URL" not in shown["environment"]
    assert set(shown["queues"]) == {"tank-outbound", "tank-dead-letter", "tank-events"}


async def test_bounces_come_back_with_what_it_prints() -> None:
    """The queue, the topic and the set that the events come by are all told to tank-mailer."""
    async with standin("--port", "0", "--json", "--identity", "shop.example", "--configuration-set", "mine",
                       "--fate", "*@example.org=bounce", "--raw-events") as process:  # fmt: skip
        given = (await told(process))["environment"]
        async with client("sesv2", given) as ses, client("sqs", given) as sqs:
            sent = await ses.send_email(**mail())
            url = given["TANK_EVENT_QUEUE_URL"]
            events: list[dict[str, Any]] = []
            while len(events) < 2:
                reply = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
                events += [json.loads(message["Body"]) for message in reply.get("Messages", [])]

    assert [event["eventType"] for event in events] == ["Send", "Bounce"]
    assert events[1]["mail"]["messageId"] == sent["MessageId"]
    assert given["TANK_EVENT_TOPIC_ARNS"] == "arn:aws:sns:eu-west-1:000000000000:tank-events"
    assert (given["TANK_CONFIGURATION_SET"], given["TANK_RAW_EVENTS"]) == ("mine", "true")


async def test_events_may_be_left_out() -> None:
    async with standin("--port", "0", "--json", "--event-queue", "") as process:
        shown = await told(process)

    assert not [name for name in shown["environment"] if name.startswith("TANK_EVENT") or "SET" in name]
    assert set(shown["queues"]) == {"tank-outbound", "tank-priority", "tank-dead-letter"}


async def test_the_sandbox_is_slow_and_takes_verified_recipients_only() -> None:
    async with standin("--port", "0", "--json", "--sandbox", "--identity", "shop.example",
                       "--configuration-set", "mine") as process:  # fmt: skip
        shown = await told(process)
        async with client("sesv2", shown["environment"]) as ses:
            account = await ses.get_account()
            with pytest.raises(ClientError, match="not verified"):
                await ses.send_email(**mail())

    assert account["ProductionAccessEnabled"] is False
    assert account["SendQuota"] == {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 0.0}


async def test_people_are_told_what_to_paste() -> None:
    async with standin("--port", "0") as process:
        assert process.stdout is not None
        lines = list[str]()
        while not lines or "/_standin/counts" not in lines[-1]:
            lines.append((await process.stdout.readline()).decode())
            assert lines[-1], "it has ended"
        process.send_signal(signal.SIGINT)
        await process.communicate()

    assert any(line.startswith("export AWS_ENDPOINT_URL=http://127.0.0.1:") for line in lines)
    assert any(line.startswith("export TANK_OUTBOUND_QUEUE_URL=http://127.0.0.1:") for line in lines)
    assert any(line.startswith("export TANK_PRIORITY_QUEUE_URL=http://127.0.0.1:") for line in lines)
    assert any(line.startswith("export TANK_EVENT_QUEUE_URL=http://127.0.0.1:") for line in lines)
    assert any(line.startswith("export TANK_EVENT_TOPIC_ARNS=arn:aws:sns:") for line in lines)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["--host", "0.0.0.0"], 2, "loopback", id="not-on-loopback"),  # noqa: S104 - is to be refused
        pytest.param(["--port", "0", "--queue", "bad name"], 2, "alphanumeric", id="no-queue-name"),
        pytest.param(["--port", "0", "--daily-quota", "0"], 2, "--daily-quota", id="no-quota"),
        pytest.param(["--port", "0", "--fate", "a@x.org"], 2, "--fate a@x.org: ", id="no-fate"),
        pytest.param(["--port", "0", "--fate", "a@x.org=fame"], 2, "one of success, bounce", id="unknown-fate"),
        pytest.param(
            ["--port", "0", "--event-queue", "tank-outbound"], 2, "queue of their own", id="one-queue-for-all"
        ),
        pytest.param(
            ["--port", "0", "--priority-queue", "tank-outbound"],
            2,
            "--priority-queue tank-outbound",
            id="one-lane-twice",
        ),
        pytest.param(["--port", "0", "--event-queue", "bad name"], 2, "alphanumeric", id="no-event-queue-name"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_line(arguments: list[str], code: int, said: str) -> None:
    async with standin(*arguments) as process:
        out, err = await process.communicate()

    assert process.returncode == code
    assert said in err.decode()
    assert (out, len(err.splitlines())) == (b"", 1)


async def test_a_port_in_use_is_an_outside_failure_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with standin("--port", str(taken.getsockname()[1])) as process:
            _, err = await process.communicate()

    assert process.returncode == 75
    assert "--port 0" in err.decode()
    assert len(err.splitlines()) == 1
