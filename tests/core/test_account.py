"""What GetAccount says, and what follows from it (aws-facts 2.1, 2.2)."""

import pytest

from tank_mailer.core.account import REMEDY, Aspect, Flaw, Standing, changes, has_quota, standing, trouble
from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Concern, Concerned


def say(
    *,
    max_send_rate: float = 14.0,
    sending_enabled: bool | None = True,
    production_access: bool | None = True,
    enforcement: str = "HEALTHY",
) -> Standing:
    """An account in good order, with one thing changed."""
    return standing(
        max_send_rate=max_send_rate,
        sending_enabled=sending_enabled,
        production_access=production_access,
        enforcement=enforcement,
    )


GOOD = say()
FIGURES_ALONE = say(sending_enabled=None, production_access=None, enforcement="")
SANDBOX = say(production_access=False)
PROBATION = say(enforcement="PROBATION")
SHUTDOWN = say(enforcement="SHUTDOWN")
SWITCHED_OFF = say(sending_enabled=False)
NO_RATE = say(max_send_rate=0.0)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        pytest.param(GOOD, None, id="in-good-order-mail-goes"),
        pytest.param(SANDBOX, None, id="in-the-sandbox-mail-goes-to-some"),
        pytest.param(PROBATION, None, id="under-review-mail-goes"),
        pytest.param(SHUTDOWN, Reason.ACCOUNT_SUSPENDED, id="shut-down-nothing-goes"),
        pytest.param(SWITCHED_OFF, Reason.SENDING_PAUSED, id="switched-off-nothing-goes"),
        pytest.param(NO_RATE, Reason.SENDING_PAUSED, id="without-a-rate-nothing-goes"),
        pytest.param(
            say(enforcement="SHUTDOWN", sending_enabled=False, max_send_rate=0.0, production_access=False),
            Reason.ACCOUNT_SUSPENDED,
            id="the-worst-is-the-reason",
        ),
        pytest.param(FIGURES_ALONE, None, id="what-is-not-told-is-not-off"),
        pytest.param(say(enforcement="RESTRICTED"), None, id="a-word-of-tomorrow-is-not-known"),
    ],
)
def test_what_keeps_mail_from_going(now: Standing, reason: Reason | None) -> None:
    held = trouble(now)

    assert (held.reason if held else None) is reason
    assert held is None or held.concern == Concern(Concerned.ACCOUNT)
    assert held is None or held.detail


@pytest.mark.parametrize(
    ("now", "known"),
    [
        pytest.param(GOOD, {Aspect.ENFORCEMENT, Aspect.SENDING, Aspect.RATE, Aspect.ACCESS}, id="all-of-it"),
        pytest.param(FIGURES_ALONE, {Aspect.RATE}, id="the-figures-tell-of-the-rate-only"),
        pytest.param(say(production_access=None), set(Aspect) - {Aspect.ACCESS}, id="no-word-on-the-sandbox"),
        pytest.param(say(sending_enabled=None), set(Aspect) - {Aspect.SENDING}, id="no-word-on-the-switch"),
        pytest.param(say(enforcement="RESTRICTED"), set(Aspect) - {Aspect.ENFORCEMENT}, id="a-word-of-tomorrow"),
    ],
)
def test_what_is_known(now: Standing, known: set[Aspect]) -> None:
    assert set(now) == known


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        pytest.param({}, GOOD, (), id="good-from-the-start-is-no-news"),
        pytest.param({}, SANDBOX, ((None, Flaw.SANDBOX),), id="in-the-sandbox-from-the-start"),
        pytest.param(GOOD, GOOD, (), id="nothing-new"),
        pytest.param(SANDBOX, SANDBOX, (), id="the-same-trouble-is-no-news"),
        pytest.param(SANDBOX, GOOD, ((Flaw.SANDBOX, None),), id="production-access-gained"),
        pytest.param(GOOD, SANDBOX, ((None, Flaw.SANDBOX),), id="production-access-lost"),
        pytest.param(GOOD, PROBATION, ((None, Flaw.PROBATION),), id="a-review-begins"),
        pytest.param(PROBATION, SHUTDOWN, ((Flaw.PROBATION, Flaw.SHUTDOWN),), id="a-review-ends-badly"),
        pytest.param(PROBATION, GOOD, ((Flaw.PROBATION, None),), id="a-review-ends-well"),
        pytest.param(GOOD, SWITCHED_OFF, ((None, Flaw.SENDING_PAUSED),), id="switched-off"),
        pytest.param(SWITCHED_OFF, GOOD, ((Flaw.SENDING_PAUSED, None),), id="switched-on"),
        pytest.param(SHUTDOWN, FIGURES_ALONE, (), id="silence-is-no-news"),
        pytest.param(
            SANDBOX,
            say(sending_enabled=False),
            ((None, Flaw.SENDING_PAUSED), (Flaw.SANDBOX, None)),
            id="each-aspect-by-itself",
        ),
    ],
)
def test_what_has_changed(before: Standing, now: Standing, told: tuple[tuple[Flaw | None, Flaw | None], ...]) -> None:
    assert changes(before, now) == told


@pytest.mark.parametrize(
    ("limit", "sent", "has_room"),
    [
        pytest.param(200.0, 199.0, True, id="one-is-left"),
        pytest.param(200.0, 200.0, False, id="none-is-left"),
        pytest.param(200.0, 249.0, False, id="the-last-mail-crossed-the-line"),
        pytest.param(None, 1_000_000.0, True, id="unlimited"),
    ],
)
def test_the_quota(limit: float | None, sent: float, has_room: bool) -> None:
    assert has_quota(limit, sent) is has_room


@pytest.mark.parametrize("flaw", list(Flaw))
def test_every_flaw_has_its_remedy(flaw: Flaw) -> None:
    assert REMEDY[flaw]
