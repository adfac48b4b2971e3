"""Runs a `credential_process` for the SDK: whatever it does, it is over in time, takes no memory and tells no key."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from typing_extensions import override

MOST_BYTES: Final = 65_536  # of each output; keys with their session token are some 3,000
BURIAL_S: Final = 2.0  # after its end by us; one that hangs in the kernel is not waited for
VERSION: Final = 1  # of the answer's form (AWS SDKs and tools: process credential provider)
KEY_FIELDS: Final = ("AccessKeyId", "SecretAccessKey")
STDOUT, STDERR = 1, 2

# What a script under `set -x` writes as its error: the answer's fields, ids of keys, and all that is as long as a
# secret (40 characters at AWS) and as mixed. Paths, host names, UUIDs and ARNs stay readable.
_FIELDS: Final = re.compile(r"(SecretAccessKey|SessionToken|SECRET_ACCESS_KEY|SESSION_TOKEN)([\"':= ]+)[^\s\"',}]+")
_KEY_ID: Final = re.compile(r"\bA[A-Z]{2}A[A-Z0-9]{8,}([A-Z0-9]{4})\b")
_RUN: Final = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_KINDS: Final = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9]")))


# The base class that asyncio demands.
class _Heard(asyncio.SubprocessProtocol):
    """What it has written so far, and whether that is all."""

    def __init__(self) -> None:
        self.texts: Mapping[int, bytearray] = {STDOUT: bytearray(), STDERR: bytearray()}
        self.is_over = asyncio.Event()
        self.has_exited = asyncio.Event()
        self.is_alone = False

    @property
    def is_too_much(self) -> bool:
        return any(len(text) > MOST_BYTES for text in self.texts.values())

    @override
    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.texts[fd].extend(data[: MOST_BYTES + 1 - len(self.texts[fd])])
        if self.is_too_much:
            self.is_over.set()

    @override
    def process_exited(self) -> None:
        self.has_exited.set()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, and nobody whom it has started can still write."""
        self.is_alone = True
        self.is_over.set()


@dataclass(slots=True)
class Helper:
    """As much of a process as the SDK asks for.

    Attributes:
        returncode: 0: what it wrote are keys; None: not known yet.
    """

    transport: asyncio.SubprocessTransport
    heard: _Heard
    returncode: int | None = None

    async def communicate(self) -> tuple[bytes, bytes]:
        """Wait for its end and return its answer, and what is wrong with it; whoever stops waiting ends it."""
        try:
            await self.heard.is_over.wait()
        finally:
            await self._end()
        wrong = self._wrong()
        self.returncode = 1 if wrong else 0
        return bytes(self.heard.texts[STDOUT]), wrong.encode()

    async def _end(self) -> None:
        """Give its pipes back; if it goes on, end it with all that it has started."""
        if not self.heard.is_alone:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.transport.get_pid(), signal.SIGKILL)
        self.transport.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(BURIAL_S):
                await self.heard.has_exited.wait()

    def _wrong(self) -> str:
        if self.heard.is_too_much:
            return f"it writes more than {MOST_BYTES} bytes"
        code = self.transport.get_returncode()
        if code == 0:
            return wrong_with(bytes(self.heard.texts[STDOUT]))
        said = without_keys(self.heard.texts[STDERR].decode(errors="replace")).strip()
        ended = f"ended by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return said or f"{ended}, without a word"


async def start_helper(*command: str, **pipes: Any) -> Helper:  # noqa: ANN401 - what the SDK hands on
    """Start it in a session of its own, without a standard input: it has nobody to ask for a password."""
    transport, heard = await asyncio.get_running_loop().subprocess_exec(
        _Heard, *command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True, **pipes
    )
    return Helper(transport, heard)


def wrong_with(answer: bytes) -> str:
    """What keeps an answer from being keys, without a word of it; "" if they can be used.

    An `Expiration` in another form than ISO 8601 is left to the SDK, which knows more of them.
    """
    try:
        fields = json.loads(answer)
    except ValueError:
        return "its answer is not JSON"
    if not isinstance(fields, dict):
        return "its answer is no JSON object"
    if fields.get("Version") != VERSION:
        return f"its answer is not of Version {VERSION}"
    for name in KEY_FIELDS:
        if not _may_be_key(fields.get(name)):
            return f"{name} in its answer is missing, or no key"
    if fields.get("SessionToken") and not _may_be_key(fields["SessionToken"]):
        return "SessionToken in its answer is no key"
    match fields.get("Expiration"):
        case None:
            return ""
        case str(text):
            return "" if _has_zone(text) else "Expiration in its answer has no time zone"
        case _:
            return "Expiration in its answer is no ISO 8601 time"


def _may_be_key(value: object) -> bool:
    """It goes into a header of HTTP."""
    return isinstance(value, str) and bool(re.fullmatch(r"[!-~]+", value))


def _has_zone(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return True


def without_keys(text: str) -> str:
    """The text with what may be a secret left out, and ids of keys by their ends."""
    text = _FIELDS.sub(r"\1\2***", text)
    text = _KEY_ID.sub(r"****\1", text)
    return _RUN.sub(lambda run: "***" if all(kind.search(run[0]) for kind in _KINDS) else run[0], text)
