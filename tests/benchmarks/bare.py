"""What the daemon is measured against: receive ten, gather the sends, delete the batch; the SDK as it comes.

No ledger, no pace, no checks: it loses and doubles mail. The requests are those of the daemon.
"""

import asyncio
import json
import sys
from typing import Any

import aioboto3

CHARSET = "UTF-8"


async def send(ses: Any, message: dict[str, Any]) -> None:
    """Send the mail that `message` asks for."""
    job = json.loads(message["Body"])
    await ses.send_email(
        FromEmailAddress=job["from"],
        Destination={"ToAddresses": [job["to"]], "CcAddresses": [], "BccAddresses": []},
        Content={
            "Simple": {
                "Subject": {"Data": job["subject"], "Charset": CHARSET},
                "Body": {"Html": {"Data": job["body"], "Charset": CHARSET}},
                "Headers": [{"Name": "X-Tank-Email-Id", "Value": job["email_id"]}],
            }
        },
        EmailTags=[{"Name": "email_id", "Value": job["email_id"]}, {"Name": "attempt", "Value": "1"}],
        ConfigurationSetName="tank",
    )


async def run(queue_url: str) -> None:
    """Go on until killed."""
    session = aioboto3.Session()
    async with session.client("sqs") as sqs, session.client("sesv2") as ses:
        while True:
            answer = await sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
            messages = answer.get("Messages", [])
            await asyncio.gather(*(send(ses, message) for message in messages))
            if messages:
                entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
                await sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
