"""SESv2's calls on the event destinations of configuration sets."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tank_mailer.standin import parameters
from tank_mailer.standin.destinations import Destination
from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.event_kinds import read_kinds
from tank_mailer.standin.events import Events
from tank_mailer.standin.identities import ConfigurationSets

_ELSEWHERE: Final = ("CloudWatchDestination", "KinesisFirehoseDestination", "PinpointDestination")


@dataclass(slots=True, kw_only=True, eq=False)
class DestinationCalls:
    """Four operations; `path` is `SET/` or `SET/DESTINATION`."""

    events: Events
    configuration_sets: ConfigurationSets

    def create(self, path: str, request: Json) -> Json:
        """SES writes once to a new topic, to see that it may."""
        configuration_set, _ = self._names(path)
        name = parameters.text(request, "EventDestinationName")
        given = parameters.mapping(request, "EventDestination")
        destination = self._changed(Destination(arn="", kinds=(), enabled=False), given)
        if not destination.arn:
            raise _bad("An event destination needs an SnsDestination or an EventBridgeDestination.")
        if not destination.kinds:
            raise _bad("An event destination needs MatchingEventTypes.")
        self.events.destinations.add(configuration_set, name, destination)
        self._validate(destination)
        return {}

    def get(self, path: str, _: Json) -> Json:
        """All of the set's."""
        configuration_set, _name = self._names(path)
        there = self.events.destinations.by_set.get(configuration_set, {})
        return {"EventDestinations": [destination.shown(name) for name, destination in there.items()]}

    def update(self, path: str, request: Json) -> Json:
        """What is not named stays as it is; whether SES does so is not documented."""
        configuration_set, name = self._names(path)
        there = self.events.destinations.require(configuration_set, name)
        changed = self._changed(there, parameters.mapping(request, "EventDestination"))
        self.events.destinations.change(configuration_set, name, changed)
        self._validate(changed)
        return {}

    def delete(self, path: str, _: Json) -> Json:
        """Its set publishes nothing there from now on."""
        self.events.destinations.remove(*self._names(path))
        return {}

    def _names(self, path: str) -> tuple[str, str]:
        configuration_set, _, name = path.partition("/")
        self.configuration_sets.require(configuration_set)
        return configuration_set, name

    def _changed(self, there: Destination, given: Json) -> Destination:
        if elsewhere := [name for name in _ELSEWHERE if name in given]:
            raise _bad(f"The stand-in has no {elsewhere[0]}.")
        if "MatchingEventTypes" in given:
            there = replace(there, kinds=read_kinds(given["MatchingEventTypes"]))
        if "Enabled" in given:
            there = replace(there, enabled=given["Enabled"] is True)
        if sns := parameters.mapping(given, "SnsDestination"):
            arn = parameters.text(sns, "TopicArn")
            if arn not in self.events.topics.by_arn:
                raise _bad(f"SNS topic <{arn}> not found.")  # text unsure
            there = replace(there, arn=arn, is_bus=False)
        if bridge := parameters.mapping(given, "EventBridgeDestination"):
            there = replace(there, arn=parameters.text(bridge, "EventBusArn"), is_bus=True)
        return there

    def _validate(self, destination: Destination) -> None:
        if self.events.settings.validation_text and not destination.is_bus:
            self.events.validate(destination.arn)


OPERATIONS: Final[dict[str, Callable[[DestinationCalls, str, Json], Json]]] = {
    "CreateConfigurationSetEventDestination": DestinationCalls.create,
    "GetConfigurationSetEventDestinations": DestinationCalls.get,
    "UpdateConfigurationSetEventDestination": DestinationCalls.update,
    "DeleteConfigurationSetEventDestination": DestinationCalls.delete,
}


def _bad(text: str) -> AwsError:
    return AwsError("BadRequestException", text)
