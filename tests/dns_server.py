"""A DNS server on loopback, by UDP and TCP: authoritative for what it is given, and rude when told so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from typing_extensions import override

LENGTH_BYTES = 2  # DNS over TCP: before each message


class Manner(Enum):
    """How it treats who asks."""

    ANSWER = auto()
    SILENT = auto()  # never answers
    SERVFAIL = auto()
    YXDOMAIN = auto()  # a code that belongs to updates
    TRUNCATED = auto()  # by UDP: come again by TCP
    GARBAGE = auto()  # bytes that are no message


@dataclass(slots=True, eq=False)
class DnsServer:
    """By name and type, texts of records; a name without any of them does not exist."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    manner: Manner = Manner.ANSWER
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def place(self) -> str:
        """As TANK_DNS_RESOLVER has it."""
        return f"127.0.0.1:{self.port}"

    def answer(self, wire: bytes, *, by_tcp: bool) -> bytes | None:
        if self.manner is Manner.SILENT:
            return None
        if self.manner is Manner.GARBAGE:
            return b"\x00" * 5
        query = dns.message.from_wire(wire)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        reply = dns.message.make_response(query, recursion_available=True)
        reply.flags |= dns.flags.AA
        if self.manner is Manner.SERVFAIL:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif self.manner is Manner.YXDOMAIN:
            reply.set_rcode(dns.rcode.YXDOMAIN)
        elif self.manner is Manner.TRUNCATED and not by_tcp:
            reply.flags |= dns.flags.TC
        elif found := self.records.get((name, kind)):
            reply.answer.append(dns.rrset.from_text_list(question.name, 60, dns.rdataclass.IN, question.rdtype, found))
        elif not any(there == name for there, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator["DnsServer"]:
        """On one port for both, until the block ends."""
        loop, talks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

        def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talks.add(asyncio.create_task(self._talk(reader, writer)))

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=("127.0.0.1", self.port))
        try:
            yield self
        finally:
            transport.close()
            server.close()
            for talk in talks:
                talk.cancel()
            await asyncio.gather(*talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            size = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
            reply = self.answer(await reader.readexactly(size), by_tcp=True)
            if reply is not None:
                writer.write(len(reply).to_bytes(LENGTH_BYTES, "big") + reply)
                await writer.drain()
        finally:
            writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # before 3.12 it is not by its class

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if (reply := self._server.answer(data, by_tcp=False)) is not None:
            self._transport.sendto(reply, addr)
