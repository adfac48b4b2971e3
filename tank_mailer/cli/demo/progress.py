"""The demo's live progress: a bar at a terminal, a line now and then elsewhere."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tank_mailer.cli.demo.standing import Standing

BAR_WIDTH: Final = 40
LINE_EVERY_S: Final = 2.0
RATE_OVER_S: Final = 2.0

_Fact = tuple[str, int, str]  # name, number, style


class Progress(Protocol):
    """Whoever is told how far the demo is."""

    def show(self, standing: Standing) -> None:
        """Called a few times a second."""


@contextmanager
def progress_on(console: Console) -> Iterator[Progress]:
    """Show progress until the block ends; at a terminal the display goes away then."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, transient=True, refresh_per_second=8) as live:
        yield _Display(live)


@dataclass(slots=True)
class _Lines:
    console: Console
    _told_s: float = -LINE_EVERY_S
    _told: str = ""

    def show(self, standing: Standing) -> None:
        if standing.elapsed_s - self._told_s < LINE_EVERY_S:
            return
        self._told_s = standing.elapsed_s
        told = [fact for fact in (*_facts(standing), *_feedback(standing)) if fact[1] or fact[0] == "mails"]
        facts = ", ".join(f"{name} {number}" for name, number, _ in told)
        line = f"{standing.settled}/{standing.total} ended; {facts}"
        if line != self._told:
            self.console.print(f"{standing.elapsed_s:4.0f} s  {line}", soft_wrap=True)
            self._told = line


@dataclass(slots=True)
class _Display:
    live: Live
    _mails: deque[tuple[float, int]] = field(default_factory=deque)

    def show(self, standing: Standing) -> None:
        self._mails.append((standing.elapsed_s, standing.mails))
        while self._mails[0][0] < standing.elapsed_s - RATE_OVER_S:
            self._mails.popleft()
        self.live.update(Group(self._bar(standing), self._line(standing), _written(_feedback(standing))))

    def _bar(self, standing: Standing) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=standing.total, completed=standing.settled, width=BAR_WIDTH)
        table.add_row(bar, f"{standing.settled}/{standing.total} ended", Text(f"{standing.elapsed_s:.0f} s", "dim"))
        return table

    def _line(self, standing: Standing) -> RenderableType:
        line = _written(_facts(standing))
        (first_s, first), (last_s, last) = self._mails[0], self._mails[-1]
        if last_s > first_s:
            line.append(f"{(last - first) / (last_s - first_s):.0f} mails a second", "dim")
        return line


def _written(facts: Iterable[_Fact]) -> Text:
    line = Text()
    for name, number, style in facts:
        line.append(f"{name} ", "dim")
        line.append(f"{number:<3} ", style if number else "dim")
    return line


def _facts(standing: Standing) -> Iterator[_Fact]:
    yield "waiting", standing.waiting, "bold"
    yield "in work", standing.in_work, "bold cyan"
    yield "put off", standing.deferred, "bold yellow"
    yield "in doubt", standing.in_doubt, "bold magenta"
    yield "mails", standing.mails, "bold green"


def _feedback(standing: Standing) -> Iterator[_Fact]:
    yield "SES reported", standing.events, "bold green"
    yield "web server told", standing.told, "bold green"
