"""Several nodes on one account, as processes on one real PostgreSQL; an observer outside judges by the accept log."""

import asyncio
import json
import signal
import sys
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.database import COMMAND_TIMEOUT_S
from tank_mailer.adapters.event_book import SqlEventBook
from tank_mailer.adapters.store import Store
from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import State, first_row
from tank_mailer.core.status import Status
from tank_mailer.ports import Change
from tank_mailer.standin import Kind, Rule
from tank_mailer.standin.mailbox import Accepted
from tank_mailer.standin.queue import Place
from tests.builders import make_event
from tests.contract.postgres import PostgresServer, run_server
from tests.whole.conftest import KEYS, PATIENCE_S, Daemon, OpenSite, Site

RATE, SHARE = 14.0, 0.9  # of the account, and what the nodes take of it
SES_S = 0.06  # a call to SES (lab)
BEGUN_S = 3.0  # an attempt is written down a second before its turn; and the machine is busy
SLOW_SES_S = 0.5  # so that several requests are under way at any moment
SLOTS = 10  # TANK_MAX_PARALLEL
PATIENT = {"TANK_VISIBILITY_TIMEOUT_S": "60", "TANK_SES_TIMEOUT_S": "25"}  # where no lease is waited for: a busy
# machine makes no doubts then
SECRET = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
HOUR_S = 3600
UPGRADED = "upgraded"
SKEWED = Path(__file__).with_name("skewed.py")
_numbers = count(1)


# --- the shared store ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Books:
    """The store that the nodes share, as an observer reads it, and an operator moves it."""

    server: PostgresServer
    name: str

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    async def select(self, query: str) -> list[Mapping[str, Any]]:
        connection = await asyncpg.connect(self.server.dsn(self.name))
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def value(self, query: str) -> Any:
        [row] = await self.select(query)
        [value] = row.values()
        return value

    async def rows(self) -> dict[str, Mapping[str, Any]]:
        return {row["email_id"]: row for row in await self.select("SELECT * FROM jobs")}

    async def resent(self) -> set[str]:
        return {row["email_id"] for row in await self.select("SELECT email_id FROM jobs WHERE resends > 0")}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server with one database that `db upgrade` has made ready, for others to be made after."""
    with run_server() as running:
        asyncio.run(_create(running, UPGRADED))
        asyncio.run(_upgrade(running.url(UPGRADED)))
        yield running


@pytest.fixture
async def books(server: PostgresServer) -> Books:
    name = f"nodes_{next(_numbers)}"
    await _create(server, name, template=UPGRADED)
    return Books(server, name)


async def _create(server: PostgresServer, name: str, *, template: str = "template1") -> None:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    finally:
        await connection.close()


async def _upgrade(url: str) -> None:
    environment = KEYS | {"TANK_OUTBOUND_QUEUE_URL": "http://127.0.0.1:9/000000000000/jobs", "TANK_DATABASE_URL": url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tank_mailer", "db", "upgrade"), env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0


async def until(holds: Callable[[], Awaitable[bool]], *, what: str) -> None:
    """Wait for something that has to be asked for."""
    end_s = time.monotonic() + PATIENCE_S
    while not await holds():
        assert time.monotonic() < end_s, f"waited in vain for {what}"
        await asyncio.sleep(0.1)


async def has_waiting(books: Books, sessions: int) -> bool:
    """Whether so many wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return bool(await books.value(query) >= sessions)


# --- what the observer sees ------------------------------------------------------------------------


def log_of(site: Site) -> list[Accepted]:
    return site.standin.state.mailbox.log


def fullest_second(site: Site) -> int:
    """The most recipients that were accepted within any one second."""
    times = [mail.monotonic_s for mail in log_of(site)]
    return max(bisect_left(times, at_s + 1.0) - n for n, at_s in enumerate(times))


async def is_shared_by(books: Books, *names: str) -> bool:
    """Whether these nodes, by their own word on the board, take the rate to be theirs alone."""
    views = [json.loads(row["view"]) for row in await books.select("SELECT view FROM nodes")]
    return {view["nodes"] for view in views if view["node"] in names} == {len(names)}


