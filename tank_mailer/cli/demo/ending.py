"""One message and its end, beside what was expected of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from tank_mailer.cli.demo.books import Fate
from tank_mailer.cli.demo.jobs import NOT_QUEUED, Entry


@dataclass(frozen=True, slots=True)
class Ending:
    """One entry and its fate."""

    entry: Entry
    fate: Fate

    @property
    def is_as_expected(self) -> bool:
        """Whether it is what an operator would want of it."""
        return not list(self.complaints())

    @property
    def name(self) -> str:
        """What to call it: email_id, what is written in its place, or the queue message's id."""
        return self.fate.email_id or self.entry.name or self.fate.queue_message_id[:8]

    @property
    def why(self) -> str:
        """All that there is to say, for people."""
        return "; ".join(filter(None, [self.entry.told, self.fate.why]))

    def complaints(self) -> Iterator[str]:
        """What is not as expected: its end, then its recipients."""
        fate, entry = self.fate, self.entry
        if fate.state == NOT_QUEUED:
            yield f"{self.name} is nothing that SQS takes"
        elif not fate.has_ended:
            yield f"{self.name} has no end: {fate.state}, {self.why or 'no reason given'}"
        elif not fate.is_as_expected(entry):
            yield f"{self.name} ended as {_spelled(fate)}; expected: {_wanted(entry)}"
        elif fate.state == entry.fate:
            for address, status in entry.expected_statuses().items():
                found = fate.recipients.get(address)
                if found is None or found.status is not status:
                    word = found.status.word if found else "not known"
                    yield f"{self.name}: the status of {address} is {word}; expected: {status.word}"


def _spelled(fate: Fate) -> str:
    return f"{fate.state}{f' ({fate.reason})' if fate.reason else ''} and {_mails(fate.mails)}"


def _wanted(entry: Entry) -> str:
    if entry.fate is None:
        return "an end, and one mail if it is accepted"
    return f"{entry.fate}{f' ({entry.reason})' if entry.reason else ''} and {_mails(entry.mails)}"


def _mails(number: int) -> str:
    return f"{number} mail{'' if number == 1 else 's'}"
