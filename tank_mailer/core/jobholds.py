"""What holds one job by itself: its attempt, its doubt, its backoff, the pause of its sender or configuration set."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.errors import Reason
from tank_mailer.core.holds import Hold, HoldKind, Situation, extent, hold_of, order_hold
from tank_mailer.core.ledger import Row
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.pausing import NOT_THE_JOBS_OWN, Extent, name_of
from tank_mailer.core.scope import concern_of

GIVEN_UP_AFTER: Final = timedelta(seconds=RetryPolicy().max_doubt_s)  # DESIGN 6


def attempt_hold(row: Row, ends_at: datetime, situation: Situation) -> Hold:
    """Of a job in `sending` under its lease; over with the lease only if its process is alive to write the end down."""
    node, _, process = row.owner.partition("/")
    is_alive = any((view.node, view.process) == (node, process) for view in situation.views)
    under_way = f"attempt {row.attempt} is under way on {node}"
    gone = f"attempt {row.attempt} was begun by a process of {node} that is not alive: in doubt once its lease is over"
    return Hold(
        kind=HoldKind.ATTEMPT,
        text=under_way if is_alive else gone,
        since=row.started_at or row.updated_at,
        until=ends_at,
        is_over_then=is_alive,
    )


def lost_hold(row: Row) -> Hold:
    """Of a job in `sending` whose lease is over."""
    return Hold(
        kind=HoldKind.DOUBT,
        text=f"attempt {row.attempt} was begun and never finished: it becomes in_doubt with the next receive",
        reason=Reason.PROCESS_DIED,
        detail="SES may have it; any event of SES settles that",
        since=row.started_at or row.updated_at,
    )


def doubt_hold(row: Row, now: datetime) -> Hold:
    """Of a job that SES may have."""
    since = row.started_at or row.updated_at
    is_due = row.due_at is None or row.due_at <= now
    detail = "any event of SES settles it at once; "
    if row.configuration_set is None:
        detail += "it went through no configuration set, so none will come: it is sent again, or given up, then"
    else:
        detail += (
            "if none comes: sent again, or given up, once later mails show that events come back, which is not known"
            " here"
        )
    waits = "the wait for evidence is over: decided with the next receive" if is_due else "evidence is awaited"
    return Hold(
        kind=HoldKind.DOUBT,
        text=f"SES may have it, for attempt {row.attempt} ended without an answer ({row.reason or 'unknown'}); {waits}",
        reason=row.reason,
        detail=detail,
        since=since,
        until=None if is_due else row.due_at,
        latest=since + GIVEN_UP_AFTER,
        lifted_by="an event of SES, or the lack of any",
    )


def wait_holds(row: Row, situation: Situation, *, is_explained: bool) -> list[Hold]:
    """What a deferred job waits for by itself; nothing once it is due."""
    due_at = row.due_at
    if due_at is None or due_at <= situation.now or is_explained:
        return []
    wait = Hold(
        kind=HoldKind.GIVEN_BACK,
        text="it was given back, for its turn was too far off or its node was stopping; nothing is charged",
        reason=row.reason,
        detail=row.detail,
        since=row.updated_at,
        until=due_at,
        is_over_then=True,
    )
    match row.reason:
        case None:
            return [wait]
        case Reason.LEASE_LOST | Reason.STORE_SICK:
            return [replace(wait, text=f"it was given back: {row.reason}; nothing is charged")]
        case reason if reason in NOT_THE_JOBS_OWN:
            text = (
                f"it was put off for a pause that is over ({reason}); it comes then at the latest; nothing is charged"
            )
            return [replace(wait, text=text)]
        case Reason.THROTTLED | Reason.UNREACHABLE:
            text = f"backoff after attempt {row.attempt}: {row.reason}; nothing is charged"
        case _:
            text = f"backoff after attempt {row.attempt}: {row.reason}; {row.charged} charged so far"
    return [replace(wait, kind=HoldKind.BACKOFF, text=text)]


# --- the sender's, or the configuration set's --------------------------------------------------------


def own_pauses(row: Row, situation: Situation) -> list[Hold]:
    """Pauses of the job's sender or configuration set.

    The row does not name the sender. What its pause has put off is hidden for a while, with the pause's reason; what
    a lane's pause has given back is due at once.
    """
    by_name, by_reason = list[Hold](), list[Hold]()
    was_hidden = row.due_at is not None and row.due_at > row.updated_at
    for concern, hold in _of_some(situation):
        reach = extent(concern, situation)
        if reach is Extent.SET and row.configuration_set is not None:
            if name_of(concern) == row.configuration_set:
                by_name.append(hold)
        elif was_hidden and hold.reason == row.reason:
            by_reason.append(hold)
    if any(hold.reason == row.reason for hold in by_name):
        by_reason.clear()
    looked_at = row.due_at if row.due_at is not None and row.due_at > situation.now else None
    found = [*by_name, *([_one_of(by_reason)] if by_reason else [])]
    return [replace(hold, until=hold.until or looked_at) for hold in found]


def _of_some(situation: Situation) -> Iterator[tuple[Concern, Hold]]:
    """Pauses, by themselves or by people, that are about one sender or one set."""
    for shared in situation.pauses:
        concern = concern_of(shared.pause)
        if concern is not None and extent(concern, situation) in {Extent.SENDER, Extent.SET}:
            yield concern, hold_of(shared, situation)
    for order in situation.orders:
        concern = Concern(Concerned.OPERATOR, order.scope.text)
        if extent(concern, situation) in {Extent.SENDER, Extent.SET}:
            yield concern, order_hold(order)


def _one_of(holds: Sequence[Hold]) -> Hold:
    """Several that fit: nothing tells which of them it is."""
    if len(holds) == 1:
        return holds[0]
    remedies = dict.fromkeys(hold.remedy for hold in holds if hold.remedy)
    return replace(
        holds[0],
        text="one of these, and the ledger does not tell which: " + "; ".join(hold.text for hold in holds),
        name=None,
        since=min((hold.since for hold in holds if hold.since is not None), default=None),
        until=min((hold.until for hold in holds if hold.until is not None), default=None),
        remedy=" or ".join(remedies) or None,
    )