def between(site: Site, begin_s: float, end_s: float) -> int:
    """Mails that were accepted from one moment to another."""
    return sum(begin_s <= mail.monotonic_s < end_s for mail in log_of(site))


def throttled(site: Site) -> int:
    return len(site.standin.state.account.throttles)


def doubled(site: Site) -> set[str]:
    return {email_id for email_id, times in site.accepted().items() if times > 1}


def receives(site: Site) -> int:
    return site.standin.state.counts.of("sqs", "ReceiveMessage")


def refused(site: Site) -> int:
    return site.standin.state.counts.of("ses", "SendEmail", "SendingPausedException")


def paused(daemon: Daemon, concern: str) -> list[dict[str, Any]]:
    return [line for line in daemon.lines if line["event"] == "pause_begun" and line["concern"] == concern]


def is_up(*daemons: Daemon) -> bool:
    return all(daemon.events()["daemon_started"] for daemon in daemons)


def run_on(daemon: Daemon) -> bool:
    return daemon.process.returncode is None


async def has_lost_answer(site: Site, books: Books, node: str) -> None:
    """Wait until SES has taken a mail of this node whose answer is still on its way."""

    async def has_one() -> bool:
        begun = await books.select("SELECT email_id, owner FROM jobs WHERE state = 'sending'")
        return any(row["owner"].startswith(f"{node}/") and row["email_id"] in site.accepted() for row in begun)

    await until(has_one, what="an answer under way")


async def command(site: Site, *words: str) -> None:
    """What an operator types on one host."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tank_mailer", *words),
        cwd=site.folder,
        env=site.environment,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


# --- 1: one rate -----------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("one", "two"), ("one", "two", "three")], ids=["two-nodes", "three-nodes"])
async def test_nodes_share_the_rate(open_site: OpenSite, books: Books, names: tuple[str, ...]) -> None:
    """Together they are never faster than one may be, and each has its part; how fast: benchmarks."""
    changes = PATIENT | {"TANK_DATABASE_URL": books.url, "TANK_RATE_SHARE": str(SHARE)}
    async with open_site(rate=RATE, ses_latency_s=SES_S, **changes) as site:
        ids = await site.put_jobs(250)
        daemons = [await site.start(TANK_NODE=name) for name in names]
        await site.until(lambda: site.depth() == 0, daemons[0], what="an empty queue")
        owners = await books.select("SELECT split_part(owner, '/', 1) AS node, count(*) AS jobs FROM jobs GROUP BY 1")

        assert throttled(site) == 0
        assert fullest_second(site) <= RATE
        assert site.accepted() == dict.fromkeys(ids, 1)
        assert {owner["node"] for owner in owners} == set(names), "all took part"
        assert all(owner["jobs"] >= 25 for owner in owners), "none was starved"


# --- 2, 3: nodes that die or stand still -----------------------------------------------------------


async def test_one_dies_and_another_comes(open_site: OpenSite, books: Books) -> None:
    """Its share is the others' within seconds; what it had in hand comes back, and nothing is sent too fast."""
    changes = {"TANK_DATABASE_URL": books.url, "TANK_RATE_SHARE": str(SHARE)}
    async with open_site(rate=RATE, ses_latency_s=SLOW_SES_S, **changes) as site:
        ids = await site.put_jobs(350)
        dying, *others = [await site.start(TANK_NODE=name) for name in ("one", "two", "three")]
        await site.until(lambda: is_up(dying, *others) and len(log_of(site)) >= 40, dying, what="mails")
        await has_lost_answer(site, books, "one")
        await dying.stop(signal.SIGKILL)
        await until(lambda: is_shared_by(books, "two", "three"), what="the rate for two instead of three")
        others.append(await site.start(TANK_NODE="four"))
        await site.until(lambda: site.depth() == 0, others[0], what="an empty queue")
        rows = await books.rows()
        owners = {row["owner"].partition("/")[0] for row in rows.values()}

        assert throttled(site) == 0
        assert fullest_second(site) <= RATE
        assert set(site.accepted()) == set(ids), "none is lost"
        assert {row["state"] for row in rows.values()} == {"accepted"}
        assert doubled(site), "an answer was lost with the process"
        assert doubled(site) <= await books.resent(), "none is doubled without a doubt on record"
        assert len(await books.resent()) <= SLOTS + RATE, "begun, at most a second before their turn"
        assert owners >= {"two", "three", "four"}
        assert all(run_on(daemon) for daemon in others)


