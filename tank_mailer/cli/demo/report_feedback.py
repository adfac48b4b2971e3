"""What the demo prints of what came back: SES's events, who is kept back, what the web server was told."""

from collections.abc import Iterator, Mapping
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tank_mailer.cli.demo.feedback import Feedback
from tank_mailer.cli.demo.result import Result
from tank_mailer.cli.demo.web_server import Arrival
from tank_mailer.cli.options import printable
from tank_mailer.core.event import EventKind
from tank_mailer.core.ledger import State
from tank_mailer.core.status import Status
from tank_mailer.core.suppression import MANUAL

MEANINGS: Final[Mapping[EventKind, str]] = {
    EventKind.SEND: "SES has the mail and will try to deliver it",
    EventKind.DELIVERY: "the recipient's mail server has taken it",
    EventKind.DELIVERY_DELAY: "not yet; SES keeps trying",
    EventKind.BOUNCE: "it came back, for good or for now; or an auto-reply did",
    EventKind.COMPLAINT: "the recipient called it spam",
    EventKind.REJECT: "SES found a virus",
    EventKind.RENDERING_FAILURE: "SES could not fill in the template",
    EventKind.OPEN: "the recipient has opened it",
    EventKind.CLICK: "the recipient has clicked a link",
    EventKind.SUBSCRIPTION: "the recipient has changed a subscription",
}
STYLES: Final[Mapping[str, str]] = {
    Status.DELIVERED.word: "green",
    Status.ACCEPTED.word: "",
    Status.DELAYED.word: "yellow",
    Status.SOFT_BOUNCED.word: "yellow",
    Status.SUPPRESSED.word: "yellow",
    Status.HARD_BOUNCED.word: "red",
    Status.REJECTED.word: "red",
    Status.COMPLAINED.word: "red",
}
PLAIN: Final = (EventKind.SEND, EventKind.DELIVERY)  # what happens to nearly every mail
MAX_ROWS: Final = 20
MAX_ADDRESS_CELLS: Final = 34  # the simulator's longest; what follows it wraps better than an address
LAST: Final = 8  # of what the web server was told


def print_feedback(console: Console, result: Result) -> None:
    """All of it, in four small tables; what is empty is left out."""
    feedback = result.feedback
    if feedback.memory.reported:
        _print_events(console, feedback)
        _print_statuses(console, result)
    if feedback.memory.suppressions:
        _print_suppressions(console, result)
    if feedback.told or feedback.unsigned:
        _print_told(console, feedback)


def print_arrival(console: Console, arrival: Arrival) -> None:
    """One piece of news, as the web server gets it."""
    about = [arrival.email_id, *filter(None, [arrival.recipient])]
    style = STYLES.get(arrival.word, "")
    line = Text.assemble(("web server told: ", "dim"), printable("  ".join(about)), "  ", (arrival.word, style))
    if arrival.reason:
        line.append(f"  {printable(arrival.reason)}")
    console.print(line, soft_wrap=True)


def _print_events(console: Console, feedback: Feedback) -> None:
    table = _table("event", "number", "meaning")
    table.columns[1].justify = "right"
    for kind in EventKind:
        if number := feedback.memory.reported[kind]:
            table.add_row(kind.word, str(number), MEANINGS[kind])
    _print(console, "What SES reported", table)


def _print_statuses(console: Console, result: Result) -> None:
    """Whose mail was not simply delivered."""
    rows = list(_unusual(result))
    delivered = sum(
        one.status is Status.DELIVERED for ending in result.endings for one in ending.fate.recipients.values()
    )
    table = _table("job", "recipient", "status", "events")
    table.columns[1].width = min(max((row[1].cell_len for row in rows), default=0), MAX_ADDRESS_CELLS)
    for row in rows[:MAX_ROWS]:
        table.add_row(*row)
    title = f"Recipients: {delivered} delivered" + ("; here are those with more to tell" if rows else "")
    _print(console, title, table)
    if len(rows) > MAX_ROWS:
        console.print(f"... and {len(rows) - MAX_ROWS} more; --json lists all of them")


def _unusual(result: Result) -> Iterator[tuple[Text, ...]]:
    for ending in result.endings:
        if ending.fate.state != State.ACCEPTED:
            continue
        for address, one in ending.fate.recipients.items():
            kinds = result.feedback.memory.kinds.get((ending.fate.email_id or "", address), ())
            if one.status is Status.DELIVERED and set(kinds) <= set(PLAIN):
                continue
            after = ", ".join(kind.word for kind in kinds if kind is not EventKind.SEND)
            status = Text(one.status.word, STYLES[one.status.word])
            yield Text(printable(ending.name)), Text(printable(address)), status, Text(after or "-")


def _print_suppressions(console: Console, result: Result) -> None:
    """Who is not mailed again, and how many jobs have felt it."""
    kept_back = [
        address
        for ending in result.endings
        for address, one in ending.fate.recipients.items()
        if one.status is Status.SUPPRESSED
    ]
    table = _table("address", "reason", "entered by", "mails", "kept back")
    for column in table.columns[3:]:
        column.justify = "right"
    for entry in result.feedback.memory.suppressions[:MAX_ROWS]:
        by = "a person" if entry.source == MANUAL else "SES's event"
        mails, kept = result.feedback.mails_to.get(entry.address, 0), kept_back.count(entry.address)
        table.add_row(*map(printable, (entry.address, entry.reason, by)), str(mails), str(kept))
    _print(console, "Kept from a second mail: the suppression list", table)


def _print_told(console: Console, feedback: Feedback) -> None:
    table = _table("email_id", "recipient", "told", "reason")
    for arrival in feedback.told[-LAST:]:
        told = Text(arrival.word, STYLES.get(arrival.word, "yellow"))
        recipient = Text(printable(arrival.recipient or "- (the job as a whole)"))
        table.add_row(Text(printable(arrival.email_id)), recipient, told, Text(printable(arrival.reason or "")))
    signed = f"{feedback.unsigned} requests wrongly signed" if feedback.unsigned else "every signature right"
    again = f", {feedback.repeated} of them more than once" if feedback.repeated else ""
    last = f"; the last {min(LAST, len(feedback.told))}" if feedback.told else ""
    _print(console, f"What the web server was told: {len(feedback.told)} changes{again}, {signed}{last}", table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _print(console: Console, title: str, table: Table) -> None:
    console.print()
    console.print(Text(title, "bold underline"))
    if table.row_count:
        console.print(table)
