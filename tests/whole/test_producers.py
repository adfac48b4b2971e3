"""Producers and the daemon: an outbox whose relay is cut off, a queue that is shared with functions."""

import asyncio
import importlib
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import aioboto3
import boto3  # type: ignore[import-untyped]  # as producers use it; aioboto3 brings it along
import pytest
import sqlalchemy as sa

from tank_mailer.core.job import email_id_tag
from tests.producers.languages import EXAMPLES, make_job
from tests.whole.conftest import KEYS, OpenSite, Site


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give what imports one of the Python examples."""
    monkeypatch.syspath_prepend(EXAMPLES)
    for name, value in {**KEYS, "AWS_DEFAULT_REGION": KEYS["AWS_REGION"]}.items():  # boto3 reads the second one only
        monkeypatch.setenv(name, value)
    names = ("outbox", "producer", "lambda_split")
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)


async def test_a_relay_that_dies_before_its_mark_costs_no_second_mail(
    open_site: OpenSite, example: Any, tmp_path: Path
) -> None:
    """It puts its jobs again when it is back, under their ids: the observer sees one mail of each."""
    outbox: ModuleType = example("outbox")
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    names = [f"order-{number}-confirmation" for number in range(3)]
    async with open_site() as site:
        sqs = boto3.client("sqs", endpoint_url=site.standin.url)

        def sell_and_die() -> None:
            with engine.begin() as connection:
                for statement in filter(str.strip, (EXAMPLES / "outbox-sqlite.sql").read_text("utf-8").split(";")):
                    connection.execute(sa.text(statement))
                for name in names:
                    outbox.ask_for_mail(connection, make_job(name))
            with engine.connect() as connection:  # and never committed
                outbox.relay(connection, sqs, site.url)

        def come_back() -> int:
            with engine.begin() as connection:
                return int(outbox.relay(connection, sqs, site.url))

        await asyncio.to_thread(sell_and_die)
        daemon = await site.start()
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        assert await asyncio.to_thread(come_back) == len(names)
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        await daemon.stop()
        sqs.close()
    engine.dispose()

    assert site.accepted() == dict.fromkeys(names, 1)
    assert daemon.events()["job_settled"] == 2 * len(names)


# --- moving over from functions ----------------------------------------------------------------------

LONG_S = 600  # visibility: a machine that stands still for a while does not make a message come again
ROUNDS, LEAST_ROUNDS = 20, 2  # of jobs: until each of the two has had some, which of them is SQS's choice


async def work_as_the_function_did(site: Site) -> None:
    """A mapping without a second thought: receive, send each, delete. One call to SES at a time."""
    session = aioboto3.Session(aws_access_key_id="x", aws_secret_access_key="y", region_name="eu-west-1")
    async with (
        session.client("sqs", endpoint_url=site.standin.url) as sqs,
        session.client("sesv2", endpoint_url=site.standin.url) as ses,
    ):
        while True:
            answer = await sqs.receive_message(
                QueueUrl=site.url, MaxNumberOfMessages=5, WaitTimeSeconds=1, VisibilityTimeout=LONG_S
            )
            for message in answer.get("Messages", []):
                job = json.loads(message["Body"])
                await ses.send_email(
                    FromEmailAddress=job["from"],
                    Destination={"ToAddresses": [job["to"]]},
                    Content={"Simple": {"Subject": {"Data": job["subject"]}, "Body": {"Html": {"Data": job["body"]}}}},
                    EmailTags=[{"Name": "email_id", "Value": job["email_id"]}, {"Name": "by", "Value": "function"}],
                )
                await sqs.delete_message(QueueUrl=site.url, ReceiptHandle=message["ReceiptHandle"])


@asynccontextmanager
async def the_function(site: Site) -> AsyncIterator[None]:
    task = asyncio.create_task(work_as_the_function_did(site))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_both_on_one_queue_send_each_job_once(open_site: OpenSite) -> None:
    """As long as neither dies in the middle: a message is in one hand at a time. The parts of the rate add up.

    The daemon is set to 40 a second; the function cannot make more than 20 with one call at a time that takes 50 ms.
    """
    async with open_site(rate=120, ses_latency_s=0.05, TANK_SEND_RATE="40", TANK_RATE_SHARE="1") as site:
        daemon = await site.start()
        await site.until(lambda: daemon.events()["daemon_started"] == 1, daemon, what="the start")
        ids, known = list[str](), set[str]()
        async with the_function(site):
            for number in range(ROUNDS):
                ids += await site.put_jobs(40, f"round-{number}")
                await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
                known = set(site.rows())
                if number >= LEAST_ROUNDS and known and known != set(ids):
                    break
        assert await daemon.stop() == 0

        assert site.accepted() == dict.fromkeys(ids, 1)
        assert 0 < len(known) < len(ids), "each of the two had a part"
        assert site.states() == {"accepted": len(known)}
        assert not site.standin.state.account.throttles
        assert not daemon.events()["foreign_consumer_suspected"], "nothing came twice, so there is nothing to suspect"


async def test_a_job_that_the_function_gave_back_is_noticed(open_site: OpenSite) -> None:
    """It was received before, and nobody here knows it: was it sent? Told once, in the log."""
    async with open_site() as site:
        await site.put_jobs(1)
        session = aioboto3.Session(aws_access_key_id="x", aws_secret_access_key="y", region_name="eu-west-1")
        async with session.client("sqs", endpoint_url=site.standin.url) as sqs:
            [message] = (await sqs.receive_message(QueueUrl=site.url))["Messages"]
            await sqs.change_message_visibility(
                QueueUrl=site.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        daemon = await site.start()
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        await daemon.stop()

        assert daemon.events()["foreign_consumer_suspected"] == 1
        assert site.accepted() == {"job-0": 1}


STRANGE = ["order/4711", "Grüße an 7", 815]  # ids of the old format that are no tag as they stand


@pytest.mark.parametrize("percent", [0, 40, 100])
async def test_the_function_hands_a_share_over(
    open_site: OpenSite, example: Any, monkeypatch: pytest.MonkeyPatch, percent: int
) -> None:
    """Jobs of the old queue end at the daemon or at SES, by their id alone; a repetition changes nothing."""
    async with open_site() as site:
        monkeypatch.setenv("AWS_ENDPOINT_URL", site.standin.url)
        monkeypatch.setenv("TANK_QUEUE_URL", site.url)
        monkeypatch.setenv("TANK_PERCENT", str(percent))
        split: ModuleType = example("lambda_split")
        old = {"sender": "shop@example.com", "recipient": "you@example.org", "subject": "Hello", "html": "<p>Hi</p>"}
        records = [{"messageId": f"m{number}", "body": json.dumps(old)} for number in range(27)]
        records += [{"messageId": "x", "body": json.dumps(old | {"id": name})} for name in STRANGE]
        records += [{"messageId": "bad", "body": "{}"}]

        told = await asyncio.to_thread(split.handler, {"Records": records}, None)
        handed = site.depth()
        assert handed + len(site.accepted()) == 30
        daemon = await site.start()
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        waiting = [record for record in records[:-1] if split.as_job(record)["email_id"] in site.rows()]
        await asyncio.to_thread(split.handler, {"Records": waiting}, None)
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        await daemon.stop()
        split.sqs.close()
        split.ses.close()

        assert told == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
        names = [*(f"lambda-m{number}" for number in range(27)), *map(str, STRANGE)]
        assert site.accepted() == {email_id_tag(name): 1 for name in names}, "the tag is the same by either way"
        assert len(waiting) == handed
        assert (handed == 0, handed == 30) == (percent == 0, percent == 100)
