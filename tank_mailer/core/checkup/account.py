"""What SES thinks of the account, and whether we are able to use what it grants."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from tank_mailer.core.account import REMEDY, STOPS, Flaw, standing
from tank_mailer.core.checkup.facts import Account, DedicatedIp, Facts, Quota
from tank_mailer.core.checkup.finding import Check, Finding, fault, note, ok, unseen, warning
from tank_mailer.core.checkup.seen import Denied, Known, NotAsked, Seen, Unreached, value_of
from tank_mailer.core.checkup.setup import Setup
from tank_mailer.core.lanes import ORDINARY, PRIORITY, slots_of

NEAR: Final = 0.8  # of the daily quota
SUPPRESSED: Final = frozenset({"BOUNCE", "COMPLAINT"})
CHECKS: Final[Mapping[Flaw, Check]] = {
    Flaw.SHUTDOWN: Check.ENFORCEMENT,
    Flaw.PROBATION: Check.ENFORCEMENT,
    Flaw.SENDING_PAUSED: Check.SENDING,
    Flaw.SANDBOX: Check.SANDBOX,
    Flaw.NO_RATE: Check.RATE,
}
WEIGHTS: Final = {Flaw.PROBATION: warning, Flaw.SANDBOX: warning}
SAID: Final[Mapping[Flaw, str]] = {
    **{flaw: what for flaw, (_, what) in STOPS.items()},
    Flaw.PROBATION: "AWS has the account under review (enforcement PROBATION)",
    Flaw.SANDBOX: "the account is in the sandbox in this region",
}


def judge_account(setup: Setup, facts: Facts) -> Iterator[Finding]:
    """Everything about the account as a whole."""
    quota = value_of(facts.quota)
    match facts.account:
        case Known(account):
            yield from _standing(account, quota)
            yield from _suppression(account)
        case Denied() | Unreached() | NotAsked() as hidden:
            yield unseen(Check.SENDING, "account", hidden)
    match facts.quota:
        case Known(known):
            yield from _quota(known)
            yield from _rate(setup, known)
        case Denied() | Unreached() | NotAsked() as hidden:
            yield unseen(Check.QUOTA, "account", hidden)
    yield from _pool(setup, quota, facts.latency_s)
    yield from _ips(facts.ips)


def _standing(account: Account, quota: Quota | None) -> Iterator[Finding]:
    aspects = standing(
        max_send_rate=quota.per_s if quota else math.inf,
        sending_enabled=account.sending_enabled,
        production_access=account.production_access,
        enforcement=account.enforcement,
    )
    flaws = [flaw for flaw in aspects.values() if flaw is not None]
    if Flaw.SHUTDOWN in flaws:
        flaws = [flaw for flaw in flaws if flaw not in {Flaw.SENDING_PAUSED, Flaw.NO_RATE}]  # they come with it
    for flaw in flaws:
        yield WEIGHTS.get(flaw, fault)(CHECKS[flaw], "account", SAID[flaw], REMEDY[flaw])
    if not flaws:
        yield ok(Check.SENDING, "account", "SES takes mail from this account, to everybody")


def _suppression(account: Account) -> Iterator[Finding]:
    reasons = account.suppressed_reasons
    if reasons is None:
        return
    if missing := sorted(SUPPRESSED - set(reasons)):
        yield warning(
            Check.ACCOUNT_SUPPRESSION,
            "account",
            f"SES's suppression list of the account is off for {' and '.join(missing)}: addresses that came back once"
            " are mailed again by all who send in this account",
            "switch it on: aws sesv2 put-account-suppression-attributes --suppressed-reasons BOUNCE COMPLAINT",
        )
    else:
        yield ok(Check.ACCOUNT_SUPPRESSION, "account", "SES's suppression list of the account is on")


def _quota(quota: Quota) -> Iterator[Finding]:
    if quota.limit is None:
        yield ok(Check.QUOTA, "account", f"no daily limit; {quota.sent:.0f} recipients in the last 24 hours")
        return
    share = quota.sent / quota.limit if quota.limit else 1.0
    said = f"{quota.sent:.0f} of {quota.limit:.0f} recipients in the last 24 hours ({share:.0%})"
    remedy = "ask AWS for a higher quota: Service Quotas, Amazon SES, in this region; it comes back over 24 hours"
    if share >= 1:
        yield fault(Check.QUOTA, "account", f"the daily quota is used up: {said}", remedy)
    elif share >= NEAR:
        yield warning(Check.QUOTA, "account", f"the daily quota is nearly used up: {said}", remedy)
    else:
        yield ok(Check.QUOTA, "account", said)


def _rate(setup: Setup, quota: Quota) -> Iterator[Finding]:
    if quota.per_s <= 0:
        return  # told as a flaw of the account, or by the right that is missing
    if setup.send_rate is not None and setup.send_rate > quota.per_s:
        yield warning(
            Check.RATE,
            "account",
            f"TANK_SEND_RATE={setup.send_rate:g} is above the {quota.per_s:g}/s that SES allows: mail is throttled",
            "TANK_SEND_RATE=auto takes the account's rate times TANK_RATE_SHARE",
        )
    else:
        yield ok(Check.RATE, "account", f"SES allows {quota.per_s:g}/s; {_wanted(setup, quota.per_s):g}/s are used")


def _wanted(setup: Setup, per_s: float) -> float:
    return setup.send_rate if setup.send_rate is not None else per_s * setup.rate_share


# --- Little's law ----------------------------------------------------------------------------------


def _pool(setup: Setup, quota: Quota | None, latency_s: float | None) -> Iterator[Finding]:
    """Requests in flight are rate times latency: 10 slots at 300 ms carry 33 a second."""
    if quota is None or latency_s is None or latency_s <= 0:
        return
    wanted = min(_wanted(setup, quota.per_s), quota.per_s)
    has_priority = PRIORITY in setup.lanes
    slots = slots_of(ORDINARY, slots=setup.slots, has_priority=has_priority)
    carried = slots / latency_s
    said = f"{slots} requests in flight at {latency_s * 1000:.0f} ms carry {carried:.0f}/s"
    if carried < wanted:
        needs = math.ceil(wanted * latency_s) + setup.slots - slots
        yield warning(
            Check.POOL,
            "TANK_MAX_PARALLEL",
            f"{said}, and {wanted:g}/s are allowed (measured by GetAccount: a mail takes no less)",
            f"set TANK_MAX_PARALLEL to {needs} or more",
        )
    else:
        yield ok(Check.POOL, "TANK_MAX_PARALLEL", f"{said}; {wanted:g}/s are allowed")


# --- dedicated IPs ---------------------------------------------------------------------------------


def _ips(seen: Seen[tuple[DedicatedIp, ...]]) -> Iterator[Finding]:
    match seen:
        case Known(()):
            yield ok(Check.DEDICATED_IPS, "", "no dedicated IPs: mail goes by shared ones")
        case Known(ips):
            warming = [ip for ip in ips if ip.warmup == "IN_PROGRESS"]
            for ip in warming:
                yield note(
                    Check.DEDICATED_IPS,
                    ip.ip,
                    f"its warm-up is at {ip.percent} %: SES sends the rest by shared addresses",
                    "raise the volume steadily; it takes about 45 days, and counts with real mail only",
                )
            if not warming:
                yield ok(Check.DEDICATED_IPS, "", f"{len(ips)} dedicated IPs, warmed up")
        case Denied() | Unreached() | NotAsked():
            yield unseen(Check.DEDICATED_IPS, "", seen)
