"""When a canary goes, and what it is: DESIGN 6 and 9, aws-facts 6."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest

from tank_mailer.core.canary import Doubt, Flight, Signs, canary_body, canary_id, next_way
from tank_mailer.core.job import EmailJob, email_id_tag, parse_job
from tank_mailer.core.news import CANARY_PREFIX
from tests.fakes import EPOCH as NOW

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def ago(minutes: float) -> datetime:
    return NOW - minutes * MINUTE


def doubt(minutes: float, configuration_set: str = "tank") -> Doubt:
    return Doubt(ago(minutes), configuration_set)


def proof(minutes: float, configuration_set: str = "tank") -> Mapping[str, datetime]:
    return {configuration_set: ago(minutes)}


@pytest.mark.parametrize(
    ("signs", "put_at", "way"),
    [
        pytest.param(Signs(), None, "tank", id="a-system-that-never-sent-anything"),
        pytest.param(Signs(accepted_at=ago(59)), None, None, id="mail-within-the-interval-is-proof-enough"),
        pytest.param(Signs(accepted_at=ago(60)), None, "tank", id="no-mail-for-the-interval"),
        pytest.param(Signs(accepted_at=ago(600)), ago(59), None, id="one-canary-an-interval"),
        pytest.param(Signs(accepted_at=ago(600)), ago(60), "tank", id="and-another-after-it"),
        pytest.param(
            Signs(accepted_at=ago(30), doubts=[doubt(5)]), None, "tank", id="a-doubt-of-five-minutes-brings-one-sooner"
        ),
        pytest.param(
            Signs(accepted_at=ago(30), doubts=[doubt(4)]), None, None, id="a-younger-doubt-may-settle-by-its-own-event"
        ),
        pytest.param(
            Signs(accepted_at=ago(4), doubts=[doubt(5)], proofs=proof(4)),
            None,
            None,
            id="mail-accepted-after-the-doubt-began-is-proof-enough",
        ),
        pytest.param(
            Signs(accepted_at=ago(6), doubts=[doubt(5)], proofs=proof(6)), None, "tank", id="mail-before-it-is-none"
        ),
        pytest.param(
            Signs(accepted_at=ago(4), doubts=[doubt(60), doubt(5, "codes")], proofs=proof(4)),
            None,
            "codes",
            id="only-mail-through-the-same-configuration-set-proves-anything",
        ),
        pytest.param(
            Signs(accepted_at=ago(4), doubts=[doubt(5, "gone")], proofs=proof(4)),
            None,
            None,
            id="a-set-that-jobs-may-not-name-any-more-gets-none",
        ),
        pytest.param(Signs(doubts=[doubt(30)]), ago(4), None, id="no-canary-within-five-minutes-of-another"),
        pytest.param(Signs(doubts=[doubt(30)]), ago(5), "tank", id="one-that-was-not-accepted-is-followed-by-another"),
        pytest.param(
            Signs(accepted_at=ago(14), last=Flight(ago(14), is_back=False), doubts=[doubt(10)]),
            ago(15),
            None,
            id="none-while-the-last-one-may-come-back",
        ),
        pytest.param(
            Signs(accepted_at=ago(15), last=Flight(ago(15), is_back=False), doubts=[doubt(10)]),
            ago(16),
            "tank",
            id="but-when-it-is-lost",
        ),
        pytest.param(
            Signs(accepted_at=ago(14), last=Flight(ago(14), is_back=True), doubts=[doubt(10)]),
            ago(15),
            "tank",
            id="or-back-and-too-old-for-a-new-doubt",
        ),
    ],
)
def test_next_way(signs: Signs, put_at: datetime | None, way: str | None) -> None:
    found = next_way(signs, now=NOW, put_at=put_at, interval=HOUR, configuration_sets=["tank", "codes"])

    assert found == way


def test_without_a_configuration_set_nothing_would_come_back() -> None:
    assert next_way(Signs(), now=NOW, put_at=None, interval=HOUR, configuration_sets=[]) is None


@pytest.mark.parametrize(
    ("flight", "is_under_way", "is_lost"),
    [
        pytest.param(Flight(None, is_back=False), False, False, id="not-accepted-says-nothing-of-events"),
        pytest.param(Flight(ago(14.9), is_back=False), True, False, id="events-take-a-while"),
        pytest.param(Flight(ago(15), is_back=False), False, True, id="a-quarter-of-an-hour-is-too-long"),
        pytest.param(Flight(ago(15), is_back=True), False, False, id="back"),
    ],
)
def test_flight(flight: Flight, is_under_way: bool, is_lost: bool) -> None:
    assert (flight.is_under_way(NOW), flight.is_lost(NOW)) == (is_under_way, is_lost)


def test_a_canary_is_an_ordinary_job() -> None:
    """It takes the way of all jobs: pace, pauses, ledger and doubts hold for it too."""
    email_id = canary_id(NOW)

    job = parse_job(canary_body(email_id, sender="canary@example.com", configuration_set="tank", now=NOW))

    assert isinstance(job, EmailJob)
    assert job.email_id.startswith(CANARY_PREFIX)
    assert email_id_tag(job.email_id) == job.email_id, "its events name it in plain words"
    assert [address.key for address in job.recipients] == ["success+tank-canary@simulator.amazonses.com"]
    assert job.sender.key == "canary@example.com"
    assert job.configuration_set == "tank"
    assert job.at_most_once, "nobody misses one, and two prove no more"
    assert job.expires_at == NOW + HOUR
    assert job.text
    assert not job.unknown_fields


def test_each_canary_has_an_id_of_its_own_that_every_node_finds() -> None:
    later = NOW + timedelta(milliseconds=1)

    assert canary_id(NOW) != canary_id(later)
    assert canary_id(later) == canary_id(datetime.fromtimestamp(later.timestamp(), later.tzinfo))
