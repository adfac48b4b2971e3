"""What people are told of alerts: one message, for programs and as a text that Slack and its like show."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tank_mailer.core.alerting import Entry, News
from tank_mailer.core.news import spelled_time

MOST_TEXT: Final = 3_500  # characters: Google Chat takes 4,096, Slack more
MOST_DETAIL: Final = 300
FIRING: Final = "firing"
RECOVERED: Final = "recovered"
TEST: Final = "TEST of tank-mailer's alerts: nothing is wrong."

# What a chat would read as a link or as a call for somebody (<!channel>, @here): parts of it come from outside.
_HARMLESS: Final = str.maketrans({"<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
                                  ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
                                  "@": " at "})  # fmt: skip


def spell(news: News, *, node: str, is_test: bool = False) -> str:
    """The body of the request, in ASCII.

    Args:
        news: what is told; not nothing.
        node: which tells it.
        is_test: nothing is wrong.
    """
    told = [(entry, FIRING) for entry in news.firing] + [(entry, RECOVERED) for entry in news.recovered]
    alerts = [_shape(entry, status) for entry, status in told]
    return json.dumps({"text": _text(news, node, is_test=is_test), "alerts": alerts, "test": is_test})


def _shape(entry: Entry, status: str) -> dict[str, Any]:
    return {
        "alert": entry.name.value,
        "severity": entry.severity.value,
        "status": status,
        "subject": entry.subject,
        "since": spelled_time(entry.since),
        "ended_at": None if entry.ended_at is None else spelled_time(entry.ended_at),
        "detail": entry.detail[:MOST_DETAIL],
        "remedy": entry.remedy,
        "node": entry.node,
    }


def _text(news: News, node: str, *, is_test: bool) -> str:
    counts = [(len(news.firing), "alert"), (len(news.recovered), "recovery")]
    head = f"tank-mailer on {node}: {' and '.join(_count(count, word) for count, word in counts if count)}"
    lines = [f"{TEST} {head}" if is_test else head]
    lines += [_firing_line(entry) for entry in news.firing] + [_recovered_line(entry) for entry in news.recovered]
    return _fitting([line.translate(_HARMLESS) for line in lines])


def _count(count: int, word: str) -> str:
    plural = "recoveries" if word == "recovery" else f"{word}s"
    return f"{count} {word if count == 1 else plural}"


def _name(entry: Entry) -> str:
    return f"{entry.name.value} ({entry.subject})" if entry.subject else entry.name.value


def _firing_line(entry: Entry) -> str:
    what = f"[{entry.severity.value}] {_name(entry)} since {_time(entry.since)}: {entry.detail[:MOST_DETAIL]}"
    return f"{what}. Remedy: {entry.remedy}"


def _recovered_line(entry: Entry) -> str:
    ended = "" if entry.ended_at is None else f", {_time(entry.since)} to {_time(entry.ended_at)}"
    return f"[{RECOVERED}] {_name(entry)}{ended}"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%d %b %H:%M UTC")


def _fitting(lines: Sequence[str]) -> str:
    """As many lines as fit; how many are left out is said."""
    shown, length = list[str](), 0
    for number, line in enumerate(lines):
        length += len(line) + 1
        if length > MOST_TEXT and number:
            return "\n".join([*shown, f"and {len(lines) - number} more: tank-mailer alerts list"])
        shown.append(line[:MOST_TEXT])
    return "\n".join(shown)
