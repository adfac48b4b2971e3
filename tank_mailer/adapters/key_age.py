"""How old the access key is, as far as it may ask that of itself."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError
from botocore.parsers import ResponseParserError

from tank_mailer.adapters.aws import UNREADABLE, open_iam
from tank_mailer.adapters.keys import Keys, lasting
from tank_mailer.core.errors import ConfigurationError
from tank_mailer.telemetry.log import get_logger

if TYPE_CHECKING:
    from types_aiobotocore_iam import IAMClient

log = get_logger()

TIMEOUT_S: Final = 20.0
# A refusal, no way there, a setting that the SDK does not take, a page that is no XML of IAM.
_NOT_SAID: Final = (
    *(BotoCoreError, ClientError, ConfigurationError, RuntimeError, TimeoutError),
    *(LookupError, ResponseParserError, *UNREADABLE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAge:
    """Asks IAM, which few keys may and no host needs to reach: what it does not say is not known, and no trouble.

    Attributes:
        aws: as for `adapters.aws.open_clients`.
        keys: those of the running clients, which change.
        timeout_s: of the whole call.
    """

    aws: Mapping[str, str] = field(repr=False)
    keys: Keys
    region: str | None
    timeout_s: float = TIMEOUT_S

    async def in_use(self) -> str | None:
        """The id of the key in use; None: there is none, or it is a role's, which changes by itself."""
        try:
            frozen = await self.keys.get_frozen_credentials()
        except CredentialRetrievalError:
            return None
        return None if frozen is None else lasting(frozen)

    async def created_at(self, key: str) -> datetime | None:
        """When the key of that id was made; None: nobody says."""
        try:
            opening = open_iam(self.aws, region=self.region, keys=self.keys)
            async with opening as (client, _), asyncio.timeout(self.timeout_s):
                return await _Keys(client).created_at(key)
        except _NOT_SAID as error:
            log.debug("key_age_unknown", detail=type(error).__name__)
            return None


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of the user behind the key; a user has two at most (IAM)."""

    client: "IAMClient"

    async def created_at(self, key: str) -> datetime | None:
        found = (await self.client.list_access_keys())["AccessKeyMetadata"]
        made = next((one.get("CreateDate") for one in found if one.get("AccessKeyId") == key), None)
        return made.astimezone(UTC) if isinstance(made, datetime) else None
