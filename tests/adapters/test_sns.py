"""Signatures of SNS: made here with a key of our own, told from those that are not SNS's."""

import asyncio
import json
import ssl
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509.oid import NameOID

from tank_mailer.adapters.sns import (
    MAX_CERTIFICATE_BYTES,
    MAX_CERTIFICATES,
    CertificateError,
    Signatures,
    fetch_certificate,
)
from tank_mailer.core.envelope import Envelope, Policy, open_body, string_to_sign
from tank_mailer.core.errors import ConfigurationError
from tank_mailer.ports import Checked

TOPIC = "arn:aws:sns:eu-west-1:111122223333:tank-events"
CERT_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"
NOW = datetime(2026, 11, 2, 9, 20, tzinfo=UTC)

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
THIEF = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY,
    *,
    not_before: datetime = NOW - timedelta(days=200),
    not_after: datetime = NOW + timedelta(days=200),
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


PEM = certificate()


def signed(
    *, key: rsa.RSAPrivateKey = KEY, version: str = "1", subject: str | None = "News", **changes: str
) -> Envelope:
    """Make a message that is signed as it stands."""
    fields = {
        "type": "Notification",
        "topic_arn": TOPIC,
        "message": '{"eventType":"Send","name":"Zoë"}\n',
        "message_id": "m-1",
        "timestamp": "2026-11-02T09:15:00.400Z",
        "cert_url": CERT_URL,
    }
    envelope = Envelope(**fields | changes, subject=subject, signature_version=version)
    digest = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - SNS's default
    signature = key.sign(string_to_sign(envelope).encode(), PKCS1v15(), digest)
    return replace(envelope, signature=b64encode(signature).decode())


