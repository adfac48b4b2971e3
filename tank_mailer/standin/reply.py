"""Answers as bytes."""

import json
from dataclasses import dataclass, replace
from uuid import uuid4

from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.sqs_errors import body_of, headers_of

SQS_TYPE = "application/x-amz-json-1.0"
JSON_TYPE = "application/json"
HTML_TYPE = "text/html; charset=utf-8"
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def without_message_id(self) -> "Reply":
        """The same answer, but for the one thing that proves acceptance."""
        answer = json.loads(self.body)
        answer.pop("MessageId", None)
        return replace(self, body=_ENCODE(answer).encode())


def sqs_answer(answer: Json) -> Reply:
    """200 in AWS JSON 1.0."""
    return Reply(200, _headers(SQS_TYPE), _ENCODE(answer).encode() if answer else b"{}")


def ses_answer(answer: Json) -> Reply:
    """200 in rest-json."""
    return Reply(200, _headers(JSON_TYPE), _ENCODE(answer).encode())


def sqs_error(error: AwsError) -> Reply:
    """An error in AWS JSON 1.0, with the old code beside it."""
    return Reply(error.status, _headers(SQS_TYPE) | headers_of(error), _ENCODE(body_of(error)).encode())


def ses_error(error: AwsError) -> Reply:
    """An error in rest-json."""
    headers = _headers(JSON_TYPE) | {"x-amzn-ErrorType": error.name}
    return Reply(error.status, headers, _ENCODE({"message": error.text}).encode())


def observed(answer: object, *, status: int = 200) -> Reply:
    """For people and tests: the observer's JSON, indented."""
    return Reply(status, {"Content-Type": JSON_TYPE}, json.dumps(answer, indent=1).encode() + b"\n")


def page(status: int, title: str) -> Reply:
    """What something that is not AWS answers."""
    html = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Reply(status, {"Content-Type": HTML_TYPE}, html.encode())


def _headers(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "x-amzn-RequestId": str(uuid4())}
