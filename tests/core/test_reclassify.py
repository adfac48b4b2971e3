"""What changed rules change: issue 3 under "Judging bounces"; manual entries win, ranks of DESIGN 4."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from tank_mailer.core.event import EventKind
from tank_mailer.core.reclassify import Case, Judged, Plan, Standing, judge_again, plan
from tank_mailer.core.status import Status
from tank_mailer.core.suppression import Entry
from tests.fakes import EPOCH as NOW

ANN = "ann@example.org"
DAY = timedelta(days=1)
DEAD_BY_NOW = {"type": "Transient", "subtype": "General", "code": "5.1.1", "diagnostic": "smtp; 550 5.1.1 user unknown"}
FULL = {"type": "Transient", "subtype": "MailboxFull", "code": "5.2.2", "diagnostic": "smtp; 552 5.2.2 mailbox full"}
BLOCKED = {"type": "Transient", "subtype": "ContentRejected", "diagnostic": "smtp; 550 5.7.1 looks like spam"}
_numbers = count(1)


def make_event(**changes: Any) -> Judged:
    """A bounce that was judged soft by older rules."""
    number = next(_numbers)
    event = Judged(
        key=f"key-{number}",
        kind=EventKind.BOUNCE,
        ses_message_id=f"ses-{number}",
        email_id="order-4711",
        recipient=ANN,
        occurred_at=NOW - DAY,
        recorded_at=NOW - DAY,
        status=Status.SOFT_BOUNCED,
        reason="soft_bounce",
        counts=True,
        facts=DEAD_BY_NOW,
    )
    return replace(event, **changes)


def make_soft(days_ago: float, **changes: Any) -> Judged:
    """A full mailbox, judged as it is today."""
    at = NOW - days_ago * DAY
    fixed = {"reason": "mailbox_full", "facts": FULL, "occurred_at": at, "recorded_at": at}
    return make_event(**(fixed | changes))


def make_hard(**changes: Any) -> Judged:
    """A content block that older rules took for a dead mailbox."""
    fixed = {"status": Status.HARD_BOUNCED, "reason": "hard_bounce", "counts": False, "facts": BLOCKED}
    return make_event(**(fixed | changes))


def make_delivery(days_ago: float) -> Judged:
    at = NOW - days_ago * DAY
    kind, status = EventKind.DELIVERY, Status.DELIVERED
    return make_event(kind=kind, status=status, reason=None, counts=False, facts={}, occurred_at=at, recorded_at=at)


def make_entry(event: Judged | None = None, **changes: Any) -> Entry:
    entry = Entry(ANN, "hard_bounce", "event", NOW - DAY, event_key=event.key if event else "key-of-no-event")
    return replace(entry, **changes)


def plan_of(*events: Judged, **case: Any) -> Plan:
    return plan(Case(address=ANN, events=events, **case), since=None, now=NOW)


# --- one event -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "is_changed"),
    [
        pytest.param(make_event(), True, id="a-dead-mailbox-once-judged-passing"),
        pytest.param(make_soft(1), False, id="one-that-is-judged-as-ever"),
        pytest.param(make_soft(1, counts=False), True, id="one-that-counts-now"),
        pytest.param(
            make_event(facts=DEAD_BY_NOW | {"erased": True}), False, id="of-an-erased-person-too-little-is-left"
        ),
        pytest.param(make_delivery(1), False, id="a-delivery-is-no-matter-of-judgement"),
        pytest.param(
            make_event(
                kind=EventKind.COMPLAINT,
                status=Status.COMPLAINED,
                reason="complaint",
                counts=False,
                facts={"feedback_type": "not-spam"},
            ),
            True,
            id="not-spam-once-judged-a-complaint",
        ),
    ],
)
def test_judge_again(event: Judged, is_changed: bool) -> None:
    assert judge_again(event).is_changed == is_changed


def test_what_was_recorded_before_since_keeps_its_judgement() -> None:
    event = make_event()

    assert not judge_again(event, NOW).is_changed
    assert judge_again(event, event.recorded_at).is_changed


# --- the suppression list --------------------------------------------------------------------------


def test_a_dead_mailbox_once_judged_passing_is_suppressed_now() -> None:
    event = make_event()

    found = plan_of(event)

    assert found.entry_before is None
    assert found.entry_after is not None
    assert (found.entry_after.source, found.entry_after.event_key) == ("event", event.key)
    assert (found.entry_after.created_at, found.entry_after.ends_at) == (NOW, None)
    assert [verdict.after.reason for verdict in found.verdicts] == ["hard_bounce"]


def test_a_block_once_judged_dead_is_let_go() -> None:
    event = make_hard()

    found = plan_of(event, entry=make_entry(event))

    assert found.entry_after is None
    assert found.changes_entry


def test_a_second_run_finds_nothing() -> None:
    """It is safe to repeat: what it has written is what it would write."""
    first = plan_of(make_event(), make_hard(), standings={"order-4711": Standing(Status.HARD_BOUNCED, "hard_bounce")})
    assert first

    again = plan_of(
        *(verdict.after for verdict in first.verdicts),
        entry=first.entry_after,
        standings={one.email_id: one.after for one in first.restatuses},
    )

    assert not again


@pytest.mark.parametrize("source", ["manual", "account"])
def test_what_a_person_or_the_account_has_entered_is_never_touched(source: str) -> None:
    hard, soft = make_hard(), make_event()
    entry = make_entry(hard, source=source, ends_at=NOW + DAY)

    assert plan_of(hard, soft, entry=entry).entry_after == entry


@pytest.mark.parametrize(
    ("let_go_at", "is_suppressed"),
    [
        pytest.param(NOW - timedelta(hours=1), False, id="after-the-event-the-person-knew-it"),
        pytest.param(NOW - 2 * DAY, True, id="before-the-event-it-is-news"),
    ],
)
def test_whom_a_person_has_let_go(let_go_at: Any, is_suppressed: bool) -> None:
    found = plan_of(make_event(), let_go_at=let_go_at)

    assert (found.entry_after is not None) == is_suppressed


def test_an_event_that_always_suppressed_does_not_bring_an_entry_back() -> None:
    """Where there is none by now, somebody has had a reason: the rules have not changed."""
    event = make_event(status=Status.HARD_BOUNCED, reason="hard_bounce", counts=False)

    assert not plan_of(event)


def test_another_event_speaks_for_an_entry_that_has_lost_its_own() -> None:
    block, dead = make_hard(), make_event(status=Status.HARD_BOUNCED, reason="hard_bounce", counts=False)
    entry = make_entry(block)

    found = plan_of(block, dead, entry=entry)

    assert found.entry_after is not None
    assert found.entry_after.event_key == dead.key
    assert found.entry_after.created_at == entry.created_at


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(make_entry(None), id="its-event-is-older-than-retention"),
        pytest.param(make_entry(None, event_key=None), id="it-has-none"),
    ],
)
def test_an_entry_whose_event_nobody_knows_stays(entry: Entry) -> None:
    assert plan_of(make_hard(), entry=entry).entry_after == entry


def test_an_entry_of_an_erased_person_stays() -> None:
    event = make_hard(facts={"type": "Permanent", "erased": True})

    assert not plan_of(event, entry=make_entry(event))


def test_an_entry_that_has_ended_begins_anew_for_a_dead_mailbox() -> None:
    event = make_event()
    ended = make_entry(event, reason="soft_bounces", ends_at=NOW - DAY)

    found = plan_of(event, entry=ended)

    assert found.entry_after is not None
    assert found.entry_after.is_in_force(NOW)


# --- runs of soft bounces --------------------------------------------------------------------------


def test_a_run_that_is_complete_only_now_suppresses_for_what_is_left_of_its_month() -> None:
    events = [make_soft(days, counts=days != 2) for days in (5, 4, 3, 2, 1)]

    entry = plan_of(*events).entry_after

    assert entry is not None
    assert (entry.reason, entry.event_key) == ("soft_bounces", events[-1].key)
    assert entry.ends_at == NOW + 29 * DAY


def test_a_run_that_a_person_has_let_go_stays_let_go() -> None:
    events = [make_soft(days, counts=days != 2) for days in (5, 4, 3, 2, 1)]

    assert plan_of(*events, let_go_at=NOW - timedelta(hours=1)).entry_after is None


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([make_soft(d, counts=d != 2) for d in (4, 3, 2, 1)], id="four-are-no-run"),
        pytest.param(
            [*(make_soft(d, counts=d != 2) for d in (5, 4, 3, 2, 1)), make_delivery(2.5)], id="a-delivery-between"
        ),
        pytest.param([make_soft(d, counts=d != 42) for d in (45, 44, 43, 42, 41)], id="its-month-is-over"),
        pytest.param([make_soft(d) for d in (5, 4, 3, 2, 1)], id="the-rules-have-not-changed-it"),
    ],
)
def test_no_run(events: Sequence[Judged]) -> None:
    assert plan_of(*events).entry_after is None


def test_a_run_that_is_none_by_now_lets_go() -> None:
    """Of five, one was a block of the mail's content: it says nothing of the mailbox."""
    events = [make_soft(days) for days in (5, 4, 3)] + [make_soft(2, facts=BLOCKED, reason="soft_bounce"), make_soft(1)]
    entry = make_entry(events[-1], reason="soft_bounces", ends_at=NOW + 29 * DAY)

    assert plan_of(*events, entry=entry).entry_after is None


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([make_soft(d, reason="soft_bounce") for d in (5, 4, 3, 2)], id="another-word-for-it-is-no-change"),
        pytest.param([make_soft(2, reason="soft_bounce")], id="nor-is-it-that-older-ones-were-forgotten"),
        pytest.param([make_soft(d) for d in (6, 5, 4, 3)] + [make_soft(2, facts=BLOCKED)], id="five-others-are-left"),
    ],
)
def test_a_run_that_still_is_one_stays(events: Sequence[Judged]) -> None:
    last = make_soft(1)
    entry = make_entry(last, reason="soft_bounces", ends_at=NOW + 29 * DAY)

    assert plan_of(*events, last, entry=entry).entry_after == entry


