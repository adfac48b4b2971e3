"""Goes the way to a host as the program itself would: name, proxy, connection, TLS; and ends where it ends."""

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # as aiohttp and the SDK read it

from botocore.httpsession import get_cert_path

from tank_mailer.adapters.certificate import issuer_of
from tank_mailer.core.checkup.facts import Distrust, Probe, Stage

STEP_S: Final = 5.0  # each of name, connection, proxy, TLS
MAX_ANSWER_BYTES: Final = 8_192  # of a proxy
PORTS: Final = {"http": 80, "https": 443}
OK: Final = 200
WANTS_LOGIN: Final = 407
NOWHERE: Final = "is not given by a URL such as http://proxy.example.com:3128"
LOGIN: Final = "wants a user and a password that it knows (407)"
EXPIRED: Final = frozenset({9, 10})  # OpenSSL: X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED
HOSTNAME: Final = frozenset({62, 63, 64})  # OpenSSL: X509_V_ERR_HOSTNAME_MISMATCH, EMAIL, IP_ADDRESS


def place_of(url: str) -> tuple[str, int] | None:
    """Host and port that a URL of HTTP leads to; None: it leads nowhere."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:  # no port, or no address, of which the text may be a part of a password
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def spell_place(host: str, port: int) -> str:
    """`HOST:PORT`, or `[IPv6]:PORT`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom the program talks to; `is_aws`: through the SDK, with its authorities."""

    use: str
    url: str
    is_aws: bool = True


class _BrokenError(Exception):
    """The way ends here; steers within this module only."""

    def __init__(self, stage: Stage, why: str, distrust: Distrust | None = None) -> None:
        super().__init__(why)
        self.stage = stage
        self.why = why
        self.distrust = distrust


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How the SDK and we go out.

    Attributes:
        handed: `HTTPS_PROXY` and the like that the SDK is handed: then NO_PROXY does not count.
        environ: the environment.
        bundle: the file of AWS_CA_BUNDLE; "": the SDK's own authorities.
    """

    handed: Mapping[str, str]
    environ: Mapping[str, str] = field(repr=False)
    bundle: str = ""
    step_s: float = STEP_S

    async def probe(self, target: Target) -> Probe:
        """Go there once; returns in every case but cancellation."""
        parts = urlsplit(target.url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        proxy = self.proxy_of(target)
        place = place_of(proxy) if proxy else None
        begun = Probe(
            use=target.use,
            host=host,
            port=port,
            is_aws=target.is_aws,
            proxy=spell_place(*place) if place else f"of {parts.scheme.upper()}_PROXY" if proxy else None,
        )
        try:
            issuer = await self._go(target, begun, proxy)
        except _BrokenError as broken:
            issuer = ""
            if broken.distrust is not None and broken.distrust is not Distrust.NO_TLS:
                issuer = await self._whose(target, begun, proxy)
            return replace(begun, failed=broken.stage, why=broken.why, distrust=broken.distrust, issuer=issuer)
        return replace(begun, issuer=issuer)

    def proxy_of(self, target: Target) -> str:
        """The proxy's URL; "" for none."""
        parts = urlsplit(target.url)
        name = f"{parts.scheme.upper()}_PROXY"
        if target.is_aws and name in self.handed:
            return _with_scheme(self.handed[name])
        found = self.environ.get(name.lower()) or self.environ.get(name) or ""
        excepted = self.environ.get("no_proxy") or self.environ.get("NO_PROXY") or ""
        if not found or proxy_bypass_environment(parts.netloc.rpartition("@")[2], {"no": excepted}):
            return ""
        return _with_scheme(found)

    async def _go(self, target: Target, probe: Probe, proxy: str) -> str:
        """The whole way; returns who signed the certificate, "" without TLS."""
        is_tls = urlsplit(target.url).scheme == "https"
        context = self._context(target) if is_tls else None
        async with self._connection(target, probe, proxy) as (_, writer):
            if context is None:
                return ""
            try:
                async with asyncio.timeout(self.step_s):
                    await writer.start_tls(context, server_hostname=probe.host)
            except ssl.SSLCertVerificationError as error:
                raise _BrokenError(Stage.TLS, error.verify_message, _distrust(error.verify_code)) from error
            except TimeoutError as error:
                raise _BrokenError(Stage.TLS, "no answer in time", Distrust.NO_TLS) from error
            except (ssl.SSLError, OSError) as error:
                raise _BrokenError(Stage.TLS, _said(error), Distrust.NO_TLS) from error
            return _issuer(writer)

    async def _whose(self, target: Target, probe: Probe, proxy: str) -> str:
        """Who signed a certificate that nobody trusts: nothing is said on this connection."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with suppress(_BrokenError, OSError, TimeoutError):  # ssl's errors are of the system, too
            async with self._connection(target, probe, proxy) as (_, writer):
                async with asyncio.timeout(self.step_s):
                    await writer.start_tls(context, server_hostname=probe.host)
                return _issuer(writer)
        return ""

    def _context(self, target: Target) -> ssl.SSLContext:
        if not target.is_aws:
            return ssl.create_default_context()
        try:
            return ssl.create_default_context(cafile=self.bundle or get_cert_path(True))  # noqa: FBT003 - botocore's
        except (OSError, ssl.SSLError) as error:
            raise _BrokenError(Stage.BUNDLE, _said(error)) from error

    @asynccontextmanager
    async def _connection(
        self, target: Target, probe: Probe, proxy: str
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A plain one, by way of the proxy if there is one; closed at the end."""
        if not proxy:
            await self._name(probe.host, probe.port)
            reader, writer = await self._connect(probe.host, probe.port, Stage.CONNECT)
        elif place := place_of(proxy):
            reader, writer = await self._connect(*place, Stage.PROXY)
        else:
            raise _BrokenError(Stage.PROXY, NOWHERE)
        try:
            if proxy and urlsplit(target.url).scheme == "https":
                await self._tunnel(reader, writer, probe, proxy)
            yield reader, writer
        finally:
            writer.transport.abort()

    async def _name(self, host: str, port: int) -> None:
        try:
            async with asyncio.timeout(self.step_s):
                await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise _BrokenError(Stage.NAME, "the resolver does not answer") from error
        except (OSError, UnicodeError) as error:  # a name that no resolver takes
            raise _BrokenError(Stage.NAME, _said(error)) from error

    async def _connect(self, host: str, port: int, stage: Stage) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self.step_s):
                return await asyncio.open_connection(host, port)
        except TimeoutError as error:
            raise _BrokenError(stage, "no answer in time: a firewall drops what is sent there?") from error
        except (OSError, UnicodeError) as error:
            raise _BrokenError(stage, _said(error)) from error

    async def _tunnel(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, probe: Probe, proxy: str
    ) -> None:
        place = f"{probe.host}:{probe.port}"
        writer.write(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{_login(proxy)}\r\n".encode())
        try:
            async with asyncio.timeout(self.step_s):
                answer = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError as error:
            raise _BrokenError(Stage.PROXY, "does not answer in time") from error
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
            raise _BrokenError(Stage.PROXY, "answers with something else than HTTP") from error
        status = answer.split(b" ", 2)[1:2]
        code = int(status[0]) if status and status[0].isdigit() else 0
        if code == WANTS_LOGIN:
            raise _BrokenError(Stage.PROXY, LOGIN)
        if code != OK:
            raise _BrokenError(Stage.PROXY, f"does not let us through to {place} (it answers {code})")


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _login(proxy: str) -> str:
    parts = urlsplit(proxy)
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"


def _distrust(code: int) -> Distrust:
    if code in EXPIRED:
        return Distrust.TIME
    return Distrust.NAME if code in HOSTNAME else Distrust.ISSUER


def _issuer(writer: asyncio.StreamWriter) -> str:
    found = writer.get_extra_info("ssl_object")
    return issuer_of(found.getpeercert(binary_form=True) or b"") if found is not None else ""


def _said(error: Exception) -> str:
    """One short line."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
