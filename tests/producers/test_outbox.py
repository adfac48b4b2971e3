"""The outbox and the memory of the news, on the tables that the page gives."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg
import boto3  # type: ignore[import-untyped]  # as producers use it; aioboto3 brings it along
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from tank_mailer.core.status import Status
from tests.contract.postgres import run_server
from tests.producers.fake_sqs import FakeSqs, run_fake_sqs
from tests.producers.languages import EXAMPLES, QUEUE_URL, Job, make_job

LOCK_TIMEOUT = "10s"  # who waits for another's row has not stepped over it


@pytest.fixture
def server() -> Iterator[FakeSqs]:
    with run_fake_sqs() as fake:
        yield fake


@pytest.fixture
def sqs(server: FakeSqs) -> Iterator[Any]:
    client = boto3.client(
        "sqs",
        endpoint_url=server.url,
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
    )
    yield client
    client.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    with engine.begin() as connection:
        for name in ("outbox-sqlite.sql", "news.sql"):
            for statement in filter(str.strip, (EXAMPLES / name).read_text(encoding="utf-8").split(";")):
                connection.execute(sa.text(statement))
        connection.execute(sa.text("CREATE TABLE orders (id integer PRIMARY KEY)"))
    yield engine
    engine.dispose()


def rows(engine: sa.Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text(query)).all())


def ids(jobs: list[dict[str, Any]]) -> list[str]:
    return [job["email_id"] for job in jobs]


def test_a_mail_is_asked_for_with_what_it_is_about_or_not_at_all(
    outbox: ModuleType, engine: sa.Engine, server: FakeSqs, sqs: Any
) -> None:
    """A confirmation of an order that was rolled back is a mail about nothing."""
    with engine.connect() as connection:  # and never committed, as after a crash
        connection.execute(sa.text("INSERT INTO orders VALUES (4711)"))
        outbox.ask_for_mail(connection, make_job("order-4711-confirmation"))
    with engine.begin() as connection:
        for number in (4712, 4713):
            connection.execute(sa.text("INSERT INTO orders VALUES (:number)"), {"number": number})
            outbox.ask_for_mail(connection, make_job(f"order-{number}-confirmation"))
        outbox.ask_for_mail(connection, make_job("order-4712-confirmation", subject="another try of the same"))
    with engine.begin() as connection:
        assert outbox.relay(connection, sqs, QUEUE_URL) == 2
    with engine.begin() as connection:
        assert outbox.relay(connection, sqs, QUEUE_URL) == 0

    assert ids(server.taken) == ["order-4712-confirmation", "order-4713-confirmation"]
    assert len(rows(engine, "select 1 from mail_outbox where put_at is not null")) == 2


def test_a_crash_before_the_mark_puts_the_same_job_again(
    outbox: ModuleType, engine: sa.Engine, server: FakeSqs, sqs: Any
) -> None:
    """The other order, mark and then put, would lose it."""
    with engine.begin() as connection:
        outbox.ask_for_mail(connection, make_job("order-1"))
    with engine.connect() as connection:  # and never committed, as after a crash
        outbox.relay(connection, sqs, QUEUE_URL)
    with engine.begin() as connection:
        assert outbox.relay(connection, sqs, QUEUE_URL) == 1

    assert ids(server.taken) == ["order-1", "order-1"]
    assert server.calls[0] == server.calls[1], "to the letter: the same content is the same job"


def test_a_job_that_sqs_never_takes_holds_nobody_up(
    outbox: ModuleType, engine: sa.Engine, server: FakeSqs, sqs: Any
) -> None:
    with engine.begin() as connection:
        for name in ("never-1", "order-1"):
            outbox.ask_for_mail(connection, make_job(name))
    with engine.begin() as connection:
        outbox.relay(connection, sqs, QUEUE_URL)
    with engine.begin() as connection:
        assert outbox.relay(connection, sqs, QUEUE_URL) == 0

    assert ids(server.taken) == ["order-1"]
    [(name, fault)] = rows(engine, "select email_id, fault from mail_outbox where put_at is null")
    assert (name, fault) == ("never-1", "InvalidMessageContents: for the test")


@pytest.mark.parametrize(
    "job",
    [
        pytest.param("not JSON", id="no-json"),
        pytest.param('["a", "list"]', id="no-object"),
        pytest.param('{"email_id": 4711}', id="an-id-that-is-no-text"),
        pytest.param("{}", id="no-id"),
        pytest.param('{"email_id":"order-0", "subject":"Gr\u00fc\u00dfe"}', id="as-another-language-spells-it"),
    ],
)
def test_a_row_that_another_program_wrote_goes_out_as_it_stands(
    outbox: ModuleType, engine: sa.Engine, server: FakeSqs, sqs: Any, job: str
) -> None:
    """What is no job tank-mailer keeps aside; a relay that failed at it would put no other mail for ever."""
    with engine.begin() as connection:
        row = {"id": "order-0", "job": job}
        connection.execute(sa.text("INSERT INTO mail_outbox (email_id, job) VALUES (:id, :job)"), row)
        outbox.ask_for_mail(connection, make_job("order-1"))
    with engine.begin() as connection:
        assert outbox.relay(connection, sqs, QUEUE_URL) == 2

    [[first, second]] = server.calls
    assert first == job
    assert json.loads(second) == make_job("order-1")
    assert rows(engine, "select 1 from mail_outbox where put_at is null") == []


def test_a_refusal_is_marked_on_its_row_whatever_the_job_calls_itself(
    outbox: ModuleType, engine: sa.Engine, server: FakeSqs, sqs: Any
) -> None:
    """Marked as put, it would be lost."""
    with engine.begin() as connection:
        row = {"id": "order-0", "job": json.dumps(make_job("never-1"))}
        connection.execute(sa.text("INSERT INTO mail_outbox (email_id, job) VALUES (:id, :job)"), row)
    with engine.begin() as connection:
        outbox.relay(connection, sqs, QUEUE_URL)

    assert server.taken == []
    assert rows(engine, "select email_id from mail_outbox where put_at is null and fault is not null") == [("order-0",)]


async def test_two_relays_share_the_work_on_postgresql(outbox: ModuleType, server: FakeSqs, sqs: Any) -> None:
    """What one has in hand the other steps over; once it is marked, nobody takes it again."""
    with run_server() as postgres:
        plain = await asyncpg.connect(postgres.dsn("postgres"))
        await plain.execute((EXAMPLES / "outbox-postgresql.sql").read_text(encoding="utf-8"))
        engine = create_async_engine(
            postgres.url("postgres"), connect_args={"server_settings": {"lock_timeout": LOCK_TIMEOUT}}
        )

        def ask(jobs: list[Job]) -> Callable[[sa.Connection], None]:
            def work(connection: sa.Connection) -> None:
                for job in jobs:
                    outbox.ask_for_mail(connection, job)

            return work

        def work(connection: sa.Connection) -> int:
            return int(outbox.relay(connection, sqs, QUEUE_URL))

        try:
            async with engine.begin() as connection:
                await connection.run_sync(ask([make_job(f"order-{number:02}") for number in range(15)]))
            async with engine.begin() as one, engine.begin() as two, engine.begin() as three:
                counts = [await connection.run_sync(work) for connection in (one, two, three)]
            async with engine.begin() as connection:
                left = await connection.run_sync(work)
            marked = await plain.fetchval("select count(*) from mail_outbox where put_at <= now()")
        finally:
            await engine.dispose()
            await plain.close()

    assert (counts, left, marked) == ([10, 5, 0], 0, 15)
    assert ids(server.taken) == [f"order-{number:02}" for number in range(15)]


# --- the news --------------------------------------------------------------------------------------


class AsTold:
    """Stands for the library: the signature is another test's."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def verify(self, body: bytes, headers: dict[str, str]) -> None:
        """Let everything pass."""


