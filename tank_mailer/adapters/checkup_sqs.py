"""What SQS says of a queue, and what the key may do with it: looked at without receiving, which would count."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tank_mailer.adapters.checkup_ask import Asker
from tank_mailer.adapters.sqs import DEFAULT_RETENTION_S, DEFAULT_VISIBILITY_S, MAX_BYTES, json_object
from tank_mailer.core.checkup.actions import ATTRIBUTES, DELETE, HIDE, PUT
from tank_mailer.core.checkup.facts import ActionOn, QueueState, Tried
from tank_mailer.core.checkup.seen import Found, Known

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

MADE_UP: Final = "tank-mailer-doctor"  # no receipt handle


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckupQueue:
    """One queue; `arn` is what a policy would name."""

    client: "SQSClient"
    asker: Asker
    url: str
    arn: str

    async def state(self) -> Found[QueueState]:
        """Its attributes."""
        call = partial(self.client.get_queue_attributes, QueueUrl=self.url, AttributeNames=["All"])
        found = await self.asker.ask(ATTRIBUTES, self.arn, call)
        return Known(_state(found.value.get("Attributes", {}), self.arn)) if isinstance(found, Known) else found

    async def tries(self, *, settles: bool, hides: bool, puts: bool) -> Mapping[ActionOn, Tried]:
        """Calls that cannot do anything, for whether they are denied.

        A made-up receipt handle deletes and hides nothing; SQS can tell that it is none only once it works on the call.
        A batch without entries puts nothing; whether SQS counts them before it looks at the right is not documented.
        """
        made = dict[ActionOn, Tried]()
        if settles:
            delete = partial(self.client.delete_message, QueueUrl=self.url, ReceiptHandle=MADE_UP)
            made[DELETE, self.arn] = await self.asker.attempt(DELETE, delete, reads_first=False)
        if hides:
            hide = partial(
                self.client.change_message_visibility, QueueUrl=self.url, ReceiptHandle=MADE_UP, VisibilityTimeout=0
            )
            made[HIDE, self.arn] = await self.asker.attempt(HIDE, hide, reads_first=False)
        if puts:
            put = partial(self.client.send_message_batch, QueueUrl=self.url, Entries=[])
            made[PUT, self.arn] = await self.asker.attempt(PUT, put, reads_first=True)
        return made


def _state(told: Mapping[str, Any], arn: str) -> QueueState:
    redrive, allows = json_object(told.get("RedrivePolicy")), json_object(told.get("RedriveAllowPolicy"))
    receives = _number(redrive.get("maxReceiveCount"), 0)
    sources = allows.get("sourceQueueArns")
    return QueueState(
        arn=told.get("QueueArn") or arn,
        visible=_number(told.get("ApproximateNumberOfMessages"), 0),
        in_flight=_number(told.get("ApproximateNumberOfMessagesNotVisible"), 0),
        retention_s=_number(told.get("MessageRetentionPeriod"), DEFAULT_RETENTION_S),
        visibility_s=_number(told.get("VisibilityTimeout"), DEFAULT_VISIBILITY_S),
        wait_s=_number(told.get("ReceiveMessageWaitTimeSeconds"), 0),
        delay_s=_number(told.get("DelaySeconds"), 0),
        max_bytes=_number(told.get("MaximumMessageSize"), MAX_BYTES),
        dead_letter_arn=str(redrive.get("deadLetterTargetArn") or ""),
        max_receive_count=receives or None,
        redrive_permission=str(allows.get("redrivePermission") or "allowAll"),
        redrive_sources=tuple(map(str, sources)) if isinstance(sources, list) else (),
        policy=told.get("Policy") or "",
        kms_key=told.get("KmsMasterKeyId") or "",
    )


def _number(value: object, default: int) -> int:
    """Attributes are texts; the number of a redrive policy may be one (aws-facts 5.3)."""
    text = str(value) if value is not None else ""
    return int(text) if text.isdecimal() else default
