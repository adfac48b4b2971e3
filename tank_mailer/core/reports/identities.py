"""How a domain's identity stands, for reports: out of what the doctor finds of it at SES and in DNS."""

from collections.abc import Sequence
from typing import Final

from tank_mailer.core.checkup.catalogue import ABOUT
from tank_mailer.core.checkup.finding import Area, Check, Finding, Level
from tank_mailer.core.reports.document import NotKnown
from tank_mailer.core.reports.outside import IdentityState

WRONG: Final = (Level.FAULT, Level.WARNING)  # the heaviest first


def identity_state(domain: str, findings: Sequence[Finding]) -> IdentityState | NotKnown:
    """Sum up what was found.

    Args:
        domain: that mail comes from.
        findings: of a look at this domain alone; those of other areas do not count.

    Returns:
        Not known where SES does not tell of the identity itself.
    """
    about = [one for one in findings if ABOUT[one.check].area is Area.IDENTITIES]
    for one in about:
        if one.check is Check.IDENTITY and one.level is Level.UNSEEN:
            return NotKnown(one.what, one.remedy or None)
    wrong = [one for level in WRONG for one in about if one.level is level]
    unseen = [one for one in about if one.level is Level.UNSEEN]
    if wrong:
        said = "; ".join(f"{one.subject or one.check}: {one.what}" for one in wrong)
        return IdentityState(domain, is_good=False, said=said, remedy=wrong[0].remedy or None)
    if unseen:
        first = unseen[0]
        return IdentityState(
            domain, is_good=True, said="verified at SES", remedy=first.remedy or None, unseen=first.what
        )
    return IdentityState(domain, is_good=True, said="verified at SES, and nothing is wrong with its records in DNS")
