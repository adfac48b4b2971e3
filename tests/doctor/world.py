"""A set-up in which nothing is wrong: an emulated account, a DNS server, a store, and the settings that name them."""

import json
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tank_mailer.adapters import database
from tank_mailer.adapters.checkup_clients import open_checkup
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.cli import doctor
from tank_mailer.core.checkup.finding import Area, Finding
from tank_mailer.core.view import LaneView, NodeView, PauseView
from tank_mailer.settings import load_settings
from tank_mailer.standin import Standin, StandinOptions
from tank_mailer.standin.access import Key
from tank_mailer.standin.destinations import Destination
from tank_mailer.standin.event_kinds import EventKind
from tank_mailer.standin.identities import tokens_of
from tests.dns_server import DnsServer
from tests.project.cloudformation import QUEUE, Reader

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"
DOMAIN: Final = "example.com"
MAIL_FROM: Final = "bounce.example.com"
KEY_ID: Final = "AKIAIOSFODNN7EXAMPLE"
OUTBOUND, PRIORITY, DEAD, EVENTS = "tank-outbound", "tank-priority", "tank-dead-letter", "tank-events"
UNDELIVERED: Final = "tank-events-undelivered"


def queue_attributes() -> dict[str, dict[str, Any]]:
    """The template's queues, by name, as CreateQueue takes them; those that others name come first."""
    found = dict[str, dict[str, Any]]()
    for resource in Reader(parameters={"Identities": DOMAIN}).resources(QUEUE).values():
        given = {key: value for key, value in resource["Properties"].items() if key != "Tags"}
        name = given.pop("QueueName")
        found[name] = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    return dict(sorted(found.items(), key=lambda one: "RedrivePolicy" in one[1]))


@dataclass(kw_only=True, eq=False)
class World:
    """All of it, to be put out of order."""

    standin: Standin
    dns: DnsServer
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    env_file: dict[str, str] = field(default_factory=dict)
    env_file_mode: int = 0o600

    # --- what is there ---

    @property
    def topic(self) -> str:
        return f"arn:aws:sns:{REGION}:{ACCOUNT}:tank-events"

    @property
    def store(self) -> Path:
        return self.folder / "tank.db"

    def url(self, queue: str) -> str:
        return f"{self.standin.url}/{ACCOUNT}/{queue}"

    # --- changing it ---

    def queue(self, name: str, **attributes: str) -> None:
        queues = self.standin.state.queues
        queues.change(queues.named(name), dict(attributes))

    def drop_queue(self, name: str) -> None:
        queues = self.standin.state.queues
        queues.delete(queues.named(name))

    def identity(self, **groups: Any) -> None:
        details = self.standin.state.identities.details.setdefault(DOMAIN, {})
        for group, told in groups.items():
            details[group] = {**details.get(group, {}), **told} if isinstance(told, dict) else told

    def account(self, **changes: Any) -> None:
        self.standin.state.account.change(changes)

    def deny(self, action: str, name: str = "") -> None:
        self.standin.state.access.denied[action] = name

    def destination(self, **changes: Any) -> None:
        there = self.standin.state.events.destinations.by_set["tank"]
        given = {"arn": self.topic, **changes}
        there["events"] = Destination(**given)

    def without_kinds(self, *kinds: EventKind) -> None:
        self.destination(kinds=tuple(kind for kind in EventKind if kind not in kinds))

    def subscription(self, **changes: Any) -> None:
        (one,) = self.standin.state.events.topics.by_arn[self.topic]
        for name, value in changes.items():
            setattr(one, name, value)

    def policy(self, **attributes: str) -> None:
        self.standin.state.events.topics.attributes[self.topic] = dict(attributes)

    def record(self, name: str, kind: str, *texts: str) -> None:
        if texts:
            self.dns.records[name, kind] = list(texts)
        else:
            del self.dns.records[name, kind]

    def ask(self, sql: str, *values: object) -> None:
        with closing(sqlite3.connect(self.store, isolation_level=None)) as connection:
            connection.execute(sql, values)

    def node(self, *, pauses: tuple[PauseView, ...] = ()) -> None:
        now = datetime.now(UTC)
        lanes = {lane: LaneView(queue=queue, last_poll_at=now) for lane, queue in LANES.items()}
        view = NodeView("mailer-1", "p-1", "1.0", now, now, lanes=lanes, pauses=pauses)
        self.ask("DELETE FROM nodes")
        values = ("mailer-1/p-1", "mailer-1", time.time(), json.dumps(view.shape()))
        self.ask("INSERT INTO nodes (process, node, seen_at, view) VALUES (?, ?, ?, ?)", *values)

    # --- looking at it ---

    async def findings(self, areas: frozenset[Area] = frozenset(Area)) -> list[Finding]:
        self.write_env_file()
        loaded = load_settings(None, self.environ, directory=self.folder)
        location = database.locate(loaded.settings.database_url.get_secret_value())
        async with open_checkup(loaded.aws, region=None, event_region=None) as clients:
            return await doctor.examine(
                loaded, self.environ, clients=clients, areas=areas, location=location, clock=SystemClock()
            )

    def write_env_file(self) -> None:
        path = self.folder / ".env"
        path.write_text("".join(f"{name}={value}\n" for name, value in self.env_file.items()), encoding="utf-8")
        path.chmod(self.env_file_mode)