async def test_one_stands_still_for_a_while(open_site: OpenSite, books: Books) -> None:
    """As a machine in suspend: what it had been given of the rate is lost, and it makes up for nothing."""
    changes = {"TANK_DATABASE_URL": books.url, "TANK_RATE_SHARE": str(SHARE)}
    async with open_site(rate=RATE, ses_latency_s=SLOW_SES_S, **changes) as site:
        ids = await site.put_jobs(300)
        still, other = [await site.start(TANK_NODE=name) for name in ("one", "two")]
        await site.until(lambda: is_up(still, other) and len(log_of(site)) >= 40, still, what="mails")
        still.process.send_signal(signal.SIGSTOP)
        await until(lambda: is_shared_by(books, "two"), what="the whole rate for the other")
        before = len(log_of(site))
        await site.until(lambda: len(log_of(site)) >= before + 60, other, what="mails of the other")
        settled = still.events()["job_settled"]
        still.process.send_signal(signal.SIGCONT)
        await site.until(lambda: site.depth() == 0, other, what="an empty queue")
        rows = await books.rows()

        assert throttled(site) == 0
        assert fullest_second(site) <= RATE
        assert set(site.accepted()) == set(ids), "none is lost"
        assert {row["state"] for row in rows.values()} == {"accepted"}
        assert doubled(site) <= await books.resent(), "none is doubled without a doubt on record"
        assert still.events()["job_settled"] >= settled + 20, "it works on"
        assert run_on(still)


async def test_one_stands_still_for_longer_than_its_leases(open_site: OpenSite, books: Books) -> None:
    """What it held is done by the other; when it wakes, it sends nothing of that, though it knows of no end."""
    changes = {"TANK_DATABASE_URL": books.url, "TANK_RATE_SHARE": str(SHARE)}
    async with open_site(rate=RATE, ses_latency_s=SLOW_SES_S, **changes) as site:
        ids = await site.put_jobs(120)
        still, other = [await site.start(TANK_NODE=name) for name in ("one", "two")]
        await site.until(lambda: is_up(still, other) and len(log_of(site)) >= 40, still, what="mails")
        await has_lost_answer(site, books, "one")
        still.process.send_signal(signal.SIGSTOP)
        held = await books.select("SELECT email_id FROM jobs WHERE owner LIKE 'one/%' AND state <> 'accepted'")
        await site.until(lambda: site.depth() == 0, other, what="an empty queue")
        before = len(log_of(site))
        still.process.send_signal(signal.SIGCONT)
        settled, late = still.events()["job_settled"], list[str]()
        for n in range(8):  # until it has its part of the work again
            late += await site.put_jobs(60, prefix=f"late-{n}")
            await site.until(lambda: site.depth() == 0, other, what="an empty queue")
            if still.events()["job_settled"] >= settled + 10:
                break
        rows = await books.rows()

        assert held, "it had something under way"
        assert still.events()["job_settled"] >= settled + 10, "it works again"
        assert {mail.email_id for mail in log_of(site)[before:]} == set(late), "nothing old is sent when it wakes"
        assert throttled(site) == 0
        assert fullest_second(site) <= RATE
        assert set(site.accepted()) == {*ids, *late}
        assert {row["state"] for row in rows.values()} == {"accepted"}
        assert doubled(site) <= await books.resent()
        assert len(await books.resent()) <= SLOTS + RATE, "begun, at most a second before their turn"


