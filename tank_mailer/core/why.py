"""Why a job is where it is: what holds it, since when, and when it goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tank_mailer.core.holds import A_PERSON, Hold, HoldKind, Situation
from tank_mailer.core.jobholds import attempt_hold, doubt_hold, lost_hold, own_pauses, wait_holds
from tank_mailer.core.lanes import LANES, ORDINARY
from tank_mailer.core.lanestanding import LaneStanding, stand_of
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.pausing import Lift

BY_PERSON: Final = frozenset({Lift.PERSON.value, A_PERSON})
PERSON_OR_DAEMON: Final = frozenset({HoldKind.NO_DAEMON, HoldKind.NOT_SERVED, HoldKind.OPERATOR})


class Standing(StrEnum):
    """Where a job stands, for who waits for it."""

    ACCEPTED = "accepted"  # SES has it
    ENDED = "ended"  # no mail comes of it unless somebody puts it back
    UNDER_WAY = "under_way"  # an attempt, just now
    WAITING = "waiting"
    UNSEEN = "unseen"  # nobody has written anything down of it


class Bound(StrEnum):
    """How much a time says."""

    ABOUT = "about"
    BY = "by"  # at the latest
    NOT_BEFORE = "not_before"


@dataclass(frozen=True, slots=True)
class Expected:
    """When something happens to the job next."""

    at: datetime
    bound: Bound


@dataclass(frozen=True, slots=True)
class Aside:
    """The newest text that was put aside under the job's id.

    Attributes:
        kind: the state that it ended in.
        requeued_at: when a person put it back on its queue.
    """

    kind: str
    reason: str
    lane: str
    at: datetime
    requeued_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The answer.

    Attributes:
        said: the answer in a sentence.
        holds: the weightiest first.
        expected: None: nobody can tell, or there is nothing to wait for.
        lanes: those that it is on, or may be on.
        is_plausible: whether there is a job at all, as far as can be seen.
    """

    standing: Standing
    said: str
    holds: Sequence[Hold] = ()
    expected: Expected | None = None
    lanes: Sequence[LaneStanding] = ()
    is_plausible: bool = True


def explain(row: Row | None, aside: Aside | None, situation: Situation, *, is_proven: bool = False) -> Why:
    """Say what holds a job.

    Args:
        row: the job's.
        aside: what was put aside under its id, if anything.
        situation: how things stand.
        is_proven: events of SES tell of it, whether there is a row or not.
    """
    if aside is not None and aside.requeued_at is not None and _stands_as(row, aside, is_proven=is_proven):
        return _put_back(aside, aside.requeued_at, situation)
    match row:
        case Row(state=State.ACCEPTED):
            return Why(standing=Standing.ACCEPTED, said="nothing holds it: SES has it")
        case Row(state=State.SENDING | State.DEFERRED | State.IN_DOUBT):
            return _unfinished(row, situation)
        case Row(state=State.DEAD) if row.copied_at is None:
            return _ended(row.state, row.reason, "; no copy of it is on a dead-letter queue")
        case Row():
            return _ended(row.state, row.reason)
        case None if is_proven:
            return Why(standing=Standing.ACCEPTED, said="nothing holds it: SES's events show that SES has it")
        case None if aside is not None:
            return _ended(aside.kind, aside.reason)
        case None:
            return _unseen(situation)


# --- ended, or unseen ------------------------------------------------------------------------------


def _stands_as(row: Row | None, aside: Aside, *, is_proven: bool) -> bool:
    """Whether what was put aside is where the job stands."""
    return row.state == aside.kind if row is not None else not is_proven


def _ended(state: str, reason: str | None, more: str = "") -> Why:
    how = "it was given up" if state == State.DEAD else f"it ended {state}"
    why = f": {reason}" if reason and reason != state else ""
    return Why(standing=Standing.ENDED, said=f"nothing holds it: {how}{why}{more}")


def _put_back(aside: Aside, at: datetime, situation: Situation) -> Why:
    lane = stand_of(aside.lane if aside.lane in LANES else ORDINARY, situation)
    holds = _with_turn(lane.holds, lane, situation, since=at)
    return _waiting(holds, lane, situation, "it was put back on its queue and has not been received since")


