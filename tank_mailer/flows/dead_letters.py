"""Puts a job that was given up aside for a person: copy, mark, then delete."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryError, retry_if_exception, stop_after_attempt, wait_random_exponential

from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.ledger import Row
from tank_mailer.ports import Clock, DeadLetterQueue
from tank_mailer.telemetry.log import get_logger

log = get_logger()

FOR_GOOD = frozenset({Reason.QUEUE_MISSING, Reason.ACCESS_DENIED, Reason.TOO_LARGE})
TRIES = 4
FindDeadLetters = Callable[[], Awaitable[DeadLetterQueue | None]]
REMEDIES: Mapping[Reason, str] = {
    Reason.ATTEMPTS_SPENT: "look at last_error; when its cause is mended: `tank-mailer dlq redrive ID`",
    Reason.IN_DOUBT: "SES may have sent it: ask the recipient or the SES events first; then `tank-mailer dlq redrive ID"
    " --may-double`, or `dlq drop ID`",
}


@dataclass(frozen=True, kw_only=True)
class DeadLetters:
    """The dead-letter queue of one lane.

    Attributes:
        find: gives the queue; None if there is none; raises `QueueError` if that cannot be told now.
        source: name of the queue that the jobs came from.
    """

    find: FindDeadLetters
    source: str
    clock: Clock

    async def put(self, row: Row, body: str) -> Row | None:
        """Copy a dead job.

        Returns:
            The row marked as copied; the row as it was if no copy can be made, so that it rests in the
            ledger alone; None if the dead-letter queue could not be had just now.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception(_passes),
            stop=stop_after_attempt(TRIES),
            wait=wait_random_exponential(multiplier=0.5, max=5),
        )
        try:
            if not await retrying(self._put, row, body):
                return row
        except RetryError as error:
            log.warning("dead_letter_deferred", email_id=row.email_id, detail=str(error.last_attempt.exception()))
            return None
        except QueueError as error:
            log.error(
                "dead_letter_failed",
                email_id=row.email_id,
                reason=error.reason,
                detail=error.detail,
                remedy="the job rests in the ledger with its text: tank-mailer refused list",
            )
            return row
        log.warning("job_dead_lettered", email_id=row.email_id, reason=row.reason)
        return row.copied(self.clock.now())

    async def _put(self, row: Row, body: str) -> bool:
        queue = await self.find()
        if queue is None:
            log.error(
                "dead_letter_failed",
                email_id=row.email_id,
                reason=Reason.QUEUE_MISSING,
                remedy="set TANK_DEAD_LETTER_QUEUE_URL, or give the queue a redrive policy",
            )
            return False
        await queue.put(body, note=self._note(row))
        return True

    def _note(self, row: Row) -> str:
        reason = row.reason or Reason.ATTEMPTS_SPENT
        note = {
            "email_id": row.email_id,
            "reason": reason,
            "remedy": REMEDIES.get(reason, ""),
            "lane": row.lane,
            "source": self.source,
            "attempts": row.attempt,
            "last_error": row.detail,
            "first_seen": row.first_seen_at.isoformat(timespec="seconds"),
        }
        return json.dumps(note, ensure_ascii=True)


def _passes(error: BaseException) -> bool:
    return isinstance(error, QueueError) and error.reason not in FOR_GOOD
