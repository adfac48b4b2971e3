"""How SQS words an error: the JSON protocol's name beside the old query protocol's code (aws-facts 0)."""

from tank_mailer.standin.errors import AwsError, Json

_PREFIX = "AWS.SimpleQueueService."

# SQS: the codes that SDKs still show, from the service's documentation of errors.
_QUERY_CODES = {
    "QueueDoesNotExist": f"{_PREFIX}NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "BatchEntryIdsNotDistinct": f"{_PREFIX}BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": f"{_PREFIX}BatchRequestTooLong",
    "EmptyBatchRequest": f"{_PREFIX}EmptyBatchRequest",
    "InvalidBatchEntryId": f"{_PREFIX}InvalidBatchEntryId",
    "MessageNotInflight": f"{_PREFIX}MessageNotInflight",
    "PurgeQueueInProgress": f"{_PREFIX}PurgeQueueInProgress",
    "QueueDeletedRecently": f"{_PREFIX}QueueDeletedRecently",
    "TooManyEntriesInBatchRequest": f"{_PREFIX}TooManyEntriesInBatchRequest",
    "UnsupportedOperation": f"{_PREFIX}UnsupportedOperation",
}
_UNMODELLED = frozenset({"InvalidParameterValue", "MissingParameter", "SerializationException", "InvalidAction"})


def query_code(name: str) -> str:
    """The code that `Error.Code` shows for the modelled `name`."""
    return _QUERY_CODES.get(name, name)


def body_of(error: AwsError) -> Json:
    """Unmodelled errors come from another namespace."""
    namespace = "com.amazon.coral.service" if error.name in _UNMODELLED else "com.amazonaws.sqs"
    return {"__type": f"{namespace}#{error.name}", "message": error.text}


def headers_of(error: AwsError) -> dict[str, str]:
    """What `Error.Code` is read from."""
    fault = "Sender" if error.status < 500 else "Receiver"  # noqa: PLR2004 -- HTTP: the server's side
    return {"x-amzn-query-error": f"{query_code(error.name)};{fault}"}
