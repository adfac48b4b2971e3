"""A set-up and its facts for the doctor's rules, each with one thing changed."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tank_mailer.core.checkup.facts import Caller, Facts, Identity, QueueState
from tank_mailer.core.checkup.finding import Check, Finding, Level
from tank_mailer.core.checkup.seen import Denied, Known
from tank_mailer.core.checkup.setup import Setup

NOW = datetime(2026, 11, 2, 9, 15, tzinfo=UTC)
ACCOUNT, REGION = "123456789012", "eu-west-1"
SQS = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}"
OUTBOUND, PRIORITY, DEAD, EVENTS = f"{SQS}/outbound", f"{SQS}/priority", f"{SQS}/dead", f"{SQS}/events"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:events"
DENIED = Denied("some:Action", "*")
CALLER = Known(Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/tank"))


def arn(url: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rpartition('/')[2]}"


def make_setup(**changes: Any) -> Setup:
    base = Setup(now=NOW, lanes={"ordinary": OUTBOUND}, region=REGION, queue_region=REGION, event_region=REGION)
    return replace(base, **changes)


def make_queue(url: str = OUTBOUND, **changes: Any) -> QueueState:
    base = QueueState(
        arn=arn(url), retention_s=864_000, visibility_s=60, wait_s=20, dead_letter_arn=arn(DEAD), max_receive_count=100
    )
    return replace(base, **changes)


def make_identity(**changes: Any) -> Identity:
    base = Identity(name="example.com", is_domain=True, is_verified=True, dkim_enabled=True, tokens=("a", "b", "c"))
    return replace(base, **changes)


def make_facts(**changes: Any) -> Facts:
    return replace(Facts(caller=CALLER), **changes)


def told(found: Iterable[Finding]) -> list[tuple[Check, Level]]:
    """What weighs anything."""
    return [(one.check, one.level) for one in found if one.level is not Level.OK]


def texts(found: Iterable[Finding]) -> str:
    """Everything that they say."""
    return "\n".join(f"{one.subject}|{one.what}|{one.remedy}" for one in found)
