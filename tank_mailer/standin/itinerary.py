"""What happens to a mail after it was accepted, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tank_mailer.standin.address import is_simulated
from tank_mailer.standin.event_kinds import EventKind
from tank_mailer.standin.fates import Fate


@dataclass(frozen=True, slots=True)
class Happening:
    """One event to come. Each step takes its time; `recipients` are bare addresses."""

    kind: EventKind
    step: int
    recipients: tuple[str, ...]
    fate: Fate


# What comes after the Send, a step each; those that concern the whole mail stand below.
COURSES: Final[dict[Fate, tuple[EventKind, ...]]] = {
    Fate.SUCCESS: (EventKind.DELIVERY,),
    Fate.BOUNCE: (EventKind.BOUNCE,),
    Fate.OOTO: (EventKind.DELIVERY, EventKind.BOUNCE),
    Fate.COMPLAINT: (EventKind.DELIVERY, EventKind.COMPLAINT),
    Fate.SUPPRESSIONLIST: (EventKind.BOUNCE,),
    Fate.ACCOUNTLIST: (EventKind.BOUNCE,),
    Fate.SOFTBOUNCE: (EventKind.BOUNCE,),
    Fate.DELAY: (EventKind.DELIVERY_DELAY, EventKind.DELIVERY),
    Fate.OPEN: (EventKind.DELIVERY, EventKind.OPEN),
    Fate.CLICK: (EventKind.DELIVERY, EventKind.OPEN, EventKind.CLICK),
    Fate.SILENCE: (),
}

_TOGETHER: Final = frozenset({Fate.BOUNCE, Fate.SUPPRESSIONLIST, Fate.SOFTBOUNCE})


def plan(fates: Sequence[tuple[str, Fate]]) -> list[Happening]:
    """The events of one mail, in order. `fates` are all its recipients.

    A mail that cannot be rendered is not sent; one that is rejected goes to nobody. Bounces of the simulator
    in one request come as one event (aws-facts 6), all others one by one.
    """
    everybody = tuple(address for address, _ in fates)
    met = {fate for _, fate in fates}
    if Fate.RENDERING in met:
        return [Happening(EventKind.RENDERING_FAILURE, 1, everybody, Fate.RENDERING)]
    planned = [Happening(EventKind.SEND, 1, everybody, Fate.SUCCESS)]
    if Fate.REJECT in met:
        return [*planned, Happening(EventKind.REJECT, 2, everybody, Fate.REJECT)]
    for recipients, fate in _grouped(fates):
        planned += [Happening(kind, step, recipients, fate) for step, kind in enumerate(COURSES[fate], start=2)]
    return planned


def _grouped(fates: Sequence[tuple[str, Fate]]) -> list[tuple[tuple[str, ...], Fate]]:
    together: dict[Fate, list[str]] = {}
    alone: list[tuple[tuple[str, ...], Fate]] = []
    for address, fate in fates:
        if fate in _TOGETHER and is_simulated(address):
            together.setdefault(fate, []).append(address)
        else:
            alone.append(((address,), fate))
    return alone + [(tuple(addresses), fate) for fate, addresses in together.items()]
