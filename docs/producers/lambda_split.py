"""The Lambda function on the old queue, which hands a share of its jobs to tank-mailer (docs/moving-from-lambda.md).

Environment: TANK_QUEUE_URL, where jobs go; TANK_PERCENT, 0 to 100, of them.
The mapping has FunctionResponseTypes=ReportBatchItemFailures.
"""  # noqa: INP001

import base64
import hashlib
import json
import logging
import os
import re
import zlib
from typing import Any

import boto3

log = logging.getLogger()
sqs = boto3.client("sqs")
ses = boto3.client("sesv2")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Give back the records that failed, and only those: the others would be sent twice."""
    failed = []
    for record in event["Records"]:
        try:
            work(record)
        except Exception:  # of one record; it comes again
            log.exception("record %s", record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def work(record: dict[str, Any]) -> None:
    """Hand it over, or send it as before: of one id always the same, as long as the share is."""
    job = as_job(record)
    percent = int(os.environ.get("TANK_PERCENT", "0"))  # noqa: TID251
    if zlib.crc32(job["email_id"].encode()) % 100 < percent:
        sqs.send_message(QueueUrl=os.environ["TANK_QUEUE_URL"], MessageBody=json.dumps(job))  # noqa: TID251
    else:
        send_as_before(job)


def as_job(record: dict[str, Any]) -> dict[str, Any]:
    """From the old format, which is this function's own, to tank-mailer's.

    A mail without an id gets the message's, which SQS keeps over all its receives.
    """
    old = json.loads(record["body"])
    return {
        "email_id": str(old.get("id") or f"lambda-{record['messageId']}"),
        "from": old["sender"],
        "to": old["recipient"],
        "subject": old["subject"],
        "body": old["html"],
    }


def send_as_before(job: dict[str, Any]) -> None:
    """What the function did until now."""
    ses.send_email(
        FromEmailAddress=job["from"],
        Destination={"ToAddresses": [job["to"]]},
        Content={"Simple": {"Subject": {"Data": job["subject"]}, "Body": {"Html": {"Data": job["body"]}}}},
        ConfigurationSetName="tank",
        EmailTags=[{"Name": "email_id", "Value": tag(job["email_id"])}],
    )


def tag(email_id: str) -> str:
    """As tank-mailer spells it: SES refuses a mail whose tag has other characters than these."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,255}", email_id):
        return email_id
    return base64.urlsafe_b64encode(hashlib.sha256(email_id.encode()).digest()).decode().rstrip("=")
