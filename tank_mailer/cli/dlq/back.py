"""`dlq redrive`: dead letters go back on the queue of their lane."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import typer

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import open_desk
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.dlq.boxes import box_or_exit, open_boxes
from tank_mailer.cli.dlq.look import ByLane, choice_of
from tank_mailer.cli.dlq.redrive import Asked, Redrive, meant
from tank_mailer.cli.dlq.round import Seen
from tank_mailer.cli.lane import Lane
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_INTERRUPTED, EXIT_NO, leave, who
from tank_mailer.cli.putback.choosing import ByDomain, ByReason, NewerThan, OlderThan
from tank_mailer.cli.putback.pace import AtRate
from tank_mailer.cli.putback.queues import open_queues
from tank_mailer.cli.putback.result import Result
from tank_mailer.cli.terminal import confirmed, hint, print_json, say
from tank_mailer.core.deadletter import DeadLetter
from tank_mailer.core.errors import Reason
from tank_mailer.settings import Loaded

SHOWN: Final = 40  # letters, one a line; --json has all of them
RATE: Final = 20.0  # messages a second: more than most accounts send, less than would bury the queue


def redrive(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="As with `dlq show`; an email_id: its newest letter.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of them; with filters those they leave.")] = False,
    reason: ByReason = None,
    domain: ByDomain = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    lane: ByLane = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without this nothing is changed.")] = False,
    may_double: Annotated[
        bool, typer.Option("--may-double", help="Also jobs whose mail SES may have sent already (in_doubt).")
    ] = False,
    to: Annotated[
        Lane | None,
        typer.Option("--to", help="The lane of letters that do not tell theirs, such as those put by hand."),
    ] = None,
    rate: AtRate = RATE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back on the queue of the lane they came from, as new messages.

    Without --apply it only tells what would become of each. Each is checked
    as the daemon would: one that is invalid, that was accepted meanwhile or
    is under way, whose expires_at has passed, whose `to` recipients are all
    suppressed, whose sender or configuration set the settings do not allow
    stays where it is, and so does one whose mail SES may have sent. What
    goes is sent, put on record with who and when, and only then deleted; if
    it is interrupted, run it again: the daemon knows jobs by their email_id.

    Exit codes: 0 all of them put back, or could be; 2 usage; 3 some or all
    not; 75 a queue or the store do not work; 78 bad settings; 130
    interrupted.
    """
    if everything == bool(names):
        raise typer.BadParameter("Give either IDs or --all.")
    choice = choice_of(reason=reason, domain=domain, older_than=older_than, newer_than=newer_than, lane=lane)
    if names and choice.said != "all":
        raise typer.BadParameter("Filters such as --reason and --domain go with --all.")
    is_asked = sys.stdin.isatty()
    if everything and apply and not yes and not is_asked:
        raise typer.BadParameter("--all --apply wants --yes where nobody can be asked.")
    loaded = settings_or_exit(env_file)
    ids = list(dict.fromkeys(storable(name) for name in names or []))
    asked = Asked(names=ids, choice=choice, may_double=may_double, to=to, rate=rate)
    run = _Run(asked=asked, applies=apply, asks=apply and is_asked and not yes and everything)
    with box_or_exit():
        try:
            asyncio.run(_redrive(loaded, run))
        except KeyboardInterrupt:
            leave(EXIT_INTERRUPTED, "interrupted; what is back on its queue is on record", "run it again for the rest")
    _tell(run, as_json=as_json)
    if run.done and apply and loaded.settings.delivery == "dry_run":
        hint("TANK_DELIVERY=dry_run is set: a daemon with this setting sends none of them")
    if run.done < len(run.results):
        raise typer.Exit(EXIT_NO)


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    asked: Asked
    applies: bool
    asks: bool
    results: list[Result] = field(default_factory=list)
    seen: Sequence[Seen] = ()

    @property
    def done(self) -> int:
        return sum(one.goes for one in self.results)

    @property
    def late(self) -> int:
        return sum(one.reason is Reason.EXPIRED for one in self.results)


async def _redrive(loaded: Loaded, run: _Run) -> None:
    """Rehearse, ask, do; the letters are on their queue again while somebody is asked."""
    location = database.locate(loaded.settings.database_url.get_secret_value())
    async with (
        open_desk(location, clock=SystemClock(), who=who()) as desk,
        open_boxes(loaded) as boxes,
        open_queues(loaded, with_events=False) as queues,
    ):

        async def go(*, is_real: bool, takes: Callable[[DeadLetter], bool]) -> Redrive:
            work = Redrive(
                desk=desk,
                boxes=boxes,
                queues=queues,
                settings=loaded.settings,
                asked=run.asked,
                is_real=is_real,
                takes=takes,
            )
            run.seen = await work.run()
            return work

        if not run.applies or run.asks or run.asked.names:
            plan = await go(is_real=False, takes=run.asked.may_take)
            chosen, failed = _chosen(run.asked, plan)
            run.results = [*failed, *(plan.results[one] for one in chosen)]
            if not run.applies or not run.done:
                return
            if run.asks and not confirmed(_question(run)):
                leave(EXIT_NO, "nothing was put back")
            work = await go(is_real=True, takes=lambda letter: letter.letter_id in chosen)
            gone = [Result(one, None, why_not=_GONE) for one in chosen if one not in work.results]
            run.results = [*failed, *work.results.values(), *gone]
        else:
            work = await go(is_real=True, takes=run.asked.may_take)
            run.results = list(work.results.values())


_GONE: Final = "it is gone from its queue, or somebody else is looking at it"


def _chosen(asked: Asked, plan: Redrive) -> tuple[list[str], list[Result]]:
    """The ids that are meant, and what is said of names that mean none."""
    if not asked.names:
        return list(plan.results), []
    chosen, failed = meant(asked.names, plan.letters)
    return list(chosen), failed


def _question(run: _Run) -> str:
    left = len(run.results) - run.done
    return f"Put {run.done} dead letters back on their queue{f', and leave {left} where they are' if left else ''}?"


# --- telling ---------------------------------------------------------------------------------------


def _tell(run: _Run, *, as_json: bool) -> None:
    if as_json:
        print_json(_shape(run))
        return
    for one in sorted(run.results, key=lambda one: one.goes)[:SHOWN]:  # those that stay want to be looked at
        say(one.sentence)
    if len(run.results) > SHOWN:
        say(f"... and {len(run.results) - SHOWN} more; --json lists all of them")
    went = "put back on the queue" if run.applies else "would be put back on the queue"
    say(f"{run.done} of {len(run.results)} {went}{_reasons(run)}.")
    if not run.applies and run.done:
        say("Nothing was changed; --apply does it.")


def _reasons(run: _Run) -> str:
    """Why the others stay, in numbers."""
    counts = Counter(one.reason or "other" for one in run.results if not one.goes)
    return f"; {', '.join(f'{count} {reason}' for reason, count in counts.most_common())}" if counts else ""


def _shape(run: _Run) -> dict[str, Any]:
    return {
        "applied": run.applies,
        "requeued": run.done if run.applies else 0,
        "expired": run.late,
        "letters": [one.shape() for one in run.results],
        "queues": [one.shape() for one in run.seen],
    }
