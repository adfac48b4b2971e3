"""A mail of our own to SES's mailbox simulator: when nothing else is sent it shows that the event channel lives."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tank_mailer.core.news import CANARY_PREFIX, spelled_time

RECIPIENT = "success+tank-canary@simulator.amazonses.com"  # SES delivers it, and counts it for rate and bill only
SOON = timedelta(minutes=5)  # after a doubt began: its own event mostly settles it before
COMES_BACK_WITHIN = timedelta(minutes=15)  # of its acceptance; usually seconds (SES)
EXPIRES_AFTER = timedelta(hours=1)  # one that waited so long proves nothing that newer mail does not


@dataclass(frozen=True, slots=True)
class Doubt:
    """A request that SES may have got, in a job that nothing has settled yet."""

    began_at: datetime
    configuration_set: str


@dataclass(frozen=True, slots=True)
class Flight:
    """How far a canary has come.

    Attributes:
        accepted_at: when SES took it; None: not yet, or never.
        is_back: an event of it has come through its configuration set.
    """

    accepted_at: datetime | None
    is_back: bool

    def is_under_way(self, now: datetime) -> bool:
        """Whether its event may still come."""
        return self.accepted_at is not None and not self.is_back and now - self.accepted_at < COMES_BACK_WITHIN

    def is_lost(self, now: datetime) -> bool:
        """Whether SES took it, and its event should have come long ago."""
        return self.accepted_at is not None and not self.is_back and now - self.accepted_at >= COMES_BACK_WITHIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What the store knows of the channel.

    Attributes:
        accepted_at: when SES took the newest mail.
        doubts: jobs in doubt, the oldest first.
        proofs: by configuration set, when SES took its newest mail since the oldest of these doubts.
        last: the newest canary; None: there was none, or nothing is known of it (yet).
    """

    accepted_at: datetime | None = None
    doubts: Sequence[Doubt] = ()
    proofs: Mapping[str, datetime] = field(default_factory=dict)
    last: Flight | None = None


def canary_id(put_at: datetime) -> str:
    """The email_id of the canary put then: so that every node can look for it."""
    return f"{CANARY_PREFIX}{round(put_at.timestamp() * 1000)}"


def next_way(
    signs: Signs, *, now: datetime, put_at: datetime | None, interval: timedelta, configuration_sets: Sequence[str]
) -> str | None:
    """The configuration set through which a canary is to go now; None: none is due.

    Any mail that SES takes is as good as a canary, so one is due only where there was none for `interval`; for a
    doubt, sooner, and through the doubtful job's own configuration set, for only that proves anything (DESIGN 6).

    Args:
        signs: what the store knows.
        now: the time.
        put_at: when the last canary was put on the queue.
        interval: `TANK_CANARY_INTERVAL_S`.
        configuration_sets: those that jobs may name; first the default.
    """
    if signs.last is not None and signs.last.is_under_way(now):
        return None
    if put_at is None or now - put_at >= SOON:
        for doubt in signs.doubts:
            through, proof = doubt.configuration_set, signs.proofs.get(doubt.configuration_set)
            is_proven = proof is not None and proof > doubt.began_at
            if through in configuration_sets and not is_proven and now - doubt.began_at >= SOON:
                return through
    newest = max((at for at in (signs.accepted_at, put_at) if at is not None), default=None)
    is_idle = newest is None or now - newest >= interval
    return configuration_sets[0] if is_idle and configuration_sets else None


def canary_body(email_id: str, *, sender: str, configuration_set: str, now: datetime) -> str:
    """The job as producers put it on the queue (DESIGN 3)."""
    sentence = "This mail shows that SES reports what becomes of mail. Nobody reads it."
    return json.dumps(
        {
            "email_id": email_id,
            "from": sender,
            "to": RECIPIENT,
            "subject": "tank-mailer canary",
            "body": f"<p>{sentence}</p>",
            "text": sentence,
            "configuration_set": configuration_set,
            "expires_at": spelled_time(now + EXPIRES_AFTER),
            "at_most_once": True,
        }
    )
