"""Where a configuration set's events go: its event destinations."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.event_kinds import ALL_KINDS, EventKind

MAX_DESTINATIONS: Final = 10  # SES: per configuration set (docs: SES quotas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A topic (SNS) or bus (EventBridge) and the kinds of events that it gets."""

    arn: str
    kinds: tuple[EventKind, ...] = ALL_KINDS
    enabled: bool = True
    is_bus: bool = False

    def shown(self, name: str) -> Json:
        """As SES shows it."""
        target = {"EventBridgeDestination": {"EventBusArn": self.arn}}
        if not self.is_bus:
            target = {"SnsDestination": {"TopicArn": self.arn}}
        types = [kind.name for kind in self.kinds]
        return {"Name": name, "Enabled": self.enabled, "MatchingEventTypes": types, **target}


@dataclass(slots=True, eq=False)
class Destinations:
    """By configuration set and name."""

    by_set: dict[str, dict[str, Destination]] = field(default_factory=dict)

    def add(self, configuration_set: str, name: str, destination: Destination) -> None:
        """A new one, up to ten for a set."""
        there = self.by_set.get(configuration_set, {})
        if name in there:
            raise AwsError("AlreadyExistsException", f"Event destination <{name}> already exists.")
        if len(there) >= MAX_DESTINATIONS:
            raise AwsError("LimitExceededException", f"At most {MAX_DESTINATIONS} event destinations per set.")
        self.by_set[configuration_set] = {**there, name: destination}

    def require(self, configuration_set: str, name: str) -> Destination:
        """The one that is there, or 404."""
        found = self.by_set.get(configuration_set, {}).get(name)
        if found is None:
            raise AwsError("NotFoundException", f"Event destination <{name}> does not exist.", status=404)
        return found

    def change(self, configuration_set: str, name: str, destination: Destination) -> None:
        """Put another in the place of the one that is there."""
        self.require(configuration_set, name)
        self.by_set[configuration_set][name] = destination

    def remove(self, configuration_set: str, name: str) -> None:
        """Take it away."""
        self.require(configuration_set, name)
        del self.by_set[configuration_set][name]

    def forget(self, configuration_set: str) -> None:
        """Take all of a set's away."""
        self.by_set.pop(configuration_set, None)

    def enabled(self, configuration_set: str) -> list[Destination]:
        """Those that get this set's events."""
        there = self.by_set.get(configuration_set)
        return [destination for destination in there.values() if destination.enabled] if there else []

    def __iter__(self) -> Iterator[tuple[str, str, Destination]]:
        for configuration_set, there in self.by_set.items():
            for name, destination in there.items():
                yield configuration_set, name, destination
