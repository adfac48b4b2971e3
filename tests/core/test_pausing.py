"""The table of pauses: how far each reaches, what ends it, who may."""

import pytest

from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import BY_CODE, BY_STATUS, BY_TEXT, BY_TYPE, Concern, Concerned, Meaning
from tank_mailer.core.pausing import (
    LEAST_HIDE_S,
    MOST_HIDE_S,
    NOT_THE_JOBS_OWN,
    RULES,
    Extent,
    Lift,
    by_operator,
    extent_of,
    hide_s,
    name_of,
    rule_of,
)
from tank_mailer.core.remedy import REMEDIES

SENDER = Concern(Concerned.SENDER, "a@example.com")
TANK = Concern(Concerned.CONFIGURATION_SET, "tank")
ELSE = Concern(Concerned.CONFIGURATION_SET, "else")


def operator(scope: str) -> Concern:
    return Concern(Concerned.OPERATOR, scope)


@pytest.mark.parametrize(
    ("concern", "extent", "lift"),
    [
        pytest.param(Concern(Concerned.ACCOUNT), Extent.ALL, Lift.ACCOUNT, id="the-account-is-asked"),
        pytest.param(Concern(Concerned.SES), Extent.ALL, Lift.SES, id="ses-is-asked-then-one-job"),
        pytest.param(Concern(Concerned.STORE), Extent.ALL, Lift.STORE, id="no-store-no-mail"),
        pytest.param(Concern(Concerned.QUEUE, "ordinary"), Extent.POLLING, Lift.QUEUE, id="a-queue-stops-its-polls"),
        pytest.param(SENDER, Extent.SENDER, Lift.OWN_JOB, id="a-sender-stops-itself"),
        pytest.param(TANK, Extent.ALL, Lift.SET_JOB, id="the-default-set-stops-everything"),
        pytest.param(ELSE, Extent.SET, Lift.OWN_JOB, id="another-set-stops-its-jobs"),
        pytest.param(Concern(Concerned.QUOTA, "ordinary"), Extent.LANE, Lift.ROOM, id="the-quota-of-a-lane"),
        pytest.param(Concern(Concerned.REPUTATION, "ordinary"), Extent.LANE, Lift.TRICKLE, id="reputation"),
        pytest.param(Concern(Concerned.SUSPECT, "priority"), Extent.LANE, Lift.PERSON, id="a-suspect-queue"),
        pytest.param(operator("all"), Extent.ALL, Lift.PERSON, id="a-person-stops-all"),
        pytest.param(operator("lane/priority"), Extent.LANE, Lift.PERSON, id="a-person-stops-a-lane"),
        pytest.param(operator("sender/a@example.com"), Extent.SENDER, Lift.PERSON, id="a-person-stops-a-sender"),
        pytest.param(operator("configuration_set/else"), Extent.SET, Lift.PERSON, id="a-person-stops-a-set"),
        pytest.param(operator("configuration_set/tank"), Extent.ALL, Lift.PERSON, id="the-default-set-is-all-again"),
    ],
)
def test_what_stops_and_what_ends_it(concern: Concern, extent: Extent, lift: Lift) -> None:
    assert extent_of(concern, default_set="tank") is extent
    assert rule_of(concern, default_set="tank").lift is lift


def test_only_a_persons_word_a_reputation_and_a_suspicion_end_by_a_persons_word() -> None:
    """Nobody can resume an account that AWS has paused, or a quota that is used up."""
    assert {rule.kind for rule in RULES if rule.by_person} == {
        Concerned.OPERATOR,
        Concerned.REPUTATION,
        Concerned.SUSPECT,
    }


def test_each_kind_has_one_row_and_each_reason_a_remedy() -> None:
    assert {rule.kind for rule in RULES} == set(Concerned)
    assert len({rule.kind for rule in RULES}) == len(RULES)
    assert {reason for rule in RULES for reason in rule.reasons} <= REMEDIES.keys()


def test_whatever_ses_may_hold_a_job_for_stands_in_the_table() -> None:
    """An outcome without its row would be a pause that nobody can look up."""
    kinds = {
        Meaning.ACCOUNT_HELD: Concerned.ACCOUNT,
        Meaning.SENDER_HELD: Concerned.SENDER,
        Meaning.SET_HELD: Concerned.CONFIGURATION_SET,
        Meaning.DENIED: Concerned.ACCOUNT,
        Meaning.UNVERIFIED: Concerned.SENDER,
    }
    rows = [*BY_TYPE.values(), *BY_CODE.values(), *BY_STATUS.values(), *(row for _, row in BY_TEXT)]
    reasons = {rule.kind: set(rule.reasons) for rule in RULES}
    held = [(kinds[meaning], reason) for meaning, reason in rows if meaning in kinds]
    assert held
    for kind, reason in held:
        assert reason in reasons[kind], f"{kind}: {reason}"


def test_a_pause_is_no_backoff_of_the_job() -> None:
    """Its jobs go on when it is over; what a job has failed by itself it waits out."""
    assert {Reason.UNVERIFIED_SENDER, Reason.OPERATOR, Reason.QUOTA_EXCEEDED} <= NOT_THE_JOBS_OWN
    assert NOT_THE_JOBS_OWN.isdisjoint({Reason.SERVICE_ERROR, Reason.THROTTLED, Reason.UNREACHABLE})


@pytest.mark.parametrize(
    ("age_s", "jitter", "wanted"),
    [
        pytest.param(0, 0.5, LEAST_HIDE_S, id="young"),
        pytest.param(600, 0.5, 600, id="as-long-as-it-has-lasted"),
        pytest.param(600, 0.0, 450, id="spread-to-a-quarter-less"),
        pytest.param(600, 1.0, 750, id="and-a-quarter-more"),
        pytest.param(200_000, 0.5, MOST_HIDE_S, id="an-hour-at-most"),
    ],
)
def test_how_long_a_job_of_a_paused_sender_is_hidden(age_s: float, jitter: float, wanted: float) -> None:
    assert hide_s(age_s, jitter) == wanted


def test_a_persons_pause_names_what_it_is_about() -> None:
    assert by_operator(SENDER) == operator("sender/a@example.com")
    assert name_of(operator("sender/a@example.com")) == "a@example.com"
    assert name_of(operator("all")) == ""
    assert name_of(SENDER) == "a@example.com"
