"""Looking side by side, in time, and only at what is asked for."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tank_mailer.adapters import database
from tank_mailer.adapters.checkup_ask import Asker
from tank_mailer.adapters.checkup_clients import CheckupClients, open_checkup
from tank_mailer.adapters.checkup_net import Network
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.cli.doctor import gather
from tank_mailer.cli.doctor.gather import LAST_S, NOTHING_YET, Gathering
from tank_mailer.cli.doctor.setup import setup_of
from tank_mailer.core.checkup.catalogue import ABOUT
from tank_mailer.core.checkup.finding import Area, Check, Level
from tank_mailer.core.checkup.judge import judge
from tank_mailer.core.checkup.seen import Known, NotAsked, Unreached
from tank_mailer.settings import load_settings
from tank_mailer.standin import Kind, Rule
from tests.doctor.world import DOMAIN, OUTBOUND, World


def gathering(world: World, clients: CheckupClients, **changes: Any) -> Gathering:
    world.write_env_file()
    loaded = load_settings(None, world.environ, directory=world.folder)
    clock = SystemClock()
    given: dict[str, Any] = {
        "setup": setup_of(loaded, world.environ, region="eu-west-1", now=clock.now()),
        "clients": clients,
        "asker": Asker(clock=clock, every_s=0.0),
        "network": Network(handed={}, environ={}),
        "targets": [],
        "resolver": None,
        "location": database.locate(f"sqlite+aiosqlite:///{world.store}"),
        "clock": clock,
    }
    return Gathering(**{**given, **changes})


def opened(world: World) -> Any:
    given = {**world.env_file, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    return open_checkup(given, region="eu-west-1", event_region=None)


async def test_what_takes_too_long_is_gone_by_without(world: World) -> None:
    """AWS hangs: the store and the network are told of all the same, and the rest is unseen, not wrong."""
    world.standin.state.faults.add(Rule(kind=Kind.HANG, times=None))
    async with opened(world) as clients:
        look = gathering(world, clients, whole_s=LAST_S + 0.5)
        facts = await look.run()

    found = judge(look.setup, facts)
    assert isinstance(facts.store, Known)
    assert facts.account == NOTHING_YET.account
    assert {one.level for one in found if one.level is Level.FAULT} == set()
    assert any("no answer within" in one.what for one in found if one.level is Level.UNSEEN)


async def test_an_interrupted_look_leaves_nothing_behind(world: World) -> None:
    world.standin.state.faults.add(Rule(kind=Kind.HANG, times=None))
    async with opened(world) as clients:
        task = asyncio.create_task(gathering(world, clients).run())
        while not world.standin.state.counts.of("sts", "GetCallerIdentity"):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [one for one in others if "_part" in repr(one)]


async def test_a_bug_comes_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with the doctor itself must not look like something unseen."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(gather, "look_at_store", broken)
    async with opened(world) as clients:
        with pytest.raises(ZeroDivisionError):
            await gathering(world, clients).run()


@pytest.mark.parametrize(
    ("area", "called", "not_called"),
    [
        pytest.param(Area.SETTINGS, None, "sts", id="settings-ask-nobody"),
        pytest.param(Area.STORE, "sqs", "sts", id="a-stores-age-asks-the-queues"),
        pytest.param(Area.NETWORK, "sts", "sqs", id="the-clock-needs-one-answer"),
        pytest.param(Area.QUEUES, "sqs", "ses", id="queues"),
        pytest.param(Area.IDENTITIES, "ses", "sqs", id="identities"),
    ],
)
async def test_only_what_is_asked_for_is_looked_at(
    world: World, area: Area, called: str | None, not_called: str
) -> None:
    await world.findings(frozenset({area}))

    shown = world.standin.state.counts.shown()
    assert not shown.get(not_called)
    assert called is None or shown[called]


async def test_many_senders_are_not_all_asked_for(world: World) -> None:
    """One identity a second: twenty are enough to see, and the rest is said to be unseen."""
    world.environ["TANK_ALLOWED_SENDERS"] = ",".join(f"d{n}.example" for n in range(30))

    found = await world.findings(frozenset({Area.IDENTITIES}))

    assert world.standin.state.counts.of("ses", "GetEmailIdentity") == 20
    unseen = [one for one in found if one.level is Level.UNSEEN and one.check is Check.IDENTITY]
    assert any("no time" in one.what for one in unseen)


async def test_senders_of_one_domain_ask_for_it_once(world: World) -> None:
    world.environ["TANK_ALLOWED_SENDERS"] = f"a@{DOMAIN},b@{DOMAIN}"

    found = await world.findings(frozenset({Area.IDENTITIES}))

    assert world.standin.state.counts.of("ses", "GetEmailIdentity") == 3
    assert {one.level for one in found if ABOUT[one.check].area is Area.IDENTITIES} == {Level.OK}


async def test_a_silent_ses_is_not_asked_for_each_sender(world: World) -> None:
    world.environ["TANK_ALLOWED_SENDERS"] = "a.example,b.example,c.example"
    rule = Rule(
        kind=Kind.STATUS, service="ses", operation="GetEmailIdentity", status=400, code="InternalFailure", times=None
    )
    world.standin.state.faults.add(rule)

    found = await world.findings(frozenset({Area.IDENTITIES}))

    assert world.standin.state.counts.of("ses", "GetEmailIdentity") == 1
    assert [one.level for one in found if one.check is Check.IDENTITY] == [Level.UNSEEN, Level.UNSEEN]


async def test_anybody_may_send(world: World) -> None:
    """Without a list of senders, everybody that SES lets send is looked at."""
    del world.environ["TANK_ALLOWED_SENDERS"]
    world.standin.state.identities.create("shop@other.example")

    found = await world.findings(frozenset({Area.IDENTITIES}))

    assert {one.subject for one in found if one.check is Check.IDENTITY} == {DOMAIN, "shop@other.example"}


async def test_no_resolver_leaves_dns_unseen(world: World) -> None:
    async with opened(world) as clients:
        look = gathering(world, clients, resolver=Unreached("this system names no DNS server"))
        facts = await look.run()
        without = await gathering(world, clients, setup=replace(look.setup, asks_dns=False)).run()

    assert set(facts.dns.values()) == {Unreached("this system names no DNS server")}
    assert dict(without.dns) == {}


async def test_a_dead_letter_queue_of_its_own_setting(world: World) -> None:
    world.environ["TANK_DEAD_LETTER_QUEUE_URL"] = world.url("tank-events-undelivered")
    async with opened(world) as clients:
        facts = await gathering(world, clients).run()

    assert facts.dead_letter_url == world.url("tank-events-undelivered")


async def test_without_a_caller_the_account_is_the_queues(world: World) -> None:
    """So that a right can be named by its ARN."""
    world.deny("ses:GetConfigurationSet")
    world.standin.state.faults.add(
        Rule(kind=Kind.STATUS, service="sts", status=500, code="InternalFailure", times=None)
    )

    found = await world.findings()

    (unseen,) = [one for one in found if one.check is Check.CONFIGURATION_SET]
    assert unseen.remedy.startswith("allow ses:GetConfigurationSet on arn:aws:ses:eu-west-1:123456789012:")
    assert isinstance(NOTHING_YET.caller, NotAsked)
    assert OUTBOUND in world.environ["TANK_OUTBOUND_QUEUE_URL"]
