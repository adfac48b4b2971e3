"""Identities by SES's word, and what DNS says of their domains."""

from typing import Any

import pytest

from tank_mailer.core.checkup.dmarc import judge_dmarc, places_of, read_tags
from tank_mailer.core.checkup.facts import Identity, Question
from tank_mailer.core.checkup.finding import Check, Level
from tank_mailer.core.checkup.records import judge_records, questions, tokens_of
from tank_mailer.core.checkup.seen import Absent, Known, NotAsked, Unreached
from tank_mailer.core.checkup.senders import candidates, judge_senders, senders_of
from tank_mailer.core.checkup.spf import policies, too_many_lookups
from tests.checkups import DENIED, make_facts, make_identity, make_setup, texts, told

FAULT, WARNING, NOTE, UNSEEN = Level.FAULT, Level.WARNING, Level.NOTE, Level.UNSEEN
SILENT = Unreached("the DNS server does not answer")


@pytest.mark.parametrize(
    ("sender", "names"),
    [
        pytest.param("example.com", ["example.com"], id="a-domain"),
        pytest.param("a@example.com", ["a@example.com", "example.com"], id="an-address-first"),
        pytest.param(
            "mail.shop.example.com", ["mail.shop.example.com", "shop.example.com", "example.com"], id="parents"
        ),
        pytest.param("localhost", [], id="a-name-without-a-domain"),
    ],
)
def test_candidates(sender: str, names: list[str]) -> None:
    assert candidates(sender) == names


@pytest.mark.parametrize(
    ("sender", "identities", "expected", "text"),
    [
        pytest.param("example.com", {"example.com": Known(make_identity())}, [(Check.MAIL_FROM, NOTE)], "", id="there"),
        pytest.param("x.example.com", {}, [(Check.IDENTITY, UNSEEN)], "no time", id="not-asked"),
        pytest.param(
            "x.example.com",
            {"x.example.com": DENIED, "example.com": Known(make_identity())},
            [(Check.MAIL_FROM, NOTE)],
            "",
            id="a-parent-counts-though-the-name-was-denied",
        ),
        pytest.param(
            "x.example.com",
            {"x.example.com": DENIED, "example.com": Absent()},
            [(Check.IDENTITY, UNSEEN)],
            "",
            id="denied",
        ),
        pytest.param(
            "x.example.com",
            {"x.example.com": Absent(), "example.com": Absent()},
            [(Check.IDENTITY, FAULT)],
            "x.example.com or example.com",
            id="nowhere",
        ),
        pytest.param(
            "a@example.com",
            {"a@example.com": Known(make_identity(name="a@example.com", is_domain=False))},
            [(Check.DKIM, NOTE)],
            "verify example.com in SES",
            id="an-address-by-itself",
        ),
        pytest.param(
            "a@example.com",
            {"a@example.com": Known(make_identity(name="a@example.com", is_domain=False, is_verified=False))},
            [(Check.IDENTITY, FAULT)],
            "click the link",
            id="an-address-not-verified",
        ),
        pytest.param(
            "example.com",
            {"example.com": Known(make_identity(is_verified=False, status="PENDING"))},
            [(Check.IDENTITY, FAULT)],
            "(PENDING)",
            id="a-domain-not-verified",
        ),
        pytest.param(
            "example.com",
            {"example.com": Known(make_identity(dkim_status="TEMPORARY_FAILURE"))},
            [(Check.DKIM, FAULT), (Check.MAIL_FROM, NOTE)],
            "TEMPORARY_FAILURE",
            id="dkim-records-lost",
        ),
    ],
)
def test_senders(sender: str, identities: Any, expected: list[tuple[Check, Level]], text: str) -> None:
    found = list(judge_senders(make_setup(senders=(sender,)), make_facts(identities=identities)))

    assert told(found) == expected
    assert text in texts(found)


