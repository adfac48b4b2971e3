"""What a domain asks receivers to do with mail that is not its own (DMARC, RFC 7489)."""

from collections.abc import Iterator, Mapping
from typing import Final

from tank_mailer.core.checkup.facts import Identity, Question
from tank_mailer.core.checkup.finding import Check, Finding, ok, unseen, warning
from tank_mailer.core.checkup.seen import Known, NotAsked, Seen

VERSION: Final = "v=dmarc1"
POLICIES: Final = frozenset({"none", "quarantine", "reject"})
NO_ASK: Final = NotAsked("there was no time for it")


def places_of(domain: str) -> list[str]:
    """Where the record may be: at the From domain, then at its parents, up to the organisational domain.

    Which parent that is, only a list of public suffixes knows; nobody publishes a record at a public suffix that asks
    for something, so the first one found is the right one.
    """
    labels = domain.split(".")
    return [f"_dmarc.{'.'.join(labels[n:])}" for n in range(max(1, len(labels) - 1))]


def judge_dmarc(domain: str, identity: Identity, dns: Mapping[Question, Seen[tuple[str, ...]]]) -> Iterator[Finding]:
    """The first place that has a record counts."""
    for place in places_of(domain):
        match dns.get(Question(place, "TXT"), NO_ASK):
            case Known(texts):
                if found := [text for text in texts if text.lower().replace(" ", "").startswith(VERSION)]:
                    yield _judged(domain, place, found, identity)
                    return
            case hidden:
                yield unseen(Check.DMARC, domain, hidden)
                return
    yield warning(
        Check.DMARC,
        domain,
        "no DMARC record: Google, Yahoo and Microsoft refuse bulk mail without one",
        f'publish _dmarc.{domain} TXT "v=DMARC1; p=none; rua=mailto:dmarc@{domain}"',
    )


def _judged(domain: str, place: str, found: list[str], identity: Identity) -> Finding:
    if len(found) > 1:
        what = f"{len(found)} DMARC records at {place}: receivers take none of them"
        return warning(Check.DMARC, domain, what, "make one of them")
    tags = read_tags(found[0])
    if tags.get("p") not in POLICIES:
        what = f"the DMARC record at {place} asks for no known policy (p=)"
        return warning(Check.DMARC, domain, what, "let it begin with v=DMARC1; p=none (or quarantine, or reject)")
    if tags.get("adkim") == "s" and identity.name != domain:
        return warning(
            Check.DMARC,
            domain,
            f"the DMARC record asks for strict alignment of DKIM (adkim=s), and SES signs as {identity.name}: its mail"
            " fails",
            f"verify {domain} itself in SES, or take adkim=s out",
        )
    if tags.get("aspf") == "s" and identity.mail_from and identity.mail_from.lower() != domain:
        return warning(
            Check.DMARC,
            domain,
            f"the DMARC record asks for strict alignment of SPF (aspf=s), which {identity.mail_from} lacks:"
            " DMARC rests on DKIM alone",
            "take aspf=s out",
        )
    return ok(Check.DMARC, domain, f"DMARC at {place}, p={tags['p']}")


def read_tags(text: str) -> dict[str, str]:
    """`tag=value` pairs, in lower case."""
    pairs = (part.partition("=") for part in text.lower().split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