async def test_one_that_stands_still_in_a_transaction_holds_nobody_up(open_site: OpenSite, books: Books) -> None:
    """Its session lives on, and with it every lock on rows that it had taken: the server has to end it soon.

    So it is with a host that loses its power: the server does not know for hours.
    """
    async with (
        open_site(TANK_DATABASE_URL=books.url, TANK_SEND_RATE="20", **PATIENT) as site,
        asyncpg.create_pool(books.server.dsn(books.name), min_size=1, max_size=1) as pool,
        pool.acquire() as observer,
    ):
        ids = await site.put_jobs(60)
        still = await site.start()
        await site.until(lambda: len(log_of(site)) >= 10, still, what="mails")
        async with observer.transaction():
            await observer.execute("LOCK TABLE receipts IN ACCESS EXCLUSIVE MODE")  # what it writes after the jobs
            await until(lambda: has_waiting(books, 1), what="a transaction under way")
            still.process.send_signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):  # or the other nodes' statements fail, and they pause
                await observer.execute("UPDATE jobs SET lane = lane")
        finally:
            still.process.send_signal(signal.SIGCONT)
        await site.until(lambda: site.depth() == 0, still, what="an empty queue")

        assert site.accepted() == dict.fromkeys(ids, 1)
        assert {row["resends"] for row in (await books.rows()).values()} == {0}


# --- 4: the database is away -----------------------------------------------------------------------


async def test_the_database_is_away_under_load(open_site: OpenSite, books: Books) -> None:
    """Nothing is sent, nothing is polled, nothing is charged, and all goes on when it is back (promises 4 and 5)."""
    changes = PATIENT | {"TANK_DATABASE_URL": books.url, "TANK_SEND_RATE": "20"}
    async with open_site(max_receive_count=3, ses_latency_s=SES_S, **changes) as site:
        ids = await site.put_jobs(300)
        daemons = [await site.start(TANK_NODE=name) for name in ("one", "two")]
        await site.until(lambda: is_up(*daemons) and len(log_of(site)) >= 60, daemons[0], what="mails")
        try:
            await asyncio.to_thread(books.server.stop)
            await site.until(lambda: all(paused(daemon, "store") for daemon in daemons), what="both paused")
            polls, paused_s = receives(site), time.monotonic()
            await site.until(lambda: time.monotonic() > paused_s + 10, daemons[0], what="ten seconds")
            polled, back_s = receives(site) - polls, time.monotonic()
        finally:
            await asyncio.to_thread(books.server.start)
        await site.until(lambda: site.depth() == 0, daemons[0], what="an empty queue")
        rows = await books.rows()

        assert between(site, paused_s + BEGUN_S, back_s) == 0, "nothing is sent but what was begun already"
        assert polled == 0
        assert site.accepted() == dict.fromkeys(ids, 1)
        assert {row["state"] for row in rows.values()} == {"accepted"}
        assert {(row["charged"], row["resends"]) for row in rows.values()} == {(0, 0)}
        assert site.depth("dead") == 0
        assert all(run_on(daemon) for daemon in daemons)


async def test_the_database_is_away_at_a_nodes_start(open_site: OpenSite, books: Books) -> None:
    """It waits, and works once it is there."""
    async with open_site(TANK_DATABASE_URL=books.url) as site:
        ids = await site.put_jobs(10)
        await asyncio.to_thread(books.server.stop)
        try:
            daemon = await site.start()
            await site.until(lambda: daemon.events()["store_unavailable"] >= 1, daemon, what="the warning")
            assert receives(site) == 0
        finally:
            await asyncio.to_thread(books.server.start)
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")

        assert site.accepted() == dict.fromkeys(ids, 1)


# --- 5: clocks -------------------------------------------------------------------------------------


@asynccontextmanager
async def skewed(site: Site, *, by_s: int, **changes: str) -> AsyncIterator[Daemon]:
    """A node whose wall clock is wrong; it is killed at the end."""
    log = site.folder / f"log-skewed-{next(_numbers)}"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, SKEWED, "run"),
            cwd=site.folder,
            env=site.environment | changes | {"SKEW_S": str(by_s)},
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
        )
    daemon = Daemon(process, log, site.standin)
    try:
        yield daemon
    finally:
        await daemon.stop(signal.SIGKILL)


