"""The access key's age: of the key in use, and unknown wherever IAM does not say it."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from tank_mailer.adapters import aws
from tank_mailer.adapters.key_age import KeyAge
from tank_mailer.adapters.keys import Keys
from tests.adapters import rude_server as rude
from tests.adapters.conftest import KEYS
from tests.adapters.rude_server import Manner, RudeServer

MADE = "2030-01-31T12:00:00Z"


def listing(*keys: tuple[str, str]) -> bytes:
    """IAM's answer, as its API reference has it."""
    members = "".join(
        f"<member><UserName>tank</UserName><AccessKeyId>{key}</AccessKeyId><Status>Active</Status>"
        f"<CreateDate>{made}</CreateDate></member>"
        for key, made in keys
    )
    return (
        '<ListAccessKeysResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListAccessKeysResult>'
        f"<AccessKeyMetadata>{members}</AccessKeyMetadata><IsTruncated>false</IsTruncated></ListAccessKeysResult>"
        "<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></ListAccessKeysResponse>"
    ).encode()


async def key_age(given: Mapping[str, str], *, timeout_s: float = 30.0) -> KeyAge:
    keys = Keys(aws=given, source=aws.source_of)
    await keys.start()
    return asks_by(keys, given, timeout_s=timeout_s)


def asks_by(keys: Keys, given: Mapping[str, str], *, timeout_s: float = 30.0) -> KeyAge:
    session = aws.make_session(given, region="eu-west-1", keys=keys)
    return KeyAge(aws=given, region="eu-west-1", session=session, timeout_s=timeout_s)


async def ask(manner: Manner, *, keys: Mapping[str, str] = KEYS, timeout_s: float = 30.0) -> datetime | None:
    async with RudeServer(manner).listen() as server:
        given = {**keys, "AWS_ENDPOINT_URL_IAM": server.url}
        return await (await key_age(given, timeout_s=timeout_s)).created_at()


async def test_it_is_that_of_the_key_in_use() -> None:
    """A user may hold two: the older one may wait for being deleted."""
    answer = listing(("AKIAOLD", "2020-01-01T00:00:00Z"), (KEYS["AWS_ACCESS_KEY_ID"], MADE))

    assert await ask(rude.answers(200, answer)) == datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


DENIED = (
    b'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
    b"<Code>AccessDenied</Code><Message>User: arn:aws:iam::123456789012:user/tank is not authorized</Message></Error>"
    b"<RequestId>r-1</RequestId></ErrorResponse>"
)


@pytest.mark.parametrize(
    "manner",
    [
        pytest.param(rude.answers(403, DENIED), id="denied"),
        pytest.param(rude.answers(200, listing(("AKIAOTHER", MADE))), id="another-key"),
        pytest.param(rude.answers(200, listing()), id="none"),
        pytest.param(rude.answers(200, rude.PAGE), id="a-portals-page"),
        pytest.param(rude.answers(400, b'{"__type": "UnsupportedOperation"}'), id="no-XML"),
        pytest.param(rude.closes_at_once, id="no-way-there"),
    ],
)
async def test_what_is_not_said_is_unknown_and_no_trouble(manner: Manner) -> None:
    with capture_logs() as lines:
        assert await ask(manner) is None

    assert {line["log_level"] for line in lines} <= {"debug"}


async def test_silence_is_not_waited_for() -> None:
    assert await ask(rude.never_answers, timeout_s=0.5) is None


async def test_a_role_changes_its_key_by_itself() -> None:
    async with RudeServer(rude.answers(200, listing((KEYS["AWS_ACCESS_KEY_ID"], MADE)))).listen() as server:
        given = {**KEYS, "AWS_SESSION_TOKEN": "a-token", "AWS_ENDPOINT_URL_IAM": server.url}
        said = await (await key_age(given)).created_at()

    assert (said, server.requests) == (None, [])


async def test_without_a_key_there_is_no_age() -> None:
    assert await ask(rude.answers(200), keys={}) is None


async def test_a_key_that_was_changed_is_asked_for_by_itself() -> None:
    """The old one may be deleted by then: it would be refused, and the new one's age never be known again."""
    answer = listing(("AKIAOLD", "2020-01-01T00:00:00Z"), ("AKIANEW", MADE))
    async with RudeServer(rude.answers(200, answer)).listen() as server:
        old, new = ({"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "nothing"} for key in ("AKIAOLD", "AKIANEW"))
        keys = Keys(aws=old, source=aws.source_of)
        await keys.start()
        asks = asks_by(keys, {**old, "AWS_ENDPOINT_URL_IAM": server.url})
        first = await asks.created_at()
        await keys.replace(new)
        second = await asks.created_at()

    assert (first, second) == (datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 31, 12, 0, tzinfo=UTC))
    assert keys.changed.is_set()
    signed = [one.headers["authorization"] for one in server.requests]
    assert ["AKIAOLD/" in signed[0], "AKIANEW/" in signed[1], len(signed)] == [True, True, 2]
