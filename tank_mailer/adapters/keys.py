"""The AWS keys in use: one object under all clients, which gets new ones while they stay open."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from botocore.credentials import ReadOnlyCredentials, RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    CredentialRetrievalError,
    InfiniteLoopConfigError,
    InvalidConfigError,
    PartialCredentialsError,
    ProfileNotFound,
    UnknownCredentialError,
)

from tank_mailer.telemetry.log import get_logger

log = get_logger()

LOOK_TIMEOUT_S: Final = 15.0  # of a credential_process, or of a call to STS; one call to SES may take 25
STAMP_EVERY_S: Final = 5.0  # between looks at the files' times
AGAIN_EVERY_S: Final = 5.0  # between looks that somebody waits for, where the last one brought nothing
EARLY_S: Final = 600  # before keys run out: from then on new ones are fetched beside the work
EARLY_EVERY_S: Final = 30.0
LATE_S: Final = 60  # before they run out: nothing is signed with them any more
SHOWN_CHARS: Final = 4  # of a key id, at its end

REMEDY: Final = "look at the keys, or at AWS_PROFILE and the credential_process of that profile (docs/credentials.md)"

# A key that is over, or has just been replaced: AWS has looked at the signature, and at nothing else (aws-facts 1.5).
REFUSED_KEYS: Final = frozenset({
    *("ExpiredToken", "ExpiredTokenException"),
    *("InvalidClientTokenId", "UnrecognizedClientException"),
    *("InvalidSignatureException", "SignatureDoesNotMatch"),
})  # fmt: skip

# Files that no other look mends; what else goes wrong may go right the next time.
FAULTS_OF_SETTINGS: Final = (
    ConfigParseError,
    InfiniteLoopConfigError,
    InvalidConfigError,
    PartialCredentialsError,
    ProfileNotFound,
    UnknownCredentialError,
)

_SIGNED_WITH: Final = "tank_mailer_signed_with"  # in the context of a request


class SdkCredentials(Protocol):
    """What one look finds: the SDK's own object."""

    method: str

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Give the keys as they are now."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where a look goes.

    Attributes:
        files: that are read for it.
        read: reads them, and asks whom they name; None: there are no keys.
    """

    files: tuple[Path, ...]
    read: Callable[[], Awaitable[SdkCredentials | None]]


Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(kw_only=True, eq=False)
class Keys:
    """Stands where the SDK expects its credentials, and hands out the newest.

    New ones come by a file that has changed, before the old ones run out, once when AWS refuses them, and by `replace`.
    Where a look fails, those in use stay in use. One look goes on at a time, and who is cancelled does not end it.

    Attributes:
        aws: variables that the SDK does not see in the environment; secret.
        source: finds out where a look has to go with such variables.
        changed: set when there are others, by a look or by `replace`; whoever waits for it clears it.
    """

    aws: Mapping[str, str] = field(repr=False)
    source: Callable[[Mapping[str, str]], Source] = field(repr=False)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    method: str = ""  # how the SDK calls the source; goes into its User-Agent
    _frozen: ReadOnlyCredentials | None = field(default=None, repr=False)
    _lease: RefreshableCredentials | None = field(default=None, repr=False)  # knows when `_frozen` runs out
    _files: tuple[Path, ...] = ()
    _stamp: Stamp = ()
    _stamped_s: float = -math.inf
    _ended_s: float = -math.inf
    _looking: "asyncio.Task[None] | None" = None
    _failure: Exception | None = field(default=None, repr=False)
    _refused: ReadOnlyCredentials | None = field(default=None, repr=False)  # by AWS, at last

    # --- what the SDK asks ---

    async def get_frozen_credentials(self) -> ReadOnlyCredentials | None:
        """Give the keys to sign with; None: there are none.

        Raises:
            CredentialRetrievalError: there are none that are good, and nothing was sent.
        """
        if self._files_have_changed():
            await self._look()
        elif self._runs_out_in(LATE_S) or (self._frozen is None and self._failure is not None):
            if self._rested_s() >= AGAIN_EVERY_S:
                await self._look()
        elif self._runs_out_in(EARLY_S) and self._rested_s() >= EARLY_EVERY_S:
            self._begin()
        if self._frozen is None and self._failure is not None:
            raise _as_retrieval(self._failure)
        if self._runs_out_in(0):
            raise CredentialRetrievalError(provider=self.method, error_msg="the keys have run out")
        return self._frozen

    async def get_account_id(self) -> str | None:
        """Give the account, where a source tells it."""
        frozen = await self.get_frozen_credentials()
        return None if frozen is None else frozen.account_id

    def get_deferred_property(self, name: str) -> Callable[[], object]:
        """Give what answers later (the SDK's endpoint rules)."""
        return lambda: getattr(self._frozen, name, None)

    def serve(self, client: Any) -> None:  # noqa: ANN401 - the SDK's clients share no type
        """Let `client` try once more, with new keys, what AWS refused for the keys that it was signed with.

        Safe for mails too: such a refusal is of the signature, before the request is read.
        """
        client.meta.events.register("before-sign", self._note_signer)
        client.meta.events.register("needs-retry", self._retry_with_newer)

    async def _note_signer(self, *, request: Any, **_: object) -> None:  # noqa: ANN401 - as above
        request.context[_SIGNED_WITH] = await self.get_frozen_credentials()

    async def _retry_with_newer(
        self,
        *,
        response: "tuple[object, Mapping[str, Any]] | None",
        request_dict: Mapping[str, Any],
        attempts: int,
        **_: object,
    ) -> int | None:
        if response is None or attempts > 1 or response[1].get("Error", {}).get("Code") not in REFUSED_KEYS:
            return None
        signed_with = request_dict["context"].get(_SIGNED_WITH)
        if signed_with == self._frozen and (signed_with != self._refused or self._rested_s() >= AGAIN_EVERY_S):
            self._refused = signed_with
            await self._look()
        return 0 if self._frozen is not None and signed_with != self._frozen else None

    # --- what the daemon asks ---

    async def start(self) -> None:
        """Look for the first time.

        Raises:
            BotoCoreError: the files are wrong (`FAULTS_OF_SETTINGS`). A source that does not answer is none of that:
                it is asked again.
        """
        await self._look()
        if isinstance(self._failure, FAULTS_OF_SETTINGS):
            raise self._failure

    async def replace(self, aws: Mapping[str, str]) -> bool:
        """Take these variables from now on, and look; whether the keys are others now."""
        before = self._frozen
        self.aws = aws
        if self._looking is not None:  # at the old ones
            await asyncio.wait({self._looking})
        await self._look()
        return self._frozen != before

    # --- looking ---

    async def _look(self) -> None:
        """Begin a look, or join one; whoever is cancelled meanwhile leaves it to the others."""
        await asyncio.shield(self._begin())

    def _begin(self) -> "asyncio.Task[None]":
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_once())
        return self._looking

    async def _look_once(self) -> None:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                source = self.source(self.aws)
                self._files, self._stamp = source.files, _stamp_of(source.files)  # what changes from now on is seen
                credentials = await source.read()
                frozen = None if credentials is None else _whole(await credentials.get_frozen_credentials())
        except Exception as error:  # noqa: BLE001 - a helper that is missing, or answers rubbish, raises anything
            self._fail(error)
        else:
            self._take(credentials, frozen)
        finally:
            self._ended_s = asyncio.get_running_loop().time()

    def _take(self, credentials: SdkCredentials | None, frozen: ReadOnlyCredentials | None) -> None:
        before = self._frozen
        if frozen is None and before is not None:  # in the middle of a change, perhaps
            self._fail(CredentialRetrievalError(provider=self.method, error_msg="there are none any more"))
            return
        self._failure, self._frozen, self.method = None, frozen, getattr(credentials, "method", "")
        self._lease = credentials if isinstance(credentials, RefreshableCredentials) else None
        if before is not None and frozen is not None and before != frozen:
            self.changed.set()
            log.info("credentials_changed", origin=self.method, key=shown(frozen.access_key or ""))

    def _fail(self, error: Exception) -> None:
        said = told(self._failure) if self._failure is not None else None
        self._failure = error
        if (detail := told(error)) != said:
            log.warning("credentials_unavailable", detail=detail, kept=self._frozen is not None, remedy=REMEDY)

    def _rested_s(self) -> float:
        """How long ago the last look ended; for ever while one goes on, which is joined."""
        if self._looking is not None and not self._looking.done():
            return math.inf
        return asyncio.get_running_loop().time() - self._ended_s

    def _runs_out_in(self, seconds: int) -> bool:
        return self._lease is not None and self._lease.refresh_needed(seconds)

    def _files_have_changed(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if not self._files or now_s - self._stamped_s < STAMP_EVERY_S:
            return False
        self._stamped_s = now_s
        return _stamp_of(self._files) != self._stamp


def _whole(frozen: ReadOnlyCredentials) -> ReadOnlyCredentials:
    """A pair; the SDK itself checks one in a file, and takes half of one that it is given."""
    halves = {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key}
    for name, value in halves.items():
        if not value:
            raise PartialCredentialsError(provider="explicit", cred_var=name)
    return frozen


def _stamp_of(files: tuple[Path, ...]) -> Stamp:
    """What tells that a file is another one; None for one that is not there."""
    stamps = list[tuple[int, int, int] | None]()
    for path in files:
        try:
            seen = path.stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((seen.st_mtime_ns, seen.st_size, seen.st_ino))
    return tuple(stamps)


def _as_retrieval(error: Exception) -> Exception:
    """What the rest of the program knows as "nothing was sent, for there are no keys"."""
    if isinstance(error, CredentialRetrievalError):
        return error
    return CredentialRetrievalError(provider="the AWS SDK", error_msg=told(error))


def told(error: Exception) -> str:
    """What went wrong, in a line that holds no key: what a helper prints as its answer is never quoted."""
    match error:
        case TimeoutError():
            text = f"no answer within {LOOK_TIMEOUT_S:.0f} s"
        case OSError():
            text = f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}"
        case ClientError():
            text = f"{error.response.get('Error', {}).get('Code', '')} at {error.operation_name}"
        case BotoCoreError():
            text = str(error)
        case RuntimeError():  # the SDK's: new keys that have run out already
            text = str(error)
        case ValueError():
            text = "a credential_process answered something that is not JSON"
        case _:
            text = type(error).__name__
    return " ".join(text.split())[:200]


def lasting(frozen: ReadOnlyCredentials) -> str | None:
    """The id of a key that lasts until somebody changes it; None: a role's, which changes by itself."""
    return None if frozen.token else frozen.access_key


def shown(key_id: str) -> str:
    """A key's id by its end: enough to tell two apart."""
    return f"****{key_id[-SHOWN_CHARS:]}"