async def test_clocks_an_hour_apart(open_site: OpenSite, books: Books) -> None:
    """All go by the server's time: no row says when a wrong clock thinks it was."""
    changes = PATIENT | {"TANK_DATABASE_URL": books.url, "TANK_SEND_RATE": "40"}
    async with (
        open_site(has_events=True, **changes) as site,
        skewed(site, by_s=HOUR_S, TANK_NODE="ahead") as ahead,
        skewed(site, by_s=-HOUR_S, TANK_NODE="behind") as behind,
    ):
        right = await site.start(TANK_NODE="right")
        daemons = ahead, behind, right
        await site.until(lambda: is_up(*daemons), right, what="the start")
        ids = await site.put_jobs(150)

        async def all_delivered() -> bool:
            return bool(await books.value("SELECT count(*) FROM events WHERE kind = 'delivery'") == len(ids))

        await until(all_delivered, what="deliveries")
        await site.until(lambda: site.depth() == 0, right, what="an empty queue")
        await site.until(lambda: all(d.events()["clock_off"] for d in (ahead, behind)), right, what="a warning")
        rows = (await books.rows()).values()
        [told] = await books.select(
            "SELECT min(recorded_at) AS oldest, max(recorded_at) AS newest FROM events"
            " UNION ALL SELECT min(seen_at), max(seen_at) FROM nodes"
            " UNION ALL SELECT min(minute) * 60, max(minute) * 60 FROM volume"
            " UNION ALL SELECT min(asked_at), max(asked_at) FROM askers"
            " UNION ALL SELECT min(accepted_at), max(accepted_at) FROM receipts"
            " ORDER BY oldest LIMIT 1"
        )
        [newest] = await books.select(
            "SELECT max(at) AS at FROM (SELECT max(recorded_at) AS at FROM events UNION ALL"
            " SELECT max(seen_at) FROM nodes UNION ALL SELECT max(minute) * 60 FROM volume) AS times"
        )

        now_s = datetime.now(UTC).timestamp()
        names = ("first_seen_at", "updated_at", "started_at", "accepted_at")
        assert site.accepted() == dict.fromkeys(ids, 1)
        assert all(abs(row[name] - now_s) < 120 for row in rows for name in names)
        assert told["oldest"] > now_s - 120
        assert newest["at"] < now_s + 5
        assert {row["owner"].partition("/")[0] for row in rows} == {"ahead", "behind", "right"}
        assert [round(d.lines[-1 - _index(d, "clock_off")]["off_s"], -2) for d in (ahead, behind)] == [HOUR_S, -HOUR_S]
        assert not right.events()["clock_off"]


def _index(daemon: Daemon, event: str) -> int:
    """How far from the end the newest line of this event is."""
    return next(n for n, line in enumerate(reversed(daemon.lines)) if line["event"] == event)


async def test_what_one_put_off_another_takes_up_when_it_is_due(open_site: OpenSite, books: Books) -> None:
    """Not an hour later, though it was deferred on a host an hour ahead, and this one is an hour behind."""
    async with open_site(TANK_DATABASE_URL=books.url) as site:
        site.standin.state.faults.add(
            Rule(kind=Kind.STATUS, service="ses", status=500, code="InternalFailure", operation="SendEmail", times=3)
        )
        ids = await site.put_jobs(3)
        async with skewed(site, by_s=HOUR_S, TANK_NODE="ahead") as ahead:
            await site.until(lambda: ahead.events()["job_settled"] == 3, ahead, what="three failures")
            deferred = await books.rows()
            ahead.process.send_signal(signal.SIGTERM)  # its last long poll gives back what it brings
            async with skewed(site, by_s=-HOUR_S, TANK_NODE="behind") as behind:
                await site.until(lambda: site.depth() == 0, behind, what="an empty queue")
        rows = await books.rows()

        assert {row["state"] for row in deferred.values()} == {"deferred"}
        assert site.accepted() == dict.fromkeys(ids, 1)
        assert {row["owner"].partition("/")[0] for row in rows.values()} == {"behind"}
        late_s = [row["accepted_at"] - deferred[email_id]["due_at"] for email_id, row in rows.items()]
        assert min(late_s) >= -1
        assert max(late_s) < HOUR_S / 2


# --- 6: events for another node's mail -------------------------------------------------------------


