"""The attributes of a queue that a caller may set: names, bounds, defaults."""

import json
from dataclasses import dataclass, field, replace

from tank_mailer.standin.errors import AwsError

# SQS: attribute -> field, lowest, highest; aws-facts 5.1
_NUMBERS = {
    "VisibilityTimeout": ("visibility_s", 0, 43_200),
    "MessageRetentionPeriod": ("retention_s", 60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": ("wait_s", 0, 20),
    "DelaySeconds": ("delay_s", 0, 900),
    "MaximumMessageSize": ("max_bytes", 1_024, 1_048_576),
}
_JSON = frozenset({"Policy", "RedriveAllowPolicy"})
_TEXTS = frozenset({"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"})
_FIFO = frozenset({"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"})
MAX_RECEIVE_COUNT = 1_000  # SQS: aws-facts 5.1


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How a queue behaves; `given` keeps the other attributes as they were set."""

    visibility_s: int = 30
    retention_s: int = 345_600
    wait_s: int = 0
    delay_s: int = 0
    max_bytes: int = 1_048_576
    dead_letter_arn: str = ""
    max_receive_count: int = 0
    given: dict[str, str] = field(default_factory=dict)

    def attributes(self) -> dict[str, str]:
        """As GetQueueAttributes shows them."""
        shown = {name: str(getattr(self, attribute)) for name, (attribute, _, _) in _NUMBERS.items()}
        shown["SqsManagedSseEnabled"] = "true"  # SQS: on by default for new queues
        shown |= self.given
        if self.dead_letter_arn:
            shown["RedrivePolicy"] = json.dumps(
                {"deadLetterTargetArn": self.dead_letter_arn, "maxReceiveCount": self.max_receive_count},
                separators=(",", ":"),
            )
        return shown

    def changed(self, attributes: dict[str, object]) -> "QueueSettings":
        """These settings with `attributes` laid over them; an empty text takes a policy away."""
        settings = self
        given = dict(self.given)
        for name, value in attributes.items():
            if name in _FIFO:
                raise AwsError("InvalidAttributeName", f"The stand-in has no FIFO queues: attribute {name}.")
            if not isinstance(value, str):
                raise _bad_value(name)
            if name in _NUMBERS:
                attribute, low, high = _NUMBERS[name]
                settings = replace(settings, **{attribute: _bounded(name, value, low, high)})  # type: ignore[arg-type]
            elif name == "RedrivePolicy":
                settings = settings.redriven(value)
            elif name in _JSON or name in _TEXTS:
                if value and name in _JSON:
                    _object(name, value)
                given.pop(name, None)
                if value:
                    given[name] = value
            else:
                raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
        return replace(settings, given=given)

    def redriven(self, policy: str) -> "QueueSettings":
        """With the redrive policy in `policy`, a JSON text; the count may be a text too (aws-facts 5.3)."""
        if not policy:
            return replace(self, dead_letter_arn="", max_receive_count=0)
        parsed = _object("RedrivePolicy", policy)
        arn, times = parsed.get("deadLetterTargetArn"), parsed.get("maxReceiveCount")
        if not isinstance(arn, str) or not isinstance(times, int | str):
            raise _bad_value("RedrivePolicy")
        return replace(
            self,
            dead_letter_arn=arn,
            max_receive_count=_bounded("RedrivePolicy", str(times), 1, MAX_RECEIVE_COUNT),
        )

    def accepts_dead_letters_of(self, source_arn: str) -> bool:
        """Whether RedriveAllowPolicy lets that queue use this one."""
        policy = json.loads(self.given.get("RedriveAllowPolicy", "{}"))
        match policy.get("redrivePermission", "allowAll"):
            case "denyAll":
                return False
            case "byQueue":
                return source_arn in policy.get("sourceQueueArns", [])
            case _:
                return True


def _bounded(name: str, value: str, low: int, high: int) -> int:
    if not value.isdecimal() or not low <= int(value) <= high:
        raise _bad_value(name)
    return int(value)


def _object(name: str, value: str) -> dict[str, object]:
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise _bad_value(name)
    return parsed


def _bad_value(name: str) -> AwsError:
    return AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
