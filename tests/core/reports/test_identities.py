"""How an identity stands, for reports: the doctor's findings summed up."""

from collections.abc import Sequence

import pytest

from tank_mailer.core.checkup.finding import Check, Finding, Level
from tank_mailer.core.reports.document import Mark, NotKnown
from tank_mailer.core.reports.identities import identity_state
from tank_mailer.core.reports.outside import IdentityState

VERIFIED = Finding(Check.IDENTITY, Level.OK, "shop.example", "verified")
NO_DMARC = Finding(Check.DMARC, Level.WARNING, "_dmarc.shop.example", "there is no DMARC record", "publish one")
NO_DKIM = Finding(Check.DKIM_DNS, Level.FAULT, "t1._domainkey.shop.example", "the CNAME is gone", "set it again")
UNSEEN_DNS = Finding(Check.SPF, Level.UNSEEN, "shop.example", "the DNS server does not answer", "look at it")
DENIED = Finding(Check.IDENTITY, Level.UNSEEN, "shop.example", "ses:GetEmailIdentity is denied", "allow it")
ELSEWHERE = Finding(Check.CREDENTIALS, Level.FAULT, "", "no key", "set one")


@pytest.mark.parametrize(
    ("findings", "state"),
    [
        pytest.param(
            [VERIFIED, ELSEWHERE],
            IdentityState(
                "shop.example", is_good=True, said="verified at SES, and nothing is wrong with its records in DNS"
            ),
            id="all-good-whatever-else-is-wrong",
        ),
        pytest.param(
            [VERIFIED, NO_DMARC, NO_DKIM],
            IdentityState(
                "shop.example",
                is_good=False,
                said="t1._domainkey.shop.example: the CNAME is gone; _dmarc.shop.example: there is no DMARC record",
                remedy="set it again",
            ),
            id="the-heaviest-goes-first",
        ),
        pytest.param(
            [VERIFIED, UNSEEN_DNS],
            IdentityState(
                "shop.example",
                is_good=True,
                said="verified at SES",
                remedy="look at it",
                unseen="the DNS server does not answer",
            ),
            id="what-was-not-seen-is-no-fault",
        ),
        pytest.param([DENIED], NotKnown("ses:GetEmailIdentity is denied", "allow it"), id="ses-does-not-tell"),
    ],
)
def test_identity_state(findings: Sequence[Finding], state: IdentityState | NotKnown) -> None:
    assert identity_state("shop.example", findings) == state


def test_what_was_not_seen_is_not_called_good() -> None:
    """A monitor asks by --check whether all is known; a resolver that is silent hides what the line is about."""
    state = identity_state("shop.example", [VERIFIED, UNSEEN_DNS])
    assert isinstance(state, IdentityState)
    assert state.check.mark is Mark.UNKNOWN
    assert state.check.said == "verified at SES; the rest is not known: the DNS server does not answer"