@pytest.mark.parametrize("drain", [("two",), ("one", "two")], ids=["one-drains", "both-drain"])
async def test_events_of_mails_that_another_node_sent(
    open_site: OpenSite, books: Books, drain: tuple[str, ...]
) -> None:
    """Whoever reads an event, what it says stands in the ledger that all share."""
    changes = PATIENT | {"TANK_DATABASE_URL": books.url, "TANK_SEND_RATE": "40"}
    async with open_site(has_events=True, **changes) as site:
        unread = {"TANK_EVENT_QUEUE_URL": "", "TANK_EVENT_TOPIC_ARNS": ""}
        daemons = [await site.start(TANK_NODE=name, **({} if name in drain else unread)) for name in ("one", "two")]
        await site.until(lambda: is_up(*daemons), what="the start")
        ids = await site.put_jobs(80)
        await site.until(lambda: site.depth() + site.depth("events") == 0, daemons[0], what="empty queues")

        async def delivered() -> bool:
            statuses = await books.select("SELECT status FROM recipients")
            return Counter(row["status"] for row in statuses) == {Status.DELIVERED: len(ids)}

        await until(delivered, what="deliveries")
        owners = {row["owner"].partition("/")[0] for row in (await books.rows()).values()}
        told = await books.value("SELECT count(*) FROM events")
        sources = {row["source"] for row in await books.select("SELECT DISTINCT source FROM receipts")}

        assert site.accepted() == dict.fromkeys(ids, 1)
        assert owners == {"one", "two"}
        assert told == 2 * len(ids), "sent, delivered: each once"
        assert sources == {"answer"}, "the answers' own, though an event may have been quicker"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Rule(kind=Kind.RESET_AFTER, times=4), id="the-event-comes-after-the-doubt"),
        pytest.param(Rule(kind=Kind.HANG, processed=True, times=4), id="the-event-comes-before-the-doubt"),
    ],
)
async def test_a_doubt_is_settled_by_an_event_that_another_node_reads(
    open_site: OpenSite, books: Books, fault: Rule
) -> None:
    """The answer was lost on one node; its event, which another one drains, is proof: no mail goes twice."""
    changes = {"TANK_DATABASE_URL": books.url, "TANK_IN_DOUBT_WAIT_S": "4"}  # sooner than the reader looks at doubts
    async with open_site(has_events=True, **changes) as site:
        site.standin.state.faults.add(
            Rule(kind=fault.kind, service="ses", operation="SendEmail", times=fault.times, processed=True)
        )
        sender = await site.start(TANK_NODE="sender", TANK_EVENT_QUEUE_URL="", TANK_EVENT_TOPIC_ARNS="")
        await site.until(lambda: is_up(sender), sender, what="the start")
        reader = await site.start(TANK_NODE="reader", TANK_OUTBOUND_QUEUE_URL=_another_queue(site))
        await site.until(lambda: is_up(reader), reader, what="the start")
        ids = await site.put_jobs(10)
        await site.until(lambda: site.depth() + site.depth("events") == 0, sender, what="empty queues")
        rows = await books.rows()

        assert site.accepted() == dict.fromkeys(ids, 1), "none goes twice"
        assert {(row["state"], row["resends"]) for row in rows.values()} == {("accepted", 0)}
        assert {row["owner"].partition("/")[0] for row in rows.values()} == {"sender"}


