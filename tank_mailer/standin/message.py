"""What a producer puts on a queue: body and attributes, checked and digested as SQS does."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from tank_mailer.standin import parameters
from tank_mailer.standin.errors import AwsError, Json

MAX_BYTES = 1_048_576  # SQS: a message, and a batch; aws-facts 5.1
MAX_ATTRIBUTES = 10  # SQS: aws-facts 5.1
MAX_NAME_LENGTH = 256  # SQS: an attribute's name, and its type with the custom label

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # aws-facts 5.1
_NAME = re.compile(r"[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)*")
_TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Content:
    """One message as it was sent; `size_bytes` counts body, attribute names, types and values."""

    body: str
    body_md5: str
    attributes: Json
    attributes_md5: str
    trace_header: str
    trace_md5: str
    group_id: str
    size_bytes: int


def read_content(request: Json) -> Content:
    """Check the message in `request`; its size is the queue's to judge."""
    body = parameters.text(request, "MessageBody")
    if _FORBIDDEN.search(body):
        raise AwsError(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 "
            "| #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        )
    attributes = parameters.mapping(request, "MessageAttributes")
    system_attributes = parameters.mapping(request, "MessageSystemAttributes")
    if any(name != "AWSTraceHeader" for name in system_attributes):
        raise _bad("Message system attribute names may only be AWSTraceHeader.")
    raw = body.encode()
    digest, size_bytes = _digest(attributes) if attributes else ("", 0)
    trace_md5, _ = _digest(system_attributes) if system_attributes else ("", 0)
    return Content(
        body=body,
        body_md5=_md5(raw),
        attributes=attributes,
        attributes_md5=digest,
        trace_header=str(system_attributes.get("AWSTraceHeader", {}).get("StringValue", "")),
        trace_md5=trace_md5,
        group_id=parameters.optional_text(request, "MessageGroupId"),
        size_bytes=len(raw) + size_bytes,
    )


def select_attributes(content: Content, wanted: list[str]) -> tuple[Json, str]:
    """The attributes that a receive asked for (`All`, `.*`, names, `prefix.*`), with their own digest."""
    if not wanted or not content.attributes:
        return {}, ""
    if "All" in wanted or ".*" in wanted:
        return content.attributes, content.attributes_md5
    prefixes = tuple(name[:-2] for name in wanted if name.endswith(".*"))
    chosen = {
        name: attribute
        for name, attribute in content.attributes.items()
        if name in wanted or (prefixes and name.startswith(prefixes))
    }
    return chosen, _digest(chosen)[0] if chosen else ""


def _digest(attributes: Json) -> tuple[str, int]:
    """MD5 and size of attributes: lengths, names, types, values, by name (docs: SQS message metadata)."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise _bad(f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MAX_ATTRIBUTES}].")
    image = bytearray()
    size_bytes = 0
    for name in sorted(attributes):
        attribute = attributes[name]
        if not isinstance(attribute, dict):
            raise _bad(f"The message attribute '{name}' has the wrong type.")
        _check_name(name)
        data_type = _data_type(name, attribute)
        value, transport = _value(name, data_type, attribute)
        for part in (name.encode(), data_type.encode()):
            image += len(part).to_bytes(4, "big") + part
            size_bytes += len(part)
        image += transport + len(value).to_bytes(4, "big") + value
        size_bytes += len(value)
    return _md5(image), size_bytes


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME_LENGTH:
        raise _bad("Message (user) attribute name must be shorter than 256 bytes.")
    if not _NAME.fullmatch(name):
        raise _bad(f"Invalid message (user) attribute name '{name}'.")
    if name.lower().startswith(("aws.", "amazon.")):
        raise _bad(f"Message (user) attribute name '{name}' must not start with a reserved prefix.")


def _data_type(name: str, attribute: Json) -> str:
    data_type = attribute.get("DataType")
    if not isinstance(data_type, str) or not data_type:
        raise _bad(f"The message (user) attribute '{name}' must contain a non-empty message attribute type.")
    if len(data_type) > MAX_NAME_LENGTH or not _TYPE.fullmatch(data_type):
        raise _bad(
            f"The message (user) attribute '{name}' has an invalid message attribute type, the set of "
            "supported type prefixes is Binary, Number, and String."
        )
    return data_type


def _value(name: str, data_type: str, attribute: Json) -> tuple[bytes, bytes]:
    """The value's bytes and the mark of its transport: 1 for text and numbers, 2 for bytes."""
    kind = data_type.partition(".")[0]
    field = "BinaryValue" if kind == "Binary" else "StringValue"
    given = attribute.get(field)
    if not isinstance(given, str) or not given:
        raise _bad(f"The message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.")
    if kind == "Binary":
        try:
            return base64.b64decode(given, validate=True), b"\x02"
        except binascii.Error:
            raise _bad(f"The message (user) attribute '{name}' is not base64.") from None
    if kind == "Number" and not _NUMBER.fullmatch(given):
        raise _bad(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    if _FORBIDDEN.search(given):
        raise AwsError("InvalidMessageContents", f"Invalid characters found in message (user) attribute '{name}'.")
    return given.encode(), b"\x01"


def _bad(text: str) -> AwsError:
    return AwsError("InvalidParameterValue", text)


def _md5(raw: bytes | bytearray) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()
