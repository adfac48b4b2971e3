"""Looking DNS up, by servers that answer, fail, cut their answers short, or say nothing."""

from collections.abc import AsyncIterator

import dns.resolver
import pytest

from tank_mailer.adapters import checkup_dns
from tank_mailer.adapters.checkup_dns import Resolver, resolver_of
from tank_mailer.core.checkup.facts import Question
from tank_mailer.core.checkup.seen import Known, Unreached
from tests.dns_server import DnsServer, Manner

RECORDS = {
    ("a.example.com", "CNAME"): ["Token.DKIM.amazonses.com."],
    ("a.example.com", "TXT"): ['"v=spf1 " "-all"', '"second"'],
    ("m.example.com", "MX"): ["10 Feedback-SMTP.eu-west-1.amazonses.com.", "20 b.example.com."],
}
ASKED = Question("a.example.com", "TXT")


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer(dict(RECORDS)).listen() as server:
        yield server


@pytest.fixture
def resolver(server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> Resolver:
    monkeypatch.setattr(checkup_dns, "TRY_S", 0.1)
    monkeypatch.setattr(checkup_dns, "LOOKUP_S", 0.3)
    made = resolver_of([("127.0.0.1", server.port)])
    assert isinstance(made, Resolver)
    return made


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        pytest.param(Question("a.example.com", "CNAME"), ("token.dkim.amazonses.com",), id="a-name-in-lower-case"),
        pytest.param(ASKED, ("second", "v=spf1 -all"), id="a-text-of-several-parts-is-one"),
        pytest.param(
            Question("m.example.com", "MX"),
            ("10 feedback-smtp.eu-west-1.amazonses.com", "20 b.example.com"),
            id="mail-servers-with-their-preference",
        ),
        pytest.param(Question("a.example.com", "MX"), (), id="a-name-without-such-a-record"),
        pytest.param(Question("nobody.example.com", "TXT"), (), id="a-name-that-does-not-exist"),
        pytest.param(Question(f"{'x' * 64}.example.com", "TXT"), (), id="a-name-that-cannot-exist"),
        pytest.param(Question("a..example.com", "TXT"), (), id="a-name-with-a-hole"),
    ],
)
async def test_answers(resolver: Resolver, question: Question, texts: tuple[str, ...]) -> None:
    assert await resolver.look_up([question]) == {question: Known(texts)}


async def test_an_answer_that_is_cut_short_is_asked_for_by_tcp(server: DnsServer, resolver: Resolver) -> None:
    """DKIM keys do not fit into every UDP packet."""
    server.manner = Manner.TRUNCATED

    assert await resolver.look_up([ASKED]) == {ASKED: Known(("second", "v=spf1 -all"))}
    assert server.asked == [("a.example.com", "TXT")] * 2


@pytest.mark.parametrize(
    ("manner", "text"),
    [
        pytest.param(Manner.SERVFAIL, "no answer that helps", id="a-server-that-fails"),
        pytest.param(Manner.YXDOMAIN, "YXDOMAIN", id="a-server-that-says-something-strange"),
        pytest.param(Manner.SILENT, "does not answer", id="a-server-that-says-nothing"),
        pytest.param(Manner.GARBAGE, "does not answer", id="a-server-that-talks-garbage"),
    ],
)
async def test_no_answer_is_no_missing_record(server: DnsServer, resolver: Resolver, manner: Manner, text: str) -> None:
    server.manner = manner

    seen = (await resolver.look_up([ASKED]))[ASKED]

    assert isinstance(seen, Unreached)
    assert text in seen.detail
    assert server.place in seen.detail


async def test_the_second_server_is_asked_when_the_first_fails(server: DnsServer, resolver: Resolver) -> None:
    async with DnsServer(manner=Manner.SERVFAIL).listen() as broken:
        both = resolver_of([("127.0.0.1", broken.port), ("127.0.0.1", server.port)])
        assert isinstance(both, Resolver)

        assert await both.look_up([ASKED]) == {ASKED: Known(("second", "v=spf1 -all"))}


def test_the_systems_resolver_is_taken_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_configuration(_: object, __: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr("dns.resolver.BaseResolver.read_resolv_conf", no_configuration)

    assert resolver_of([]) == Unreached("this system names no DNS server (NoResolverConfiguration)")
    monkeypatch.setattr("dns.resolver.BaseResolver.read_resolv_conf", lambda *_: None)
    made = resolver_of([])
    assert isinstance(made, Resolver)
    assert made.shown == "this system's"
