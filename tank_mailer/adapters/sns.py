"""Signatures of SNS, checked with the certificate that it names."""

import asyncio
import binascii
import ssl
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp

from tank_mailer.core.envelope import Envelope, cert_url_is_amazons, string_to_sign
from tank_mailer.core.errors import ConfigurationError, Reason
from tank_mailer.core.moments import read_moment
from tank_mailer.ports import Checked, Clock

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

FETCH_TIMEOUT_S = 10
MAX_CERTIFICATE_BYTES = 65_536  # ours: Amazon's have about 2 KiB
MAX_CERTIFICATES = 32  # ours: one is in use for each region, and it changes about once a year
MAX_AGE = timedelta(days=37)  # SNS tries to deliver for 23 days, SQS keeps for 14
MAX_AHEAD = timedelta(hours=1)  # ours: a clock may be wrong by so much
VERSIONS = frozenset({"1", "2"})  # SNS: SHA1withRSA, SHA256withRSA


class CertificateError(Exception):
    """A certificate cannot be had now; the text says why."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A key, and when it may have signed."""

    key: "RSAPublicKey" = field(repr=False)
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """Tells SNS's own messages from others. Needs `cryptography`.

    Attributes:
        fetch: gets the certificate at a URL of Amazon's; raises `CertificateError` or `OSError`.
        clock: against which a message is stale.

    Raises:
        ConfigurationError: `cryptography` is not installed.
    """

    fetch: Callable[[str], Awaitable[bytes]]
    clock: Clock
    _known: dict[str, Certificate] = field(default_factory=dict, init=False, repr=False)
    _asked: dict[str, asyncio.Task[Certificate | str]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            import cryptography  # noqa: F401, PLC0415 - an extra: most check the topic alone
        except ImportError as error:
            raise ConfigurationError(
                Reason.BAD_SIGNATURE,
                "TANK_VERIFY_SNS_SIGNATURES needs cryptography: pip install 'tank-mailer[signatures]'",
            ) from error

    async def check(self, envelope: Envelope) -> tuple[Checked, str]:
        """Judge a message, with a sentence why; nothing is fetched for one that cannot be genuine."""
        signature = _decode(envelope.signature)
        sent_at = read_moment(envelope.timestamp)
        if sent_at is None:
            return Checked.FORGED, "The message has no Timestamp that can be read."
        if envelope.signature_version not in VERSIONS:
            return Checked.FORGED, "The message has a SignatureVersion that is neither 1 nor 2."
        if not signature:
            return Checked.FORGED, "The message has no Signature in base64."
        if not cert_url_is_amazons(envelope.cert_url):
            return Checked.FORGED, "The message's SigningCertURL is not one of SNS."
        now = self.clock.now()
        if now - sent_at > MAX_AGE:
            return Checked.FORGED, f"The message is stale: more than {MAX_AGE.days} days old."
        if sent_at - now > MAX_AHEAD:
            return Checked.FORGED, "The message is from the future: its Timestamp is more than an hour ahead."
        certificate = await self._certificate(envelope.cert_url)
        if isinstance(certificate, str):
            return Checked.UNKNOWN, f"The certificate cannot be had now: {certificate}"
        # Not "valid now": a message that has waited for weeks may outlive the certificate that signed it.
        if not certificate.not_before <= sent_at <= certificate.not_after:
            return Checked.FORGED, "The certificate was not valid when the message was sent."
        if not _has_signed(certificate.key, envelope, signature):
            return Checked.FORGED, "The signature does not fit the message."
        return Checked.GENUINE, "The signature is SNS's."

    async def _certificate(self, url: str) -> Certificate | str:
        """Fetch it once for all who ask; a failure is not remembered."""
        if (known := self._known.get(url)) is not None:
            return known
        task = self._asked.get(url)
        if task is None:
            task = self._asked[url] = asyncio.create_task(self._get(url))
        return await asyncio.shield(task)  # one who is cancelled leaves it to the others

    async def _get(self, url: str) -> Certificate | str:
        try:
            certificate = _load(await self.fetch(url))
        except (CertificateError, OSError) as error:
            return str(error) or type(error).__name__
        finally:
            self._asked.pop(url, None)
        while len(self._known) >= MAX_CERTIFICATES:
            del self._known[next(iter(self._known))]
        self._known[url] = certificate
        return certificate


async def fetch_certificate(
    url: str, *, timeout_s: float = FETCH_TIMEOUT_S, tls: ssl.SSLContext | None = None
) -> bytes:
    """Get a certificate by HTTPS, through the proxy that the environment names; follow no redirect.

    Args:
        url: checked before by `cert_url_is_amazons`.
        timeout_s: of the whole.
        tls: whom to trust, if not the system's authorities.

    Raises:
        CertificateError: it did not come.
    """
    if not url.startswith("https://"):
        raise CertificateError("its URL is not https.")
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s), trust_env=True) as session,
            session.get(url, allow_redirects=False, ssl=tls or True) as response,
        ):
            if response.status != 200:  # noqa: PLR2004 - HTTP: OK
                raise CertificateError(f"its host answers {response.status}.")
            pem = bytearray()
            async for chunk in response.content.iter_any():
                pem += chunk
                if len(pem) > MAX_CERTIFICATE_BYTES:
                    raise CertificateError("its host answers with more than a certificate.")
            return bytes(pem)
    except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
        raise CertificateError(f"{type(error).__name__}; look at the network and at proxies.") from error


def _decode(signature: str) -> bytes:
    try:
        return b64decode(signature, validate=True)
    except (binascii.Error, ValueError):  # outside ASCII
        return b""


def _load(pem: bytes) -> Certificate:
    from cryptography import x509  # noqa: PLC0415 - as above
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415

    try:
        found = x509.load_pem_x509_certificate(pem)
        key = found.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError("its host answers with something else.") from error
    if not isinstance(key, RSAPublicKey):
        raise CertificateError("it holds no RSA key.")
    return Certificate(key, found.not_valid_before_utc, found.not_valid_after_utc)


def _has_signed(key: "RSAPublicKey", envelope: Envelope, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256  # noqa: PLC0415

    signed = string_to_sign(envelope).encode("utf-8", "surrogatepass")
    digest = SHA256() if envelope.signature_version == "2" else SHA1()  # noqa: S303 - SNS's default
    try:
        key.verify(signature, signed, PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True
