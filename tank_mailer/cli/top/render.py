"""One look as text: fits 80 columns, and says by words what it shows by colours."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tank_mailer.cli.options import printable
from tank_mailer.cli.terminal import NONE, shown_span
from tank_mailer.cli.top.sight import Sight
from tank_mailer.core.holds import SharedPause, pause_said
from tank_mailer.core.lanestanding import START
from tank_mailer.core.scope import OperatorPause

BAR_WIDTH: Final = 12
FULL: Final = 0.9  # of the quota
WARN, STOP = "yellow", "red"
Figure = tuple[str, Text, RenderableType, Text]


def render(sight: Sight, *, trouble: str = "", can_end: bool = False) -> RenderableType:
    """All of it, the weightiest first: a low terminal cuts the end off.

    Args:
        sight: what is shown.
        trouble: why there is nothing newer.
        can_end: whether a key ends it.
    """
    parts: list[RenderableType] = [_title(sight, can_end=can_end)]
    if trouble:
        parts.append(Text(printable(trouble), style=STOP))
    if not sight.nodes:
        parts.append(Text(f"No daemon is alive on this store: {START}.", style=STOP))
    else:
        parts.append(_grid(_figures(sight)))
    parts += _pauses(sight)
    if sight.nodes:
        parts += [_heading("Lanes"), _lanes(sight), *_outcomes(sight)]
    if len(sight.nodes) > 1:
        parts += [_heading("Nodes"), _nodes(sight)]
    if sight.last:
        parts += [_heading("Last outcomes"), _last(sight)]
    return Group(*parts)


# --- the head --------------------------------------------------------------------------------------


def _title(sight: Sight, *, can_end: bool) -> Text:
    count = len(sight.nodes)
    names = ", ".join(dict.fromkeys(printable(node.node) for node in sight.nodes))
    alive = "no node alive" if not count else f"{count} node{'s' if count > 1 else ''} alive: {names}"
    title = Text.assemble(("tank-mailer", "bold"), f"  {alive}  {_clock(sight.now)} UTC")
    if can_end:
        title.append("  (q ends)", style="dim")
    return title


def _grid(figures: Iterator[Figure]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    grid.add_column(width=BAR_WIDTH)
    grid.add_column(overflow="fold")
    for figure in figures:
        grid.add_row(*figure)
    return grid


def _figures(sight: Sight) -> Iterator[Figure]:
    limit = sight.account_rate or sight.set_rate
    is_cut = sight.rate < sight.set_rate
    allows = f"SES allows {sight.account_rate:g}/s" if sight.account_rate else "what SES allows is not known"
    cut = f"; cut from {sight.set_rate:g}/s after throttling" if is_cut else ""
    rate = Text(f"{sight.rate:g}/s in force", style=WARN if is_cut else "")
    yield "rate", rate, _bar(sight.rate, limit), Text(f"{allows}{cut}")
    used, slots = sight.slots
    yield (
        "sending",
        Text(f"{sight.per_s:.1f}/s"),
        _bar(sight.per_s, sight.rate),
        Text(f"{used} of {slots} slots in use"),
    )
    if flaws := sorted({flaw for node in sight.nodes for flaw in node.account}):
        yield "account", Text(", ".join(flaws), style=WARN), Text(), Text("what AWS holds against it; see the log")
    yield _quota(sight)
    reputation, lines = sight.reputation, sight.lines
    for name, rate_, left, warn, stop in (
        ("bounces", reputation.bounce_rate, reputation.bounces_left, lines.bounce_warn, lines.bounce_pause),
        (
            "complaints",
            reputation.complaint_rate,
            reputation.complaints_left,
            lines.complaint_warn,
            lines.complaint_pause,
        ),
    ):
        yield _standing(name, rate_, left, warn=warn, stop=stop)
    if reputation.is_trickling:
        yield "", Text("trickling", style=WARN), Text(), Text("the ordinary lane goes on slowly after a pause")


def _quota(sight: Sight) -> Figure:
    quota = sight.quota
    if quota.limit is None:
        return "quota", Text(f"{quota.used:,.0f} used"), Text(), Text("in 24 hours; no limit is known")
    share = quota.used / quota.limit if quota.limit else 1.0
    room = ", ".join(f"{lane} {count:,}" for lane, count in quota.room.items())
    returns = "".join(f"; {lane} again {_moment(at, sight.now)}" for lane, at in quota.room_at.items())
    style = STOP if share >= 1 else WARN if share >= FULL else ""
    text = Text(f"{quota.used:,.0f} of {quota.limit:,.0f}", style=style)
    return "quota", text, _bar(quota.used, quota.limit), Text(f"{share:.0%}; room: {room or NONE}{returns}")


def _standing(name: str, rate: float | None, left: int | None, *, warn: float, stop: float) -> Figure:
    lines = f"warned of at {_percent(warn)}, stops the ordinary lane at {_percent(stop)}"
    if rate is None:
        return name, Text("too few mails"), Text(), Text(lines)
    style, word = (STOP, ", too many") if rate >= stop else (WARN, ", many") if rate >= warn else ("", "")
    more = f"; {left:,} more until AWS reviews" if left is not None else ""
    return name, Text(f"{_percent(rate)}{word}", style=style), _bar(rate, stop), Text(f"{lines}{more}")


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _bar(value: float, limit: float) -> ProgressBar | Text:
    return ProgressBar(total=limit, completed=value, width=BAR_WIDTH) if limit > 0 else Text()


# --- pauses ----------------------------------------------------------------------------------------


def _pauses(sight: Sight) -> list[RenderableType]:
    by_people, by_themselves = sight.situation.orders, sight.situation.pauses
    if not by_people and not by_themselves:
        return [_heading("Pauses"), Text("none")] if sight.nodes else []
    parts: list[RenderableType] = [_heading("Pauses")]
    for order in by_people:
        parts += _order(order, sight.now)
    for shared in by_themselves:
        parts += _pause(shared, sight)
    return parts


def _order(order: OperatorPause, now: datetime) -> list[RenderableType]:
    note = f": {order.note}" if order.note else ""
    said = _indented([("by", f"{order.who}{note}"), ("ends by", order.scope.resume)])
    return [_headline(order.scope.said, "operator", order.since, now), said]


def _pause(shared: SharedPause, sight: Sight) -> list[RenderableType]:
    pause = shared.pause
    look = f"{_clock(pause.next_probe_at)} UTC" if pause.next_probe_at else None
    told = [
        ("on", None if shared.is_everywhere else f"{', '.join(shared.nodes)} only"),
        ("says", pause.detail),
        ("next look", "a job is being tried" if pause.on_trial else look),
        ("lifted by", pause.lifted_by),
        ("remedy", pause.remedy),
    ]
    return [_headline(pause_said(pause), pause.reason, pause.since, sight.now), _indented(told)]


def _headline(what: str, reason: str, since: datetime, now: datetime) -> Text:
    lasts = shown_span(max(0.0, (now - since).total_seconds()))
    text = Text.assemble((printable(what), STOP), "  ", (printable(reason), "bold"))
    return text.append(f"  since {_moment(since, now)} ({lasts})")


def _indented(told: Sequence[tuple[str, str | None]]) -> Padding:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in told:
        if text:
            grid.add_row(name, Text(printable(text)))
    return Padding(grid, (0, 0, 0, 2))


# --- tables ----------------------------------------------------------------------------------------


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold underline")


def _table(columns: Mapping[str, bool], *, gives: str) -> Table:
    """Columns by name, True: of numbers; where there is no room for all, the one named `gives` makes it."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name, is_number in columns.items():
        table.add_column(name, justify="right" if is_number else "left", no_wrap=name != gives)
    return table


