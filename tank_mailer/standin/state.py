"""Everything a stand-in knows, in memory."""

from dataclasses import dataclass

from tank_mailer.standin.account import Account
from tank_mailer.standin.clock import Clock
from tank_mailer.standin.counts import Counts
from tank_mailer.standin.faults import Faults
from tank_mailer.standin.identities import ConfigurationSets, Identities
from tank_mailer.standin.mailbox import Mailbox
from tank_mailer.standin.options import StandinOptions
from tank_mailer.standin.queues import Queues


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

    @classmethod
    def of(cls, options: StandinOptions, clock: Clock) -> "State":
        """A state as it is at the start."""
        state = cls(
            options=options,
            clock=clock,
            queues=Queues(clock=clock, account_id=options.account_id, region=options.region),
            account=Account(clock, options.account),
            identities=Identities(),
            configuration_sets=ConfigurationSets(),
            mailbox=Mailbox(clock=clock, keep_emails=options.keep_emails),
            faults=Faults(),
            counts=Counts(),
        )
        state.reset()
        return state

    def reset(self) -> None:
        """Back to how it started: queues, mails, counts and faults gone. Listeners stay."""
        self.queues.clear()
        self.account.reset(self.options.account)
        self.identities.verified.clear()
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
