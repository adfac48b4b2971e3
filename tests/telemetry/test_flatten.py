"""Values become fields."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path

import pytest
from pydantic import BaseModel
from typing_extensions import override

from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Concern, Concerned, Held
from tank_mailer.core.verdict import Pause
from tank_mailer.telemetry.flatten import MAX_FIELDS, MAX_ITEMS, Nested, flatten, name_of, word_of


class Cause(StrEnum):
    SLOW = "slow"


class Rank(Enum):
    HIGH = 7


@dataclass(frozen=True, slots=True)
class Retry:
    delay_s: float


@dataclass(frozen=True, slots=True)
class HeldBySES:
    reason: Cause
    retry: Retry | None = None
    note: str | None = None


@dataclass(frozen=True)
class Mail:
    email_id: str
    subject: str
    to: tuple[str, ...] = ()
    hidden: str = field(default="h", repr=False)


@dataclass
class Loop:
    inner: object = None


class Job(BaseModel):
    subject: str


class Nasty:
    @override
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


NOON = datetime(2026, 7, 30, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        pytest.param("x", {"v": "x"}, id="a-text-stays"),
        pytest.param(3, {"v": 3}, id="a-number-stays"),
        pytest.param(2**63, {"v": "<huge>"}, id="a-number-beyond-JSON's-readers-does-not"),
        pytest.param(True, {"v": True}, id="a-truth-stays-a-truth"),
        pytest.param(0.1 + 0.2, {"v": 0.3}, id="a-fraction-is-rounded"),
        pytest.param(float("nan"), {"v": "nan"}, id="what-JSON-has-no-number-for-is-text"),
        pytest.param(float("inf"), {"v": "inf"}, id="infinity-is-text"),
        pytest.param(None, {}, id="nothing-is-left-out"),
        pytest.param(Cause.SLOW, {"v": "slow"}, id="an-enum-is-its-value"),
        pytest.param(Rank.HIGH, {"v": 7}, id="an-enum-of-numbers-too"),
        pytest.param(NOON, {"v": "2026-07-30T12:00:00.123Z"}, id="a-time-is-ISO"),
        pytest.param(
            NOON.astimezone(timezone(timedelta(hours=2))),
            {"v": "2026-07-30T12:00:00.123Z"},
            id="a-time-is-UTC",
        ),
        pytest.param(NOON.replace(tzinfo=None), {"v": "2026-07-30T12:00:00.123"}, id="a-naive-time-says-so"),
        pytest.param(date(2026, 7, 30), {"v": "2026-07-30"}, id="a-day"),
        pytest.param(timedelta(minutes=2), {"v": 120.0}, id="a-duration-is-seconds"),
        pytest.param(Decimal("1.5"), {"v": "1.5"}, id="a-decimal"),
        pytest.param(Path("/srv/x"), {"v": "/srv/x"}, id="a-path"),
        pytest.param(b"secret", {"v": "<6 bytes>"}, id="bytes-are-only-counted"),
        pytest.param(ValueError("to bob@example.com"), {"v": "ValueError"}, id="of-an-error-only-the-class"),
        pytest.param(ValueError, {"v": "ValueError"}, id="a-class-is-its-name"),
        pytest.param(Job(subject="Hello"), {"v": "<Job>"}, id="what-might-print-a-mail-does-not"),
        pytest.param(Nasty(), {"v": "<Nasty>"}, id="a-broken-text-breaks-nothing"),
        pytest.param(["a", 1, None], {"v": ["a", 1, "<NoneType>"]}, id="a-list-stays"),
        pytest.param((Retry(1.0), Job(subject="x")), {"v": ["<Retry>", "<Job>"]}, id="no-texts-of-parts-of-lists"),
        pytest.param({"a": 1, "b": {"c": 2}}, {"v_a": 1, "v_b_c": 2}, id="a-mapping-becomes-fields"),
        pytest.param(Retry(1.0), {"v": "retry", "v_delay_s": 1.0}, id="a-dataclass-becomes-fields"),
        pytest.param(
            HeldBySES(Cause.SLOW, Retry(2.0)),
            {"v": "held_by_ses", "v_reason": "slow", "v_retry": "retry", "v_retry_delay_s": 2.0},
            id="dataclasses-nest",
        ),
    ],
)
def test_flatten(value: object, fields: dict[str, object]) -> None:
    assert flatten(v=value) == fields


def test_a_long_list_is_cut() -> None:
    kept = flatten(v=list(range(MAX_ITEMS + 5)))["v"]

    assert kept == [*range(MAX_ITEMS), "…+5"]


def test_a_huge_mapping_is_cut() -> None:
    assert len(flatten(v={f"k{n}": n for n in range(1000)})) <= MAX_FIELDS


def test_a_value_within_itself_ends() -> None:
    loop = Loop()
    loop.inner = loop

    assert list(flatten(v=loop).values())[-1] == "<Loop>"


def test_what_must_not_be_logged_is_dropped_and_named() -> None:
    fields = flatten(email_id="e-1", to="bob@example.com", subject="Hi", receipt_handle="AQEB")

    assert fields == {"email_id": "e-1", "redacted": ["to", "subject", "receipt_handle"]}


def test_a_dataclass_does_not_smuggle_it_in() -> None:
    """`log.info("...", job=job)` is a slip that must not publish a mail."""
    fields = flatten(mail=Mail("e-1", "Hi", ("bob@example.com",)))

    assert fields == {"mail": "mail", "mail_email_id": "e-1", "redacted": ["mail_subject", "mail_to"]}


def test_which_sender_is_held_stays_here() -> None:
    """A sender's name is an address: an outcome that is told as it is must not carry it along."""
    concern = Concern(Concerned.SENDER, "shop@example.com")
    told = flatten(
        outcome=Held(concern, Reason.ACCESS_DENIED, "no"), verdict=Pause(concern, Reason.ACCESS_DENIED), it=concern
    )

    assert told["outcome_concern_kind"] == told["verdict_concern_kind"] == told["it_kind"] == "sender"
    assert "shop" not in repr(told)


def test_the_head_of_a_line_belongs_to_the_log() -> None:
    assert flatten(at="x", level="y", node="z", kind="k") == {"kind": "k"}


def test_what_is_for_a_form_of_others_stays_as_it_is() -> None:
    """CloudWatch finds its metrics in a nested object."""
    content = {"Timestamp": 1, "CloudWatchMetrics": [{"Dimensions": [["node"], []]}]}

    assert flatten(rate=12.6, _aws=Nested(content)) == {"rate": 12.6, "_aws": content}


def test_a_class_and_its_values_have_one_word() -> None:
    assert name_of(HeldBySES) == word_of(HeldBySES(Cause.SLOW)) == "held_by_ses"
