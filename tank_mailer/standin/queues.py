"""All queues of the stand-in, found by URL or ARN."""

import re
from dataclasses import dataclass, field

from tank_mailer.standin.clock import Clock
from tank_mailer.standin.errors import AwsError
from tank_mailer.standin.queue import Queue
from tank_mailer.standin.queue_settings import QueueSettings
from tank_mailer.standin.waiting import WaitedQueue

COOL_DOWN_S = 60.0  # SQS: between two purges, and from a delete to a queue of the same name
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_URL_PARTS = 2  # account and name, at the end of the path


@dataclass(slots=True, kw_only=True, eq=False)
class Queues:
    """The queues of one account in one region."""

    clock: Clock
    account_id: str
    region: str
    by_name: dict[str, WaitedQueue] = field(default_factory=dict)
    deleted_at: dict[str, float] = field(default_factory=dict)

    def create(self, name: str, attributes: dict[str, object]) -> WaitedQueue:
        """Make a queue, or return the one that is there, if it has these attributes."""
        if name.endswith(".fifo"):
            raise AwsError("UnsupportedOperation", "The stand-in has no FIFO queues.")
        if not _NAME.fullmatch(name):
            raise AwsError(
                "InvalidParameterValue",
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            )
        if waited := self.by_name.get(name):
            _refuse_other_attributes(waited.queue.settings, attributes)
            return waited
        if self.clock.monotonic() - self.deleted_at.get(name, float("-inf")) < COOL_DOWN_S:
            raise AwsError(
                "QueueDeletedRecently",
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
            )
        arn = f"arn:aws:sqs:{self.region}:{self.account_id}:{name}"
        settings = self._checked(QueueSettings().changed(attributes), arn=arn)
        now = int(self.clock.wall().timestamp())
        queue = Queue(name=name, arn=arn, clock=self.clock, settings=settings)
        waited = self.by_name[name] = WaitedQueue(queue=queue, created_at=now, changed_at=now)
        return waited

    def change(self, waited: WaitedQueue, attributes: dict[str, object]) -> None:
        """Set attributes of a queue that is there."""
        queue = waited.queue
        queue.settings = self._checked(queue.settings.changed(attributes), arn=queue.arn)
        waited.changed_at = int(self.clock.wall().timestamp())

    def named(self, name: str) -> WaitedQueue:
        """The queue, or the error that there is none."""
        waited = self.by_name.get(name)
        if waited is None:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        return waited

    def at(self, url: str) -> WaitedQueue:
        """The queue that `url` names; the host before it does not matter."""
        parts = url.rsplit("/", _URL_PARTS)
        if len(parts) <= _URL_PARTS:
            raise AwsError("InvalidAddress", f"The address {url} is not valid for this endpoint.")
        if parts[1] != self.account_id:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        return self.named(parts[2])

    def dead_letters_of(self, waited: WaitedQueue) -> WaitedQueue | None:
        """Where messages received too often go; None too when that queue was deleted since."""
        arn = waited.queue.settings.dead_letter_arn
        return self._by_arn(arn) if arn else None

    def sources_of(self, waited: WaitedQueue) -> list[str]:
        """The names of the queues whose dead letters come to this one."""
        return [
            name for name, other in self.by_name.items() if other.queue.settings.dead_letter_arn == waited.queue.arn
        ]

    def purge(self, waited: WaitedQueue) -> None:
        """Drop all messages, once a minute at most."""
        now = self.clock.monotonic()
        if waited.purged_at is not None and now - waited.purged_at < COOL_DOWN_S:
            raise AwsError(
                "PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {waited.queue.name} is allowed every 60 seconds.",
            )
        waited.purged_at = now
        waited.queue.purge()

    def delete(self, waited: WaitedQueue) -> None:
        """Drop the queue with its messages; who waits on it is told."""
        del self.by_name[waited.queue.name]
        self.deleted_at[waited.queue.name] = self.clock.monotonic()
        waited.close()

    def clear(self) -> None:
        """Forget every queue, and that there were any."""
        for waited in self.by_name.values():
            waited.close()
        self.by_name.clear()
        self.deleted_at.clear()

    def _by_arn(self, arn: str) -> WaitedQueue | None:
        prefix, _, name = arn.rpartition(":")
        if prefix != f"arn:aws:sqs:{self.region}:{self.account_id}":
            return None
        return self.by_name.get(name)

    def _checked(self, settings: QueueSettings, *, arn: str) -> QueueSettings:
        """SQS refuses a redrive policy whose target is not there, or does not let this queue in."""
        target_arn = settings.dead_letter_arn
        if not target_arn:
            return settings
        target = self._by_arn(target_arn)
        if target is None:
            raise _bad_redrive(target_arn, "Dead letter target does not exist.")
        if not target.queue.settings.accepts_dead_letters_of(arn):
            raise _bad_redrive(target_arn, "Dead letter target does not allow this source queue.")
        return settings


def _bad_redrive(target_arn: str, reason: str) -> AwsError:
    return AwsError(
        "InvalidParameterValue",
        f"Value {target_arn} for parameter RedrivePolicy is invalid. Reason: {reason}",
    )


def _refuse_other_attributes(settings: QueueSettings, attributes: dict[str, object]) -> None:
    there, asked = settings.attributes(), settings.changed(attributes).attributes()
    for name in attributes:
        if there.get(name) != asked.get(name):
            raise AwsError(
                "QueueNameExists",
                f"A queue already exists with the same name and a different value for attribute {name}",
            )
