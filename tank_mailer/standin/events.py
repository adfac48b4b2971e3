"""SES's events: what becomes of each accepted mail, told to whoever its configuration set names."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from tank_mailer.standin.account import Account
from tank_mailer.standin.address import bare, is_simulated
from tank_mailer.standin.clock import Clock
from tank_mailer.standin.courier import Courier, dice
from tank_mailer.standin.destinations import Destination, Destinations
from tank_mailer.standin.email import Email
from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.event_details import feedback_id_at
from tank_mailer.standin.event_kinds import EventKind, read_kinds
from tank_mailer.standin.event_settings import EventSettings, Notifying
from tank_mailer.standin.event_text import NOTIFIED, notified, published
from tank_mailer.standin.fates import Fate, Fates, read_fate_rules
from tank_mailer.standin.flood import Flood, bodies
from tank_mailer.standin.identities import ConfigurationSets
from tank_mailer.standin.itinerary import Happening, plan
from tank_mailer.standin.mail_object import Mail
from tank_mailer.standin.suppressed import Suppressed, SuppressionList
from tank_mailer.standin.topics import Notice, Shape, Topics, content_of

FEEDBACK: Final = frozenset({EventKind.BOUNCE, EventKind.COMPLAINT})  # have an id of their own
VALIDATED: Final = "Successfully validated SNS topic for Amazon SES event publishing."  # aws-facts 4.1


@dataclass(slots=True, kw_only=True, eq=False)
class Events:
    """All about events; each part may be read and changed in process."""

    clock: Clock
    account: Account
    configuration_sets: ConfigurationSets
    topics: Topics
    courier: Courier
    suppressed: SuppressionList
    topic: str  # the name of the one that identity notifications and floods go to
    destinations: Destinations = field(default_factory=Destinations)
    fates: Fates = field(default_factory=Fates)

    @property
    def settings(self) -> EventSettings:
        """As they are now."""
        return self.courier.settings

    @property
    def topic_arn(self) -> str:
        """Where identity notifications and floods go."""
        return self.topics.arn_of(self.topic)

    def accepted(self, email: Email, *, message_id: str, at: datetime) -> None:
        """Let happen what happens to this mail; costs nothing where nobody is to be told."""
        destinations = self._destinations(email.configuration_set)
        notifies = self.settings.identity_notifications is not Notifying.OFF
        if not destinations and not notifies and not self.fates.rules:
            return
        region, account_id = self.topics.queues.region, self.topics.queues.account_id
        mail = Mail(email=email, message_id=message_id, accepted_at=at, account_id=account_id, region=region)
        reasons = self._reasons(email.configuration_set)
        for happening in plan([(address, self._fate(address, reasons)) for address in map(bare, email.recipients)]):
            at = mail.accepted_at + timedelta(seconds=happening.step * self.settings.latency_s)
            feedback_id = feedback_id_at(at) if happening.kind in FEEDBACK else ""
            self._suppress(happening, mail, at=at, feedback_id=feedback_id, reasons=reasons)
            self._publish(happening, mail, at=at, feedback_id=feedback_id, destinations=destinations)
            if notifies and happening.kind in NOTIFIED:
                self._notify(happening, mail, at=at, feedback_id=feedback_id)

    def validate(self, arn: str) -> None:
        """Write what SES writes to a topic that a destination is made or changed for; never lost or doubled."""
        self._write(arn, VALIDATED)

    def announce(self) -> None:
        """Write, to every topic in use, what SES writes at the beginning: identity notifications included."""
        for arn in dict.fromkeys(destination.arn for _, _, destination in self.destinations if not destination.is_bus):
            self.validate(arn)
        if self.settings.identity_notifications is not Notifying.OFF:
            for kind in sorted(NOTIFIED):
                self._write(
                    self.topic_arn,
                    '{"notificationType":"AmazonSnsSubscriptionSucceeded","message":"You have successfully subscribed '
                    f"your Amazon SNS topic '{self.topic_arn}' to receive '{kind}' notifications from Amazon SES for "
                    "identity 'example.com'.\"}",
                )

    def flood(self, number: int, flood: Flood | None = None) -> None:
        """Put `number` ready-made events onto the queues of the topic, at once; no setting applies."""
        arn, at = self.topic_arn, self.clock.wall()
        subscriptions = self.topics.by_arn.get(arn)
        if not subscriptions:
            raise AwsError("BadRequestException", f"nobody is subscribed to {arn}")
        for subscription in subscriptions:
            waited = self.topics.queues.named(subscription.queue)
            shape = subscription.shape
            for body in bodies(flood or Flood(), number, topics=self.topics, arn=arn, shape=shape, at=at):
                waited.queue.expect(content_of(body), in_s=0.0)
            waited.stir()

    def change(self, changes: Json) -> None:
        """Take over any of the settings by their names; `kinds`, `shape`, `rules` and `seed` beside them.

        Kinds are those of every destination, the shape that of every subscription.
        """
        changes = dict(changes)
        kinds = read_kinds(changes.pop("kinds")) if "kinds" in changes else None
        shape = changes.pop("shape", None)
        if shape is not None and shape not in list(Shape):
            raise AwsError("BadRequestException", f"shape is one of {', '.join(Shape)}")
        rules = read_fate_rules(changes.pop("rules")) if "rules" in changes else None
        seed = changes.pop("seed", None)
        if seed is not None and not isinstance(seed, int):
            raise AwsError("BadRequestException", "seed is a whole number")
        self.courier.settings = self.settings.changed(changes)
        if kinds is not None:
            for configuration_set, name, destination in list(self.destinations):
                self.destinations.change(configuration_set, name, replace(destination, kinds=kinds))
        if shape is not None:
            self.topics.reshape(Shape(shape))
        if rules is not None:
            self.fates.rules[:] = rules
        if seed is not None:
            self.courier.random = dice(seed)

    def shown(self) -> Json:
        """Settings, rules, destinations, topics and counts."""
        courier, topics = self.courier, self.topics.by_arn
        return {
            **self.settings.shown(),
            "rules": [rule.shown() for rule in self.fates.rules],
            "destinations": [{"ConfigurationSetName": s, **d.shown(name)} for s, name, d in self.destinations],
            "topics": {arn: [{"queue": s.queue, "shape": s.shape} for s in there] for arn, there in topics.items()},
            "published": {kind.name: number for kind, number in courier.published.items()},
            "lost": {kind.name: number for kind, number in courier.lost.items()},
        }

    def _destinations(self, configuration_set: str) -> list[Destination]:
        if not configuration_set or self.settings.identity_notifications is Notifying.ONLY:
            return []
        return self.destinations.enabled(configuration_set)

    def _reasons(self, configuration_set: str) -> list[str]:
        """The set's own go before the account's (aws-facts 2.5)."""
        options = self.configuration_sets.by_name.get(configuration_set, {}).get("SuppressionOptions") or {}
        reasons: list[str] | None = options.get("SuppressedReasons")
        return self.account.suppressed_reasons if reasons is None else reasons

    def _fate(self, address: str, reasons: list[str]) -> Fate:
        if self.suppressed.holds_back(address, reasons=reasons):
            return Fate.ACCOUNTLIST
        return self.fates.of(address)

    def _suppress(
        self, happening: Happening, mail: Mail, *, at: datetime, feedback_id: str, reasons: list[str]
    ) -> None:
        """A hard bounce or a complaint puts an address on the account's list; the simulator's never (aws-facts 6)."""
        if happening.kind is EventKind.COMPLAINT:
            reason = "COMPLAINT"
        elif happening.kind is EventKind.BOUNCE and happening.fate is Fate.BOUNCE:
            reason = "BOUNCE"
        else:
            return
        for address in happening.recipients:
            if reason in reasons and not is_simulated(address):
                entry = Suppressed(
                    address=address, reason=reason, updated_at=at, message_id=mail.message_id, feedback_id=feedback_id
                )
                self.suppressed.put(entry)

    def _publish(
        self, happening: Happening, mail: Mail, *, at: datetime, feedback_id: str, destinations: list[Destination]
    ) -> None:
        kind = happening.kind
        subscribed = [destination for destination in destinations if kind in destination.kinds]
        if not subscribed:
            return
        notice = published(happening, mail, at=at, feedback_id=feedback_id)
        in_s = (at - mail.accepted_at).total_seconds()
        for destination in subscribed:
            self.courier.carry(destination.arn, notice, kind=kind, in_s=in_s)

    def _notify(self, happening: Happening, mail: Mail, *, at: datetime, feedback_id: str) -> None:
        with_headers = self.settings.identity_headers
        notice = notified(happening, mail, at=at, feedback_id=feedback_id, with_headers=with_headers)
        in_s = (at - mail.accepted_at).total_seconds()
        self.courier.carry(self.topic_arn, notice, kind=happening.kind, in_s=in_s)

    def _write(self, arn: str, text: str) -> None:
        self.topics.publish(arn, Notice(text=text, at=self.clock.wall()), in_s=0.0)
