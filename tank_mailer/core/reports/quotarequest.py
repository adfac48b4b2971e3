"""The text that AWS Support asks for when a quota is to be raised (aws-facts 2.2), made of what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from textwrap import fill
from typing import Final

from tank_mailer.core.reports import words
from tank_mailer.core.reports.days import Days, today
from tank_mailer.core.reports.demand import HEADROOM, Asked, Demand, ask, demand
from tank_mailer.core.reports.document import Check, Column, Form, Mark, NotKnown, Report, Section, Table
from tank_mailer.core.reports.figures import DayFigures, Growth, Hour, Share, all_cohorts, all_tallies
from tank_mailer.core.reports.outside import AccountStanding, Outside, account_checks, identity_checks
from tank_mailer.core.reports.spell import count_of, percent, rate_of
from tank_mailer.core.reputation import REVIEW, Kind, Rules

WIDTH: Final = 78  # characters of a line: fits a support form and a terminal
FILL_IN: Final = "[FILL IN: {}]"  # what no program knows; looked for by whoever sends it


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFigures:
    """What it is made of.

    Attributes:
        figures: of the span, with their tallies.
        region: where the account sends; "" where it is not known.
        headroom: how many times the peak is asked for.
    """

    days: Days
    figures: Sequence[DayFigures]
    hours: Sequence[Hour]
    growth: Sequence[Growth]
    outside: Outside
    region: str
    has_events: bool
    rules: Rules = field(default_factory=Rules)
    headroom: float = HEADROOM

    def demand(self, now: datetime) -> Demand:
        """What was measured."""
        return demand(self.hours, days=self.days.begun(now))

    def asked(self, now: datetime) -> Asked:
        """What follows from it."""
        account = self.outside.account
        if isinstance(account, NotKnown):  # any figure is above it
            return ask(self.demand(now), daily=0.0, rate=None, headroom=self.headroom)
        return ask(self.demand(now), daily=account.max_24_hour_send, rate=account.max_send_rate, headroom=self.headroom)


def quota_request(given: RequestFigures, now: datetime) -> Report:
    """The text, what it is made of, and what a person has to look at before it is sent."""
    return Report(
        kind="quota-request",
        title="Quota request",
        days=given.days,
        made_at=now,
        sections=[_look(given, now), _text(given, now), _figures(given)],
        counts=[words.RECIPIENTS, words.RATES],
        blind=[
            "what stands in [FILL IN: ...]: a person must write it before the text is sent",
            "future campaigns: the asked figures are made of what was sent, times the headroom",
            words.OTHERS,
            words.RETENTION,
        ],
        is_partial=given.days.end > today(now),
    )


# --- before it is sent -----------------------------------------------------------------------------


def _look(given: RequestFigures, now: datetime) -> Section:
    asked = given.asked(now)
    checks = [_needed(asked, given.outside.account)]
    if asked.is_cut:
        said = "the peaks are at the present limits: what could not be sent is not in them"
        checks.append(Check("demand", "demand", Mark.WARN, said, remedy="ask for more with --headroom"))
    checks += _reputation(given)
    checks += [check for check in account_checks(given.outside.account) if check.key == "account"]
    return Section("before", "Before you send it", checks=[*checks, *identity_checks(given.outside.identities)])


def _needed(asked: Asked, account: AccountStanding | NotKnown) -> Check:
    if isinstance(account, NotKnown):
        return account.check("needed", "present quota")
    if asked.daily is None and asked.rate is None:
        said = "the present quota is enough for what was measured: AWS will ask why you want more"
        return Check("needed", "needed", Mark.WARN, said, remedy="look at a busier time: --since, or --headroom")
    return Check("needed", "needed", Mark.GOOD, "the measured demand with its headroom is above the present quota")


def _reputation(given: RequestFigures) -> list[Check]:
    tally = all_tallies(given.figures)
    if tally.volume < given.rules.least_volume:
        return [Check("reputation", "reputation", Mark.TOLD, "too few mails for rates that say anything")]
    rates = {Kind.BOUNCES: tally.bounces / tally.volume, Kind.COMPLAINTS: tally.complaints / tally.volume}
    bad = [kind for kind, rate in rates.items() if rate >= REVIEW[kind]]
    said = f"hard bounces {percent(rates[Kind.BOUNCES])}, complaints {percent(rates[Kind.COMPLAINTS])}"
    remedy = "bring them down first: AWS raises no quota of an account that it would review"
    return [Check("reputation", "reputation", Mark.BAD if bad else Mark.GOOD, said, remedy=remedy if bad else None)]


# --- the text --------------------------------------------------------------------------------------


def _text(given: RequestFigures, now: datetime) -> Section:
    parts = [
        f"Subject: SES sending limits increase, region {given.region or FILL_IN.format('region')}",
        _wanted(given, given.asked(now)),
        _use(given, given.demand(now)),
        _kinds(),
        _lists(),
        _handling(given),
        _optout(),
        _domains(given),
    ]
    return Section("text", "Text for AWS Support", text="\n\n".join(parts))


def _para(title: str, text: str) -> str:
    return f"{title}\n{fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)}"


def _wanted(given: RequestFigures, asked: Asked) -> str:
    account = given.outside.account
    daily = f"{count_of(asked.daily, 'recipient')} in 24 hours" if asked.daily else "the daily quota as it is"
    rate = f"{count_of(asked.rate, 'recipient')} a second" if asked.rate else "the sending rate as it is"
    if isinstance(account, NotKnown):
        present = FILL_IN.format("the present limits, from the SES console")
    else:
        most = "unlimited" if account.max_24_hour_send is None else f"{account.max_24_hour_send:,.0f} in 24 hours"
        present = f"The present limits are {most} and {account.max_send_rate:g} a second."
    how = (
        f"The figures are the highest that we have measured, times {given.headroom:g}, rounded up; the rate brings a"
        " full day's mail out within eight hours."
    )
    return _para("1. What we ask for", f"We ask for {daily} and {rate}. {present} {how}")


def _use(given: RequestFigures, seen: Demand) -> str:
    at = f", in the 24 hours until {seen.peak_day_at:%Y-%m-%d %H:%M} UTC" if seen.peak_day_at else ""
    text = (
        f"From {given.days.begin} to {given.days.last} we sent mail to {seen.average:,.0f} recipients a day on average."
        f" The highest was {seen.peak_day:,} recipients in 24 hours{at}, and {rate_of(seen.peak_rate)} recipients a"
        " second over the busiest minute. These are counts of our own ledger of mail that SES accepted."
    )
    return _para("2. How we use SES today", text)


def _kinds() -> str:
    site = FILL_IN.format("website, https://...")
    use = FILL_IN.format("which mail this is: order confirmations, codes, newsletters; who gets it, and why so much")
    sample = FILL_IN.format("a sample of each kind of mail, with its subject")
    return _para("3. What we send", f"Website: {site}. {use} {sample}")


def _lists() -> str:
    text = FILL_IN.format("how addresses come in: sign-up form, double opt-in, customers only; no bought lists")
    return _para("4. How recipients come to us", text)


def _handling(given: RequestFigures) -> str:
    cohort, tally = all_cohorts(given.figures), all_tallies(given.figures)
    if not given.has_events:
        return _para("5. Bounces and complaints", FILL_IN.format("how bounces and complaints are handled"))
    bounces, complaints = Share(tally.bounces, tally.volume), Share(tally.complaints, tally.volume)
    text = (
        "SES's event publishing brings every bounce, complaint and delivery back to us by SNS and SQS, within"
        " seconds to minutes. A hard bounce or a complaint puts the address on our own suppression list at once, five"
        " soft bounces in a row do the same; the list is checked for every recipient before each attempt, and mail to"
        f" it never reaches SES. It has {sum(one.total for one in given.growth):,} addresses."
        f" In the time above {percent(cohort.delivered.rate)} of the recipients were delivered;"
        f" {percent(bounces.rate)} bounced hard ({bounces.part:,} of {bounces.whole:,}), {percent(complaints.rate)}"
        f" complained ({complaints.part:,}). At {percent(given.rules.bounces.pause)} hard bounces or"
        f" {percent(given.rules.complaints.pause)} complaints our mailer stops bulk mail by itself. It keeps to the"
        " account's rate and daily quota, and takes SES's throttling as a sign to slow down."
    )
    return _para("5. Bounces and complaints", text)


def _optout() -> str:
    text = FILL_IN.format("how people opt out: link in each newsletter, List-Unsubscribe; transactional mail: say so")
    return _para("6. How people opt out", text)


def _domains(given: RequestFigures) -> str:
    identities = given.outside.identities
    if isinstance(identities, NotKnown) or not identities:
        text = FILL_IN.format("sending domains, with their DKIM, SPF and DMARC")
    else:
        text = "; ".join(f"{one.name}: {one.said}" for one in identities) + "."
    return _para("7. Sending domains", text)


# --- figures ---------------------------------------------------------------------------------------


def _figures(given: RequestFigures) -> Section:
    columns = [
        Column("day", "day"),
        Column("accepted", "recipients", Form.COUNT),
        Column("delivered", "delivered", Form.COUNT),
        Column("bounced", "hard bounces", Form.COUNT),
        Column("complained", "complaints", Form.COUNT),
    ]
    rows = [
        [
            one.day,
            one.cohort.accepted,
            one.cohort.delivered.part,
            *((one.tally.bounces, one.tally.complaints) if one.tally else (None, None)),
        ]
        for one in given.figures
    ]
    return Section("figures", "What it is made of", tables=[Table("days", "Day by day", columns, rows)])