AT = "2030-01-31T12:0{}:00.000Z"


def tell(webhook: ModuleType, engine: sa.Engine, name: str, minute: int, **data: Any) -> bool:
    """One request, in a transaction of its own."""
    job = {"email_id": "order-1", "state": "accepted", "recipient": "you@example.org"}
    news = {"type": "email.status", "timestamp": AT.format(minute), "data": job | data}
    with engine.begin() as connection:
        return bool(webhook.take(connection, "secret", json.dumps(news).encode(), {"webhook-id": name}))


@pytest.mark.parametrize(
    ("told", "stays"),
    [
        pytest.param([(1, "accepted"), (2, "delivered")], "delivered", id="in-order"),
        pytest.param([(2, "delivered"), (1, "accepted")], "delivered", id="given-up-and-replayed-afterwards"),
        pytest.param([(3, "delivered"), (2, "hard_bounced")], "hard_bounced", id="risen-by-an-event-that-came-late"),
        pytest.param([(2, "hard_bounced"), (3, "soft_bounced")], "soft_bounced", id="judged-anew"),
        pytest.param([(1, "suppressed"), (2, "accepted")], "accepted", id="put-again-once-the-address-was-good"),
        pytest.param([(1, "delayed"), (2, "some_new_word")], "some_new_word", id="a-word-of-a-later-version"),
    ],
)
def test_the_newest_status_stays_in_whatever_order_it_comes(
    webhook: ModuleType, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, told: list[tuple[int, str]], stays: str
) -> None:
    monkeypatch.setattr(webhook, "Webhook", AsTold)
    for number, (minute, status) in enumerate(told):
        assert tell(webhook, engine, f"msg_{number}", minute, status=status)

    assert rows(engine, "select status from mail_status") == [(stays,)]