def _lanes(sight: Sight) -> Table:
    numbers = dict.fromkeys(("visible", "in hand", "waiting", "in flight", "per s"), True)
    table = _table({"lane": False, "queue": False, **numbers, "polled": False}, gives="queue")
    table.columns[1].overflow = "fold"
    for lane in sight.lanes:
        table.add_row(
            lane.lane,
            printable(lane.queue) or NONE,
            "?" if lane.visible is None else f"{lane.visible:,}",
            str(lane.in_hand),
            str(lane.waiting),
            str(lane.in_flight),
            f"{lane.per_s:.1f}",
            Text("yes") if lane.is_polled else Text("no", style=WARN),
        )
    return table


def _outcomes(sight: Sight) -> list[RenderableType]:
    counts = "  ".join(f"{printable(name)} {count:,}" for name, count in sight.outcomes.items())
    return [_heading("Outcomes"), Text(counts or "none since the start")]


def _nodes(sight: Sight) -> Table:
    table = _table(
        {"node": False, "version": False, "up": True, "slots": True, "per s": True, "pauses": True, "": False},
        gives="node",
    )
    for node in sight.nodes:
        table.add_row(
            printable(node.node),
            printable(node.version),
            shown_span(max(0.0, (sight.now - node.started_at).total_seconds())),
            f"{node.slots_in_use}/{node.slots}",
            f"{sum(lane.per_s for lane in node.lanes.values()):.1f}",
            str(len(node.pauses)),
            Text("stopping", style=WARN) if node.is_draining else Text(),
        )
    return table


def _last(sight: Sight) -> Table:
    has_several = len(sight.nodes) > 1
    names = ["time", "email_id", "lane", "outcome", "reason", *(["node"] if has_several else [])]
    table = _table(dict.fromkeys(names, False), gives="email_id")
    for node, one in sight.last:
        cells = [_clock(one.at), one.email_id, one.lane, one.outcome, one.reason or NONE]
        table.add_row(*(Text(printable(cell)) for cell in [*cells, *([node] if has_several else [])]))
    return table


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%H:%M:%S")


def _moment(at: datetime, now: datetime) -> str:
    """With its day, unless that is today."""
    is_today = at.astimezone(UTC).date() == now.astimezone(UTC).date()
    return _clock(at) if is_today else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
