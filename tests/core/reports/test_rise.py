"""When something counts as risen: by the factor, by the points, and never of a handful."""

import pytest

from tank_mailer.core.reports.figures import Share
from tank_mailer.core.reports.rise import Trend, trend


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        pytest.param(Share(0, 0), Share(0, 0), Trend.TOO_FEW, id="no-mail-at-all"),
        pytest.param(Share(40, 49), Share(0, 1_000), Trend.TOO_FEW, id="too-few-now"),
        pytest.param(Share(40, 1_000), Share(0, 49), Trend.TOO_FEW, id="too-few-before"),
        pytest.param(Share(30, 1_000), Share(20, 1_000), Trend.RISEN, id="half-as-much-again-and-a-point"),
        pytest.param(Share(29, 1_000), Share(20, 1_000), Trend.STEADY, id="a-mail-less"),
        pytest.param(Share(200, 1_000), Share(150, 1_000), Trend.STEADY, id="points-alone-are-no-rise"),
        pytest.param(Share(20, 10_000), Share(10, 10_000), Trend.STEADY, id="the-factor-alone-is-none-either"),
        pytest.param(Share(9, 50), Share(0, 50), Trend.STEADY, id="nine-mails-are-chance"),
        pytest.param(Share(10, 50), Share(0, 50), Trend.RISEN, id="ten-from-nothing"),
        pytest.param(Share(10, 1_000), Share(100, 1_000), Trend.FALLEN, id="better"),
        pytest.param(Share(0, 1_000), Share(12, 1_000), Trend.FALLEN, id="over"),
    ],
)
def test_trend(now: Share, before: Share, expected: Trend) -> None:
    assert trend(now, before) is expected
