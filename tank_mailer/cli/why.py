"""`tank-mailer why`: what holds a job, since when, and when it goes on."""

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import open_desk, spelled
from tank_mailer.adapters.desk_asides import PutAside
from tank_mailer.adapters.desk_board import look_at_board
from tank_mailer.adapters.desk_emails import Report, find_report
from tank_mailer.adapters.producer import open_producer
from tank_mailer.adapters.sqs import SqsQueue
from tank_mailer.cli.board import kept_pauses, names_of, people_pauses
from tank_mailer.cli.next_step import what_next
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_NO, leave, outside_or_exit, who
from tank_mailer.cli.terminal import hint, print_fields, print_json, print_table, shown_span, shown_time, waiting
from tank_mailer.core.errors import TankMailerError
from tank_mailer.core.holds import Depth, Hold, Situation
from tank_mailer.core.lanes import LANES, ORDINARY, PRIORITY
from tank_mailer.core.lanestanding import LaneStanding
from tank_mailer.core.ledger import UNFINISHED
from tank_mailer.core.why import Aside, Bound, Expected, Standing, Why, explain
from tank_mailer.settings import Loaded

ASK_S: Final = 3.0  # a queue that takes longer is gone by without
UNKNOWN: Final = "look at the id, and at `tank-mailer refused list` for jobs whose id could not be read"
ENDED: Final = frozenset({Standing.ACCEPTED, Standing.ENDED})


@dataclass(frozen=True, slots=True)
class Found:
    """The answer, and what it was made of.

    Attributes:
        report: None: the store knows nothing of the job.
        unasked: lanes whose queue did not answer, and why.
    """

    email_id: str
    why: Why
    report: Report | None
    nodes: Sequence[str]
    unasked: Mapping[str, str]
    now: datetime


