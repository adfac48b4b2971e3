"""Settings against AWS, ways to hosts, the clock, the account, the store: what weighs how much, and why."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tank_mailer.core.checkup.account import judge_account
from tank_mailer.core.checkup.facts import Account, DedicatedIp, Distrust, Probe, Quota, Stage, StoreState
from tank_mailer.core.checkup.finding import Check, Level
from tank_mailer.core.checkup.network import judge_network
from tank_mailer.core.checkup.seen import Absent, Known, NotAsked, Unreached
from tank_mailer.core.checkup.settings import judge_settings
from tank_mailer.core.checkup.store import judge_store
from tank_mailer.core.view import NodeView, PauseView
from tests.checkups import DEAD, DENIED, NOW, OUTBOUND, TOPIC, make_facts, make_queue, make_setup, texts, told

FAULT, WARNING, NOTE, UNSEEN = Level.FAULT, Level.WARNING, Level.NOTE, Level.UNSEEN


# --- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected", "text"),
    [
        pytest.param({}, [], "", id="sound"),
        pytest.param({"setting_warnings": ("a", "b")}, [(Check.SETTINGS, WARNING)] * 2, "config show", id="odd-ones"),
        pytest.param({"delivery": "redirect"}, [(Check.DELIVERY, WARNING)], "TANK_DELIVERY=live", id="redirected"),
        pytest.param({"region": None}, [(Check.REGION, FAULT)], "set AWS_REGION", id="no-region"),
        pytest.param({"queue_region": None}, [], "", id="a-queue-whose-url-tells-no-region"),
        pytest.param({"queue_region": "eu-central-1"}, [(Check.REGION, FAULT)], "AWS_REGION=eu-central-1", id="queue"),
        pytest.param(
            {"priority_region": "us-east-1"}, [(Check.REGION, FAULT)], "TANK_PRIORITY_QUEUE_URL", id="priority"
        ),
        pytest.param(
            {"topic_arns": (TOPIC.replace("eu-west-1", "us-east-1"),)},
            [(Check.REGION, FAULT)],
            "topic of eu",
            id="topic",
        ),
        pytest.param(
            {"sdk_hosts": {"AWS_ENDPOINT_URL_SESV2": "ses.eu-west-1.amazonaws.com"}},
            [(Check.ENDPOINT, FAULT)],
            "email.eu-west-1.amazonaws.com",
            id="a-host-that-does-not-exist",
        ),
        pytest.param(
            {"sdk_hosts": {"AWS_ENDPOINT_URL": "email.eu-west-1.amazonaws.com"}}, [], "AWS's own", id="AWS-by-its-name"
        ),
        pytest.param(
            {"sdk_hosts": {"AWS_ENDPOINT_URL": "localhost"}}, [(Check.ENDPOINT, NOTE)], "in place", id="other"
        ),
        pytest.param({"listen": "0.0.0.0:1", "listens_off_loopback": True}, [(Check.LISTEN, NOTE)], "TLS", id="open"),
    ],
)
def test_settings(changes: dict[str, Any], expected: list[tuple[Check, Level]], text: str) -> None:
    found = list(judge_settings(make_setup(**changes)))

    assert told(found) == expected
    assert text in texts(found)


# --- network ---------------------------------------------------------------------------------------


def probe(**changes: Any) -> Probe:
    base: dict[str, Any] = {"use": "SES", "host": "email.eu-west-1.amazonaws.com", "port": 443, "is_aws": True}
    return Probe(**{**base, **changes})


def at_web(**changes: Any) -> Probe:
    return probe(use="TANK_WEBHOOK_URL", host="www.example.com", is_aws=False, **changes)


@pytest.mark.parametrize(
    ("given", "expected", "text"),
    [
        pytest.param(probe(issuer="Amazon"), None, "reached", id="reached"),
        pytest.param(
            probe(proxy="10.0.0.1:3128", issuer="Amazon"), None, "through the proxy 10.0.0.1:3128", id="by-proxy"
        ),
        pytest.param(at_web(issuer="Proxy Ltd"), None, "reached", id="anybody-may-sign-for-others"),
        pytest.param(probe(issuer="Proxy Ltd"), (Check.TLS, NOTE), "by Proxy Ltd, whom this host trusts", id="opened"),
        pytest.param(
            probe(failed=Stage.NAME, why="no name"),
            (Check.NAME, FAULT),
            "(not ses.eu-west-1.amazonaws.com, which does not exist)",
            id="no-address",
        ),
        pytest.param(
            probe(host="sqs.eu-west-1.amazonaws.com", failed=Stage.NAME),
            (Check.NAME, FAULT),
            "region, eu-west-1",
            id="sqs",
        ),
        pytest.param(at_web(failed=Stage.NAME), (Check.NAME, FAULT), "host in the URL", id="no-address-of-the-web"),
        pytest.param(
            probe(failed=Stage.CONNECT, why="refused"),
            (Check.CONNECT, FAULT),
            "open email.eu-west-1.amazonaws.com:443, TCP, outbound, in the firewall (not ses.",
            id="a-firewall",
        ),
        pytest.param(
            probe(failed=Stage.PROXY, proxy="p:1", why="wants a user"),
            (Check.PROXY, FAULT),
            "CONNECT to email",
            id="proxy",
        ),
        pytest.param(
            probe(failed=Stage.BUNDLE, why="gone"), (Check.CA_BUNDLE, FAULT), "readable PEM file", id="bundle"
        ),
        pytest.param(
            probe(failed=Stage.TLS, distrust=Distrust.ISSUER, issuer="Proxy Ltd"),
            (Check.TLS, FAULT),
            "AWS_CA_BUNDLE name a PEM file with that proxy's authority",
            id="an-inspecting-proxy",
        ),
        pytest.param(
            probe(failed=Stage.TLS, distrust=Distrust.ISSUER),
            (Check.TLS, FAULT),
            "by nobody known",
            id="an-unknown-one",
        ),
        pytest.param(
            probe(failed=Stage.TLS, distrust=Distrust.ISSUER, issuer="Amazon"),
            (Check.TLS, FAULT),
            "AWS_CA_BUNDLE: take it out",
            id="a-bundle-without-amazon",
        ),
        pytest.param(
            at_web(failed=Stage.TLS, distrust=Distrust.ISSUER, issuer="X"),
            (Check.TLS, FAULT),
            "SSL_CERT_FILE",
            id="web",
        ),
        pytest.param(probe(failed=Stage.TLS, distrust=Distrust.TIME), (Check.TLS, FAULT), "clock", id="out-of-time"),
        pytest.param(
            probe(failed=Stage.TLS, distrust=Distrust.NAME), (Check.TLS, FAULT), "another host", id="not-its-name"
        ),
        pytest.param(
            probe(failed=Stage.TLS, distrust=Distrust.NO_TLS), (Check.TLS, FAULT), "no TLS on port", id="no-tls"
        ),
    ],
)
def test_ways(given: Probe, expected: tuple[Check, Level] | None, text: str) -> None:
    found = list(judge_network(make_setup(), make_facts(probes=[given])))

    assert told(found) == ([] if expected is None else [expected])
    assert text in texts(found)


@pytest.mark.parametrize(
    ("skew_s", "level"),
    [
        pytest.param(None, None, id="not-known"),
        pytest.param(59.9, Level.OK, id="right"),
        pytest.param(-60.0, WARNING, id="a-minute-behind"),
        pytest.param(299.0, WARNING, id="nearly-refused"),
        pytest.param(300.0, FAULT, id="refused"),
    ],
)
def test_clock(skew_s: float | None, level: Level | None) -> None:
    found = list(judge_network(make_setup(), make_facts(skew_s=skew_s)))

    assert [one.level for one in found] == ([] if level is None else [level])


# --- account ---------------------------------------------------------------------------------------

GOOD = Account(
    sending_enabled=True, production_access=True, enforcement="HEALTHY", suppressed_reasons=("BOUNCE", "COMPLAINT")
)
QUOTA = Quota(50_000, 14.0, 100.0)


@pytest.mark.parametrize(
    ("setup", "facts", "expected", "text"),
    [
        pytest.param({}, {}, [], "100 of 50000 recipients", id="good"),
        pytest.param({}, {"account": Known(Account())}, [], "", id="what-is-not-told-is-not-off"),
        pytest.param(
            {},
            {
                "account": Known(Account(enforcement="SHUTDOWN", sending_enabled=False)),
                "quota": Known(Quota(200, 0.0, 0.0)),
            },
            [(Check.ENFORCEMENT, FAULT)],
            "Support case",
            id="what-comes-with-a-shutdown-is-not-told-apart",
        ),
        pytest.param({}, {"quota": Known(Quota(200, 0.0, 0.0))}, [(Check.RATE, FAULT)], "rate of 0", id="no-rate"),
        pytest.param({}, {"quota": Known(Quota(None, 14.0, 5.0))}, [], "no daily limit", id="no-limit"),
        pytest.param({}, {"quota": Known(Quota(100, 14.0, 79.0))}, [], "79%", id="below-80-percent"),
        pytest.param({}, {"quota": Known(Quota(100, 14.0, 80.0))}, [(Check.QUOTA, WARNING)], "80%", id="80-percent"),
        pytest.param(
            {}, {"quota": Known(Quota(0, 14.0, 0.0))}, [(Check.QUOTA, FAULT)], "used up", id="a-quota-of-nothing"
        ),
        pytest.param({"send_rate": 14.0}, {}, [], "14/s are used", id="a-rate-that-is-allowed"),
        pytest.param({"send_rate": 14.1}, {}, [(Check.RATE, WARNING)], "=auto", id="a-rate-above"),
        pytest.param(
            {},
            {"account": Known(Account(suppressed_reasons=("BOUNCE",)))},
            [(Check.ACCOUNT_SUPPRESSION, WARNING)],
            "off for COMPLAINT",
            id="half-a-list",
        ),
        pytest.param(
            {}, {"account": DENIED, "quota": DENIED}, [(Check.SENDING, UNSEEN), (Check.QUOTA, UNSEEN)], "", id="no"
        ),
        pytest.param({}, {"ips": DENIED}, [(Check.DEDICATED_IPS, UNSEEN)], "allow some:Action", id="ips-unseen"),
        pytest.param({}, {"ips": Known((DedicatedIp("192.0.2.1", "DONE", 100),))}, [], "1 dedicated IPs", id="warm"),
    ],
)
def test_account(setup: dict[str, Any], facts: dict[str, Any], expected: list[Any], text: str) -> None:
    given = {"account": Known(GOOD), "quota": Known(QUOTA), "ips": Known(()), **facts}

    found = list(judge_account(make_setup(**setup), make_facts(**given)))

    assert told(found) == expected
    assert text in texts(found)


@pytest.mark.parametrize(
    ("slots", "latency_s", "per_s", "expected", "text"),
    [
        pytest.param(10, 0.3, 30.0, Level.OK, "10 requests in flight at 300 ms carry 33/s", id="the-guides-example"),
        pytest.param(10, 0.3, 50.0, WARNING, "set TANK_MAX_PARALLEL to 14 or more", id="too-few"),
        pytest.param(10, None, 50.0, None, "", id="not-measured"),
        pytest.param(10, 0.0, 50.0, None, "", id="no-time-at-all"),
    ],
)
def test_littles_law(slots: int, latency_s: float | None, per_s: float, expected: Level | None, text: str) -> None:
    facts = make_facts(quota=Known(Quota(None, per_s, 0.0)), latency_s=latency_s, account=Known(GOOD))

    found = [one for one in judge_account(make_setup(slots=slots), facts) if one.check is Check.POOL]

    assert [one.level for one in found] == ([] if expected is None else [expected])
    assert text in texts(found)


def test_the_priority_lanes_slots_are_not_the_ordinary_ones() -> None:
    """Two of ten belong to codes and alarms: eight at 300 ms carry 27 a second."""
    setup = make_setup(lanes={"priority": "p", "ordinary": OUTBOUND}, slots=10)
    facts = make_facts(quota=Known(Quota(None, 33.0, 0.0)), latency_s=0.3, account=Known(GOOD))

    (found,) = [one for one in judge_account(setup, facts) if one.check is Check.POOL]

    assert (found.level, found.remedy) == (WARNING, "set TANK_MAX_PARALLEL to 11 or more")
    assert found.what.startswith("8 requests in flight at 300 ms carry 27/s")


# --- store -----------------------------------------------------------------------------------------


def state(**changes: Any) -> Known[StoreState]:
    base: dict[str, Any] = {"is_file": True, "schema": "0004", "newest": "0004", "version": (3, 45, 1)}
    node = NodeView("mailer", "p", "1", NOW, NOW)
    return Known(StoreState(**{**base, "nodes": (node,), "free_bytes": 10 * 1024**3, **changes}))


PAUSE = PauseView("reputation", "", "reputation_bounces", datetime(2026, 11, 2, 9, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("store", "expected", "text"),
    [
        pytest.param(state(), [], "SQLite 3.45.1", id="well"),
        pytest.param(Absent(), [(Check.STORE, NOTE)], "tank-mailer run makes it", id="none-yet"),
        pytest.param(Unreached("locked"), [(Check.STORE, FAULT)], "locked", id="sick"),
        pytest.param(NotAsked("no time"), [(Check.STORE, UNSEEN)], "no time", id="unseen"),
        pytest.param(state(schema="0003"), [(Check.STORE, WARNING)], "db upgrade", id="a-file-mended-at-start"),
        pytest.param(
            state(is_file=False, schema="", version=(18, 1)),
            [(Check.STORE, FAULT)],
            "no tables",
            id="an-empty-database",
        ),
        pytest.param(state(schema="0005"), [(Check.STORE, NOTE)], "newer version", id="a-newer-one"),
        pytest.param(state(version=(3, 34, 0)), [(Check.DATABASE_VERSION, FAULT)], "3.35 is needed", id="old-sqlite"),
        pytest.param(
            state(is_file=False, version=(13, 9)),
            [(Check.DATABASE_VERSION, WARNING)],
            "PostgreSQL 13.9",
            id="old-server",
        ),
        pytest.param(state(is_file=False, version=(14, 0)), [], "PostgreSQL 14.0", id="a-server-that-is-maintained"),
        pytest.param(state(version=()), [], "", id="a-version-that-nobody-tells"),
        pytest.param(
            state(is_file=False, version=(18, 1), clock_off_s=-4.9), [], "agrees with the database", id="in-step"
        ),
        pytest.param(
            state(is_file=False, version=(18, 1), clock_off_s=-6.0),
            [(Check.DATABASE_CLOCK, WARNING)],
            "6 s behind",
            id="late",
        ),
        pytest.param(
            state(is_file=False, version=(18, 1), clock_off_s=6.0),
            [(Check.DATABASE_CLOCK, WARNING)],
            "ahead of",
            id="early",
        ),
        pytest.param(state(open_files={"t.db": 0o644}), [(Check.FILE_MODES, WARNING)], "mode 0644", id="open-files"),
        pytest.param(state(free_bytes=None), [], "", id="a-disk-that-is-not-ours"),
        pytest.param(state(free_bytes=400 * 1024**2), [(Check.DISK, WARNING)], "400 MiB free", id="little-room"),
        pytest.param(state(free_bytes=200 * 1024**2), [(Check.DISK, FAULT)], "make room", id="no-room"),
        pytest.param(state(nodes=()), [(Check.DAEMON, NOTE)], "start tank-mailer run", id="nobody-alive"),
        pytest.param(
            state(nodes=(NodeView("mailer", "p", "1", NOW, NOW, pauses=(PAUSE,)),)),
            [(Check.DAEMON, NOTE)],
            "paused: reputation (reputation_bounces) since 2026-11-02 09:00 UTC|tank-mailer top",
            id="paused",
        ),
    ],
)
def test_store(store: Any, expected: list[tuple[Check, Level]], text: str) -> None:
    found = list(judge_store(make_setup(min_free_bytes=256 * 1024**2), make_facts(store=store)))

    assert told(found) == expected
    assert text in texts(found)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        pytest.param({}, None, id="nothing-speaks-of-a-past"),
        pytest.param({"quota": Known(Quota(None, 1.0, 7.0))}, "sent to 7 recipients", id="the-account"),
        pytest.param(
            {"dead_letter_url": DEAD, "queues": {DEAD: Known(make_queue(DEAD, visible=3))}},
            "3 letters lie on dead",
            id="dlq",
        ),
        pytest.param({"queues": {OUTBOUND: Known(make_queue(in_flight=2))}}, "2 messages of outbound", id="in-work"),
    ],
)
def test_an_empty_ledger(facts: dict[str, Any], text: str | None) -> None:
    """A store younger than its queues' history sends again what another one has sent."""
    found = list(judge_store(make_setup(), make_facts(store=state(is_empty=True), **facts)))

    assert told(found) == ([] if text is None else [(Check.STORE_AGE, WARNING)])
    assert (text or "so is the past") in texts(found)
