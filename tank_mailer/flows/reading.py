"""Reads a message of the event queue: its wrapping, its signature where that is wanted, its event."""

from dataclasses import dataclass

from tank_mailer.core.envelope import Bare, Envelope, Policy, open_body
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import Chatter, Read, Unreadable
from tank_mailer.core.eventbody import parse_event, read_event
from tank_mailer.ports import Checked, SignatureCheck


@dataclass(frozen=True, slots=True)
class NotNow:
    """It cannot be told now whether it is genuine: it stays on its queue."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How messages are read.

    Attributes:
        policy: which topics may speak.
        signatures: checks them; None: they are not looked at.
    """

    policy: Policy
    signatures: SignatureCheck | None = None

    async def read(self, body: str) -> Read | NotNow:
        """Read one; never raises for what it holds."""
        if self.signatures is None:
            return parse_event(body, self.policy)
        match open_body(body, self.policy):
            case Envelope() as envelope:
                return await self._checked(envelope, self.signatures)
            case Bare(event):
                return read_event(event)
            case Chatter() | Unreadable() as found:
                return found

    @staticmethod
    async def _checked(envelope: Envelope, signatures: SignatureCheck) -> Read | NotNow:
        checked, why = await signatures.check(envelope)
        match checked:
            case Checked.GENUINE:
                return read_event(envelope.message)
            case Checked.FORGED:
                return Unreadable(Reason.BAD_SIGNATURE, why)
            case Checked.UNKNOWN:
                return NotNow(why)