@dataclass(slots=True)
class SetClock:
    """Stands still."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def boot_s(self) -> float:
        return 0.0


@dataclass(slots=True)
class Host:
    """Hands out certificates, one answer after the other; the last one again and again."""

    answers: Sequence[bytes | Exception] = (PEM,)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, url: str) -> bytes:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(url)
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def signatures(fetch: Callable[[str], Awaitable[bytes]] | None = None, *, now: datetime = NOW) -> Signatures:
    return Signatures(fetch=fetch or Host(), clock=SetClock(now))


# --- genuine and forged ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "envelope",
    [
        pytest.param(signed(version="1"), id="version-1"),
        pytest.param(signed(version="2"), id="version-2"),
        pytest.param(signed(subject=None), id="without-a-subject"),
        pytest.param(signed(subject=""), id="with-an-empty-one"),
        pytest.param(signed(version="2", subject=None), id="version-2-without-a-subject"),
        pytest.param(
            signed(type="SubscriptionConfirmation", token="t", subscribe_url="https://example.org/"),
            id="an-invitation",
        ),
        pytest.param(signed(timestamp="2026-09-27T09:15:00Z"), id="36-days-old"),
        pytest.param(signed(timestamp="2026-11-02T10:10:00Z"), id="by-a-clock-that-is-50-minutes-ahead"),
    ],
)
async def test_what_sns_signed_is_genuine(envelope: Envelope) -> None:
    assert (await signatures().check(envelope))[0] is Checked.GENUINE


async def test_a_signed_message_stays_genuine_on_its_way_through_the_queue() -> None:
    """Line ends and letters outside ASCII come back from the JSON as they were signed."""
    envelope = signed(message='{"a":"Zoë 😀",\n"b":"\\u00e9"}\r\n', subject="Grüße")
    body = json.dumps(
        {
            "Type": envelope.type,
            "TopicArn": envelope.topic_arn,
            "Message": envelope.message,
            "MessageId": envelope.message_id,
            "Subject": envelope.subject,
            "Timestamp": envelope.timestamp,
            "Signature": envelope.signature,
            "SignatureVersion": envelope.signature_version,
            "SigningCertURL": envelope.cert_url,
        }
    )
    opened = open_body(body, Policy())

    assert isinstance(opened, Envelope)
    assert (await signatures().check(opened))[0] is Checked.GENUINE


GENUINE = signed()
OTHER_TOPIC = TOPIC + "-2"


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"message": '{"eventType":"Bounce"}'}, id="another-message"),
        pytest.param({"message": GENUINE.message.strip()}, id="a-message-without-its-line-end"),
        pytest.param({"message": "\ud800"}, id="half-a-character"),
        pytest.param({"message_id": "m-2"}, id="another-id"),
        pytest.param({"subject": "Olds"}, id="another-subject"),
        pytest.param({"subject": None}, id="no-subject-any-more"),
        pytest.param({"topic_arn": OTHER_TOPIC}, id="another-topic"),
        pytest.param({"timestamp": "2026-11-02T09:15:00.401Z"}, id="another-time"),
        pytest.param({"type": "SubscriptionConfirmation"}, id="another-type"),
        pytest.param({"signature": b64encode(b"x" * 256).decode()}, id="a-signature-of-nothing"),
        pytest.param({"signature": b64encode(b"short").decode()}, id="a-signature-that-is-too-short"),
    ],
)
async def test_what_was_changed_is_forged(changes: dict[str, str], version: str) -> None:
    forged = replace(signed(version=version), **changes)

    assert await signatures().check(forged) == (Checked.FORGED, "The signature does not fit the message.")


async def test_what_another_key_signed_is_forged() -> None:
    assert (await signatures().check(signed(key=THIEF)))[0] is Checked.FORGED


async def test_a_subject_that_came_later_is_forged() -> None:
    forged = replace(signed(subject=None), subject="News")

    assert (await signatures().check(forged))[0] is Checked.FORGED


@pytest.mark.parametrize(("signed_as", "shown_as"), [("1", "2"), ("2", "1")])
async def test_a_signature_counts_for_its_own_version_only(signed_as: str, shown_as: str) -> None:
    forged = replace(signed(version=signed_as), signature_version=shown_as)

    assert (await signatures().check(forged))[0] is Checked.FORGED


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"signature": ""}, "Signature", id="no-signature"),
        pytest.param({"signature": "!!"}, "base64", id="a-signature-that-is-no-base64"),
        pytest.param({"signature": GENUINE.signature[:-2]}, "base64", id="base64-that-was-cut"),
        pytest.param({"signature": "é"}, "base64", id="a-signature-outside-ascii"),
        pytest.param({"signature_version": ""}, "SignatureVersion", id="no-version"),
        pytest.param({"signature_version": "3"}, "SignatureVersion", id="an-unknown-version"),
        pytest.param({"signature_version": "1 "}, "SignatureVersion", id="a-version-that-is-almost-one"),
        pytest.param({"cert_url": ""}, "SigningCertURL", id="no-certificate"),
        pytest.param({"cert_url": CERT_URL.replace("https", "http")}, "SigningCertURL", id="plain-http"),
        pytest.param({"cert_url": "https://sns.evil.example/a.pem"}, "SigningCertURL", id="another-host"),
        pytest.param(
            {"cert_url": "https://sns.s3-us-west-2.amazonaws.com/a.pem"}, "SigningCertURL", id="a-bucket-called-sns"
        ),
        pytest.param({"cert_url": CERT_URL + "?a"}, "SigningCertURL", id="a-query"),
        pytest.param({"cert_url": CERT_URL + ".txt"}, "SigningCertURL", id="another-path"),
        pytest.param({"timestamp": ""}, "Timestamp", id="no-time"),
        pytest.param({"timestamp": "yesterday"}, "Timestamp", id="a-time-that-is-none"),
    ],
)
async def test_nothing_is_fetched_for_what_cannot_be_genuine(changes: dict[str, str], says: str) -> None:
    """A forger must not choose where this process connects to."""
    host = Host()

    checked, why = await signatures(host).check(replace(GENUINE, **changes))

    assert checked is Checked.FORGED
    assert says in why
    assert why.endswith(".")
    assert host.asked == []


# --- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timestamp", "says"),
    [
        pytest.param("2026-09-26T09:15:00Z", "stale", id="more-than-37-days-old"),
        pytest.param("2020-01-01T00:00:00Z", "stale", id="years-old"),
        pytest.param("2026-11-02T10:21:00Z", "future", id="more-than-an-hour-ahead"),
        pytest.param("9998-01-01T00:00:00Z", "future", id="thousands-of-years-ahead"),
    ],
)
async def test_a_signed_message_of_another_time_is_not_believed(timestamp: str, says: str) -> None:
    """Somebody has kept it, to play it again."""
    host = Host()

    checked, why = await signatures(host).check(signed(timestamp=timestamp))

    assert checked is Checked.FORGED
    assert says in why
    assert host.asked == []


@pytest.mark.parametrize(
    ("valid", "checked"),
    [
        pytest.param((-200, -1), Checked.FORGED, id="it-had-expired-before"),
        pytest.param((1, 200), Checked.FORGED, id="it-began-later"),
        pytest.param((-200, 1), Checked.GENUINE, id="it-expired-while-the-message-waited"),
    ],
)
async def test_the_certificate_counts_when_the_message_was_sent(valid: tuple[int, int], checked: Checked) -> None:
    """Ten days ago; SNS and SQS may keep a message for weeks."""
    sent_at = NOW - timedelta(days=10)
    first, last = (sent_at + timedelta(days=days) for days in valid)
    host = Host([certificate(not_before=first, not_after=last)])

    found, _ = await signatures(host).check(signed(timestamp=sent_at.isoformat()))

    assert found is checked


# --- the certificate -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(CertificateError("its host answers 503."), id="its-host-is-sick"),
        pytest.param(ConnectionRefusedError(), id="its-host-refuses"),
        pytest.param(TimeoutError(), id="its-host-is-slow"),
        pytest.param(b"<html>sign in</html>", id="a-portal's-page"),
        pytest.param(b"", id="nothing"),
        pytest.param(PEM[:200], id="a-certificate-that-was-cut"),
        pytest.param(certificate(ec.generate_private_key(ec.SECP256R1())), id="another-kind-of-key"),
    ],
)
async def test_without_a_certificate_nothing_is_known_and_it_is_tried_again(failure: bytes | Exception) -> None:
    """A network's trouble makes no message a forgery: it waits on the queue."""
    host = Host([failure, PEM])
    checker = signatures(host)

    checked, why = await checker.check(GENUINE)
    assert checked is Checked.UNKNOWN
    assert why.startswith("The certificate cannot be had now")

    assert (await checker.check(GENUINE))[0] is Checked.GENUINE
    assert len(host.asked) == 2


