"""The forms of what speaks HTTP: the web server that is told, and the address that we listen on."""

import base64
import binascii
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from typing_extensions import override

from tank_mailer.settings.forms import refusal, split_text

WHSEC: Final = "whsec_"  # Standard Webhooks: a symmetric secret
SECRET_BYTES: Final = (24, 64)  # Standard Webhooks: at least, at most
MIN_TOKEN_CHARS: Final = 16
MAX_PORT: Final = 65_535
DNS_PORT: Final = 53

_TOKEN = re.compile(rf"[!-~]{{{MIN_TOKEN_CHARS},1024}}")  # what a header carries, without spaces
_URL_TEXT = re.compile(r"[!-~]+")
_LISTEN = re.compile(
    r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)):(?P<port>\d{1,5})"
)
_DOTTED = re.compile(r"[\d.]+")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where our own HTTP server listens."""

    host: str  # without brackets
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether no other host can reach it."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a host is this one, by its address or as `localhost`; other names are not looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def parse_listen(text: str) -> Listen | None:
    """Take `HOST:PORT` or `[IPv6]:PORT` apart; None for the empty text, which switches HTTP off.

    Raises:
        ValueError: it is neither.
    """
    if not text:
        return None
    found = _LISTEN.fullmatch(text)
    if found is None or not 0 < int(found["port"]) <= MAX_PORT:
        raise ValueError("not HOST:PORT")
    if found["six"] is not None:
        IPv6Address(found["six"])
    elif _DOTTED.fullmatch(found["host"]):
        IPv4Address(found["host"])
    return Listen(found["six"] or found["host"], int(found["port"]))


def _http_listen(value: str) -> str:
    try:
        parse_listen(value)
    except ValueError:
        raise refusal(
            "not HOST:PORT with a port from 1 to 65535",
            "127.0.0.1:9464 for this host alone, [::1]:9464 by IPv6, 0.0.0.0:9464 for all; empty: off",
        ) from None
    return value


def _http_token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise refusal(
            f"shorter than {MIN_TOKEN_CHARS} characters, or with some that an HTTP header does not carry (spaces, "
            "letters outside ASCII)",
            "take the output of: openssl rand -hex 32",
        )
    return value


def _webhook_url(value: SecretStr) -> SecretStr:
    return _postable(
        value,
        such_as="such as https://www.example.com/hooks/email",
        instead="leave them out: the web server knows us by the signature (TANK_WEBHOOK_SECRET)",
    )


def _alert_webhook_url(value: SecretStr) -> SecretStr:
    return _postable(
        value,
        such_as="such as https://hooks.example.com/services/tank-mailer",
        instead="leave them out: what the receiver knows us by belongs into the path, as Slack and the like have it",
    )


def _postable(value: SecretStr, *, such_as: str, instead: str) -> SecretStr:
    """Check the form without ever telling the value: a query or a path may hold a key."""
    text = value.get_secret_value()
    remedy = such_as
    try:
        url = urlsplit(text)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        raise refusal("not a URL", remedy) from None
    if not usable or not _URL_TEXT.fullmatch(text):
        raise refusal(
            "not a URL of the form https://HOST/PATH, without spaces and in ASCII",
            f"{remedy}; other characters percent-encoded, a name of other letters in Punycode",
        )
    if "@" in url.netloc:
        raise refusal("a URL with a user or a password in it", instead)
    if "#" in text:
        raise refusal("a URL with a fragment, which HTTP does not send", "leave out the # and what follows")
    return value


def _webhook_secret(value: SecretStr) -> SecretStr:
    least, most = SECRET_BYTES
    remedy = "take the output of: openssl rand -base64 32, and give the web server the same"
    try:
        key = base64.b64decode(value.get_secret_value().removeprefix(WHSEC), validate=True)
    except (binascii.Error, ValueError):  # the latter: not ASCII
        raise refusal(f"no base64, with or without {WHSEC} before it", remedy) from None
    if not least <= len(key) <= most:
        raise refusal(f"{len(key)} bytes in base64; Standard Webhooks has {least} to {most}", remedy)
    return value


def _resolver(value: str) -> str:
    """Bring an address of a DNS server, with or without a port, into the one form `[IPv6]:PORT` or `IPv4:PORT`."""
    try:
        return str(parse_resolver(value))
    except ValueError:
        raise refusal(
            "no IP address of a DNS server, with or without a port",
            "such as 9.9.9.9 or [2620:fe::fe]:53; several are separated by commas",
        ) from None


@dataclass(frozen=True, slots=True)
class Resolver:
    """A DNS server."""

    host: str  # an IP address, without brackets
    port: int = DNS_PORT

    @override
    def __str__(self) -> str:
        """As in `TANK_DNS_RESOLVER`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_resolver(text: str) -> Resolver:
    """Take `IPv4`, `IPv6`, `IPv4:PORT` or `[IPv6]:PORT` apart.

    Raises:
        ValueError: it is none of them.
    """
    try:
        return Resolver(str(ip_address(text[1:-1] if text[:1] + text[-1:] == "[]" else text)))
    except ValueError:
        listen = parse_listen(text)
    if listen is None:
        raise ValueError("no DNS server")
    return Resolver(str(ip_address(listen.host)), listen.port)


AlertWebhookUrl = Annotated[SecretStr, AfterValidator(_alert_webhook_url)]
Resolvers = Annotated[tuple[Annotated[str, AfterValidator(_resolver)], ...], BeforeValidator(split_text)]
HttpListen = Annotated[str, AfterValidator(_http_listen)]
HttpToken = Annotated[SecretStr, AfterValidator(_http_token)]
WebhookUrl = Annotated[SecretStr, AfterValidator(_webhook_url)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]
