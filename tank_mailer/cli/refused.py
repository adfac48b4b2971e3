"""`tank-mailer refused`: jobs of which no mail came, and how they get back on the queue."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import Desk, open_desk
from tank_mailer.adapters.desk_emails import (
    PutAside,
    Which,
    find_asides,
    find_row,
    list_asides,
    list_ids,
    mark_requeued,
)
from tank_mailer.adapters.producer import Producer, Put, Refused, open_producer
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.options import AsJson, EnvFile, printable, settings_or_exit
from tank_mailer.cli.outside import EXIT_NO, EXIT_OUTSIDE, at_desk, leave, outside_or_exit, who
from tank_mailer.cli.terminal import hint, print_fields, print_json, print_table, progress_bar, say, shown_time
from tank_mailer.cli.textfiles import open_text, there
from tank_mailer.core.enqueue import MAX_ENTRIES, Record, batches, unfit_for_queue
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.job import EmailJob, InvalidJob, parse_job
from tank_mailer.core.ledger import UNFINISHED, State
from tank_mailer.settings import Loaded

app = typer.Typer(
    name="refused",
    help="Look at jobs of which no mail came (invalid, refused, dry_run, dead), and put them back on the queue.",
    no_args_is_help=True,
)

SHOWN_ID_CHARACTERS: Final = 8
CUT_AT_BYTES: Final = 65_536 - 3  # DESIGN 3: 64 KiB are kept, less a character that did not fit
DOUBTFUL: Final = frozenset({Reason.IN_DOUBT, Reason.ANSWER_LOST, Reason.ANSWER_UNCLEAR, Reason.PROCESS_DIED})


class Kind(StrEnum):
    """How a job ended."""

    INVALID = "invalid"
    REFUSED = "refused"
    DRY_RUN = "dry_run"
    DEAD = "dead"


ByKind = Annotated[Kind | None, typer.Option("--kind", help="Only those that ended so.")]
ByReason = Annotated[
    Reason | None, typer.Option("--reason", metavar="REASON", help="Only those with this reason, such as bad_address.")
]


@app.command(
    "list",
    epilog="Example: tank-mailer refused list --kind invalid\n\n"
    "Example, what nobody has put back yet, for a script: tank-mailer refused list --waiting --json",
)
def list_(
    *,
    kind: ByKind = None,
    reason: ByReason = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that nobody has put back yet.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 50,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """List them, the newest first.

    `show` and `requeue` take a queue message's id as it is cut here.

    Exit codes: 0 listed, 75 the store cannot be read, 78 bad settings.
    """
    which = Which(kind, reason, waiting)
    count, found = at_desk(env_file, lambda desk: list_asides(desk, which, limit=limit))
    if as_json:
        print_json({"total": count, "jobs": [one.shape() for one in found]})
        return
    rows = [
        [
            *(one.queue_message_id[:SHOWN_ID_CHARACTERS], one.email_id, one.kind, one.reason, one.detail),
            *(shown_time(one.at), shown_time(one.requeued_at)),
        ]
        for one in found
    ]
    print_table(["message", "email_id", "kind", "reason", "detail", "when", "put back"], rows)
    if sys.stdout.isatty():
        say(f"{len(found)} of {count}.")


@app.command(
    epilog="Example: tank-mailer refused show 1f0c2a7e\n\n"
    "Example, to correct it: tank-mailer refused show order-4711 --raw > job.json"
)
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="An email_id, a queue message's id, or how that begins.")],
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Print the job's text alone, as it came.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Show a job that was put aside: the reason, and the text as it came.

    Exit codes: 0 shown, 3 no such job or more than one, 75 the store cannot
    be read, 78 bad settings.
    """
    found = at_desk(env_file, lambda desk: find_asides(desk, storable(name)))
    aside = _only(name, found)
    if as_json:
        print_json({**aside.shape(), "raw": aside.raw, "cut": _is_cut(aside)})
        return
    if raw:
        typer.echo(_harmless(aside.raw) if sys.stdout.isatty() else aside.raw)
        return
    others = len(found) - 1
    print_fields(
        [
            ("message", aside.queue_message_id),
            ("email_id", aside.email_id),
            ("kind", aside.kind),
            ("reason", aside.reason),
            ("detail", aside.detail),
            ("lane", aside.lane),
            ("put aside", shown_time(aside.at)),
            ("put back", shown_time(aside.requeued_at)),
            ("text", "only its first 64 KiB were kept" if _is_cut(aside) else None),
            ("note", f"{others} older with this email_id: see `refused list`" if others else None),
        ]
    )
    typer.echo()
    typer.echo(_harmless(_pretty(aside.raw)))


