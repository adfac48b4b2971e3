"""SQS's batches: HTTP 200 with a part that worked and a part that did not (aws-facts 5.2)."""

import re
from collections.abc import Callable

from tank_mailer.standin import parameters
from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.message import MAX_BYTES
from tank_mailer.standin.sqs_errors import query_code
from tank_mailer.standin.waiting import WaitedQueue

MAX_ENTRIES = 10  # SQS: aws-facts 5.1
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")

One = Callable[[WaitedQueue, Json], Json]


def batch(waited: WaitedQueue, request: Json, one: One) -> Json:
    """Do `one` for each entry, in order; either key of the answer may be absent."""
    successful: list[Json] = []
    failed: list[Json] = []
    for entry in entries_of(request):
        try:
            successful.append({"Id": entry["Id"], **one(waited, entry)})
        except AwsError as error:
            code = query_code(error.name)
            failed.append({"Id": entry["Id"], "SenderFault": True, "Code": code, "Message": error.text})
    answer: Json = {}
    if successful:
        answer["Successful"] = successful
    if failed:
        answer["Failed"] = failed
    return answer


def entries_of(request: Json) -> list[Json]:
    """The entries, when the batch as a whole is sound."""
    entries = parameters.listing(request, "Entries")
    if not entries:
        raise AwsError("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > MAX_ENTRIES:
        raise AwsError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MAX_ENTRIES}. You have sent {len(entries)}.",
        )
    seen: set[str] = set()
    for entry in entries:
        if not isinstance(entry, dict):
            raise AwsError("SerializationException", "An entry of the batch is not an object.")
        entry_id = parameters.text(entry, "Id")
        if not _ID.fullmatch(entry_id):
            raise AwsError(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long.",
            )
        if entry_id in seen:
            raise AwsError("BatchEntryIdsNotDistinct", f"Id {entry_id} repeated.")
        seen.add(entry_id)
    return entries


def refuse_too_long(request: Json) -> None:
    """A batch of sends shares the limit of one message: bodies and attributes, as far as they can be read."""
    size_bytes = sum(_size_bytes(entry) for entry in entries_of(request))
    if size_bytes > MAX_BYTES:
        raise AwsError(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {size_bytes} bytes.",
        )


def _size_bytes(entry: Json) -> int:
    size_bytes = len(parameters.optional_text(entry, "MessageBody").encode(errors="surrogatepass"))
    for name, attribute in parameters.mapping(entry, "MessageAttributes").items():
        size_bytes += len(name)
        if isinstance(attribute, dict):
            size_bytes += sum(len(value) for value in attribute.values() if isinstance(value, str))
    return size_bytes