def test_an_identity_is_told_of_once() -> None:
    setup = make_setup(senders=("a@example.com", "b@example.com"))
    facts = make_facts(
        identities={"a@example.com": Absent(), "b@example.com": Absent(), "example.com": Known(make_identity())}
    )

    assert [one.subject for one in judge_senders(setup, facts)] == ["example.com"] * 3


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        pytest.param(Known(()), [(Check.IDENTITY, FAULT)], id="nobody-may-send"),
        pytest.param(Known(("example.com",)), [(Check.MAIL_FROM, NOTE)], id="who-may-send-is-looked-at"),
        pytest.param(DENIED, [(Check.IDENTITY, UNSEEN)], id="who-may-send-is-not-to-be-seen"),
    ],
)
def test_where_anybody_may_send(listed: Any, expected: list[tuple[Check, Level]]) -> None:
    setup = make_setup(any_sender=True)
    facts = make_facts(listed=listed, identities={"example.com": Known(make_identity())})

    assert told(judge_senders(setup, facts)) == expected


def test_whom_settings_name_comes_first() -> None:
    facts = make_facts(listed=Known(("b.example", "a.example")))

    assert senders_of(make_setup(senders=("a.example",), any_sender=True), facts) == ("a.example", "b.example")
    assert senders_of(make_setup(senders=("a.example",)), facts) == ("a.example",)


# --- DNS -------------------------------------------------------------------------------------------

FROM = "bounce.example.com"
GOOD_DNS: dict[tuple[str, str], Any] = {
    **{(f"{token}._domainkey.example.com", "CNAME"): Known((f"{token}.dkim.amazonses.com",)) for token in "abc"},
    ("example.com", "TXT"): Known(("v=spf1 -all", "x=1")),
    ("_dmarc.example.com", "TXT"): Known(("v=DMARC1; p=reject",)),
    (FROM, "MX"): Known(("10 feedback-smtp.eu-west-1.amazonses.com",)),
    (FROM, "TXT"): Known(("v=spf1 include:amazonses.com ~all",)),
}


def dns(**changes: Any) -> dict[Question, Any]:
    return {Question(*key): value for key, value in {**GOOD_DNS, **changes.get("but", {})}.items()}


def judged(identity: Identity, answers: dict[Question, Any], **setup: Any) -> list[Any]:
    facts = make_facts(identities={"example.com": Known(identity)}, dns=answers)
    return list(judge_records(make_setup(senders=("example.com",), **setup), facts))


