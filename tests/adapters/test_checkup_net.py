"""Ways to hosts: names, connections, proxies, TLS; each ends where it ends, and says why."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.adapters.certificate import issuer_of
from tank_mailer.adapters.checkup_net import NOWHERE, Network, Target
from tank_mailer.core.checkup.facts import Distrust, Probe, Stage
from tests.adapters.rude_server import free_port
from tests.tls_authority import ORGANISATION, Authority, make_authority

Manner = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def listening(manner: Manner, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    tasks = set[asyncio.Task[Any]]()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await manner(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def waits(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def says_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.com ESMTP\r\n")
    await reader.read()


def network(*, bundle: str = "", handed: dict[str, str] | None = None, **environ: str) -> Network:
    return Network(handed=handed or {}, environ=environ, bundle=bundle, step_s=2.0)


async def gone(url: str, net: Network, *, is_aws: bool = True) -> Probe:
    return await net.probe(Target("SES", url, is_aws))


# --- direct ----------------------------------------------------------------------------------------


async def test_a_host_that_is_reached() -> None:
    async with listening(waits) as port:
        probe = await gone(f"http://127.0.0.1:{port}", network())

    assert (probe.failed, probe.proxy, probe.place) == (None, None, f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    "host",
    [pytest.param("nowhere.invalid", id="no-such-name"), pytest.param(f"{'x' * 64}.example", id="no-name-at-all")],
)
async def test_a_host_without_an_address(host: str) -> None:
    probe = await gone(f"https://{host}", network())

    assert (probe.failed, probe.port) == (Stage.NAME, 443)
    assert probe.why


async def test_a_port_that_nobody_listens_on() -> None:
    probe = await gone(f"http://127.0.0.1:{free_port()}", network())

    assert probe.failed is Stage.CONNECT
    assert "onnect" in probe.why


async def test_a_certificate_that_is_trusted(authority: Authority) -> None:
    """By AWS_CA_BUNDLE; who signed it is told all the same: it is not Amazon."""
    async with listening(waits, authority.server()) as port:
        probe = await gone(f"https://127.0.0.1:{port}", network(bundle=str(authority.file)))

    assert (probe.failed, probe.issuer) == (None, ORGANISATION)


@pytest.mark.parametrize("is_aws", [pytest.param(True, id="by-the-sdk"), pytest.param(False, id="by-ourselves")])
async def test_a_proxy_that_opens_tls_is_named(authority: Authority, is_aws: bool) -> None:
    async with listening(waits, authority.server()) as port:
        probe = await gone(f"https://127.0.0.1:{port}", network(), is_aws=is_aws)

    assert (probe.failed, probe.distrust, probe.issuer) == (Stage.TLS, Distrust.ISSUER, ORGANISATION)


async def test_a_certificate_that_has_expired(authority: Authority) -> None:
    async with listening(waits, authority.server(is_expired=True)) as port:
        probe = await gone(f"https://127.0.0.1:{port}", network(bundle=str(authority.file)))

    assert (probe.failed, probe.distrust) == (Stage.TLS, Distrust.TIME)


async def test_a_certificate_of_somebody_else(authority: Authority) -> None:
    async with listening(waits, authority.server("other.example.com")) as port:
        probe = await gone(f"https://127.0.0.1:{port}", network(bundle=str(authority.file)))

    assert (probe.failed, probe.distrust) == (Stage.TLS, Distrust.NAME)


async def test_something_that_speaks_no_tls() -> None:
    async with listening(says_hello) as port:
        probe = await gone(f"https://127.0.0.1:{port}", network())

    assert (probe.failed, probe.distrust, probe.issuer) == (Stage.TLS, Distrust.NO_TLS, "")
    assert probe.why == "wrong version number" or "record layer" in probe.why


async def test_something_that_says_nothing() -> None:
    async with listening(waits) as port:
        net = Network(handed={}, environ={}, step_s=0.1)
        probe = await gone(f"https://127.0.0.1:{port}", net)

    assert (probe.failed, probe.why) == (Stage.TLS, "no answer in time")


@pytest.mark.parametrize("content", [pytest.param(None, id="not-there"), pytest.param("no PEM", id="nothing-in-it")])
async def test_a_bundle_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    async with listening(waits) as port:
        probe = await gone(f"https://127.0.0.1:{port}", network(bundle=str(path)))

    assert probe.failed is Stage.BUNDLE
    assert probe.why


async def test_who_signed_is_not_known_where_the_second_connection_fails(authority: Authority) -> None:
    """The certificate is read on a connection of its own; that it fails changes nothing of what was found."""
    tls, seen = authority.server(), list[int]()

    async def once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        if len(seen) == 1:
            with suppress(OSError):
                await writer.start_tls(tls)

    async with listening(once) as port:
        probe = await gone(f"https://127.0.0.1:{port}", network())

    assert (probe.failed, probe.distrust, probe.issuer) == (Stage.TLS, Distrust.ISSUER, "")


async def test_a_resolver_and_a_firewall_that_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    net = Network(handed={}, environ={}, step_s=0.05)
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.BaseEventLoop, "getaddrinfo", hangs)
        unnamed = await gone("https://a.example", net)
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "open_connection", hangs)
        dropped = await gone("https://127.0.0.1:1", net)

    assert (unnamed.failed, unnamed.why) == (Stage.NAME, "the resolver does not answer")
    assert (dropped.failed, dropped.why) == (Stage.CONNECT, "no answer in time: a firewall drops what is sent there?")


# --- by proxy --------------------------------------------------------------------------------------


def proxying(to: int, heads: list[bytes]) -> Manner:
    """A proxy that connects everybody with one port here."""

    async def manner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        there, back = await asyncio.open_connection("127.0.0.1", to)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(4096):
                sink.write(data)
            sink.close()

        try:
            await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)
        finally:
            back.close()

    return manner


def refusing(answer: bytes) -> Manner:
    async def manner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return manner


async def test_the_way_leads_through_the_proxy(authority: Authority) -> None:
    """As the SDK goes it: CONNECT, with user and password of the proxy's URL."""
    heads = list[bytes]()
    async with listening(waits, authority.server()) as port, listening(proxying(port, heads)) as proxy:
        net = network(bundle=str(authority.file), HTTPS_PROXY=f"http://tank:p%40ss@127.0.0.1:{proxy}")
        probe = await gone(f"https://127.0.0.1:{port}", net)

    assert (probe.failed, probe.proxy) == (None, f"127.0.0.1:{proxy}")
    assert heads[0].startswith(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization: Basic dGFuazpwQHNz\r\n" in heads[0]


@pytest.mark.parametrize(
    ("manner", "why"),
    [
        pytest.param(refusing(b"HTTP/1.1 403 Forbidden\r\n\r\n"), "does not let us through", id="it-says-no"),
        pytest.param(refusing(b"HTTP/1.1 407 Who are you?\r\n\r\n"), "a user and a password", id="it-wants-a-login"),
        pytest.param(refusing(b"SSH-2.0\r\n"), "something else than HTTP", id="it-is-none"),
        pytest.param(refusing(b"\r\n\r\n"), "does not let us through", id="it-says-nothing-of-a-status"),
    ],
)
async def test_a_proxy_that_does_not_help(manner: Manner, why: str) -> None:
    async with listening(manner) as proxy:
        probe = await gone("https://127.0.0.1:443", network(https_proxy=f"127.0.0.1:{proxy}"))

    assert (probe.failed, probe.proxy) == (Stage.PROXY, f"127.0.0.1:{proxy}")
    assert why in probe.why


@pytest.mark.parametrize("proxy", ["http://me:secret/word@h:1", "http://h:port", "http://[::1"])
async def test_a_proxy_that_is_none(proxy: str) -> None:
    """Text for a port, or half an address: what stands there may be a part of a password, and is not shown."""
    probe = await gone("https://127.0.0.1:443", network(HTTPS_PROXY=proxy))

    assert (probe.failed, probe.proxy) == (Stage.PROXY, "of HTTPS_PROXY")
    assert probe.why == NOWHERE


async def test_a_proxy_that_is_silent_or_away() -> None:
    async with listening(waits) as proxy:
        net = Network(handed={}, environ={"HTTPS_PROXY": f"http://127.0.0.1:{proxy}"}, step_s=0.1)
        silent = await gone("https://127.0.0.1:443", net)
    away = await gone("https://127.0.0.1:443", network(HTTPS_PROXY=f"http://127.0.0.1:{free_port()}"))

    assert (silent.failed, silent.why) == (Stage.PROXY, "does not answer in time")
    assert away.failed is Stage.PROXY


@pytest.mark.parametrize(
    ("url", "environ", "handed", "is_aws", "proxy"),
    [
        pytest.param("https://a.example", {}, {}, True, "", id="none"),
        pytest.param("https://a.example", {"HTTPS_PROXY": "p:1"}, {}, True, "http://p:1", id="a-scheme-is-added"),
        pytest.param(
            "https://a.example", {"https_proxy": "http://l:1", "HTTPS_PROXY": "x"}, {}, True, "http://l:1", id="low"
        ),
        pytest.param("http://a.example", {"HTTPS_PROXY": "p:1"}, {}, True, "", id="of-another-scheme"),
        pytest.param("https://a.example", {"HTTPS_PROXY": "p:1", "NO_PROXY": ".example"}, {}, True, "", id="excepted"),
        pytest.param(
            "https://a.example",
            {"NO_PROXY": "*"},
            {"HTTPS_PROXY": "http://h:1"},
            True,
            "http://h:1",
            id="handed-to-the-sdk",
        ),
        pytest.param("https://a.example", {}, {"HTTPS_PROXY": "http://h:1"}, False, "", id="not-handed-to-us"),
    ],
)
def test_which_proxy(url: str, environ: dict[str, str], handed: dict[str, str], is_aws: bool, proxy: str) -> None:
    assert network(handed=handed, **environ).proxy_of(Target("SES", url, is_aws)) == proxy


# --- certificates as bytes -------------------------------------------------------------------------


def test_an_authority_without_an_organisation_is_told_by_its_name(tmp_path: Path) -> None:
    nameless = make_authority(tmp_path, organisation="")
    der = ssl.PEM_cert_to_DER_cert(nameless.file.read_text())

    assert issuer_of(der) == "Root"


@given(st.binary(max_size=200))
def test_bytes_that_are_no_certificate_have_no_issuer(data: bytes) -> None:
    assert isinstance(issuer_of(data), str)


@given(data=st.data())
def test_a_certificate_with_broken_bytes_raises_nothing(authority: Authority, data: st.DataObject) -> None:
    der = bytearray(ssl.PEM_cert_to_DER_cert(authority.file.read_text()))
    for at in data.draw(st.lists(st.integers(0, len(der) - 1), min_size=1, max_size=5)):
        der[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(der)))

    assert isinstance(issuer_of(bytes(der[:cut])), str)