async def test_a_doubt_and_its_proof_are_written_at_the_same_moment(books: Books) -> None:
    """Whichever of the two nodes comes last sees what the other one wrote: the doubt is settled at once."""
    now = SystemClock().now()
    async with (
        database.open_engine(database.locate(books.url)) as engine,
        asyncpg.create_pool(books.server.dsn(books.name), min_size=1, max_size=2) as pool,
        pool.acquire() as other,
        asyncio.TaskGroup() as group,
    ):
        stores = [Store(engine=engine, clock=SystemClock(), node=name) for name in ("sender", "reader")]
        works = [group.create_task(store.run()) for store in stores]
        sender, reader = stores
        row = first_row(email_id="job", content_hash="", lane="ordinary", queue_message_id="q", now=now).begun(
            owner="sender/1", now=now, lease_ends_at=now + timedelta(minutes=1), receipt_handle="h"
        )
        await sender.begin(row, ["recipient@example.org"])

        async with other.transaction():  # both wait for this one, and then for each other
            await other.fetch("SELECT * FROM jobs FOR UPDATE")
            event = make_event(email_id="job", mail_at=now, occurred_at=now)
            proof = group.create_task(SqlEventBook(store=reader).record([event]))
            await until(lambda: has_waiting(books, 1), what="the proof")
            doubted = row.doubted(now + timedelta(minutes=15), now, Reason.ANSWER_LOST)
            doubt = group.create_task(sender.write(Change(doubted)))
            await until(lambda: has_waiting(books, 2), what="the doubt")
        await asyncio.wait({proof, doubt})
        found = await sender.find("job")
        for work in works:
            work.cancel()

    assert found is not None
    assert found.state is State.ACCEPTED


def _another_queue(site: Site) -> str:
    """So that a node has nothing to send."""
    site.standin.state.queues.create("others", {})
    return f"{site.standin.url}/000000000000/others"


# --- 7: the web server -----------------------------------------------------------------------------


@dataclass(slots=True)
class WebServer:
    """The customer's receiver: it verifies as its library does, and answers only while `opened` is set."""

    told: list[dict[str, Any]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)  # requests by letter
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        data = Webhook(SECRET).verify(await request.text(), dict(request.headers))
        letter = request.headers["webhook-id"]
        self.asked[letter] += 1
        await self.opened.wait()
        if request.transport is None:  # its sender is dead
            return web.Response(status=500)
        self.told.append({"id": letter, **data["data"]})
        return web.Response(status=204)

    def statuses(self) -> dict[str, list[str]]:
        """In the order in which they came, by job."""
        found = defaultdict[str, list[str]](list)
        for one in self.told:
            found[one["email_id"]].append(one["status"])
        return found


@asynccontextmanager
async def web_server() -> AsyncIterator[tuple[WebServer, str]]:
    server, app = WebServer(), web.Application()
    app.router.add_post("/hook", server.receive)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield server, f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        server.opened.set()
        await runner.cleanup()


async def test_the_web_server_is_told_by_one_node_at_a_time(open_site: OpenSite, books: Books) -> None:
    """Each letter once and in order; when the node that tells dies, the other one goes on."""
    changes = PATIENT | {"TANK_DATABASE_URL": books.url, "TANK_WEBHOOK_SECRET": SECRET}
    async with (
        web_server() as (server, url),
        open_site(has_events=True, TANK_WEBHOOK_URL=url, **changes) as site,
    ):
        daemons = {name: await site.start(TANK_NODE=name) for name in ("one", "two")}
        await site.until(lambda: is_up(*daemons.values()), what="the start")
        server.opened.set()
        ids = await site.put_jobs(40)
        await site.until(lambda: len(server.told) >= 80, daemons["one"], what="letters")
        assert set(server.asked.values()) == {1}, "each letter once"

        server.opened.clear()
        more = await site.put_jobs(40, prefix="more")
        await site.until(lambda: site.depth() + site.depth("events") == 0, daemons["one"], what="empty queues")
        await site.until(lambda: sum(server.asked.values()) >= 88, daemons["one"], what="requests that hang")
        teller = await books.value("SELECT split_part(owner, '/', 1) FROM turns WHERE name = 'notifying'")
        hung = sum(server.asked.values()) - 80
        await daemons.pop(teller).stop(signal.SIGKILL)
        server.opened.set()
        await books.select("UPDATE turns SET ends_at = ends_at - 30 WHERE name = 'notifying'")  # as time does
        [other] = daemons.values()
        await site.until(lambda: len(server.told) >= 160, other, what="letters")

    assert hung == 8, "what one node asks at a time"
    assert set(server.statuses()) == {*ids, *more}
    assert all(found == ["accepted", "delivered"] for found in server.statuses().values())
    assert len({one["id"] for one in server.told}) == len(server.told) == 160
    assert sum(server.asked.values()) == 160 + hung, "told again is only what hung at the kill"


# --- 8, 9: pauses ----------------------------------------------------------------------------------