async def test_a_certificate_is_fetched_once() -> None:
    host = Host()
    checker = signatures(host)

    for envelope in (signed(), signed(version="2"), signed(message="x")):
        assert (await checker.check(envelope))[0] is Checked.GENUINE

    assert host.asked == [CERT_URL]


async def test_all_who_ask_at_once_share_one_fetch() -> None:
    host = Host()
    checker = signatures(host)

    found = await asyncio.gather(*(checker.check(GENUINE) for _ in range(20)))

    assert {checked for checked, _ in found} == {Checked.GENUINE}
    assert host.asked == [CERT_URL]


async def test_one_who_goes_away_leaves_the_fetch_to_the_others() -> None:
    """A drain cancels a task in the middle; its neighbour's message must not be lost by that."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: str) -> bytes:
        arrived.set()
        await go_on.wait()
        return PEM

    checker = signatures(slow)
    first, second = (asyncio.create_task(checker.check(GENUINE)) for _ in range(2))
    await arrived.wait()
    first.cancel()
    await asyncio.wait([first])
    go_on.set()

    assert first.cancelled()
    assert (await second)[0] is Checked.GENUINE


async def test_urls_without_end_do_not_fill_the_memory() -> None:
    host = Host()
    checker = signatures(host)

    for number in range(MAX_CERTIFICATES + 1):
        await checker.check(replace(GENUINE, cert_url=CERT_URL.replace("0123abcd", str(number))))

    assert len(checker._known) == MAX_CERTIFICATES
    await checker.check(replace(GENUINE, cert_url=CERT_URL.replace("0123abcd", str(MAX_CERTIFICATES))))
    assert len(host.asked) == MAX_CERTIFICATES + 1  # the latest is known
    await checker.check(replace(GENUINE, cert_url=CERT_URL.replace("0123abcd", "0")))
    assert len(host.asked) == MAX_CERTIFICATES + 2  # the oldest was forgotten


def test_without_the_library_the_remedy_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'tank-mailer\[signatures\]'"):
        signatures()


# --- fetching --------------------------------------------------------------------------------------


@asynccontextmanager
async def https_host(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], folder: Path
) -> AsyncIterator[str]:
    """A host on loopback; yields its address."""
    (folder / "cert.pem").write_bytes(
        certificate(not_before=datetime.now(UTC) - timedelta(days=1), not_after=datetime.now(UTC) + timedelta(days=1))
    )
    (folder / "key.pem").write_bytes(
        KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        yield f"https://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def trusted(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=folder / "cert.pem")


async def test_a_certificate_comes_by_https(tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=PEM)

    async with https_host(answer, tmp_path) as host:
        assert await fetch_certificate(f"{host}/a.pem", tls=trusted(tmp_path)) == PEM


async def test_a_host_that_nobody_vouches_for_gives_none(tmp_path: Path) -> None:
    """All that makes the certificate Amazon's is the TLS connection that it comes by."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=PEM)

    async with https_host(answer, tmp_path) as host:
        with pytest.raises(CertificateError, match="look at the network"):
            await fetch_certificate(f"{host}/a.pem")


