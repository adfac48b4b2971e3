"""What a person's order is about, and what it does to the pauses that began by themselves."""

import re
import shlex
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from tank_mailer.core.address import AddressError, mailbox_key
from tank_mailer.core.lanes import LANES
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.pausing import rule_of
from tank_mailer.core.view import PauseView

_SET_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # SES: CreateConfigurationSet


class ScopeKind(StrEnum):
    """Of what kind; the word before the slash."""

    ALL = "all"
    LANE = "lane"
    SENDER = "sender"
    CONFIGURATION_SET = "configuration_set"


class ScopeError(ValueError):
    """A text is no scope; `detail` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything, or one lane, one sender, one configuration set.

    Attributes:
        name: the lane's, the sender's mailbox key, the set's; "" for everything.
    """

    kind: ScopeKind
    name: str = ""

    @property
    def text(self) -> str:
        """As the store keeps it."""
        return f"{self.kind}/{self.name}" if self.name else self.kind.value

    @property
    def said(self) -> str:
        """For people."""
        match self.kind:
            case ScopeKind.ALL:
                return "everything"
            case ScopeKind.LANE:
                return f"the {self.name} lane"
            case ScopeKind.SENDER:
                return f"mail from {self.name}"
            case ScopeKind.CONFIGURATION_SET:
                return f"mail through the configuration set {self.name}"

    @property
    def resume(self) -> str:
        """The command that takes a pause of it back."""
        match self.kind:
            case ScopeKind.ALL:
                return "tank-mailer resume"
            case ScopeKind.LANE:
                return f"tank-mailer resume --lane {self.name}"
            case ScopeKind.SENDER:
                return f"tank-mailer resume --from {shlex.quote(self.name)}"
            case ScopeKind.CONFIGURATION_SET:
                return f"tank-mailer resume --configuration-set {self.name}"


ALL: Final = Scope(ScopeKind.ALL)


def make_scope(kind: ScopeKind, name: str = "") -> Scope:
    """A scope of what a person has named; a sender in any spelling.

    Raises:
        ScopeError: there can be no such lane, sender or set.
    """
    match kind:
        case ScopeKind.ALL if name:
            raise ScopeError(f'"{ALL.text}" stands alone, without a name.')
        case ScopeKind.ALL:
            return ALL
        case ScopeKind.LANE if name not in LANES:
            raise ScopeError(f"There is no such lane; there are {' and '.join(LANES)}.")
        case ScopeKind.SENDER:
            return Scope(kind, _key(name))
        case ScopeKind.CONFIGURATION_SET if not _SET_NAME.fullmatch(name):
            raise ScopeError("A configuration set's name has 1 to 64 letters, digits, hyphens and underscores.")
        case ScopeKind.LANE | ScopeKind.CONFIGURATION_SET:
            return Scope(kind, name)


def parse_scope(text: str) -> Scope:
    """Read what `Scope.text` has spelled.

    Raises:
        ScopeError: it is none.
    """
    kind, slash, name = text.partition("/")
    if kind not in set(ScopeKind) or (slash and not name):
        ways = ", ".join([ALL.text, *(f"{one}/NAME" for one in ScopeKind if one is not ScopeKind.ALL)])
        raise ScopeError(f"A scope is one of {ways}.")
    return make_scope(ScopeKind(kind), name)


def _key(address: str) -> str:
    try:
        return mailbox_key(address)
    except AddressError as error:
        raise ScopeError(error.detail) from None


@dataclass(frozen=True, slots=True)
class OperatorPause:
    """An order to pause that nobody has taken back."""

    scope: Scope
    since: datetime
    who: str
    note: str | None = None


class Answer(StrEnum):
    """What a person's `resume` does to a pause that began by itself (DESIGN 7)."""

    LIFTED = "lifted"
    LOOKED_AT = "looked_at"  # no word of a person mends it: it is only looked at again, or tried, at once


_OF_A_LANE: Final = frozenset({Concerned.QUEUE, Concerned.QUOTA, Concerned.REPUTATION, Concerned.SUSPECT})


def answer_to(scope: Scope, pause: PauseView) -> Answer | None:
    """What becomes of `pause` when a person resumes `scope`; None: it is about something else."""
    concern = concern_of(pause)
    if concern is None or concern.kind is Concerned.OPERATOR:
        return None
    match scope.kind:
        case ScopeKind.LANE if concern.kind not in _OF_A_LANE:
            return None
        case ScopeKind.SENDER if concern.kind is not Concerned.SENDER:
            return None
        case ScopeKind.CONFIGURATION_SET if concern.kind is not Concerned.CONFIGURATION_SET:
            return None
        case ScopeKind.LANE | ScopeKind.SENDER | ScopeKind.CONFIGURATION_SET if concern.name != scope.name:
            return None
        case ScopeKind.ALL | ScopeKind.LANE | ScopeKind.SENDER | ScopeKind.CONFIGURATION_SET:
            return Answer.LIFTED if rule_of(concern).by_person else Answer.LOOKED_AT


def concern_of(pause: PauseView) -> Concern | None:
    """What it is about; None: something that only another version knows."""
    try:
        return Concern(Concerned(pause.concern), pause.name)
    except ValueError:
        return None