LANES: Final[Mapping[str, str]] = {"ordinary": OUTBOUND, "priority": PRIORITY}


@asynccontextmanager
async def healthy(folder: Path, empty_store: Path) -> AsyncIterator[World]:
    """Everything as the product's own template and docs have it."""
    options = StandinOptions(account_id=ACCOUNT, region=REGION, identities=(DOMAIN,))
    async with Standin.start(options) as standin, DnsServer().listen() as dns:
        world = World(standin=standin, dns=dns, folder=folder)
        _queues(world)
        _events(world)
        _identity(world)
        _store(world, empty_store)
        world.standin.state.access.keys.append(Key(key_id=KEY_ID, created_at=datetime.now(UTC) - timedelta(days=30)))
        world.environ = {
            "TANK_OUTBOUND_QUEUE_URL": world.url(OUTBOUND),
            "TANK_PRIORITY_QUEUE_URL": world.url(PRIORITY),
            "TANK_EVENT_QUEUE_URL": world.url(EVENTS),
            "TANK_EVENT_TOPIC_ARNS": world.topic,
            "TANK_CONFIGURATION_SET": "tank",
            "TANK_ALLOWED_SENDERS": DOMAIN,
            "TANK_DNS_RESOLVER": dns.place,
            "TANK_DATABASE_URL": f"sqlite+aiosqlite:///{world.store}",
            "TANK_MIN_FREE_BYTES": "1MiB",
        }
        world.env_file = {
            "AWS_ENDPOINT_URL": standin.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
        }
        yield world


def _queues(world: World) -> None:
    for name, attributes in queue_attributes().items():
        world.standin.state.queues.create(name, attributes)


def _events(world: World) -> None:
    state = world.standin.state
    state.configuration_sets.by_name["tank"] = {"ReputationOptions": {"ReputationMetricsEnabled": True}}
    assert state.events.topics.create("tank-events") == world.topic
    state.events.topics.subscribe(world.topic, EVENTS)
    world.subscription(dead_letter_arn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{UNDELIVERED}")
    state.events.destinations.add("tank", "events", Destination(arn=world.topic))


def _identity(world: World) -> None:
    world.identity(MailFromAttributes={"MailFromDomain": MAIL_FROM, "MailFromDomainStatus": "SUCCESS"})
    for token in tokens_of(DOMAIN):
        world.record(f"{token}._domainkey.{DOMAIN}", "CNAME", f"{token}.dkim.amazonses.com.")
    world.record(DOMAIN, "TXT", '"v=spf1 include:amazonses.com -all"', '"some-verification=1"')
    world.record(MAIL_FROM, "MX", f"10 feedback-smtp.{REGION}.amazonses.com.")
    world.record(MAIL_FROM, "TXT", '"v=spf1 " "include:amazonses.com ~all"')
    world.record(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; p=none; rua=mailto:dmarc@example.com"')


def _store(world: World, empty: Path) -> None:
    world.store.write_bytes(empty.read_bytes())
    world.store.chmod(0o600)
    columns = {
        "email_id": "order-1",
        "state": "accepted",
        "content_hash": "",
        "lane": "ordinary",
        "queue_message_id": "m-1",
        "first_seen_at": 1e9,
        "updated_at": 1e9,
        "owner": "",
        "version": 1,
        **dict.fromkeys(("attempt", "charged", "resends", "throttles"), 0),
    }
    marks = ", ".join("?" * len(columns))
    world.ask(f"INSERT INTO jobs ({', '.join(columns)}) VALUES ({marks})", *columns.values())  # noqa: S608 - ours
    world.node()
