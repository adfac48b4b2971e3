"""The access key's age: of the key in use, and unknown wherever IAM does not say it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

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


async def of(given: Mapping[str, str], *, timeout_s: float = 30.0) -> KeyAge:
    keys = Keys(aws=given, source=aws.source_of)
    await keys.start()
    return KeyAge(aws=given, keys=keys, region="eu-west-1", timeout_s=timeout_s)


async def ask(manner: Manner, *, timeout_s: float = 30.0) -> datetime | None:
    async with RudeServer(manner).listen() as server:
        age = await of({**KEYS, "AWS_ENDPOINT_URL_IAM": server.url}, timeout_s=timeout_s)
        key = await age.in_use()
        assert key == KEYS["AWS_ACCESS_KEY_ID"]
        return await age.created_at(key)


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
    assert await (await of({**KEYS, "AWS_SESSION_TOKEN": "a-token"})).in_use() is None


async def test_without_a_key_there_is_no_age() -> None:
    assert await (await of({})).in_use() is None


async def test_a_helper_that_cannot_be_run_is_no_trouble_of_its_own(tmp_path: Path) -> None:
    """The keys have told it already; and nobody runs it a second time."""
    (tmp_path / "config").write_text("[default]\ncredential_process = /nowhere/helper\n", encoding="utf-8")
    with capture_logs() as lines:
        age = await of({"AWS_CONFIG_FILE": str(tmp_path / "config")})
        assert await age.in_use() is None
        assert await age.created_at("AKIAOURS") is None

    assert [line["event"] for line in lines] == ["credentials_unavailable", "key_age_unknown"]


async def test_keys_that_have_changed_are_asked_with() -> None:
    """After SIGHUP the old key may be switched off: it must not be signed with."""
    new = {"AWS_ACCESS_KEY_ID": "AKIANEW", "AWS_SECRET_ACCESS_KEY": "secret"}
    async with RudeServer(rude.answers(200, listing(("AKIANEW", MADE)))).listen() as server:
        endpoint = {"AWS_ENDPOINT_URL_IAM": server.url}
        age = await of({**KEYS, **endpoint})
        await age.keys.replace({**new, **endpoint})
        key = await age.in_use()
        assert key == "AKIANEW"
        said = await age.created_at(key)

    assert said == datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
    assert ["Credential=AKIANEW/" in one.headers["authorization"] for one in server.requests] == [True]
