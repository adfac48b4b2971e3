"""How old the access key is, as far as it may ask that of itself."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from tank_mailer.adapters.aws import UNREADABLE, open_iam
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
        session: of `adapters.aws.make_session`, whose keys may change between two questions.
        timeout_s: of the whole call.
    """

    aws: Mapping[str, str]
    region: str | None
    session: Any
    timeout_s: float = TIMEOUT_S

    async def created_at(self) -> datetime | None:
        """When the key in use was made; None: nobody says, or it is a role's, which changes by itself."""
        try:
            opened = open_iam(self.aws, region=self.region, session=self.session)
            async with opened as (client, key), asyncio.timeout(self.timeout_s):
                return await _Keys(client).created_at(key) if key is not None else None
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
