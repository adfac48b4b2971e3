"""Which ones: options that `dlq` and `refused` have in common."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from tank_mailer.core.deadletter import read_domain
from tank_mailer.core.errors import Reason
from tank_mailer.core.telling import PastError, read_past

ByReason = Annotated[
    Reason | None, typer.Option("--reason", metavar="REASON", help="Only those with this reason, such as bad_address.")
]
ByDomain = Annotated[
    str | None, typer.Option("--domain", metavar="DOMAIN", help="Only those with a recipient at this domain.")
]
OlderThan = Annotated[
    str | None,
    typer.Option(
        "--older-than", metavar="WHEN", help="Only those put aside before: 30min, 2h, 3d, or 2030-01-31T12:00:00Z."
    ),
]
NewerThan = Annotated[
    str | None, typer.Option("--newer-than", metavar="WHEN", help="Only those put aside since then; as --older-than.")
]


@dataclass(frozen=True, slots=True)
class Period:
    """Put aside between these times; None: no matter."""

    before: datetime | None
    after: datetime | None


def read_period(older_than: str | None, newer_than: str | None) -> Period:
    """Read both options; what is wrong with one is a matter of usage."""
    now = datetime.now(UTC)
    try:
        before = read_past(older_than, now) if older_than is not None else None
        after = read_past(newer_than, now) if newer_than is not None else None
    except PastError as error:
        raise typer.BadParameter(str(error)) from None
    if before is not None and after is not None and before < after:
        raise typer.BadParameter("Nothing is older and newer than that: --older-than is before --newer-than.")
    return Period(before, after)


def domain_or_usage(text: str | None) -> str | None:
    """Spell the domain as jobs do."""
    if text is None:
        return None
    domain = read_domain(text)
    if domain is None:
        raise typer.BadParameter("That is no domain of a recipient; give one such as example.com.")
    return domain
