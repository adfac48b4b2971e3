"""How alerts come and go: what is raised, seen, ended and told, and what is not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tank_mailer.core.alerting import (
    FORGOTTEN,
    GONE,
    OTHERS_S,
    QUIET,
    End,
    Entry,
    Forget,
    Key,
    Looker,
    News,
    Plan,
    Raise,
    See,
    Step,
    news,
    plan,
)
from tank_mailer.core.alertrules import Finding, Judgement, Unknown
from tank_mailer.core.alerts import EVENT_LASTS_S, RULES, AlertName

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = (timedelta(seconds=s) for s in (1, 60, 3_600))
ALONE = Looker(node="mail-1", began_at=NOW - HOUR)
SHARED = replace(ALONE, has_others=True)
DEAD = Finding(AlertName.DEAD_LETTERS, "dead", "3 messages on dead")
SES = Finding(AlertName.PAUSE_SES, "", "ses_unavailable", "look at the network")


def entry(found: Finding = DEAD, **changes: Any) -> Entry:
    rule = RULES[found.name]
    made = Entry(
        name=found.name,
        subject=found.subject,
        severity=rule.severity,
        node="mail-1",
        since=NOW - HOUR,
        seen_at=NOW - SECOND,
        detail=found.detail,
        remedy=found.remedy or rule.remedy,
    )
    return replace(made, **changes)


def planned(
    *entries: Entry,
    found: Sequence[Finding] = (),
    unknown: Sequence[Unknown] = (),
    waits: Mapping[Key, datetime] | None = None,
    looker: Looker = ALONE,
) -> Plan:
    return plan(entries, Judgement(found, frozenset(unknown)), waits or {}, now=NOW, looker=looker)


def ends(*steps: Step) -> list[str]:
    return [step.entry.subject for step in steps if isinstance(step, End)]


# --- coming ----------------------------------------------------------------------------------------


def test_what_needs_no_wait_is_raised_at_once() -> None:
    raised = entry(since=NOW, seen_at=NOW)

    assert planned(found=[DEAD]) == Plan([Raise(raised)])


def test_what_may_pass_by_itself_waits() -> None:
    """A pause of seconds pages nobody."""
    first = planned(found=[SES])
    key = (SES.name, SES.subject)

    assert first == Plan([], {key: NOW})
    assert planned(found=[SES], waits={key: NOW - 59 * SECOND}) == Plan([], {key: NOW - 59 * SECOND})


def test_it_is_raised_once_it_has_lasted_and_says_since_when() -> None:
    since = NOW - MINUTE

    result = planned(found=[SES], waits={(SES.name, ""): since})

    assert result == Plan([Raise(entry(SES, since=since, seen_at=NOW))])


def test_a_wait_that_was_interrupted_begins_anew() -> None:
    assert planned(waits={(SES.name, ""): NOW - HOUR}).waits == {}


def test_what_is_on_is_only_seen_again() -> None:
    """After a restart, too: nothing waits, nothing is raised."""
    result = planned(entry(SES, detail="it was another"), found=[SES])

    assert result == Plan([See(entry(SES, seen_at=NOW))])


def test_what_had_ended_is_raised_in_its_place() -> None:
    ended_at = NOW - MINUTE
    (step,) = planned(entry(ended_at=ended_at, closed_at=ended_at), found=[DEAD]).steps

    assert step == Raise(entry(since=NOW, seen_at=NOW), ended_at)


# --- going -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "unseen", "is_over"),
    [
        pytest.param(DEAD, 0 * SECOND, True, id="a-queue-says-itself-that-it-is-empty"),
        pytest.param(SES, 119 * SECOND, False, id="a-pause-may-come-back-at-once"),
        pytest.param(SES, 120 * SECOND, True, id="it-did-not"),
    ],
)
def test_how_long_it_must_have_been_over(found: Finding, unseen: timedelta, *, is_over: bool) -> None:
    on = entry(found, seen_at=NOW - unseen)

    assert planned(on).steps == ([End(on, NOW)] if is_over else [])


def test_a_restart_gives_it_time_to_be_found_again() -> None:
    """The stop may have been long; nothing was seen meanwhile."""
    on = entry(SES, seen_at=NOW - 10 * HOUR)

    assert planned(on, looker=replace(ALONE, began_at=NOW - SECOND)).steps == []
    assert ends(*planned(on, looker=replace(ALONE, began_at=NOW - 2 * MINUTE)).steps) == [""]


def test_another_node_may_still_see_it() -> None:
    """It has asked the queue some minutes ago, and looks again within seconds."""
    recently, long_ago = (entry(seen_at=NOW - timedelta(seconds=OTHERS_S + more)) for more in (-1, 0))

    assert planned(recently, looker=SHARED).steps == []
    assert ends(*planned(long_ago, looker=SHARED).steps) == ["dead"]


def test_what_cannot_be_known_stays() -> None:
    """A dead-letter queue that does not answer is not empty."""
    on = entry(seen_at=NOW - FORGOTTEN + SECOND)

    assert planned(on, unknown=[Unknown(AlertName.DEAD_LETTERS, "dead")]).steps == []
    assert ends(*planned(on, unknown=[Unknown(AlertName.DEAD_LETTERS, "other")]).steps) == ["dead"]


def test_what_cannot_be_known_for_a_day_is_over() -> None:
    """A right that was taken away for good must not keep it on for ever."""
    on = entry(seen_at=NOW - FORGOTTEN)

    assert ends(*planned(on, unknown=[Unknown(AlertName.DEAD_LETTERS)]).steps) == ["dead"]


def test_what_a_dead_node_saw_is_over_after_a_while() -> None:
    disk = Finding(AlertName.DISK_LOW, "mail-2", "300 MiB free")
    alive, gone = (entry(disk, seen_at=NOW - GONE + more) for more in (SECOND, 0 * SECOND))

    assert planned(alive, looker=SHARED).steps == []
    assert ends(*planned(gone, looker=SHARED).steps) == ["mail-2"]


def test_what_happened_is_on_for_a_day_whatever_is_restarted() -> None:
    doubled = Finding(AlertName.DUPLICATES_PROVEN, "", "1 job")
    day = timedelta(seconds=EVENT_LASTS_S)
    recent, old = (entry(doubled, seen_at=NOW - day + more) for more in (SECOND, 0 * SECOND))

    assert planned(recent).steps == []
    assert ends(*planned(old, looker=replace(ALONE, began_at=NOW)).steps) == [""]


@pytest.mark.parametrize(
    ("over", "is_gone"),
    [
        pytest.param({"ended_at": NOW - QUIET, "closed_at": NOW - QUIET}, True, id="told-and-quiet"),
        pytest.param({"ended_at": NOW - QUIET, "closed_at": NOW - QUIET + SECOND}, False, id="it-may-come-again"),
        pytest.param({"ended_at": NOW - FORGOTTEN + SECOND}, False, id="its-end-is-still-to-be-told"),
        pytest.param({"ended_at": NOW - FORGOTTEN}, True, id="nobody-could-be-told-for-a-day"),
        pytest.param(
            {"ended_at": NOW - HOUR, "closed_at": NOW - HOUR, "told_at": NOW - QUIET + SECOND}, False, id="told-lately"
        ),
    ],
)
def test_what_is_over_is_forgotten(over: dict[str, datetime], *, is_gone: bool) -> None:
    one = replace(entry(), **over)  # type: ignore[arg-type]

    assert planned(one).steps == ([Forget(one)] if is_gone else [])


# --- telling ---------------------------------------------------------------------------------------

BEFORE, AFTER = NOW - 2 * HOUR, NOW - MINUTE


@pytest.mark.parametrize(
    ("one", "told"),
    [
        pytest.param(entry(), "firing", id="new"),
        pytest.param(entry(told_at=AFTER), None, id="told"),
        pytest.param(entry(told_at=BEFORE), "firing", id="on-again-after-a-while"),
        pytest.param(entry(since=NOW - SECOND, told_at=NOW - QUIET + SECOND), None, id="on-again-too-soon"),
        pytest.param(entry(since=NOW - SECOND, told_at=NOW - QUIET), "firing", id="on-again-and-still-so"),
        pytest.param(entry(told_at=AFTER, ended_at=NOW), "recovered", id="over"),
        pytest.param(entry(told_at=AFTER, ended_at=NOW, closed_at=NOW), None, id="over-and-told"),
        pytest.param(entry(ended_at=NOW), "recovered", id="came-and-went-while-nobody-could-be-told"),
        pytest.param(entry(told_at=BEFORE, ended_at=NOW), "quiet", id="its-coming-again-was-never-told"),
        pytest.param(
            entry(Finding(AlertName.EVENTS_LOST, "", "2 mails"), told_at=AFTER, ended_at=NOW),
            "quiet",
            id="a-day-is-over",
        ),
    ],
)
def test_what_is_told(one: Entry, told: str | None) -> None:
    found = news([one], now=NOW)

    lists = {"firing": found.firing, "recovered": found.recovered, "quiet": found.quiet}
    assert [name for name, entries in lists.items() if entries == [one]] == ([told] if told else [])


def test_all_that_is_new_goes_in_one_message_the_oldest_first() -> None:
    first, second = entry(since=NOW - HOUR), entry(SES, since=NOW - MINUTE)
    over = entry(Finding(AlertName.KEY_OLD, "", "old"), told_at=AFTER, ended_at=NOW)

    told = news([second, over, first], now=NOW)

    assert (told.firing, told.recovered) == ([first, second], [over])
    assert not told.is_none
    assert News(quiet=[over]).is_none
