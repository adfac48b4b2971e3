"""May it go back on its queue? What the daemon would find there."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tank_mailer.core.errors import Reason
from tank_mailer.core.gate import Delivery
from tank_mailer.core.job import EmailJob
from tank_mailer.core.ledger import Row, State, first_row
from tank_mailer.core.putback import Rules, Surroundings, object_to, recipients_of
from tests.builders import make_address, make_job
from tests.fakes import EPOCH

NOW = EPOCH
JOB = make_job()
LIVE = Delivery(allowed_senders=frozenset({"example.com"}), configuration_sets=frozenset({"tank"}))
OTHERS, ITS_OWN = "other-message", "this-message"


def make_row(state: State, **changes: Any) -> Row:
    row = first_row(
        email_id=JOB.email_id, content_hash=JOB.content_hash, lane="ordinary", queue_message_id=OTHERS, now=NOW
    )
    return replace(row, state=state, **changes)


def objection_to(
    job: EmailJob = JOB,
    row: Row | None = None,
    *,
    given_up_for: str = "",
    may_double: bool = False,
    **held_back: Reason,
) -> str | None:
    around = Surroundings(row, {key.replace("_at_", "@").replace("_", "."): why for key, why in held_back.items()})
    rules = Rules(delivery=LIVE, may_double=may_double)
    found = object_to(job, around, message_id=ITS_OWN, given_up_for=given_up_for, rules=rules, now=NOW)
    return None if found is None else found.reason or found.text


def test_what_nobody_knows_may_go() -> None:
    assert objection_to() is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param(make_row(State.REFUSED), None, id="ended-without-a-mail-is-a-fresh-start"),
        pytest.param(make_row(State.DEAD, reason=Reason.ATTEMPTS_SPENT), None, id="so-is-dead"),
        pytest.param(make_row(State.ACCEPTED), Reason.DUPLICATE, id="accepted-meanwhile"),
        pytest.param(make_row(State.ACCEPTED, content_hash="x"), Reason.ID_CONFLICT, id="its-id-is-taken"),
        pytest.param(make_row(State.DEAD, reason=Reason.IN_DOUBT), Reason.IN_DOUBT, id="given-up-in-doubt"),
        pytest.param(make_row(State.DEAD, reason=Reason.IN_DOUBT, updated_at=NOW + timedelta(hours=1)), Reason.IN_DOUBT,
                     id="by-a-clock-that-is-ahead"),
        pytest.param(make_row(State.DEFERRED, due_at=NOW + timedelta(minutes=5)), "under way", id="deferred"),
        pytest.param(make_row(State.DEFERRED, due_at=NOW), "under way", id="due"),
        pytest.param(make_row(State.DEFERRED, due_at=NOW - timedelta(hours=1)), None, id="overdue-is-adopted"),
        pytest.param(make_row(State.DEFERRED, due_at=NOW - timedelta(hours=1), content_hash="x"), "under way",
                     id="overdue-with-another-content-is-not"),
        pytest.param(make_row(State.SENDING, lease_ends_at=NOW + timedelta(minutes=1)), "under way", id="sending"),
        pytest.param(make_row(State.SENDING, lease_ends_at=NOW - timedelta(hours=1)), "under way",
                     id="its-own-message-will-tell-that-a-process-died"),
        pytest.param(make_row(State.DEFERRED, due_at=NOW + timedelta(hours=1), queue_message_id=ITS_OWN), None,
                     id="a-row-that-waits-for-this-message"),
        pytest.param(make_row(State.IN_DOUBT, due_at=NOW + timedelta(hours=1), queue_message_id=ITS_OWN), None,
                     id="the-daemon-settles-its-doubt-as-any-other"),
        pytest.param(make_row(State.SENDING, lease_ends_at=NOW - timedelta(hours=1), queue_message_id=ITS_OWN), None,
                     id="and-that-of-a-process-that-died"),
        pytest.param(make_row(State.SENDING, lease_ends_at=NOW + timedelta(hours=1), queue_message_id=ITS_OWN),
                     "under way", id="but-not-while-an-attempt-is-under-way"),
        pytest.param(make_row(State.DEFERRED, due_at=NOW, queue_message_id=ITS_OWN, content_hash="x"), "under way",
                     id="nor-with-another-content"),
    ],
)  # fmt: skip
def test_what_the_ledger_says(row: Row, said: str | None) -> None:
    found = objection_to(row=row)

    assert found == said or (said == "under way" and found is not None and "under way" in found)


@pytest.mark.parametrize("reason", ["in_doubt", "answer_lost", "answer_unclear", "process_died"])
def test_a_doubt_has_to_be_overruled(reason: str) -> None:
    assert objection_to(given_up_for=reason) == reason
    assert objection_to(given_up_for=reason, may_double=True) is None
    assert objection_to(given_up_for="attempts_spent") is None


def test_proof_beats_doubt() -> None:
    """An event has come since: it must not be put back, whoever says that it may double."""
    assert objection_to(row=make_row(State.ACCEPTED), given_up_for="in_doubt", may_double=True) == Reason.DUPLICATE


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        pytest.param(make_job(expires_at=NOW), Reason.EXPIRED, id="too-late"),
        pytest.param(make_job(expires_at=NOW + timedelta(seconds=1)), None, id="in-time"),
        pytest.param(make_job(sender="a@example.net"), Reason.SENDER_NOT_ALLOWED, id="sender"),
        pytest.param(make_job(configuration_set="x"), Reason.UNKNOWN_CONFIGURATION_SET, id="configuration-set"),
        pytest.param(make_job(configuration_set="tank"), None, id="a-set-that-is-known"),
    ],
)
def test_what_the_settings_say(job: EmailJob, reason: Reason | None) -> None:
    assert objection_to(job) == reason


def test_who_may_not_be_mailed() -> None:
    two = make_job(to=("a@example.org", "b@example.org"))

    assert objection_to(two, a_at_example_org=Reason.SUPPRESSED) is None
    both = {"a_at_example_org": Reason.SUPPRESSED, "b_at_example_org": Reason.SUPPRESSED}
    assert objection_to(two, **both) == Reason.SUPPRESSED  # type: ignore[arg-type]
    assert objection_to(recipient_at_example_org=Reason.STALE) == Reason.STALE


def test_a_redirected_mail_goes_to_its_target_alone() -> None:
    """The suppression list is asked about whoever would get it."""
    delivery = replace(LIVE, redirect_to=make_address("staging@example.com"))
    suppressed = Surroundings(None, {"recipient@example.org": Reason.SUPPRESSED})
    rules = Rules(delivery=delivery)

    assert recipients_of(JOB, delivery) == {"staging@example.com"}
    assert object_to(JOB, suppressed, message_id="", given_up_for="", rules=rules, now=NOW) is None


def test_a_rehearsal_is_no_objection() -> None:
    rules = Rules(delivery=replace(LIVE, dry_run=True))

    assert object_to(JOB, Surroundings(), message_id="", given_up_for="", rules=rules, now=NOW) is None
