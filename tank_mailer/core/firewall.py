"""Which hosts the program talks to: what a firewall, or a proxy, has to let through."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum


class Asker(StrEnum):
    """Who opens a connection."""

    DAEMON = "daemon"
    COMMANDS = "commands"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A connection out.

    Attributes:
        host, port: where it ends.
        protocol: `tcp`, or `udp and tcp`.
        askers: who opens it.
        uses: what for.
        proxy: by way of which `HOST:PORT`; "": directly.
    """

    host: str
    port: int
    protocol: str = "tcp"
    askers: frozenset[Asker]
    uses: tuple[str, ...]
    proxy: str = ""


def in_order(ways: Iterable[Way]) -> list[Way]:
    """Each place once, with all that it is for; the daemon's come first. A proxy is a place of its own."""
    found = dict[tuple[str, int, str], Way]()
    for way in _with_proxies(ways):
        place = (way.host, way.port, way.proxy)
        known = found.setdefault(place, way)
        uses = tuple(dict.fromkeys((*known.uses, *way.uses)))
        found[place] = replace(known, askers=known.askers | way.askers, uses=uses)
    return sorted(found.values(), key=lambda way: Asker.DAEMON not in way.askers)


def _with_proxies(ways: Iterable[Way]) -> Iterator[Way]:
    """What goes by a proxy has to be let through by it; and the proxy by the firewall."""
    for way in ways:
        yield way
        if way.proxy:
            host, _, port = way.proxy.rpartition(":")
            yield Way(host=host.strip("[]"), port=int(port), askers=way.askers, uses=("the proxy",))
