"""What came back, against what was expected: SES's events, the suppressions, the web server."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tank_mailer.cli.demo.ending import Ending
from tank_mailer.cli.demo.jobs import Play
from tank_mailer.cli.demo.memory import Memory
from tank_mailer.cli.demo.web_server import Arrival
from tank_mailer.core.event import EventKind
from tank_mailer.core.ledger import ENDED_WITHOUT_MAIL
from tank_mailer.core.status import Status
from tank_mailer.core.suppression import EVENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """All that came back.

    Attributes:
        published: how many events of each kind SES has published, by its own word.
        told: what reached the web server, in this order.
        unsigned: requests to the web server whose signature was wrong.
        mails_to: how many mails SES accepted for each address.
    """

    memory: Memory
    published: Mapping[str, int] = field(default_factory=dict)
    told: Sequence[Arrival] = ()
    repeated: int = 0
    unsigned: int = 0
    mails_to: Mapping[str, int] = field(default_factory=Counter)

    def complaints(self, play: Play, endings: Sequence[Ending]) -> Iterator[str]:
        """What is not as expected, in a line each."""
        yield from self._about_events(play)
        yield from self._about_suppressions(play)
        yield from self._about_the_web_server(endings)

    def _about_events(self, play: Play) -> Iterator[str]:
        reported = self.memory.reported
        for kind in EventKind:
            published = self.published.get(kind.word, 0)
            if reported[kind] < published:
                yield f"SES published {published} events of the kind {kind.word}, and {reported[kind]} were recorded"
            elif kind in play.reports and not published:
                yield f"SES published no event of the kind {kind.word}"

    def _about_suppressions(self, play: Play) -> Iterator[str]:
        found = {entry.address: entry for entry in self.memory.suppressions}
        for address, reason in play.learned.items():
            entry = found.get(address)
            if entry is None:
                yield f"{address} is not on the suppression list; expected: {reason}"
            elif (entry.reason, entry.source) != (reason, EVENT):
                yield f"{address} is suppressed as {entry.reason}, entered by {entry.source}; expected: {reason}, event"
            if (mails := self.mails_to.get(address, 0)) != 1:
                yield f"{mails} mails went to {address}; expected: one, and none after it"
        if play.learned:
            for address in found.keys() - play.learned.keys() - set(play.suppressed):
                yield f"{address} is on the suppression list as {found[address].reason}, and should not be"

    def _about_the_web_server(self, endings: Sequence[Ending]) -> Iterator[str]:
        if self.unsigned:
            yield f"{self.unsigned} requests to the web server did not have the right signature"
        told = dict[str, list[Arrival]]()
        for arrival in self.told:
            told.setdefault(arrival.email_id, []).append(arrival)
        for email_id in {**self.memory.letters, **told}:
            written = list(self.memory.letters.get(email_id, ()))
            came = [arrival.payload for arrival in told.get(email_id, ())]
            if len(came) != len(written):
                yield f"{email_id}: the web server was told {len(came)} changes; there were {len(written)}"
            elif came != written:
                yield f"{email_id}: the web server was told of it in another order than it happened"
        for ending in endings:
            yield from _untrue(ending, told.get(ending.fate.email_id or "", ()))


def _untrue(ending: Ending, told: Sequence[Arrival]) -> Iterator[str]:
    """Where what the web server knows of a job is not what became of it."""
    fate = ending.fate
    for address, found in fate.recipients.items():
        statuses = [one.status for one in told if one.recipient == address and one.status is not None]
        ranks = [Status[word.upper()] for word in statuses]
        if not ranks or ranks[-1] is not found.status:
            knows = ranks[-1].word if ranks else "nothing"
            yield f"{ending.name}: of {address} the web server knows {knows}; the status is {found.status.word}"
        elif ranks != sorted(set(ranks)):
            yield f"{ending.name}: of {address} the web server was told {', '.join(statuses)}, which goes back"
    if fate.email_id and fate.state in ENDED_WITHOUT_MAIL:
        end = (None, fate.state, fate.reason)
        if end not in {(one.recipient, one.state, one.reason) for one in told}:
            yield f"{ending.name}: the web server was not told that it ended as {fate.state} ({fate.reason})"