def _unseen(situation: Situation) -> Why:
    lanes = [stand_of(lane, situation) for lane in situation.lanes or [ORDINARY]]
    may_hold = [one for one in lanes if one.may_hold_unseen]
    is_known = all(one.visible is not None for one in lanes)
    if not may_hold:
        said = "it is not known, and nothing waits on the queues: never put there, misspelt, or older than is kept"
    elif is_known:
        said = "it is not known yet: if it was put on a queue, it waits there, for no node has written it down"
    else:
        said = "it is not known yet; what waits on the queues is not known either"
    only = may_hold[0] if len(may_hold) == 1 else None
    holds = _with_turn(only.holds, only, situation) if only else _common([one.holds for one in may_hold])
    return Why(
        standing=Standing.UNSEEN,
        said=said,
        holds=holds,
        expected=_expected(holds, situation, turn_s=only.turn_s, bound=Bound.BY) if only else None,
        lanes=lanes,
        is_plausible=bool(may_hold),
    )


def _common(lists: Sequence[Sequence[Hold]]) -> list[Hold]:
    """What holds every lane."""
    return [hold for hold in lists[0] if all(hold in others for others in lists[1:])] if lists else []


# --- unfinished ------------------------------------------------------------------------------------


def _unfinished(row: Row, situation: Situation) -> Why:
    lane = stand_of(row.lane if row.lane in LANES else ORDINARY, situation)
    now = situation.now
    if row.state is State.SENDING and row.lease_ends_at is not None and row.lease_ends_at > now:
        return _under_way(row, row.lease_ends_at, lane, situation)
    own = own_pauses(row, situation)
    match row.state:
        case State.SENDING:
            return _waiting([*lane.holds, lost_hold(row)], lane, situation)
        case State.IN_DOUBT:
            return _waiting([*lane.holds, *own, doubt_hold(row, now)], lane, situation)
        case _:
            holds = [*lane.holds, *own, *wait_holds(row, situation, is_explained=bool(own))]
            return _waiting(_with_turn(holds, lane, situation, since=row.due_at), lane, situation)


def _under_way(row: Row, ends_at: datetime, lane: LaneStanding, situation: Situation) -> Why:
    hold = attempt_hold(row, ends_at, situation)
    if not hold.is_over_then:
        return _waiting([*(one for one in lane.holds if one.kind is HoldKind.NO_DAEMON), hold], lane, situation)
    expected = Expected(ends_at, Bound.BY)
    return Why(standing=Standing.UNDER_WAY, said=hold.text, holds=[hold], expected=expected, lanes=[lane])


# --- when ------------------------------------------------------------------------------------------


def _with_turn(
    holds: Sequence[Hold], lane: LaneStanding, situation: Situation, *, since: datetime | None = None
) -> list[Hold]:
    """And its turn, where nothing else keeps it waiting."""
    if any(hold.blocks for hold in holds):
        return list(holds)
    if lane.turn_s is None:
        return [*holds, Hold(kind=HoldKind.TURN, text="it waits for its turn; how far off that is, nobody knows")]
    pace = f"at {lane.rate:g} recipients a second"
    text = f"about {lane.ahead} recipients are ahead of it, {pace}" if lane.ahead else f"nothing is ahead of it, {pace}"
    until = situation.now + timedelta(seconds=lane.turn_s)
    return [*holds, Hold(kind=HoldKind.TURN, text=text, since=since, until=until, is_over_then=True)]


def _waiting(holds: Sequence[Hold], lane: LaneStanding, situation: Situation, said: str | None = None) -> Why:
    weights = list(HoldKind)
    ordered = sorted(holds, key=lambda one: (not one.blocks, weights.index(one.kind)))
    return Why(
        standing=Standing.WAITING,
        said=said or ordered[0].text,
        holds=ordered,
        expected=_expected(ordered, situation, turn_s=lane.turn_s),
        lanes=[lane],
    )


def _expected(
    holds: Sequence[Hold], situation: Situation, *, turn_s: float | None, bound: Bound = Bound.ABOUT
) -> Expected | None:
    """The latest of what is known; "not before" where something has no known end, such as a person's pause."""
    now = situation.now
    blocking = [hold for hold in holds if hold.blocks]
    somebodys = [hold for hold in blocking if hold.kind in PERSON_OR_DAEMON or hold.lifted_by in BY_PERSON]
    times = [hold.until for hold in blocking if hold.until is not None and hold not in somebodys]
    if turn_s is not None and not somebodys:
        times.append(now + timedelta(seconds=turn_s))
    at = max(times, default=now)
    is_certain = turn_s is not None and not somebodys and all(hold.is_over_then for hold in blocking)
    if is_certain and not any(hold.kind is HoldKind.TRICKLE for hold in holds):
        return Expected(at, bound)
    return Expected(at, Bound.NOT_BEFORE) if at > now else None
