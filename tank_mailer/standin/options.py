"""What can be set about a stand-in before it starts."""

import ipaddress
from dataclasses import dataclass, field

from tank_mailer.standin.account import AccountSettings
from tank_mailer.standin.event_kinds import ALL_KINDS, EventKind
from tank_mailer.standin.event_settings import EventSettings
from tank_mailer.standin.fates import FateRule
from tank_mailer.standin.topics import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class StandinOptions:
    """All with defaults. Everything is kept in memory only and is gone when the stand-in stops."""

    host: str = "127.0.0.1"  # loopback only
    port: int = 0  # 0: a free one
    region: str = "eu-west-1"
    account_id: str = "000000000000"
    account: AccountSettings = field(default_factory=AccountSettings)
    identities: tuple[str, ...] = ("example.com",)  # verified from the start
    configuration_sets: tuple[str, ...] = ("tank",)
    queues: tuple[str, ...] = ()  # there from the start, with SQS's default attributes
    sqs_latency_s: float = 0.0  # added to every answer
    ses_latency_s: float = 0.0
    keep_emails: int = 100_000  # mails that can be read again; the accept log has no end
    strict_control_plane: bool = False  # one call a second of each SES operation but SendEmail
    event_queue: str = ""  # there from the start, and gets the events of the first configuration set
    event_topic: str = "ses-events"  # between the two
    event_kinds: tuple[EventKind, ...] = ALL_KINDS
    event_shape: Shape = Shape.SNS
    event_validation_text: bool = False  # SES's text to the topic at the start
    event_rules: tuple[FateRule, ...] = ()
    event_seed: int = 0  # of all that is random about events
    events: EventSettings = field(default_factory=EventSettings)

    def __post_init__(self) -> None:
        if self.event_queue and self.event_queue in self.queues:
            raise ValueError(f"the queue {self.event_queue!r} is for jobs; give the events a queue of their own")
        if not _is_loopback(self.host):
            raise ValueError(
                f"the stand-in checks no signatures and listens on loopback only: not on {self.host!r}, "
                "but on 127.0.0.1, ::1 or localhost"
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
