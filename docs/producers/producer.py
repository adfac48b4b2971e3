"""Puts e-mail jobs on tank-mailer's queue, ten in a call (docs/producers.md). Needs boto3."""  # noqa: INP001

import json
import time
from collections.abc import Iterable, Iterator

from botocore.client import BaseClient

MAX_ENTRIES = 10  # SQS: of one call
MAX_BYTES = 1_048_576  # of a job, and of one call together; 262_144 on a queue from before August 2025
WAITS_S = (0.2, 1.0, 3.0)  # between tries

Job = tuple[str, str]  # email_id, body


class NotPutError(Exception):
    """Some jobs may not be on the queue: put them again, under the same ids."""


def email_id(*parts: object) -> str:
    """Name a mail by what it is about and what it is for, such as "order", 4711, "confirmation"."""
    return "-".join(str(part) for part in parts)


def put(sqs: BaseClient, queue_url: str, jobs: Iterable[dict]) -> dict[str, str]:
    """Put jobs on the queue; what SQS never takes comes back: email_id to why.

    Raises NotPutError after some tries, and what boto3 raises: whoever calls it puts the same jobs again.
    """
    return put_bodies(sqs, queue_url, [(job["email_id"], json.dumps(job)) for job in jobs])


def put_bodies(sqs: BaseClient, queue_url: str, bodies: list[Job]) -> dict[str, str]:
    """Put what has been rendered before, to the letter."""
    refused: dict[str, str] = {}
    for batch in batches(bodies, refused):
        put_batch(sqs, queue_url, batch, refused)
    return refused


def put_batch(sqs: BaseClient, queue_url: str, batch: list[Job], refused: dict[str, str]) -> None:
    """Up to ten in one call, and again those that it did not take: HTTP 200 does not mean that it took all."""
    waiting = dict(enumerate(batch))  # an entry's Id may not be an email_id: 80 letters, digits, - and _
    for wait_s in (*WAITS_S, None):
        entries = [{"Id": str(number), "MessageBody": body} for number, (_, body) in waiting.items()]
        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
        for entry in answer.get("Successful", []):
            del waiting[int(entry["Id"])]
        for entry in answer.get("Failed", []):
            if entry["SenderFault"]:  # a character that SQS does not take: never
                name, _ = waiting.pop(int(entry["Id"]))
                refused[name] = f"{entry['Code']}: {entry.get('Message', '')}"
        if not waiting:
            return
        if wait_s is not None:
            time.sleep(wait_s)
    raise NotPutError(f"{len(waiting)} of {len(batch)} jobs are not on the queue; refused: {refused}")


def batches(bodies: list[Job], refused: dict[str, str]) -> Iterator[list[Job]]:
    """Ten at most, and no more bytes than a call takes."""
    batch: list[Job] = []
    size = 0
    for name, body in bodies:
        more = len(body.encode())
        if more > MAX_BYTES:
            refused[name] = f"TooLarge: {more} bytes of {MAX_BYTES}"
            continue
        if batch and (len(batch) == MAX_ENTRIES or size + more > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((name, body))
        size += more
    if batch:
        yield batch
