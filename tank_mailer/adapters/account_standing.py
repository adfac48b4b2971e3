"""What reports ask AWS beside the daemon's own calls: dedicated IPs, keys. Each may be denied."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from tank_mailer.adapters.account_list import CALL_EVERY_S
from tank_mailer.adapters.aws import UNREADABLE, SESClient
from tank_mailer.adapters.ses import SesAccount, SesSendQuota, broke, said_no
from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Fault, Meaning, read
from tank_mailer.core.remedy import REMEDIES
from tank_mailer.core.reports.document import NotKnown
from tank_mailer.core.reports.outside import AccessKey, AccountStanding, DedicatedIps
from tank_mailer.ports import AccountFacts, AccountUnknown

if TYPE_CHECKING:
    from types_aiobotocore_iam import IAMClient
    from types_aiobotocore_sesv2 import SESV2Client

CALL_TIMEOUT_S: Final = 10.0
PAGE_SIZE: Final = 100
MOST_PAGES: Final = 20  # ours: an account with more IPs than that is known by name at AWS
MOST_KEYS_SHOWN: Final = 4  # characters of a key's end
MANAGED: Final = -1  # SES: WarmupPercentage of a managed IP
NETWORK: Final = "look at the network, at proxies and AWS_ENDPOINT_URL"
ROLE_KEY: Final = "the credentials are a role's, not a user's: they are renewed by themselves"


@dataclass(frozen=True, slots=True, kw_only=True)
class SesStanding:
    """Asks SES, over a client whose calls may be repeated.

    Attributes:
        quota: of SES's first API, asked for the figures alone where GetAccount is denied.
    """

    client: "SESV2Client"
    quota: SESClient | None = None
    every_s: float = field(default_factory=lambda: CALL_EVERY_S)

    async def account(self) -> AccountStanding | NotKnown:
        """GetAccount; where it is denied, as much as GetSendQuota tells."""
        match await SesAccount(client=self.client, timeout_s=CALL_TIMEOUT_S).ask():
            case AccountFacts() as facts:
                return AccountStanding(
                    max_send_rate=facts.max_send_rate,
                    max_24_hour_send=facts.max_24_hour_send,
                    sent_last_24_hours=facts.sent_last_24_hours,
                    sending_enabled=facts.sending_enabled,
                    production_access=facts.production_access,
                    enforcement=facts.enforcement,
                )
            case AccountUnknown(reason, detail):
                remedy = "allow the key ses:GetAccount" if reason is Reason.ACCESS_DENIED else REMEDIES.get(reason)
                unseen = NotKnown(detail or reason, remedy or NETWORK)
                return await self._figures(unseen) if reason is Reason.ACCESS_DENIED else unseen

    async def _figures(self, unseen: NotKnown) -> AccountStanding | NotKnown:
        if self.quota is None:
            return unseen
        match await SesSendQuota(client=self.quota, timeout_s=CALL_TIMEOUT_S).ask():
            case AccountFacts() as facts:
                return AccountStanding(
                    max_send_rate=facts.max_send_rate,
                    max_24_hour_send=facts.max_24_hour_send,
                    sent_last_24_hours=facts.sent_last_24_hours,
                    unseen=unseen,
                )
            case AccountUnknown():
                return unseen

    async def dedicated_ips(self) -> DedicatedIps | NotKnown:
        """GetDedicatedIps, all pages."""
        found, token = DedicatedIps(), ""
        for page in range(MOST_PAGES):
            await self._apart(page)
            more = {"NextToken": token} if token else {}
            answer = await _asked(self.client.get_dedicated_ips(PageSize=PAGE_SIZE, **more))
            if isinstance(answer, Fault):
                return _not_known(answer, "ses:GetDedicatedIps")
            managed = sum(one.get("WarmupPercentage") == MANAGED for one in answer.get("DedicatedIps", []))
            standard = len(answer.get("DedicatedIps", [])) - managed
            found = DedicatedIps(found.standard + standard, found.managed + managed)
            token = answer.get("NextToken") or ""
            if not token:
                break
        return found

    async def _apart(self, calls: int) -> None:
        """Wait before each call but the first."""
        if calls:
            await asyncio.sleep(self.every_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class IamKeys:
    """Asks IAM.

    Attributes:
        key_id: of the key in use; None: it is not known.
    """

    client: "IAMClient"
    key_id: str | None

    async def all(self) -> Sequence[AccessKey] | NotKnown:
        """ListAccessKeys of the user whose key it is."""
        answer = await _asked(self.client.list_access_keys())
        if isinstance(answer, Fault):
            if answer.code == "ValidationError":  # IAM: "Must specify userName when calling with non-User credentials"
                return NotKnown(ROLE_KEY)
            return _not_known(answer, "iam:ListAccessKeys")
        return [key for one in answer.get("AccessKeyMetadata", []) if (key := _key(one, self.key_id)) is not None]


def _key(one: Mapping[str, Any], ours: str | None) -> AccessKey | None:
    name, created_at = one.get("AccessKeyId"), one.get("CreateDate")
    if not name or not isinstance(created_at, datetime):
        return None
    return AccessKey(name[-MOST_KEYS_SHOWN:], created_at, one.get("Status") == "Active", name == ours)


async def _asked(call: Awaitable[Any]) -> dict[str, Any] | Fault:
    try:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            answer: dict[str, Any] = await call
    except ClientError as error:
        return said_no(error)
    except (BotoCoreError, RuntimeError, TimeoutError, LookupError, ResponseParserError, *UNREADABLE) as error:
        return broke(error)
    if not answer.get("ResponseMetadata", {}).get("RequestId"):  # a proxy's page does not raise (aws-facts 0)
        return Fault(text="an answer that is not from AWS: a proxy or a portal in between?")
    return answer


def _not_known(fault: Fault, action: str) -> NotKnown:
    """Why, without the answer's own words: they name users and accounts."""
    meaning, reason = read(fault)
    if meaning is Meaning.DENIED or fault.code in {"AccessDenied", "AccessDeniedException"}:
        return NotKnown(f"the key may not call {action}", f"allow the key {action}")
    if fault.status is None:
        return NotKnown(f"no answer to {action} ({fault.text})", NETWORK)
    return NotKnown(f"{action} is answered with HTTP {fault.status} {fault.code}".strip(), REMEDIES.get(reason))
