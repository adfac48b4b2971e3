"""What becomes of a mail at its recipient: by the simulator's address, or by a rule."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate
from functools import cached_property
from typing import Final

from tank_mailer.standin.address import is_simulated
from tank_mailer.standin.errors import AwsError, Json


class Fate(StrEnum):
    """By the local part of its simulator address; those that SES's simulator lacks are marked."""

    SUCCESS = "success"
    BOUNCE = "bounce"  # hard, 5.1.1
    OOTO = "ooto"  # delivered, then an out-of-office reply
    COMPLAINT = "complaint"
    SUPPRESSIONLIST = "suppressionlist"  # on AWS's global list
    ACCOUNTLIST = "accountlist"  # ours: on the account's list
    SOFTBOUNCE = "softbounce"  # ours: a full mailbox
    DELAY = "delay"  # ours
    REJECT = "reject"  # ours: of the whole mail
    RENDERING = "rendering"  # ours: of the whole mail
    OPEN = "open"  # ours
    CLICK = "click"  # ours: opened and clicked
    SILENCE = "silence"  # ours: nothing after the Send


FATES: Final = frozenset(Fate)


@dataclass(kw_only=True)
class FateRule:
    """Whom it is about (an address, or a pattern with `*`), and what happens. `times` counts down."""

    match: str
    fate: Fate
    times: int | None = None  # None: for ever

    def matches(self, address: str) -> bool:
        """Whatever the case."""
        return self._pattern.fullmatch(address.lower()) is not None

    def shown(self) -> Json:
        """As it is given."""
        return {"match": self.match, "fate": self.fate, "times": self.times}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(translate(self.match.lower()))


@dataclass(slots=True, eq=False)
class Fates:
    """The rules, in order; the first that matches decides, before the simulator's address does."""

    rules: list[FateRule] = field(default_factory=list)

    def of(self, address: str) -> Fate:
        """The fate of one mail to `address`; counts the rule down."""
        for rule in self.rules:
            if not rule.matches(address):
                continue
            if rule.times is not None:
                rule.times -= 1
                if rule.times <= 0:
                    self.rules.remove(rule)
            return rule.fate
        if is_simulated(address):
            name = address.partition("@")[0].partition("+")[0].lower()
            return Fate(name) if name in FATES else Fate.SUCCESS
        return Fate.SUCCESS


def read_fate_rules(given: object) -> list[FateRule]:
    """The rules in a JSON list, or an error that names what is wrong with which."""
    if not isinstance(given, list):
        raise _bad("rules: a list is wanted")
    return [_rule(number, entry) for number, entry in enumerate(given)]


def _rule(number: int, given: object) -> FateRule:
    if not isinstance(given, dict) or not set(given) <= {"match", "fate", "times"}:
        raise _bad(f'rule {number}: wanted is {{"match": "*@example.org", "fate": "bounce", "times": 1}}')
    match, fate, times = given.get("match"), given.get("fate"), given.get("times")
    if not isinstance(match, str) or not match:
        raise _bad(f"rule {number}: match is an address, or a pattern with *")
    if fate not in FATES:
        raise _bad(f"rule {number}: fate is one of {', '.join(Fate)}")
    if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise _bad(f"rule {number}: times is a whole number from 1, or null")
    return FateRule(match=match, fate=Fate(fate), times=times)


def _bad(text: str) -> AwsError:
    return AwsError("BadRequestException", text)
