"""Looks DNS up, by the system's resolver or by those that were named."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

from tank_mailer.core.checkup.facts import Question
from tank_mailer.core.checkup.seen import Known, Seen, Unreached

TRY_S: Final = 2.0  # one server, one packet
LOOKUP_S: Final = 6.0  # all servers, all tries
PARALLEL: Final = 8
SYSTEM: Final = "this system's"


@dataclass(slots=True, kw_only=True, eq=False)
class Resolver:
    """One resolver for one run.

    Attributes:
        shown: whose it is, for people.
    """

    inner: dns.asyncresolver.Resolver
    shown: str
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL))

    async def look_up(self, questions: Sequence[Question]) -> Mapping[Question, Seen[tuple[str, ...]]]:
        """Each of them once."""
        answers = await asyncio.gather(*(self._look_up(one) for one in questions))
        return dict(zip(questions, answers, strict=True))

    async def _look_up(self, question: Question) -> Seen[tuple[str, ...]]:
        async with self._slots:
            try:
                kind = dns.rdatatype.from_text(question.kind)
                answer = await self.inner.resolve(dns.name.from_text(question.name), kind, search=False)
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.LabelTooLong, dns.name.EmptyLabel):
                return Known(())  # none, or a name that nobody can have published
            except dns.resolver.NoNameservers:
                return Unreached(f"{self.shown} DNS server gives no answer that helps (SERVFAIL, REFUSED)")
            except (dns.exception.Timeout, OSError):
                return Unreached(f"{self.shown} DNS server does not answer")
            except dns.exception.DNSException as error:
                return Unreached(f"{self.shown} DNS server: {type(error).__name__}")
        records = cast("Iterable[CNAME | MX | TXT]", answer.rrset or ())
        return Known(tuple(sorted(_text(one) for one in records)))  # servers shuffle them


def resolver_of(servers: Sequence[tuple[str, int]]) -> Resolver | Unreached:
    """One that asks these servers, in this order; of none: the system's."""
    if not servers:
        try:
            inner = dns.asyncresolver.Resolver()
        except (dns.exception.DNSException, OSError) as error:
            return Unreached(f"this system names no DNS server ({type(error).__name__})")
        shown = SYSTEM
    else:
        inner = dns.asyncresolver.Resolver(configure=False)
        inner.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
        shown = " or ".join(f"{host}:{port}" for host, port in servers)
    inner.timeout, inner.lifetime = TRY_S, LOOKUP_S
    return Resolver(inner=inner, shown=shown)


def _text(record: CNAME | MX | TXT) -> str:
    """Names in lower case without the last dot; of a TXT record all its parts as one (RFC 7208, 3.3)."""
    match record:
        case CNAME():
            return _name(record.target)
        case MX():
            return f"{record.preference} {_name(record.exchange)}"
        case TXT():
            return b"".join(record.strings).decode("utf-8", "replace")


def _name(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
