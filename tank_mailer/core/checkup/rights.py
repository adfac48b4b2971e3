"""Whose key it is, how old, and what it may do."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from tank_mailer.core.checkup.actions import (
    ATTRIBUTES,
    GET_ACCOUNT,
    GET_SEND_QUOTA,
    Right,
    Standing,
    standings,
    unknown_of,
)
from tank_mailer.core.checkup.facts import AccessKey, Caller, Facts
from tank_mailer.core.checkup.finding import Check, Finding, Level, fault, note, ok, unseen, warning
from tank_mailer.core.checkup.network import SKEW_REFUSED_S
from tank_mailer.core.checkup.seen import Denied, Known, NotAsked, Seen, Unreached
from tank_mailer.core.checkup.setup import Setup, name_of_queue
from tank_mailer.core.errors import Reason

KEY_DAYS: Final = 90  # the common rule (aws-facts 8.3)
OF_KEYS: Final = frozenset({Reason.BAD_CREDENTIALS, Reason.CLOCK_SKEW})
POLICY: Final = "see config/aws/iam-policy.json"
LOOK: Final = "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and AWS_REGION"


def judge_rights(setup: Setup, facts: Facts) -> Iterator[Finding]:
    """Of the key in use."""
    yield from _caller(facts.caller, facts.skew_s)
    if isinstance(facts.caller, Known):
        yield from _keys(facts.keys, facts.caller.value, setup.now)
    if not (isinstance(facts.caller, Unreached) and facts.caller.reason in OF_KEYS):
        yield from _permissions(setup, facts)


def _caller(seen: Seen[Caller], skew_s: float | None) -> Iterator[Finding]:
    match seen:
        case Known(caller) if caller.arn.endswith(":root"):
            yield warning(
                Check.CREDENTIALS,
                caller.arn,
                "these are keys of the account's root user, who may do everything",
                "make a user or role for tank-mailer with the policy of config/aws/iam-policy.json; delete these keys",
            )
        case Known(caller):
            yield ok(Check.CREDENTIALS, caller.arn, "AWS knows the key")
        case Unreached(detail, Reason.CLOCK_SKEW):
            if skew_s is None or abs(skew_s) < SKEW_REFUSED_S:
                yield fault(
                    Check.CREDENTIALS, "", f"AWS refuses the signature: {detail}", "set this host's clock: mend its NTP"
                )
        case Unreached(detail, Reason.BAD_CREDENTIALS):
            yield fault(Check.CREDENTIALS, "", f"AWS does not take the key: {detail}", LOOK)
        case Denied() | Unreached() | NotAsked():
            yield unseen(Check.CREDENTIALS, "", seen)


def _keys(seen: Seen[tuple[AccessKey, ...]], caller: Caller, now: datetime) -> Iterator[Finding]:
    if ":user/" not in caller.arn:
        if ":assumed-role/" in caller.arn:
            yield ok(Check.KEY_AGE, caller.arn, "a role: its keys are renewed by themselves")
        return
    match seen:
        case Known(keys):
            yield from _ages(keys, now)
        case Denied() | Unreached() | NotAsked():
            yield unseen(Check.KEY_AGE, caller.arn, seen)


def _ages(keys: Sequence[AccessKey], now: datetime) -> Iterator[Finding]:
    for key in keys:
        days = (now - key.created_at).days
        if key.is_active and days > KEY_DAYS:
            whose = "the key in use" if key.is_ours else "a key that is not in use here, and active,"
            yield warning(
                Check.KEY_AGE,
                key.shown,
                f"{whose} is {days} days old; the common rule is at most {KEY_DAYS}",
                "make a second key, put it in place of this one, reload (SIGHUP), then deactivate and delete this one"
                if key.is_ours
                else "deactivate it; delete it once nobody has missed it",
            )
        elif key.is_ours:
            yield ok(Check.KEY_AGE, key.shown, f"the key in use is {days} days old")


# --- permissions -----------------------------------------------------------------------------------


def _permissions(setup: Setup, facts: Facts) -> Iterator[Finding]:
    found = standings(setup, facts)
    may_ask = any(one.action == GET_ACCOUNT and found[one] is Standing.ALLOWED for one in found)
    may_ask_old = any(one.action == GET_SEND_QUOTA and found[one] is Standing.ALLOWED for one in found)
    for right, standing in found.items():
        if standing is Standing.DENIED:
            yield _denied(right, is_spared=right.action == GET_ACCOUNT and may_ask_old, may_ask=may_ask)
    if isinstance(facts.caller, Known) and (unknown := unknown_of(found)):
        yield _unknown(unknown)
    allowed = [right for right, standing in found.items() if standing is Standing.ALLOWED]
    if allowed:
        yield ok(Check.PERMISSIONS, "", f"the key may do {len(allowed)} of {len(found)} things that are needed of it")


def _denied(right: Right, *, is_spared: bool, may_ask: bool) -> Finding:
    """A right that is missing: what is lost by it."""
    what = f"the key may not call {right.action} on {right.resource}"
    remedy = f"allow {right.action} on {right.resource}: {POLICY}"
    if right.action == GET_SEND_QUOTA and not may_ask:
        return note(Check.PERMISSIONS, right.action, what, remedy)  # ses:GetAccount is the one that is missed
    if right.spares:
        return note(Check.PERMISSIONS, right.action, f"{what}; {right.spares}", remedy)
    if right.action == GET_ACCOUNT:
        lost = "the rate is read by ses:GetSendQuota" if is_spared else "mail goes at 1 a second"
        make = warning if is_spared else fault
        return make(Check.PERMISSIONS, right.action, f"{what}: {lost}", remedy)
    if right.action == ATTRIBUTES:
        return warning(
            Check.PERMISSIONS, _name(right), f"{what}: depth and redrive policy of the queue are not known", remedy
        )
    return fault(Check.PERMISSIONS, _name(right), what, remedy)


def _name(right: Right) -> str:
    return f"{right.action} {name_of_queue(right.resource)}"


def _unknown(rights: Sequence[Right]) -> Finding:
    """One finding for all: each for itself would hide what matters."""
    names = dict.fromkeys(_name(right) if right.resource != "*" else right.action for right in rights)
    return Finding(
        Check.PERMISSIONS,
        Level.UNSEEN,
        "",
        f"not tried, for there is no harmless way: {', '.join(names)}",
        "allow iam:SimulatePrincipalPolicy on the key's own ARN; or see them at work: tank-mailer send-test --wait 60",
    )