async def test_a_persons_word_on_one_host_holds_for_all(open_site: OpenSite, books: Books) -> None:
    """`pause` stops both nodes, `resume` starts both; meanwhile nothing is sent and no job is received twice."""
    changes = PATIENT | {"TANK_DATABASE_URL": books.url, "TANK_SEND_RATE": "50"}
    async with open_site(**changes) as site:
        daemons = [await site.start(TANK_NODE=name) for name in ("one", "two")]
        await site.until(lambda: is_up(*daemons), what="the start")
        await site.put_jobs(40, prefix="before")
        await command(site, "pause", "--reason", "a test")
        await site.until(lambda: all(paused(daemon, "operator") for daemon in daemons), what="both paused")
        await site.put_jobs(100)
        await site.until(lambda: site.depth() == site.standin.state.queues.named("jobs").queue.count(Place.VISIBLE))
        polls, mails = receives(site), len(log_of(site))
        await command(site, "top", "--json")
        polled, sent = receives(site) - polls, len(log_of(site)) - mails
        await command(site, "resume")
        await site.until(lambda: site.depth() == 0, daemons[0], what="an empty queue")
        owners = {row["owner"].partition("/")[0] for name, row in (await books.rows()).items() if "before" not in name}

        assert sent == 0
        assert polled == 0
        assert len(site.accepted()) == 140
        assert set(site.accepted().values()) == {1}
        assert owners == {"one", "two"}, "both go on"
        assert [daemon.events()["operator_resumed"] for daemon in daemons] == [1, 1]


async def test_what_ses_says_of_the_account_pauses_all(open_site: OpenSite, books: Books) -> None:
    """A few refused mails, no more; both go on when AWS lets the account send again, and nothing was charged."""
    changes = PATIENT | {"TANK_DATABASE_URL": books.url, "TANK_SEND_RATE": "20"}
    async with open_site(max_receive_count=3, ses_latency_s=SES_S, **changes) as site:
        ids = await site.put_jobs(140)
        daemons = [await site.start(TANK_NODE=name) for name in ("one", "two")]
        await site.until(lambda: is_up(*daemons) and len(log_of(site)) >= 40, daemons[0], what="mails")
        site.standin.state.account.change({"sending_enabled": False})
        await site.until(lambda: all(paused(daemon, "account") for daemon in daemons), what="both paused")
        site.standin.state.account.change({"sending_enabled": True})
        before = refused(site)
        await site.until(lambda: site.depth() == 0, daemons[0], what="an empty queue")
        rows = (await books.rows()).values()

        assert refused(site) == before <= 6, "what was under way, on each of two nodes"
        assert site.accepted() == dict.fromkeys(ids, 1)
        assert {row["charged"] for row in rows} == {0}
        assert site.depth("dead") == 0
        assert [daemon.events()["pause_lifted"] for daemon in daemons] == [1, 1]


async def test_a_node_is_told_by_another_that_the_account_is_paused(open_site: OpenSite, books: Books) -> None:
    """It pauses without a refused mail of its own, and goes on with its own queue when the account may send."""
    async with open_site(TANK_DATABASE_URL=books.url) as site:
        others_url = _another_queue(site)
        told = await site.start(TANK_NODE="two", TANK_OUTBOUND_QUEUE_URL=others_url)
        await site.until(lambda: is_up(told), told, what="the start")
        daemon = await site.start(TANK_NODE="one")
        await site.until(lambda: is_up(daemon), daemon, what="the start")
        site.standin.state.account.change({"sending_enabled": False})
        await site.put_jobs(3)
        await site.until(lambda: bool(paused(told, "account")), told, what="a pause")
        mails = refused(site)
        site.standin.state.account.change({"sending_enabled": True})
        await site.put_jobs(1, prefix="other", url=others_url)
        await site.until(lambda: site.depth() + site.depth("others") == 0, daemon, what="empty queues")

        [pause] = paused(told, "account")
        assert pause["detail"].startswith("told to one")
        assert 1 <= mails <= 3
        assert site.accepted() == dict.fromkeys(["job-0", "job-1", "job-2", "other-0"], 1)
