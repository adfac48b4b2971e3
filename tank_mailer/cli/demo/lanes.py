"""Whether what goes first went first: by the order of SES's own accept log, and by nothing that the daemon says."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tank_mailer.cli.demo.books import Sent
from tank_mailer.core.job import email_id_tag
from tank_mailer.standin import Accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """Priority jobs among ordinary ones that were there before them.

    Attributes:
        waits_s: of the priority jobs, from being put to being accepted; by email_id; None: not accepted.
        waiting: ordinary jobs that were still on their queue, not received by anybody, when the last of them was put.
        went_before: of these the ones that were accepted before the last of the priority jobs.
    """

    waits_s: Mapping[str, float | None]
    waiting: int
    went_before: Sequence[str]

    def complaints(self) -> Iterator[str]:
        """What is not as expected."""
        if late := [name for name, wait_s in self.waits_s.items() if wait_s is None]:
            yield f"priority jobs that SES has not accepted: {', '.join(late)}"
        elif self.went_before:
            yield (
                f"{len(self.went_before)} ordinary jobs were accepted before the last of {len(self.waits_s)} priority"
                f" jobs, though they still waited on their queue when it was put: {', '.join(self.went_before)}"
            )

    def sentence(self) -> str:
        """How it went, where there is nothing to complain of."""
        longest_s = max(wait_s or 0.0 for wait_s in self.waits_s.values())
        return (
            f"Priority lane: {len(self.waits_s)} jobs were put when {self.waiting} ordinary ones waited on their queue."
            f" SES accepted them before all of these, each within {longest_s:.1f} s."
        )

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        waits_s = {name: None if wait_s is None else round(wait_s, 3) for name, wait_s in self.waits_s.items()}
        return {"waits_s": waits_s, "ordinary_waiting": self.waiting, "went_before": list(self.went_before)}


def compare(urgent: Sequence[Sent], waiting: Collection[Sent], accepted: Sequence[Accepted]) -> Lanes | None:
    """Look at the order of the accept log; None without priority jobs.

    Args:
        urgent: the priority jobs.
        waiting: the ordinary jobs on their queue when the last of them was put.
        accepted: the accept log.
    """
    if not urgent:
        return None
    first = dict[str, Accepted]()
    for one in accepted:
        first.setdefault(one.email_id, one)

    def found(sent: Sent) -> Accepted | None:
        return first.get(email_id_tag(sent.entry.email_id or ""))

    mails = {sent.entry.email_id or "": (sent, found(sent)) for sent in urgent}
    last = max(len(accepted) + 1 if mail is None else mail.number for _, mail in mails.values())
    before = [sent for sent in waiting if (mail := found(sent)) is not None and mail.number < last]
    return Lanes(
        waits_s={name: None if mail is None else mail.monotonic_s - sent.put_s for name, (sent, mail) in mails.items()},
        waiting=len(waiting),
        went_before=[sent.entry.email_id or "" for sent in before],
    )
