from itertools import pairwise

import pytest

from tank_mailer.core.status import Status

LADDER = (
    *("accepted", "delayed", "soft_bounced", "delivered"),
    *("rejected", "hard_bounced", "complained"),
)


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(LADDER)))
def test_the_rank_rises(lower: str, higher: str) -> None:
    """DESIGN 4: late, doubled and re-ordered events cannot lie, since the higher one stays."""
    assert Status[lower.upper()] < Status[higher.upper()]


def test_suppressed_stands_beside_the_ladder() -> None:
    """Whatever else is known of a recipient outranks that it was left out once."""
    assert {status for status in Status if status.word not in LADDER} == {Status.SUPPRESSED}
    assert min(Status) is Status.SUPPRESSED


def test_each_has_the_word_that_people_see() -> None:
    assert [status.word for status in sorted(Status)] == ["suppressed", *LADDER]


def test_ranks_stay_as_they_are_stored() -> None:
    """They stand in databases: another number would be another status."""
    assert [int(status) for status in sorted(Status)] == [0, 10, 20, 30, 40, 50, 60, 70]