def test_what_was_delivered_later_does_not_undo_a_run() -> None:
    events = [make_soft(days) for days in (6, 5, 4, 3, 2)]
    entry = make_entry(events[-1], reason="soft_bounces", ends_at=NOW + 28 * DAY)
    blocked = make_soft(7, facts=BLOCKED, reason="soft_bounce")

    assert plan_of(blocked, *events, make_delivery(1), entry=entry).entry_after == entry


# --- statuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "before", "after"),
    [
        pytest.param(
            [make_event()],
            Standing(Status.SOFT_BOUNCED, "soft_bounce"),
            Standing(Status.HARD_BOUNCED, "hard_bounce"),
            id="rises",
        ),
        pytest.param(
            [make_hard()],
            Standing(Status.HARD_BOUNCED, "hard_bounce"),
            Standing(Status.SOFT_BOUNCED, "content_blocked"),
            id="falls",
        ),
        pytest.param(
            [make_hard(), make_delivery(2)],
            Standing(Status.HARD_BOUNCED, "hard_bounce"),
            Standing(Status.DELIVERED, None),
            id="falls-to-what-other-events-of-the-mail-say",
        ),
        pytest.param(
            [
                make_event(
                    kind=EventKind.COMPLAINT,
                    status=Status.COMPLAINED,
                    reason="complaint",
                    counts=False,
                    facts={"feedback_type": "not-spam"},
                )
            ],
            Standing(Status.COMPLAINED, "complaint"),
            Standing(Status.ACCEPTED, None),
            id="never-below-accepted",
        ),
        pytest.param(
            [make_hard(), make_event(recipient=None, kind=EventKind.REJECT, status=Status.REJECTED, reason="virus")],
            Standing(Status.HARD_BOUNCED, "hard_bounce"),
            Standing(Status.REJECTED, "virus"),
            id="an-event-of-the-whole-mail-speaks-for-each",
        ),
        pytest.param(
            [make_soft(1, reason="soft_bounce")],
            Standing(Status.SOFT_BOUNCED, "soft_bounce"),
            Standing(Status.SOFT_BOUNCED, "mailbox_full"),
            id="the-same-with-another-reason",
        ),
    ],
)
def test_status(events: Sequence[Judged], before: Standing, after: Standing) -> None:
    (change,) = plan_of(*events, standings={"order-4711": before}).restatuses

    assert (change.email_id, change.before, change.after) == ("order-4711", before, after)


@pytest.mark.parametrize(
    ("events", "standing"),
    [
        pytest.param([make_event()], Standing(Status.COMPLAINED, "complaint"), id="a-higher-one-of-a-forgotten-event"),
        pytest.param(
            [make_event(email_id="order-4712")], Standing(Status.SOFT_BOUNCED, "soft_bounce"), id="one-of-another-mail"
        ),
        pytest.param([make_delivery(1)], Standing(Status.ACCEPTED, None), id="what-no-changed-judgement-bears-on"),
    ],
)
def test_statuses_that_stay(events: Sequence[Judged], standing: Standing) -> None:
    assert plan_of(*events, standings={"order-4711": standing}).restatuses == []
