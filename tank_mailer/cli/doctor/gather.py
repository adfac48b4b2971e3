"""Everything is looked at, side by side; what takes too long is gone by without."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tank_mailer.adapters.checkup_ask import Asker
from tank_mailer.adapters.checkup_clients import CheckupClients
from tank_mailer.adapters.checkup_dns import Resolver
from tank_mailer.adapters.checkup_key import CheckupKey
from tank_mailer.adapters.checkup_net import Network, Target
from tank_mailer.adapters.checkup_ses import CheckupSes
from tank_mailer.adapters.checkup_sns import CheckupSns
from tank_mailer.adapters.checkup_sqs import CheckupQueue
from tank_mailer.adapters.checkup_store import look_at_store
from tank_mailer.adapters.database import Location
from tank_mailer.cli.doctor.parts import Part, parts_of
from tank_mailer.core.checkup.actions import Standing, standings
from tank_mailer.core.checkup.facts import Facts
from tank_mailer.core.checkup.finding import Area
from tank_mailer.core.checkup.records import questions
from tank_mailer.core.checkup.seen import Known, NotAsked, Unreached, value_of
from tank_mailer.core.checkup.senders import candidates, senders_of
from tank_mailer.core.checkup.setup import Setup
from tank_mailer.core.checkup.topics import topics_of
from tank_mailer.ports import Clock

WHOLE_S: Final = 60.0  # the doctor is asked by people, and by monitors that wait for a minute
MOST_IDENTITIES: Final = 20  # one a second
LATE: Final = NotAsked(f"there was no answer within {WHOLE_S:.0f} s")
LAST_S: Final = 10.0  # of them, kept for what needs the rest first

# What is still so when the time is over was not seen for want of it.
NOTHING_YET: Final = Facts(
    caller=LATE, keys=LATE, simulated=LATE, account=LATE, quota=LATE, ips=LATE, listed=LATE, store=LATE
)


@dataclass(kw_only=True, eq=False)
class Gathering:
    """One look at everything.

    Attributes:
        resolver: None: DNS is not asked.
        moved: told whenever a part is done.
        areas: what it is for; all else is not looked at.
        facts: as far as they are known.
    """

    setup: Setup
    clients: CheckupClients
    asker: Asker
    network: Network
    targets: Sequence[Target]
    resolver: Resolver | Unreached | None
    location: Location
    clock: Clock
    whole_s: float = WHOLE_S
    moved: Callable[[], None] = lambda: None
    areas: frozenset[Area] = frozenset(Area)
    facts: Facts = NOTHING_YET

    @property
    def parts(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """What is done side by side; rights are judged by what all the others came upon."""
        parts = {
            Part.PROBES: self._probes,
            Part.KEY: self._key,
            Part.ACCOUNT: self._account,
            Part.EVENTS: self._events,
            Part.QUEUES: self._queues,
            Part.IDENTITIES: self._identities,
            Part.STORE: self._store,
        }
        return [parts[part] for part in parts_of(self.areas) if part in parts]

    async def run(self) -> Facts:
        """Look; in time."""
        began_s = asyncio.get_running_loop().time()
        if not self.parts:
            return self.facts
        tasks = [asyncio.create_task(self._part(part)) for part in self.parts]
        await self._within(tasks, self.whole_s - LAST_S)
        if Part.SIMULATION not in parts_of(self.areas):
            return replace(self.facts, skew_s=self.asker.skew_s)
        left_s = max(1.0, self.whole_s - (asyncio.get_running_loop().time() - began_s))
        await self._within([asyncio.create_task(self._part(self._simulation))], left_s)
        return replace(self.facts, skew_s=self.asker.skew_s)

    async def _within(self, tasks: Sequence[asyncio.Task[None]], limit_s: float) -> None:
        """What is not done by then is cancelled; a bug comes out."""
        try:
            await asyncio.wait(tasks, timeout=limit_s)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _part(self, part: Callable[[], Awaitable[None]]) -> None:
        await part()
        self.moved()

    def _learn(self, **told: Any) -> None:  # noqa: ANN401 - fields of Facts
        """Between two awaits, so that nobody's is lost."""
        self.facts = replace(self.facts, **told)

    # --- parts -------------------------------------------------------------------------------------

    async def _probes(self) -> None:
        self._learn(probes=await asyncio.gather(*(self.network.probe(target) for target in self.targets)))

    async def _key(self) -> None:
        key = self._checkup_key
        caller = await key.caller()
        self._learn(caller=caller)
        if isinstance(caller, Known):
            self._learn(keys=await key.keys(caller.value))

    async def _account(self) -> None:
        ses = self._ses
        account, quota = await ses.account()
        took_s = self.asker.took_s.get("ses:GetAccount", [])
        self._learn(account=account, quota=quota, latency_s=min(took_s) if len(took_s) > 1 else None)
        ips, tries = await asyncio.gather(ses.ips(), ses.suppression_rights())
        self._learn(ips=ips, tries={**self.facts.tries, **tries})

    async def _events(self) -> None:
        ses, names = self._ses, self.setup.sets
        sets, destinations = await asyncio.gather(
            asyncio.gather(*(ses.configuration_set(name) for name in names)),
            asyncio.gather(*(ses.destinations(name) for name in names)),
        )
        self._learn(sets=dict(zip(names, sets, strict=True)), destinations=dict(zip(names, destinations, strict=True)))
        if self.setup.event_queue_url is None:
            return
        sns = CheckupSns(client=self.clients.sns, asker=self.asker)
        queue_arn = self.setup.arn_of_queue(self.setup.event_queue_url, self.setup.event_region)
        for arn in topics_of(self.setup, self.facts):
            topic, subscriptions = await asyncio.gather(sns.topic(arn), sns.subscriptions(arn, queue_arn=queue_arn))
            self._learn(
                topics={**self.facts.topics, arn: topic},
                subscriptions={**self.facts.subscriptions, arn: subscriptions},
            )

    async def _queues(self) -> None:
        lanes, events = list(self.setup.lanes.values()), self.setup.event_queue_url
        await asyncio.gather(*(self._queue(url) for url in lanes), *([self._queue(events)] if events else []))
        dead = self.setup.dead_letter_queue_url or self._redrives_to(lanes)
        if dead is not None:
            self._learn(dead_letter_url=dead)
            await self._queue(dead)

    def _redrives_to(self, lanes: Sequence[str]) -> str | None:
        """The URL of the queue that the redrive policy names: it is of the same account and region (SQS)."""
        for url in lanes:
            state = value_of(self.facts.queues.get(url))
            if state is not None and state.dead_letter_arn:
                return f"{url.rpartition('/')[0]}/{state.dead_letter_arn.rpartition(':')[2]}"
        return None

    async def _queue(self, url: str) -> None:
        is_lane, is_events = url in self.setup.lanes.values(), url == self.setup.event_queue_url
        queue = CheckupQueue(
            client=self.clients.events if is_events else self.clients.sqs,
            asker=self.asker,
            url=url,
            arn=self.setup.arn_of_queue(url, self.setup.event_region if is_events else None),
        )
        state = await queue.state()
        self._learn(queues={**self.facts.queues, url: state})
        if isinstance(state, Known):
            tries = await queue.tries(settles=is_lane or is_events, hides=is_lane, puts=True)
            self._learn(tries={**self.facts.tries, **tries})

    async def _identities(self) -> None:
        ses, setup = self._ses, self.setup
        if setup.any_sender:
            self._learn(listed=await ses.listed())
        for sender in senders_of(setup, self.facts):
            if not await self._identity(ses, sender):
                break
        await self._records()

    async def _identity(self, ses: CheckupSes, sender: str) -> bool:
        """Ask for one name after the other until one is there; False: there is nobody to ask, or no time."""
        for name in candidates(sender):
            if name not in self.facts.identities:
                if len(self.facts.identities) >= MOST_IDENTITIES:
                    return False
                self._learn(identities={**self.facts.identities, name: await ses.identity(name)})
            match self.facts.identities[name]:
                case Known():
                    return True
                case Unreached():
                    return False
                case _:
                    continue
        return True

    async def _records(self) -> None:
        asked = questions(self.setup, self.facts) if self.setup.asks_dns else []
        match self.resolver:
            case Resolver() as resolver:
                self._learn(dns=await resolver.look_up(asked))
            case Unreached() as silent:
                self._learn(dns=dict.fromkeys(asked, silent))
            case None:
                pass

    async def _store(self) -> None:
        self._learn(store=await look_at_store(self.location, self.clock))

    async def _simulation(self) -> None:
        """Asked last, and only for what nothing else tells."""
        caller = value_of(self.facts.caller)
        if caller is None:
            return
        unknown = dict[str, list[str]]()
        for right, standing in standings(self.setup, self.facts).items():
            if standing is Standing.UNKNOWN:
                unknown.setdefault(right.resource, []).append(right.action)
        sender = next(iter(senders_of(self.setup, self.facts)), "")
        address = sender if "@" in sender else f"tank-mailer@{sender}"
        self._learn(simulated=await self._checkup_key.simulate(caller, unknown, sender=address))

    # --- whom to ask -------------------------------------------------------------------------------

    @property
    def _checkup_key(self) -> CheckupKey:
        clients = self.clients
        return CheckupKey(sts=clients.sts, iam=clients.iam, asker=self.asker, access_key_id=clients.access_key_id)

    @property
    def _ses(self) -> CheckupSes:
        caller = value_of(self.facts.caller)
        return CheckupSes(
            client=self.clients.ses,
            quota=self.clients.quota,
            asker=self.asker,
            setup=self.setup,
            account_id=caller.account if caller else account_of(self.setup.lanes),
        )


def account_of(lanes: Mapping[str, str]) -> str | None:
    """The account in a queue's URL, which is nearly always SES's too."""
    return next((url.split("/")[-2] for url in lanes.values()), None)