@pytest.mark.parametrize(
    ("but", "expected", "text"),
    [
        pytest.param({}, [], "3 DKIM records", id="all-there"),
        pytest.param(
            {("b._domainkey.example.com", "CNAME"): Known(())},
            [(Check.DKIM_DNS, FAULT)],
            "publish b._domainkey.example.com CNAME b.dkim.amazonses.com",
            id="one-missing",
        ),
        pytest.param(
            {("b._domainkey.example.com", "CNAME"): Known(()), ("b._domainkey.example.com", "TXT"): Known(("p=MIIB",))},
            [],
            "",
            id="one-that-the-server-has-followed-itself",
        ),
        pytest.param(
            {
                ("b._domainkey.example.com", "CNAME"): Known(()),
                ("b._domainkey.example.com.example.com", "CNAME"): Known(("b.dkim.amazonses.com",)),
            },
            [(Check.DOUBLED_DOMAIN, FAULT)],
            "enter b._domainkey as the name",
            id="one-with-the-domain-twice",
        ),
        pytest.param(
            {("b._domainkey.example.com", "CNAME"): SILENT}, [(Check.DKIM_DNS, UNSEEN)], "does not answer", id="silence"
        ),
        pytest.param({(FROM, "MX"): SILENT}, [(Check.MAIL_FROM_MX, UNSEEN)], "", id="silence-on-mx"),
        pytest.param({(FROM, "TXT"): SILENT}, [(Check.MAIL_FROM_SPF, UNSEEN)], "", id="silence-on-spf-of-mail-from"),
        pytest.param({("example.com", "TXT"): SILENT}, [(Check.SPF, UNSEEN)], "", id="silence-on-spf"),
        pytest.param({("_dmarc.example.com", "TXT"): SILENT}, [(Check.DMARC, UNSEEN)], "", id="silence-on-dmarc"),
        pytest.param(
            {(FROM, "MX"): Known(("10 mail.example.com",))},
            [(Check.MAIL_FROM_MX, FAULT)],
            "not SES's",
            id="ones-own-mx",
        ),
        pytest.param(
            {(FROM, "TXT"): Known(("v=spf1 include:amazonses.com -all", "v=spf1 -all"))},
            [(Check.MAIL_FROM_SPF, FAULT)],
            "receivers take none of them",
            id="two-spf-records-of-mail-from",
        ),
    ],
)
def test_records(but: Any, expected: list[tuple[Check, Level]], text: str) -> None:
    found = judged(make_identity(mail_from=FROM), dns(but=but))

    assert told(found) == expected
    assert text in texts(found)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(Known(("v=DKIM1; p=MIIB",)), [], id="published"),
        pytest.param(Known(()), [(Check.DKIM_DNS, FAULT)], id="missing"),
        pytest.param(SILENT, [(Check.DKIM_DNS, UNSEEN)], id="unseen"),
    ],
)
def test_an_own_key(answer: Any, expected: list[tuple[Check, Level]]) -> None:
    identity = make_identity(is_own_key=True, tokens=("selector1",))

    assert told(judged(identity, dns(but={("selector1._domainkey.example.com", "TXT"): answer}))) == expected


def test_dns_says_nothing_of_an_emulated_account() -> None:
    found = judged(make_identity(), {}, asks_dns=False)

    assert told(found) == [(Check.DKIM_DNS, UNSEEN)]
    assert "TANK_DNS_RESOLVER" in texts(found)


@pytest.mark.parametrize(
    ("region", "zone", "target"),
    [
        pytest.param("eu-west-1", "", "a.dkim.amazonses.com", id="most-regions-share-a-zone"),
        pytest.param("eu-central-2", "", "a.dkim.eu-central-2.amazonses.com", id="some-have-their-own"),
        pytest.param("eu-west-1", "dkim.x.amazonses.com", "a.dkim.x.amazonses.com", id="what-SES-says-goes-first"),
    ],
)
def test_where_tokens_lead(region: str, zone: str, target: str) -> None:
    assert tokens_of(make_identity(zone=zone), region)[0].target == target


def test_questions_are_asked_once_and_only_of_what_is_known() -> None:
    setup = make_setup(senders=("a@example.com", "example.com", "other.example"))
    absent = {"a@example.com": Absent(), "other.example": DENIED}
    facts = make_facts(identities={**absent, "example.com": Known(make_identity(mail_from=FROM))})

    asked = questions(setup, facts)

    assert len(asked) == len(set(asked)) == 3 * 3 + 1 + 2 + 1
    assert questions(setup, make_facts(identities={"example.com": NotAsked("no time")})) == []


def test_an_identity_of_two_domains_is_looked_up_once() -> None:
    """Each From domain has an SPF and a DMARC record of its own; the keys are the identity's."""
    setup = make_setup(senders=("example.com", "shop.example.com"))
    facts = make_facts(
        identities={"example.com": Known(make_identity()), "shop.example.com": Absent()},
        dns=dns(
            but={("shop.example.com", "TXT"): Known(("v=spf1 -all",)), ("_dmarc.shop.example.com", "TXT"): Known(())}
        ),
    )

    found = [(one.check, one.subject) for one in judge_records(setup, facts)]

    assert [subject for check, subject in found if check is Check.DKIM_DNS] == ["example.com"]
    assert [subject for check, subject in found if check is Check.SPF] == ["example.com", "shop.example.com"]
    assert [subject for check, subject in found if check is Check.DMARC] == ["example.com", "shop.example.com"]


