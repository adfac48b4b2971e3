"""`dlq drop`: a dead letter that nobody wants leaves its queue."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import Desk, open_desk
from tank_mailer.adapters.desk_letters import put_dropped_aside
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.dlq.boxes import Boxes, box_or_exit, open_boxes
from tank_mailer.cli.dlq.redrive import meant
from tank_mailer.cli.dlq.round import Round
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_INTERRUPTED, EXIT_NO, leave, who
from tank_mailer.cli.terminal import confirmed, print_json, say
from tank_mailer.core.deadletter import DeadLetter, goes_by
from tank_mailer.flows.looking import Look
from tank_mailer.settings import Loaded


def drop(
    names: Annotated[
        list[str], typer.Argument(metavar="ID...", help="As with `dlq show`; an email_id: its newest letter.")
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Take dead letters off their queue, for good: no mail will come of them.

    The ledger keeps the text of each, 64 KiB at most, until retention:
    `refused list --kind dropped` shows it, and `refused requeue ID` changes
    your mind. A job that was under way by that message (SQS had moved it)
    ends dead. It is on record who has done it.

    Exit codes: 0 all of them dropped, 2 usage, 3 not confirmed, or some not
    dropped, 75 the queue or the store do not work, 78 bad settings, 130
    interrupted.
    """
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("This wants --yes where nobody can be asked.")
    loaded = settings_or_exit(env_file)
    with box_or_exit():
        try:
            drops = asyncio.run(_drop(loaded, [storable(name) for name in names], asks=not yes))
        except KeyboardInterrupt:
            leave(EXIT_INTERRUPTED, "interrupted; what is dropped is on record", "run it again for the rest")
    if as_json:
        print_json({"dropped": sum(one.is_done for one in drops), "letters": [one.shape() for one in drops]})
    else:
        for one in drops:
            say(one.sentence)
    if not all(one.is_done for one in drops):
        raise typer.Exit(EXIT_NO)


@dataclass(slots=True)
class _Dropped:
    name: str
    email_id: str | None = None
    is_done: bool = False
    why_not: str = "it is gone from its queue, or somebody else is looking at it"

    def shape(self) -> dict[str, Any]:
        done = self.is_done
        return {"id": self.name, "email_id": self.email_id, "dropped": done, "why_not": None if done else self.why_not}

    @property
    def sentence(self) -> str:
        known = f" ({self.email_id})" if self.email_id and self.email_id != self.name else ""
        return f"{self.name}{known}: {'dropped' if self.is_done else f'not dropped: {self.why_not}'}"


async def _drop(loaded: Loaded, names: Sequence[str], *, asks: bool) -> list[_Dropped]:
    location = database.locate(loaded.settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk, open_boxes(loaded) as boxes:
        found = await _find(desk, boxes, names)
        chosen, failed = meant(names, found)
        by_id = {one.letter_id: one for one in found}
        drops = {one: _Dropped(one, by_id[one].email_id) for one in chosen}
        if asks and drops:
            for one in chosen:
                say(f"{one}  {by_id[one].email_id or '-'}  {by_id[one].reason}")
            if not confirmed(f"Drop {len(drops)} dead letters?"):
                leave(EXIT_NO, "nothing was dropped")
        if drops:
            await _Drop(desk, drops, tells=loaded.settings.webhook_url is not None).go(boxes)
    return [*(_Dropped(one.name, why_not=one.why_not) for one in failed), *drops.values()]


async def _find(desk: Desk, boxes: Boxes, names: Sequence[str]) -> list[DeadLetter]:
    found = list[DeadLetter]()

    async def keep(letters: Sequence[DeadLetter], _look: Look | None) -> None:
        found.extend(one.without_body for one in letters)

    around = Round(
        desk=desk,
        boxes=boxes,
        what="looking into",
        takes=lambda letter: any(goes_by(letter, name) for name in names),
        work=keep,
    )
    await around.go()
    around.tell()
    return found


@dataclass(frozen=True, slots=True)
class _Drop:
    desk: Desk
    drops: dict[str, _Dropped] = field(default_factory=dict)
    tells: bool = False

    async def go(self, boxes: Boxes) -> None:
        """A second look, at those alone: while somebody was asked, they were on their queue."""
        around = Round(
            desk=self.desk,
            boxes=boxes,
            what="dropping from",
            takes=lambda letter: letter.letter_id in self.drops,
            work=self._work,
            enough=lambda: all(one.is_done for one in self.drops.values()),
        )
        await around.go()

    async def _work(self, letters: Sequence[DeadLetter], look: Look | None) -> None:
        """On record first: at no time is a job neither on a queue nor in the ledger."""
        for letter in letters:
            await put_dropped_aside(self.desk, letter, tells=self.tells)
        ids = [letter.letter_id for letter in letters]
        gone = set(ids) if look is None else await look.delete(ids)
        for letter_id in gone:
            self.drops[letter_id].is_done = True
