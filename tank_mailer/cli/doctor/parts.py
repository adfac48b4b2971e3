"""What is asked for together, and for which areas."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tank_mailer.core.checkup.finding import Area


class Part(StrEnum):
    """What is asked for in one go."""

    PROBES = "probes"
    KEY = "key"
    ACCOUNT = "account"
    EVENTS = "events"
    QUEUES = "queues"
    IDENTITIES = "identities"
    STORE = "store"
    SIMULATION = "simulation"  # the last: for what the others leave open


# Which areas each of them is for.
NEEDED: Final[Mapping[Part, frozenset[Area]]] = {
    Part.PROBES: frozenset({Area.NETWORK}),
    Part.KEY: frozenset(Area) - {Area.SETTINGS, Area.STORE},
    Part.ACCOUNT: frozenset({Area.ACCOUNT, Area.RIGHTS, Area.STORE}),
    Part.EVENTS: frozenset({Area.EVENTS, Area.RIGHTS}),
    Part.QUEUES: frozenset({Area.QUEUES, Area.EVENTS, Area.RIGHTS, Area.STORE}),
    Part.IDENTITIES: frozenset({Area.IDENTITIES, Area.RIGHTS}),
    Part.STORE: frozenset({Area.STORE, Area.QUEUES, Area.RIGHTS}),
    Part.SIMULATION: frozenset({Area.RIGHTS}),
}


def parts_of(areas: frozenset[Area]) -> list[Part]:
    """What has to be asked for, to judge these areas."""
    return [part for part, needed in NEEDED.items() if needed & areas]
