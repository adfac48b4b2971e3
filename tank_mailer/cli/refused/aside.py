"""What was put aside: its kinds, what names it, and why it cannot go back as it is."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final

import typer

from tank_mailer.adapters.desk_asides import DROPPED, PutAside
from tank_mailer.core.envelope import Policy
from tank_mailer.core.event import Unreadable
from tank_mailer.core.eventbody import parse_event
from tank_mailer.core.job import EmailJob, InvalidJob, parse_job
from tank_mailer.flows.feedback import QUARANTINE

SHORT_RAW_BYTES: Final = 512  # of events beyond ten thousand a day (flows/feedback.py)
CUT_AT_BYTES: Final = 65_536 - 3  # DESIGN 3: 64 KiB are kept, less a character that did not fit


class Kind(StrEnum):
    """How a job ended; or that it is none."""

    INVALID = "invalid"
    REFUSED = "refused"
    DRY_RUN = "dry_run"
    DEAD = "dead"
    DROPPED = DROPPED  # a dead letter that `dlq drop` has taken off its queue
    EVENT = QUARANTINE


ASKED_FOR: Final = (Kind.DROPPED, Kind.EVENT)  # only when somebody names them
ByKind = Annotated[
    Kind | None, typer.Option("--kind", help="Only those; event: of the event queue; dropped: by `dlq drop`.")
]


def is_ambiguous(name: str, found: Sequence[PutAside]) -> bool:
    """Whether the name stands for several queue messages that are not one job's."""
    return len(found) > 1 and any(one.email_id != name for one in found)


def is_cut(aside: PutAside) -> bool:
    """Whether the end of the text is missing: it is as long as what is kept, and makes no sense so."""
    size_bytes = len(aside.raw.encode())
    is_short = aside.kind == Kind.EVENT and SHORT_RAW_BYTES - 3 <= size_bytes <= SHORT_RAW_BYTES
    if size_bytes < CUT_AT_BYTES and not is_short:
        return False
    if aside.kind != Kind.EVENT:
        return isinstance(parse_job(aside.raw), InvalidJob)
    try:
        json.loads(aside.raw)
    except (ValueError, RecursionError):
        return True
    return False


def fault_of_event(aside: PutAside, policy: Policy, *, corrected: bool) -> str | None:
    """Why it would be put aside again, or cannot be put back at all."""
    if corrected:
        return "an event goes back as it came; --file is for jobs"
    if not aside.raw:
        return (
            "its text was erased (`tank-mailer erase`), so there is nothing left to put back; the person's"
            " suppression stays in force without it"
        )
    if is_cut(aside):
        return (
            "only its first 64 KiB were kept; if `tank-mailer refused show` has a bounce or a complaint there, enter"
            " it with `tank-mailer suppress add ADDRESS`"
        )
    read = parse_event(aside.raw, policy)
    return f"still {read.reason}: {read.detail}" if isinstance(read, Unreadable) else None


def fault_of_text(aside: PutAside, job: EmailJob | InvalidJob, *, corrected: bool) -> str | None:
    """Why its text, or the corrected one, is no job."""
    if not isinstance(job, InvalidJob):
        return None
    if not corrected and not aside.raw:
        return "its text was erased; give the whole job with --file"
    if not corrected and is_cut(aside):
        return "only its first 64 KiB were kept; give the whole job with --file"
    still = "" if corrected else "still "
    return f"{still}invalid: {job.reason}, {job.detail}"