def test_an_address_by_itself_asks_dns_nothing() -> None:
    """Its domain is not SES's business."""
    setup = make_setup(senders=("a@example.com",))
    alone = make_identity(name="a@example.com", is_domain=False)

    assert questions(setup, make_facts(identities={"a@example.com": Known(alone)})) == []


# --- DMARC and SPF by themselves -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "records", "identity", "level", "text"),
    [
        pytest.param("example.com", {"example.com": "v=DMARC1;p=none"}, {}, Level.OK, "p=none", id="there"),
        pytest.param(
            "a.b.example.com", {"example.com": "v=DMARC1; p=none"}, {}, Level.OK, "_dmarc.example.com", id="up"
        ),
        pytest.param(
            "a.example.com",
            {"a.example.com": "v=DMARC1; p=reject", "example.com": "v=DMARC1; p=none"},
            {"name": "a.example.com"},
            Level.OK,
            "p=reject",
            id="the-nearest-counts",
        ),
        pytest.param("example.com", {"example.com": "x=1"}, {}, WARNING, "no DMARC record", id="something-else-there"),
        pytest.param("example.com", {"example.com": "v=DMARC1; p=all"}, {}, WARNING, "no known policy", id="no-policy"),
        pytest.param(
            "a.example.com",
            {"example.com": "v=DMARC1; p=none; adkim=s"},
            {},
            WARNING,
            "verify a.example.com itself",
            id="strict-dkim-of-a-subdomain",
        ),
        pytest.param(
            "example.com", {"example.com": "v=DMARC1; p=none; adkim=s"}, {}, Level.OK, "", id="strict-and-right"
        ),
        pytest.param(
            "example.com",
            {"example.com": "v=DMARC1; p=none; aspf=s"},
            {"mail_from": FROM},
            WARNING,
            "take aspf=s out",
            id="strict-spf",
        ),
        pytest.param("example.com", {"example.com": "v=DMARC1; p=none; aspf=s"}, {}, Level.OK, "", id="no-mail-from"),
    ],
)
def test_dmarc(domain: str, records: dict[str, str], identity: dict[str, Any], level: Level, text: str) -> None:
    answers: dict[Question, Any] = {Question(place, "TXT"): Known(()) for place in places_of(domain)}
    answers |= {Question(f"_dmarc.{name}", "TXT"): Known((record,)) for name, record in records.items()}

    (found,) = judge_dmarc(domain, make_identity(**identity), answers)

    assert found.level is level
    assert text in f"{found.what}|{found.remedy}"


def test_tags() -> None:
    assert read_tags("v=DMARC1; p=None ;;rua=mailto:a@b") == {"v": "dmarc1", "p": "none", "rua": "mailto:a@b"}
    assert places_of("localhost") == ["_dmarc.localhost"]


@pytest.mark.parametrize(
    ("texts_", "count"),
    [
        pytest.param(["v=spf1", "v=spf10 all", "V=SPF1 -all", " v=spf1", "x"], 2, id="by-its-first-word"),
        pytest.param([], 0, id="none"),
    ],
)
def test_what_is_an_spf_record(texts_: list[str], count: int) -> None:
    assert len(policies(texts_)) == count


@pytest.mark.parametrize(
    ("record", "count"),
    [
        pytest.param("v=spf1 " + "include:a " * 10 + "-all", 0, id="ten"),
        pytest.param("v=spf1 " + "include:a " * 11 + "-all", 11, id="eleven"),
        pytest.param("v=spf1 " + "ip4:192.0.2.1 " * 50 + "all", 0, id="addresses-cost-nothing"),
        pytest.param("v=spf1 a mx a/24 mx:x ?ptr -exists:x redirect=x " + "+include:a " * 4, 11, id="every-kind"),
    ],
)
def test_lookups(record: str, count: int) -> None:
    assert too_many_lookups(record) == count