@app.command(
    epilog="Example, after the sender was verified: tank-mailer refused requeue order-4711\n\n"
    "Example, a corrected job: tank-mailer refused requeue 1f0c2a7e --file job.json\n\n"
    "Example, after a rehearsal: tank-mailer refused requeue --all --kind dry_run"
)
def requeue(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="As with `refused show`; an email_id: its newest.")
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="All that nobody has put back yet; with --kind and --reason only those.")
    ] = False,
    kind: ByKind = None,
    reason: ByReason = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The corrected job, in place of the text that was kept; - is standard input. For one ID.",
            callback=there,
        ),
    ] = None,
    may_double: Annotated[
        bool, typer.Option("--may-double", help="Also jobs whose mail SES may have sent already (dead, in doubt).")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Put jobs back on TANK_OUTBOUND_QUEUE_URL, as new messages.

    Each is checked first as the daemon would: one that is still invalid
    would only be put aside again, so it is not put back; nor is one that
    was accepted meanwhile or is under way, or whose text was cut at 64 KiB.
    Should an answer of the queue be lost, do it again: the daemon knows
    jobs by their email_id.

    Exit codes: 0 all of them put back, 2 usage, 3 some or all not put back,
    75 queue or store do not work, 78 bad settings.
    """
    if everything == bool(names):
        raise typer.BadParameter("Give either IDs or --all.")
    if (kind or reason) and not everything:
        raise typer.BadParameter("--kind and --reason go with --all.")
    if file and len(names or []) != 1:
        raise typer.BadParameter("--file is for one ID.")
    if everything and not yes and not sys.stdin.isatty():
        raise typer.BadParameter("--all wants --yes where nobody can be asked.")
    loaded = settings_or_exit(env_file)
    asked = _Asked(
        names=[storable(name) for name in names or []],
        which=Which(kind, reason, is_waiting=True) if everything else None,
        correction=_read(file) if file else None,
        may_double=may_double,
        asks=everything and sys.stdin.isatty() and not yes,
    )
    with outside_or_exit():
        results = asyncio.run(_requeue(loaded, asked))
    done = sum(result.new_message_id is not None for result in results)
    if as_json:
        print_json({"requeued": done, "jobs": [result.shape() for result in results]})
    else:
        for result in results:
            say(result.sentence)
        say(f"{done} of {len(results)} put back on the queue.")
    if done and loaded.settings.delivery == "dry_run":
        hint("TANK_DELIVERY=dry_run is set: a daemon with this setting sends none of them")
    if done < len(results):
        raise typer.Exit(EXIT_NO)


# --- putting back ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    names: Sequence[str]
    which: Which | None
    correction: str | None
    may_double: bool
    asks: bool


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of one; with a new message's id it is on the queue."""

    name: str
    email_id: str | None
    new_message_id: str | None = None
    why_not: str = ""

    def shape(self) -> dict[str, Any]:
        return {
            "id": self.name,
            "email_id": self.email_id,
            "requeued": self.new_message_id is not None,
            "new_queue_message_id": self.new_message_id,
            "why_not": self.why_not or None,
        }

    @property
    def sentence(self) -> str:
        known = f" ({self.email_id})" if self.email_id and self.email_id != self.name else ""
        how = f"on the queue as {self.new_message_id}" if self.new_message_id else f"not put back: {self.why_not}"
        return f"{self.name}{known}: {how}"


async def _requeue(loaded: Loaded, asked: _Asked) -> list[_Result]:
    settings = loaded.settings
    location = database.locate(settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk:
        names = asked.names
        if asked.which is not None:
            names = await list_ids(desk, asked.which)
        if asked.asks and names and not typer.confirm(f"Put {len(names)} jobs back on the queue?", err=True):
            leave(EXIT_NO, "nothing was put back")
        results = list[_Result]()
        async with open_producer(loaded.aws, queue_url=settings.outbound_queue_url) as producer:
            with progress_bar("putting back", total=len(names)) as bar:
                for start in range(0, len(names), MAX_ENTRIES):
                    some = [await _prepare(desk, name, asked) for name in names[start : start + MAX_ENTRIES]]
                    results += await _put_back(desk, producer, some)
                    bar.move(len(some))
        return results


@dataclass(frozen=True, slots=True)
class _Ready:
    """May go back on the queue."""

    name: str
    aside: PutAside
    job: EmailJob
    text: str
    corrected: bool


async def _prepare(desk: Desk, name: str, asked: _Asked) -> _Ready | _Result:
    found = await find_asides(desk, name)
    if not found:
        return _Result(name, None, why_not="there is no such job; `tank-mailer refused list` shows them")
    if _is_ambiguous(name, found):
        return _Result(name, None, why_not="more than one begins so; give more of the id")
    aside = found[0]
    text = aside.raw if asked.correction is None else asked.correction
    job = parse_job(text)
    if isinstance(job, EmailJob):
        job = unfit_for_queue(text) or job
    why_not = _fault(aside, job, asked) or await _standing(desk, job)
    if why_not or isinstance(job, InvalidJob):
        return _Result(name, aside.email_id, why_not=why_not or "")
    return _Ready(name, aside, job, text, asked.correction is not None)


async def _put_back(desk: Desk, producer: Producer, some: Sequence[_Ready | _Result]) -> list[_Result]:
    """Put up to ten back and on record; raises `QueueError` once those that are back are on record."""
    ready = [Record(n, 0, one.text) for n, one in enumerate(some) if isinstance(one, _Ready)]
    puts = dict[int, Put]()
    for batch in batches(ready):
        sent = await producer.put([record.body for record in batch])
        puts |= {record.number: put for record, put in zip(batch, sent, strict=True)}
    results, failure = list[_Result](), None
    for n, one in enumerate(some):
        if isinstance(one, _Result):
            results.append(one)
            continue
        match puts[n]:
            case QueueError() as error:
                failure = error
            case Refused(detail=detail):
                results.append(_Result(one.name, one.job.email_id, why_not=f"the queue does not take it: {detail}"))
            case str() as new_id:
                email_id = one.job.email_id
                await mark_requeued(desk, one.aside, email_id=email_id, new_message_id=new_id, corrected=one.corrected)
                results.append(_Result(one.name, email_id, new_id))
    if failure is not None:
        raise failure
    return results


def _fault(aside: PutAside, job: EmailJob | InvalidJob, asked: _Asked) -> str | None:
    """Why it is not put back, as far as it lies in the job."""
    if isinstance(job, InvalidJob):
        if asked.correction is None and _is_cut(aside):
            return "only its first 64 KiB were kept; give the whole job with --file"
        still = "" if asked.correction is not None else "still "
        return f"{still}invalid: {job.reason}, {job.detail}"
    if aside.kind == Kind.DEAD and aside.reason in DOUBTFUL and not asked.may_double:
        return f"{aside.reason}: SES may have sent this mail; --may-double puts it back all the same"
    return None


async def _standing(desk: Desk, job: EmailJob | InvalidJob) -> str | None:
    """Why it is not put back, as far as it lies in the ledger."""
    row = await find_row(desk, job.email_id) if isinstance(job, EmailJob) else None
    if row is None or not isinstance(job, EmailJob):
        return None
    if row.state is State.ACCEPTED:
        same = row.content_hash == job.content_hash
        return "accepted meanwhile" if same else "another job was accepted under this email_id; give this one its own"
    if row.state in UNFINISHED:
        return f"a job with this email_id is under way ({row.state}); see `tank-mailer status`"
    return None


# --- parts -----------------------------------------------------------------------------------------


def _only(name: str, found: Sequence[PutAside]) -> PutAside:
    if not found:
        leave(
            EXIT_NO, f"{name}: there is no such job", "`tank-mailer refused list` shows them; `status` knows all others"
        )
    if _is_ambiguous(name, found):
        ids = ", ".join(one.queue_message_id for one in found)
        leave(EXIT_NO, f"{name}: more than one begins so: {ids}", "give more of the id")
    return found[0]


def _is_ambiguous(name: str, found: Sequence[PutAside]) -> bool:
    return len(found) > 1 and any(one.email_id != name for one in found)


def _is_cut(aside: PutAside) -> bool:
    return len(aside.raw.encode()) >= CUT_AT_BYTES and isinstance(parse_job(aside.raw), InvalidJob)


def _pretty(raw: str) -> str:
    try:
        return json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return raw


def _harmless(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))


def _read(file: Path) -> str:
    try:
        with open_text(file) as text:
            return "".join(text.lines())
    except OSError as error:
        leave(EXIT_OUTSIDE, f"{file}: {error.strerror}")