def why(
    email_id: Annotated[str, typer.Argument(metavar="EMAIL_ID", help="The job's email_id.")],
    *,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell what holds a job: which limit, lane, pause, backoff or doubt.

    With since when, and when it goes on: the latest of all that holds it;
    "not before" where that cannot be known. An id that nobody has seen may
    wait on a queue still: then it tells how the queues stand. They are
    asked for what waits there; one that does not answer within three seconds
    is gone by without, by what the nodes know of it.

    Exit codes: 0 it is known, or may be on a queue; 3 nobody has seen it,
    and nothing waits on the queues; 75 the store cannot be read; 78 bad
    settings.
    """
    loaded = settings_or_exit(env_file)
    with outside_or_exit(), waiting("asking the store and the queues"):
        found = asyncio.run(_find(loaded, email_id))
    for lane, why_not in found.unasked.items():
        hint(f"the queue of the {lane} lane did not answer ({why_not}): what waits there is by what the nodes know")
    if as_json:
        print_json(_shape(found))
    elif found.why.is_plausible:
        _print(found)
    if not found.why.is_plausible:
        leave(EXIT_NO, f"{found.email_id}: {found.why.said}", UNKNOWN)


# --- finding out -----------------------------------------------------------------------------------


async def _find(loaded: Loaded, email_id: str) -> Found:
    settings = loaded.settings
    location = database.locate(settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk:
        report = await find_report(desk, email_id)
        posted = await look_at_board(desk)
        depths, unasked = await _ask_queues(loaded) if _waits(report) else ({}, {})
        situation = Situation(
            now=desk.clock.now(),
            views=posted.others,
            orders=people_pauses(posted),
            kept=kept_pauses(posted),
            depths=depths,
            default_set=settings.configuration_set or "",
        )
    row = report.row if report else None
    aside = _aside(report.aside) if report and report.aside else None
    answer = explain(row, aside, situation, is_proven=report is not None and report.traces is not None)
    name = report.email_id if report else email_id
    return Found(name, answer, report, names_of(posted.others), unasked, situation.now)


def _aside(aside: PutAside) -> Aside:
    return Aside(aside.state, aside.reason, aside.lane, aside.at, aside.requeued_at)


def _waits(report: Report | None) -> bool:
    """Whether it matters what is on the queues."""
    if report is None or (report.row is not None and report.row.state in UNFINISHED):
        return True
    return report.aside is not None and report.aside.requeued_at is not None


async def _ask_queues(loaded: Loaded) -> tuple[dict[str, Depth], dict[str, str]]:
    """What waits on each lane's queue, and why a queue did not say so."""
    settings = loaded.settings
    urls = {PRIORITY: settings.priority_queue_url, ORDINARY: settings.outbound_queue_url}
    depths, unasked = dict[str, Depth](), dict[str, str]()

    async def ask(lane: str, url: str) -> None:
        try:
            async with asyncio.timeout(ASK_S):
                depths[lane] = await _ask(loaded, url)
        except TimeoutError:
            unasked[lane] = f"no answer within {ASK_S:g} s"
        except TankMailerError as error:
            unasked[lane] = str(error.reason)

    async with asyncio.TaskGroup() as group:
        for lane in LANES:
            if (url := urls[lane]) is not None:
                group.create_task(ask(lane, url))
    return depths, unasked


async def _ask(loaded: Loaded, url: str) -> Depth:
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(open_producer(loaded.aws, queue_url=url))
        facts = await SqsQueue(url=url, receiving=producer.client, settling=producer.client).facts()
    return Depth(facts.visible, facts.in_flight)


# --- telling it ------------------------------------------------------------------------------------


def _print(found: Found) -> None:
    why, report, now = found.why, found.report, found.now
    row = report.row if report else None
    fields: list[tuple[str, str | None]] = [
        ("email_id", found.email_id),
        ("state", report.state if report else "not seen"),
        ("lane", row.lane if row else None),
        ("why", why.said),
    ]
    for n, hold in enumerate(why.holds):
        fields += _fields_of(hold, now, is_first=n == 0)
    fields += [
        ("goes on", _when(why.expected, now) if why.standing not in ENDED else None),
        ("next", _next(found)),
        ("nodes", ", ".join(found.nodes) or "none alive"),
    ]
    print_fields(fields)
    if why.lanes:
        typer.echo()
        _print_lanes(why.lanes)


def _next(found: Found) -> str | None:
    """The way on for a job that nothing holds; recipients are for `status` to name."""
    match found.why.standing:
        case Standing.ACCEPTED:
            return f"`tank-mailer status {shlex.quote(found.email_id)}` tells what became of it, for each recipient"
        case Standing.ENDED:
            return what_next(found.report) if found.report else None
        case Standing.UNDER_WAY | Standing.WAITING | Standing.UNSEEN:
            return None


def _fields_of(hold: Hold, now: datetime, *, is_first: bool) -> list[tuple[str, str | None]]:
    until = _until(hold, now)
    return [
        ("held by" if is_first else "and by", hold.text),
        ("  detail", hold.detail),
        ("  since", shown_time(hold.since)),
        ("  until" if hold.is_over_then else "  next look", until),
        ("  at latest", shown_time(hold.latest)),
        ("  ends when", hold.lifted_by if not hold.is_over_then else None),
        ("  remedy", hold.remedy),
    ]


def _until(hold: Hold, now: datetime) -> str | None:
    return None if hold.until is None else _at(hold.until, now)


def _at(at: datetime, now: datetime) -> str:
    ahead_s = (at - now).total_seconds()
    return f"{shown_time(at)} (in {shown_span(ahead_s)})" if ahead_s >= 1 else f"{shown_time(at)} (now)"


def _when(expected: Expected | None, now: datetime) -> str:
    if expected is None:
        return "nobody can tell"
    words = {Bound.ABOUT: "about", Bound.BY: "by", Bound.NOT_BEFORE: "not before"}
    return f"{words[expected.bound]} {_at(expected.at, now)}"


def _print_lanes(lanes: Sequence[LaneStanding]) -> None:
    columns = ["lane", "queue", "waiting", "hidden", "in hand", "per second", "polled", "turn", "held by"]
    print_table(
        columns,
        [
            [
                one.lane,
                one.queue,
                _count(one.visible),
                _count(one.hidden),
                str(one.in_hand),
                f"{one.per_s:g}",
                "yes" if one.is_polled else "no",
                None if one.turn_s is None else "now" if one.turn_s < 1 else f"in {shown_span(one.turn_s)}",
                ", ".join(hold.reason or hold.kind for hold in one.holds) or None,
            ]
            for one in lanes
        ],
    )


def _count(count: int | None) -> str:
    return "?" if count is None else str(count)


# --- as JSON ---------------------------------------------------------------------------------------


def _shape(found: Found) -> dict[str, Any]:
    why, report = found.why, found.report
    row = report.row if report else None
    return {
        "email_id": found.email_id,
        "state": report.state if report else None,
        "reason": report.reason if report else None,
        "lane": row.lane if row else None,
        "standing": why.standing.value,
        "why": why.said,
        "holds": [_hold_shape(one) for one in why.holds],
        "expected": {"at": spelled(why.expected.at), "bound": why.expected.bound.value} if why.expected else None,
        "next": _next(found),
        "lanes": [_lane_shape(one) for one in why.lanes],
        "nodes": list(found.nodes),
        "queues_unasked": dict(found.unasked),
    }


def _hold_shape(hold: Hold) -> dict[str, Any]:
    return {
        "kind": hold.kind.value,
        "text": hold.text,
        "concern": hold.concern,
        "name": hold.name,
        "reason": hold.reason,
        "detail": hold.detail,
        "since": spelled(hold.since),
        "until": spelled(hold.until),
        "is_over_then": hold.is_over_then,
        "latest": spelled(hold.latest),
        "lifted_by": hold.lifted_by,
        "remedy": hold.remedy,
        "blocks": hold.blocks,
    }


def _lane_shape(lane: LaneStanding) -> dict[str, Any]:
    return {
        "lane": lane.lane,
        "queue": lane.queue or None,
        "visible": lane.visible,
        "hidden": lane.hidden,
        "in_hand": lane.in_hand,
        "waiting": lane.waiting,
        "in_flight": lane.in_flight,
        "per_s": lane.per_s,
        "rate": lane.rate,
        "is_polled": lane.is_polled,
        "ahead": lane.ahead,
        "turn_s": None if lane.turn_s is None else round(lane.turn_s, 1),
        "holds": [_hold_shape(one) for one in lane.holds],
    }
