"""Whether SES may send in the name of those that mail comes from, by SES's own word."""

from collections.abc import Iterator, Mapping
from typing import Final

from tank_mailer.core.checkup.facts import Facts, Identity
from tank_mailer.core.checkup.finding import Check, Finding, fault, note, ok, unseen, warning
from tank_mailer.core.checkup.seen import Absent, Denied, Found, Known, NotAsked, Unreached, Unseen, value_of
from tank_mailer.core.checkup.setup import Setup

GOOD: Final = "SUCCESS"
PENDING: Final = frozenset({"PENDING", "NOT_STARTED"})


def candidates(sender: str) -> list[str]:
    """Identities that may stand for a sender, the nearest first: address, domain, its parents (aws-facts 2.3)."""
    domain = sender.rpartition("@")[2]
    labels = domain.split(".")
    parents = [".".join(labels[n:]) for n in range(len(labels) - 1)]
    return ([sender] if "@" in sender else []) + parents


def identity_of(sender: str, identities: Mapping[str, Found[Identity]]) -> Found[Identity]:
    """The one that counts, if there is any."""
    hidden: Unseen | None = None
    for name in candidates(sender):
        match identities.get(name):
            case Known() as found:
                return found
            case Absent():
                continue
            case None:
                hidden = hidden or NotAsked("there was no time for it")
            case Denied() | Unreached() | NotAsked() as seen:
                hidden = hidden or seen
    return hidden or Absent()


def judged(setup: Setup, facts: Facts) -> dict[str, Identity]:
    """Each domain that mail comes from and the domain identity that stands for it, as far as they are known."""
    found = dict[str, Identity]()
    for sender in senders_of(setup, facts):
        match identity_of(sender, facts.identities):
            case Known(identity) if identity.is_domain:
                found[sender.rpartition("@")[2]] = identity
            case _:
                pass
    return found


def senders_of(setup: Setup, facts: Facts) -> tuple[str, ...]:
    """Whom mail comes from; where jobs may come from anybody, everybody that SES lets send, too."""
    others = value_of(facts.listed) or () if setup.any_sender else ()
    return tuple(dict.fromkeys((*setup.senders, *others)))


def judge_senders(setup: Setup, facts: Facts) -> Iterator[Finding]:
    """The identities, each once."""
    senders = senders_of(setup, facts)
    if setup.any_sender:
        match facts.listed:
            case Known(()):
                yield fault(
                    Check.IDENTITY,
                    "",
                    "SES has verified no identity in this region: it refuses every mail",
                    "verify a domain in SES, in this region",
                )
            case Known(_):
                pass
            case Denied() | Unreached() | NotAsked() as hidden:
                yield unseen(Check.IDENTITY, "", hidden)
    told = set[str]()
    for sender in senders:
        match identity_of(sender, facts.identities):
            case Absent():
                yield fault(
                    Check.IDENTITY,
                    sender,
                    f"SES does not know {' or '.join(candidates(sender))} in {setup.region_of_ses}: mail is refused",
                    f"verify {candidates(sender)[-1]} in SES, in this region, or take it out of the settings",
                )
            case Known(identity) if identity.name not in told:
                told.add(identity.name)
                yield from _identity(identity)
            case Known(_):
                continue
            case Denied() | Unreached() | NotAsked() as hidden:
                yield unseen(Check.IDENTITY, sender, hidden)


def _identity(identity: Identity) -> Iterator[Finding]:
    name = identity.name
    if not identity.is_verified:
        state = f" ({identity.status})" if identity.status else ""
        yield fault(
            Check.IDENTITY,
            name,
            f"SES has not verified it{state}: it refuses mail from there",
            "publish the DKIM records that SES shows for it, and wait; SES looks for 72 hours"
            if identity.is_domain
            else "click the link in the mail that SES has sent there, or verify its domain",
        )
        return
    yield ok(Check.IDENTITY, name, "verified")
    if not identity.is_domain:
        yield note(
            Check.DKIM,
            name,
            "an address by itself: DKIM and MAIL FROM are its domain's, which SES does not know",
            f"verify {name.rpartition('@')[2]} in SES: receivers trust signed mail",
        )
        return
    yield from _dkim(identity)
    yield from _mail_from(identity)


def _dkim(identity: Identity) -> Iterator[Finding]:
    name = identity.name
    if identity.dkim_enabled is False:
        yield fault(
            Check.DKIM,
            name,
            "SES does not sign its mail (DKIM is off): large receivers refuse it",
            f"aws sesv2 put-email-identity-dkim-attributes --email-identity {name} --signing-enabled",
        )
    elif identity.dkim_status and identity.dkim_status != GOOD:
        yield fault(
            Check.DKIM,
            name,
            f"SES has not found its DKIM records ({identity.dkim_status}), and does not sign its mail",
            f"publish the records that SES shows for {name}; once they are there, SES finds them within 72 hours",
        )
    else:
        yield ok(Check.DKIM, name, "SES signs its mail")


def _mail_from(identity: Identity) -> Iterator[Finding]:
    name = identity.name
    if not identity.mail_from:
        yield note(
            Check.MAIL_FROM,
            name,
            "no MAIL FROM domain of its own: SPF passes for amazonses.com, and DMARC rests on DKIM alone",
            f"set a MAIL FROM domain, such as bounce.{name}, in SES",
        )
    elif identity.mail_from_status and identity.mail_from_status != GOOD:
        lost = "SES refuses its mail" if identity.rejects_without_mx else "SES uses amazonses.com in its place"
        make = fault if identity.rejects_without_mx else warning
        yield make(
            Check.MAIL_FROM,
            name,
            f"SES has not found the MX record of {identity.mail_from} ({identity.mail_from_status}): {lost}",
            f"publish the MX and TXT records of {identity.mail_from} that SES shows",
        )
    else:
        yield ok(Check.MAIL_FROM, name, f"MAIL FROM domain {identity.mail_from}")
