"""Everything a stand-in knows, in memory."""

from dataclasses import dataclass, replace
from typing import Final

from tank_mailer.standin.access import Access
from tank_mailer.standin.account import Account
from tank_mailer.standin.clock import Clock
from tank_mailer.standin.control_plane import ControlPlane
from tank_mailer.standin.counts import Counts
from tank_mailer.standin.courier import Courier, dice
from tank_mailer.standin.destinations import Destination
from tank_mailer.standin.events import Events
from tank_mailer.standin.faults import Faults
from tank_mailer.standin.identities import ConfigurationSets, Identities
from tank_mailer.standin.mailbox import Mailbox
from tank_mailer.standin.options import StandinOptions
from tank_mailer.standin.queues import Queues
from tank_mailer.standin.signers import Signers
from tank_mailer.standin.suppressed import SuppressionList
from tank_mailer.standin.topics import Topics

DESTINATION: Final = "events"  # of the first configuration set, from the start


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """The parts, each of which may be read and changed in process."""

    options: StandinOptions
    clock: Clock
    queues: Queues
    account: Account
    identities: Identities
    configuration_sets: ConfigurationSets
    mailbox: Mailbox
    faults: Faults
    counts: Counts
    events: Events
    suppressed: SuppressionList
    control_plane: ControlPlane
    access: Access
    signers: Signers

    @classmethod
    def of(cls, options: StandinOptions, clock: Clock) -> "State":
        """A state as it is at the start."""
        queues = Queues(clock=clock, account_id=options.account_id, region=options.region)
        account, sets, suppressed = Account(clock, options.account), ConfigurationSets(), SuppressionList()
        topics = Topics(queues=queues)
        state = cls(
            options=options,
            clock=clock,
            queues=queues,
            account=account,
            identities=Identities(),
            configuration_sets=sets,
            mailbox=Mailbox(clock=clock, keep_emails=options.keep_emails),
            faults=Faults(),
            counts=Counts(),
            events=Events(
                clock=clock,
                account=account,
                configuration_sets=sets,
                topics=topics,
                courier=Courier(topics=topics, settings=options.events, random=dice(options.event_seed)),
                suppressed=suppressed,
                topic=options.event_topic,
            ),
            suppressed=suppressed,
            control_plane=ControlPlane(clock=clock, is_strict=options.strict_control_plane),
            access=Access(account_id=options.account_id),
            signers=Signers(),
        )
        state.reset()
        return state

    def reset(self) -> None:
        """Back to how it started: queues, mails, counts and faults gone. Listeners stay."""
        self.queues.clear()
        self.account.reset(self.options.account)
        self.access.clear()
        self.identities.verified.clear()
        self.identities.details.clear()
        self.configuration_sets.by_name.clear()
        self.mailbox.clear()
        self.faults.rules.clear()
        self.counts.clear()
        for identity in self.options.identities:
            self.identities.create(identity)
        for name in self.options.configuration_sets:
            self.configuration_sets.create(name, {})
        for name in self.options.queues:
            self.queues.create(name, {})
        self.suppressed.clear()
        self.control_plane.clear()
        self.signers.clear()
        self._reset_events()

    def _reset_events(self) -> None:
        options, events = self.options, self.events
        events.courier.reset(options.events, dice(options.event_seed))
        events.fates.rules[:] = [replace(rule) for rule in options.event_rules]
        events.destinations.by_set.clear()
        events.topics.clear()
        if not options.event_queue:
            return
        self.queues.create(options.event_queue, {})
        arn = events.topics.create(options.event_topic)
        events.topics.subscribe(arn, options.event_queue, shape=options.event_shape)
        if options.configuration_sets:
            destination = Destination(arn=arn, kinds=options.event_kinds)
            events.destinations.add(options.configuration_sets[0], DESTINATION, destination)
        if options.event_validation_text:
            events.validate(arn)