async def test_no_redirect_is_followed(tmp_path: Path) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path == "/a.pem":
            raise web.HTTPFound("/b.pem")
        return web.Response(body=PEM)

    async with https_host(answer, tmp_path) as host:
        with pytest.raises(CertificateError, match="answers 302"):
            await fetch_certificate(f"{host}/a.pem", tls=trusted(tmp_path))

    assert asked == ["/a.pem"]


@pytest.mark.parametrize("status", [204, 403, 404, 503])
async def test_only_200_brings_one(status: int, tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with https_host(answer, tmp_path) as host:
        with pytest.raises(CertificateError, match=f"answers {status}"):
            await fetch_certificate(f"{host}/a.pem", tls=trusted(tmp_path))


@pytest.mark.parametrize(("size", "fits"), [(MAX_CERTIFICATE_BYTES, True), (MAX_CERTIFICATE_BYTES + 1, False)])
async def test_no_more_than_a_certificate_is_read(size: int, fits: bool, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()  # in pieces, without a length
        await response.prepare(request)
        for start in range(0, size, 10_000):
            await response.write(b"x" * min(10_000, size - start))
        return response

    async with https_host(answer, tmp_path) as host:
        if fits:
            assert await fetch_certificate(f"{host}/a.pem", tls=trusted(tmp_path)) == b"x" * size
        else:
            with pytest.raises(CertificateError, match="more than a certificate"):
                await fetch_certificate(f"{host}/a.pem", tls=trusted(tmp_path))


async def test_a_host_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    never = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with https_host(answer, tmp_path) as host:
        with pytest.raises(CertificateError, match="TimeoutError"):
            await fetch_certificate(f"{host}/a.pem", tls=trusted(tmp_path), timeout_s=0.2)


async def test_a_host_that_is_not_there_gives_none(unused_tcp_port: int) -> None:
    with pytest.raises(CertificateError, match="look at the network"):
        await fetch_certificate(f"https://127.0.0.1:{unused_tcp_port}/a.pem")


async def test_plain_http_is_not_even_tried() -> None:
    with pytest.raises(CertificateError, match="not https"):
        await fetch_certificate("http://127.0.0.1:1/a.pem")