def test_an_end_without_a_mail_gives_way_to_a_later_one_alone(
    webhook: ModuleType, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "Webhook", AsTold)
    for minute, state in ((1, "expired"), (3, "refused"), (2, "invalid")):
        tell(webhook, engine, f"msg_{minute}", minute, state=state, recipient=None, status=None)

    assert rows(engine, "select state, told_at from mail_status") == [("refused", AT.format(3))]


def test_ranks_are_the_ones_of_the_code(webhook: ModuleType) -> None:
    assert [status.word for status in Status if status] == list(webhook.RANKS)


def test_news_that_comes_twice_changes_nothing_the_second_time(
    webhook: ModuleType, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repetition may come after what followed it."""
    monkeypatch.setattr(webhook, "Webhook", AsTold)
    job: dict[str, Any] = {"email_id": "order-1", "state": "accepted", "recipient": "you@example.org"}
    told = [
        ("msg_1", {"type": "email.status", "timestamp": AT.format(1), "data": {**job, "status": "accepted"}}),
        ("msg_2", {"type": "email.status", "timestamp": AT.format(2), "data": {**job, "status": "delivered"}}),
        ("msg_1", {"type": "email.status", "timestamp": AT.format(1), "data": {**job, "status": "accepted"}}),
        ("msg_3", {"type": "tank_mailer.test", "timestamp": AT.format(2), "data": {}}),
        ("msg_4", {"type": "email.status", "timestamp": AT.format(3),
                   "data": {"email_id": "order-2", "state": "expired", "recipient": None, "status": None}}),
    ]  # fmt: skip

    taken = []
    for name, news in told:
        with engine.begin() as connection:
            taken.append(webhook.take(connection, "secret", json.dumps(news).encode(), {"webhook-id": name}))

    assert taken == [True, True, False, True, True]
    assert rows(engine, "select * from mail_status order by email_id") == [
        ("order-1", "you@example.org", "accepted", "delivered", AT.format(2)),
        ("order-2", "", "expired", None, AT.format(3)),
    ]


def test_a_fault_of_the_database_leaves_the_news_unknown(
    webhook: ModuleType, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known, and not written down, would be lost: it has to come again."""
    monkeypatch.setattr(webhook, "Webhook", AsTold)
    data = {"email_id": "order-1", "state": "accepted", "recipient": "you@example.org", "status": "delivered"}
    body = json.dumps({"type": "email.status", "timestamp": AT.format(1), "data": data}).encode()
    with engine.connect() as connection:  # and never committed, as after a crash
        webhook.take(connection, "secret", body, {"webhook-id": "msg_1"})
    with engine.begin() as connection:
        assert webhook.take(connection, "secret", body, {"webhook-id": "msg_1"})
