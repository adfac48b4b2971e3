"""What receivers find in DNS about the domains that mail comes from: DKIM, SPF, MAIL FROM, DMARC."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tank_mailer.core.checkup.dmarc import judge_dmarc, places_of
from tank_mailer.core.checkup.facts import Facts, Identity, Question
from tank_mailer.core.checkup.finding import Check, Finding, fault, note, ok, unseen, warning
from tank_mailer.core.checkup.seen import Known, NotAsked, Seen, value_of
from tank_mailer.core.checkup.senders import judged
from tank_mailer.core.checkup.setup import Setup
from tank_mailer.core.checkup.spf import SES_INCLUDE, policies, too_many_lookups

Answers = Mapping[Question, Seen[tuple[str, ...]]]
NO_ASK: Final = NotAsked("there was no time for it")
COMMON_ZONE: Final = "dkim.amazonses.com"
ZONED: Final = frozenset({  # where tokens lead into a zone of the region's own (aws-facts 7.1)
    "af-south-1", "ap-northeast-3", "ap-south-2", "ap-southeast-3", "ap-southeast-5", "ca-west-1", "eu-central-2",
    "eu-south-1", "il-central-1", "me-central-1", "us-gov-east-1",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """One of the three records of Easy DKIM."""

    name: str
    target: str

    def doubled(self, domain: str) -> str:
        """Where it is if the DNS panel has put the domain behind it once more."""
        return f"{self.name}.{domain}"


def tokens_of(identity: Identity, region: str) -> list[Token]:
    """Of an own key: none."""
    if identity.is_own_key:
        return []
    zone = identity.zone or (f"dkim.{region}.amazonses.com" if region in ZONED else COMMON_ZONE)
    return [
        Token(f"{token}._domainkey.{identity.name}".lower(), f"{token}.{zone}".lower()) for token in identity.tokens
    ]


def key_place(selector: str, identity: Identity) -> str:
    """Where an own key is published."""
    return f"{selector}._domainkey.{identity.name}".lower()


def questions(setup: Setup, facts: Facts) -> list[Question]:
    """What to look up, for the identities that are known."""
    asked = list[Question]()
    for domain, identity in judged(setup, facts).items():
        for token in tokens_of(identity, setup.region_of_ses):
            asked += [Question(token.name, "CNAME"), Question(token.name, "TXT")]
            asked.append(Question(token.doubled(identity.name), "CNAME"))
        if identity.is_own_key:
            asked += [Question(key_place(selector, identity), "TXT") for selector in identity.tokens]
        asked.append(Question(domain, "TXT"))
        if identity.mail_from:
            asked += [Question(identity.mail_from.lower(), "MX"), Question(identity.mail_from.lower(), "TXT")]
        asked += [Question(place, "TXT") for place in places_of(domain)]
    return list(dict.fromkeys(asked))


def judge_records(setup: Setup, facts: Facts) -> Iterator[Finding]:
    """Of every domain that mail comes from."""
    told = set[str]()
    for domain, identity in judged(setup, facts).items():
        if not setup.asks_dns:
            why = "SES is stood in for; TANK_DNS_RESOLVER has DNS looked at all the same"
            yield unseen(Check.DKIM_DNS, domain, NotAsked(why))
            continue
        if identity.name not in told:
            told.add(identity.name)
            yield from _dkim(setup, identity, facts.dns)
            yield from _mail_from(setup, identity, facts.dns)
        yield from _spf(domain, facts.dns)
        yield from judge_dmarc(domain, identity, facts.dns)


# --- DKIM ------------------------------------------------------------------------------------------


def _dkim(setup: Setup, identity: Identity, dns: Answers) -> Iterator[Finding]:
    if identity.is_own_key:
        yield from _own_key(identity, dns)
        return
    missing, wrong, doubled = list[Token](), list[tuple[Token, str]](), list[Token]()
    for token in tokens_of(identity, setup.region_of_ses):
        match dns.get(Question(token.name, "CNAME"), NO_ASK):
            case Known(found) if token.target in found:
                continue
            case Known(()) if _is_flattened(token, dns):
                continue
            case Known(()) if value_of(dns.get(Question(token.doubled(identity.name), "CNAME"))):
                doubled.append(token)
            case Known(()):
                missing.append(token)
            case Known(found):
                wrong.append((token, ", ".join(found)))
            case hidden:
                yield unseen(Check.DKIM_DNS, identity.name, hidden)
                return
    yield from _dkim_said(identity, missing, wrong, doubled)


def _is_flattened(token: Token, dns: Answers) -> bool:
    """Some DNS servers answer with what the CNAME leads to: receivers find the key all the same."""
    return any("p=" in text for text in value_of(dns.get(Question(token.name, "TXT"))) or ())


def _dkim_said(
    identity: Identity, missing: Sequence[Token], wrong: Sequence[tuple[Token, str]], doubled: Sequence[Token]
) -> Iterator[Finding]:
    name = identity.name
    if doubled:
        yield fault(
            Check.DOUBLED_DOMAIN,
            name,
            f"{len(doubled)} of its DKIM records are published as {doubled[0].doubled(name)}: the domain twice",
            f"enter {doubled[0].name.removesuffix(f'.{name}')} as the name; this DNS panel adds {name} by itself",
        )
    if missing:
        records = "; ".join(f"{token.name} CNAME {token.target}" for token in missing)
        yield fault(
            Check.DKIM_DNS,
            name,
            f"{len(missing)} of its {len(identity.tokens)} DKIM records are not in DNS: its mail counts as unsigned",
            f"publish {records}",
        )
    for token, found in wrong:
        yield fault(
            Check.DKIM_DNS, name, f"{token.name} leads to {found}, not to SES", f"let it be a CNAME to {token.target}"
        )
    if not (doubled or missing or wrong) and identity.tokens:
        yield ok(Check.DKIM_DNS, name, f"its {len(identity.tokens)} DKIM records are in DNS")


def _own_key(identity: Identity, dns: Answers) -> Iterator[Finding]:
    for selector in identity.tokens:
        place = key_place(selector, identity)
        match dns.get(Question(place, "TXT"), NO_ASK):
            case Known(found) if any("p=" in text for text in found):
                yield ok(Check.DKIM_DNS, identity.name, f"the key of {selector} is in DNS")
            case Known(_):
                yield fault(
                    Check.DKIM_DNS,
                    identity.name,
                    f"its own DKIM key is not in DNS: {place} has no TXT record with p=",
                    f'publish {place} TXT "p=..." with the public key that belongs to the one given to SES',
                )
            case hidden:
                yield unseen(Check.DKIM_DNS, identity.name, hidden)


# --- MAIL FROM -------------------------------------------------------------------------------------


def _mail_from(setup: Setup, identity: Identity, dns: Answers) -> Iterator[Finding]:
    place = identity.mail_from.lower()
    if not place:
        return
    wanted = f"feedback-smtp.{setup.region_of_ses}.amazonses.com"
    match dns.get(Question(place, "MX"), NO_ASK):
        case Known(found):
            yield _mx(place, wanted, found)
        case hidden:
            yield unseen(Check.MAIL_FROM_MX, place, hidden)
    match dns.get(Question(place, "TXT"), NO_ASK):
        case Known(found):
            yield _mail_from_spf(place, policies(found))
        case hidden:
            yield unseen(Check.MAIL_FROM_SPF, place, hidden)


def _mx(place: str, wanted: str, found: tuple[str, ...]) -> Finding:
    remedy = f"publish {place} MX 10 {wanted}, and no other MX record there"
    hosts = [text.rpartition(" ")[2] for text in found]
    if not hosts:
        return fault(Check.MAIL_FROM_MX, place, "the MAIL FROM domain has no MX record", remedy)
    if len(hosts) > 1:
        what = f"the MAIL FROM domain has {len(hosts)} MX records; SES takes exactly one"
        return fault(Check.MAIL_FROM_MX, place, what, remedy)
    if hosts[0] != wanted:
        is_region = hosts[0].startswith("feedback-smtp.")
        whose = "another region's" if is_region else "not SES's"
        return fault(Check.MAIL_FROM_MX, place, f"its MX record leads to {hosts[0]}, {whose}", remedy)
    return ok(Check.MAIL_FROM_MX, place, f"MX {wanted}")


def _mail_from_spf(place: str, found: Sequence[str]) -> Finding:
    remedy = f'publish {place} TXT "v=spf1 {SES_INCLUDE} ~all", and no other SPF record there'
    if not found:
        return fault(Check.MAIL_FROM_SPF, place, "the MAIL FROM domain has no SPF record", remedy)
    if len(found) > 1:
        return fault(
            Check.MAIL_FROM_SPF, place, f"it has {len(found)} SPF records: receivers take none of them", remedy
        )
    if SES_INCLUDE not in found[0].lower().split():
        return fault(Check.MAIL_FROM_SPF, place, "its SPF record does not let SES send", remedy)
    return ok(Check.MAIL_FROM_SPF, place, "its SPF record lets SES send")


# --- SPF of the From domain ------------------------------------------------------------------------


def _spf(domain: str, dns: Answers) -> Iterator[Finding]:
    answer = dns.get(Question(domain, "TXT"), NO_ASK)
    if not isinstance(answer, Known):
        yield unseen(Check.SPF, domain, answer)
        return
    found = policies(answer.value)
    if len(found) > 1:
        yield warning(
            Check.SPF,
            domain,
            f"{len(found)} SPF records: receivers take none of them (RFC 7208)",
            "make one of them: one record that begins with v=spf1",
        )
    elif found and (count := too_many_lookups(found[0])):
        yield warning(
            Check.SPF,
            domain,
            f"its SPF record needs {count} look-ups and more; receivers stop at 10 (RFC 7208)",
            "take out what nobody sends by any more; for SES none is needed here, its MAIL FROM domain has its own",
        )
    elif not found:
        yield note(
            Check.SPF,
            domain,
            "no SPF record: mail by SES needs none here, but others may send in this domain's name",
            f'publish {domain} TXT "v=spf1 {SES_INCLUDE} -all", with everybody else who sends for it',
        )
    else:
        yield ok(Check.SPF, domain, "one SPF record")
