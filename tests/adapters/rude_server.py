"""A server that answers as real ones do on bad days: not at all, by half, or with somebody else's page."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

PAGE = b"<!DOCTYPE html><html><body>Please sign in to use the internet.</body></html>"
LINGER_0 = struct.pack("ii", 1, 0)  # close by RST


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request that arrived as a whole."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True, eq=False)
class Connection:
    """One connection that the server took."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: "RudeServer"

    async def request(self) -> Request:
        """Read one request and note it."""
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = dict(_header(line) for line in lines if line)
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(method, path, headers, body)
        self.server.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def reset(self) -> None:
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        self.writer.transport.abort()


Manner = Callable[[Connection], Awaitable[None]]


@dataclass(slots=True, eq=False)
class RudeServer:
    """Treats every connection in one manner; the manner may be changed while it runs."""

    manner: Manner
    port: int = 0
    connections: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def listen(self) -> AsyncIterator["RudeServer"]:
        """Listen on loopback until the block ends."""
        tasks = set[asyncio.Task[None]]()

        def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            task = asyncio.create_task(self._serve(Connection(reader, writer, self)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, connection: Connection) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self.manner(connection)
        finally:
            connection.writer.close()


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


# --- manners ---------------------------------------------------------------------------------------


async def closes_at_once(_: Connection) -> None:
    """Takes the connection and closes it."""


async def closes_after_the_request(connection: Connection) -> None:
    await connection.request()


async def resets_at_once(connection: Connection) -> None:
    connection.reset()


async def resets_after_the_request(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def never_answers(connection: Connection) -> None:
    await connection.request()
    await asyncio.Event().wait()


async def answers_by_half(connection: Connection) -> None:
    await connection.request()
    connection.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"MessageId": "0102')


async def stops_within_the_head(connection: Connection) -> None:
    await connection.request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Le")


async def talks_garbage(connection: Connection) -> None:
    await connection.request()
    connection.send(b"220 mail.example.com ESMTP ready\r\n")


def answers(status: int, body: bytes = b"", **headers: str) -> Manner:
    """Give every request the same answer; `_` in a header's name stands for `-`."""

    async def manner(connection: Connection) -> None:
        await connection.request()
        connection.send(answering(status, body, **headers))

    return manner


def answers_json(answer: Callable[[Request], object]) -> Manner:
    """Answer as AWS does, with a RequestId."""

    async def manner(connection: Connection) -> None:
        body = json.dumps(answer(await connection.request())).encode()
        headers = {"x_amzn_RequestId": "r-1", "Content_Type": "application/x-amz-json-1.0"}
        connection.send(answering(HTTPStatus.OK, body, **headers))

    return manner


def answering(status: int, body: bytes = b"", **headers: str) -> bytes:
    """One answer, after which the connection ends."""
    lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
