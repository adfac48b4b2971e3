"""What SES says of account, configuration sets, identities and dedicated IPs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tank_mailer.adapters.aws import SESClient
from tank_mailer.adapters.checkup_ask import Asker
from tank_mailer.core.checkup.actions import EVERYTHING, GET_ACCOUNT, GET_SEND_QUOTA, LIST
from tank_mailer.core.checkup.facts import (
    Account,
    ActionOn,
    ConfigurationSet,
    DedicatedIp,
    EventDestination,
    Identity,
    Quota,
    Tried,
)
from tank_mailer.core.checkup.seen import Absent, Found, Known, NotAsked, Seen, Unreached
from tank_mailer.core.checkup.setup import Setup

if TYPE_CHECKING:
    from types_aiobotocore_sesv2 import SESV2Client

PAGE_SIZE: Final = 100
SIMULATOR: Final = "success@simulator.amazonses.com"  # on nobody's suppression list
NEVER_THERE: Final = Unreached("SES says that there is no such thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckupSes:
    """Asks; every method returns in every case but cancellation."""

    client: "SESV2Client"
    quota: "SESClient"
    asker: Asker
    setup: Setup
    account_id: str | None = None

    async def account(self) -> tuple[Seen[Account], Seen[Quota]]:
        """State and figures; asked twice: the first call opens the connection, the second tells how long one takes."""
        found = _there(await self.asker.ask(GET_ACCOUNT, EVERYTHING, self.client.get_account))
        if not isinstance(found, Known):
            old = _there(await self.asker.ask(GET_SEND_QUOTA, EVERYTHING, self.quota.get_send_quota))
            return found, Known(_quota(old.value)) if isinstance(old, Known) else old
        await self.asker.ask(GET_ACCOUNT, EVERYTHING, self.client.get_account)
        return Known(_account(found.value)), Known(_quota(found.value.get("SendQuota") or {}))

    async def ips(self) -> Seen[tuple[DedicatedIp, ...]]:
        """The first page: one address in need is enough."""
        call = partial(self.client.get_dedicated_ips, PageSize=PAGE_SIZE)
        found = await self.asker.ask("ses:GetDedicatedIps", EVERYTHING, call)
        match found:
            case Known(answer):
                return Known(tuple(_ip(one) for one in answer.get("DedicatedIps", [])))
            case Absent():
                return Known(())
            case hidden:
                return hidden

    async def configuration_set(self, name: str) -> Found[ConfigurationSet]:
        """Its options."""
        arn = self.setup.arn_of_ses(f"configuration-set/{name}", self.account_id)
        call = partial(self.client.get_configuration_set, ConfigurationSetName=name)
        found = await self.asker.ask("ses:GetConfigurationSet", arn, call)
        return Known(_set(found.value)) if isinstance(found, Known) else found

    async def destinations(self, name: str) -> Seen[tuple[EventDestination, ...]]:
        """Where its events go; of a set that is not there: nowhere."""
        arn = self.setup.arn_of_ses(f"configuration-set/{name}", self.account_id)
        call = partial(self.client.get_configuration_set_event_destinations, ConfigurationSetName=name)
        match await self.asker.ask("ses:GetConfigurationSetEventDestinations", arn, call):
            case Known(answer):
                return Known(tuple(_destination(one) for one in answer.get("EventDestinations", [])))
            case Absent():
                return NotAsked(f"there is no configuration set {name}")
            case hidden:
                return hidden

    async def identity(self, name: str) -> Found[Identity]:
        """One identity by this very name."""
        arn = self.setup.arn_of_ses(f"identity/{name}", self.account_id)
        call = partial(self.client.get_email_identity, EmailIdentity=name)
        found = await self.asker.ask("ses:GetEmailIdentity", arn, call)
        return Known(_identity(name, found.value)) if isinstance(found, Known) else found

    async def listed(self) -> Seen[tuple[str, ...]]:
        """The names of those that may send, of the first page, in their order."""
        call = partial(self.client.list_email_identities, PageSize=PAGE_SIZE)
        match _there(await self.asker.ask("ses:ListEmailIdentities", EVERYTHING, call)):
            case Known(answer):
                sending = [one for one in answer.get("EmailIdentities", []) if one.get("SendingEnabled") is True]
                return Known(tuple(str(one.get("IdentityName", "")).lower() for one in sending))
            case hidden:
                return hidden

    async def suppression_rights(self) -> Mapping[ActionOn, Tried]:
        """Those two of the four that can be tried without changing the list."""
        lists, gets = LIST[:2]
        page = partial(self.client.list_suppressed_destinations, PageSize=1)
        one = partial(self.client.get_suppressed_destination, EmailAddress=SIMULATOR)
        return {
            (lists, EVERYTHING): await self.asker.attempt(lists, page, reads_first=False),
            (gets, EVERYTHING): await self.asker.attempt(gets, one, reads_first=False),
        }


def _there(found: Found[dict[str, Any]]) -> Seen[dict[str, Any]]:
    return NEVER_THERE if isinstance(found, Absent) else found


def _quota(told: Mapping[str, Any]) -> Quota:
    limit, rate, sent = (_amount(told.get(name)) for name in ("Max24HourSend", "MaxSendRate", "SentLast24Hours"))
    return Quota(limit, rate or 0.0, sent or 0.0)


def _amount(value: object) -> float | None:
    """-1 is unlimited (aws-facts 2.1)."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) and value >= 0 else None


def _account(told: Mapping[str, Any]) -> Account:
    reasons = (told.get("SuppressionAttributes") or {}).get("SuppressedReasons")
    return Account(
        sending_enabled=told.get("SendingEnabled"),
        production_access=told.get("ProductionAccessEnabled"),
        enforcement=told.get("EnforcementStatus") or "",
        suppressed_reasons=None if reasons is None else tuple(reasons),
        auto_warmup=told.get("DedicatedIpAutoWarmupEnabled"),
    )


def _ip(told: Mapping[str, Any]) -> DedicatedIp:
    return DedicatedIp(
        told.get("Ip", ""), told.get("WarmupStatus", ""), told.get("WarmupPercentage", 0), told.get("PoolName", "")
    )


def _set(told: Mapping[str, Any]) -> ConfigurationSet:
    reasons = (told.get("SuppressionOptions") or {}).get("SuppressedReasons")
    return ConfigurationSet(
        sending_enabled=(told.get("SendingOptions") or {}).get("SendingEnabled"),
        reputation_metrics=(told.get("ReputationOptions") or {}).get("ReputationMetricsEnabled"),
        suppressed_reasons=None if reasons is None else tuple(reasons),
    )


def _destination(told: Mapping[str, Any]) -> EventDestination:
    return EventDestination(
        name=told.get("Name", ""),
        enabled=told.get("Enabled") is True,
        kinds=frozenset(told.get("MatchingEventTypes", [])),
        topic_arn=(told.get("SnsDestination") or {}).get("TopicArn"),
    )


def _identity(name: str, told: Mapping[str, Any]) -> Identity:
    dkim, mail_from = told.get("DkimAttributes") or {}, told.get("MailFromAttributes") or {}
    return Identity(
        name=name,
        is_domain=told.get("IdentityType") != "EMAIL_ADDRESS",
        is_verified=told.get("VerifiedForSendingStatus") is True,
        status=told.get("VerificationStatus") or "",
        dkim_enabled=dkim.get("SigningEnabled"),
        dkim_status=dkim.get("Status") or "",
        is_own_key=dkim.get("SigningAttributesOrigin") == "EXTERNAL",
        tokens=tuple(dkim.get("Tokens") or ()),
        zone=dkim.get("SigningHostedZone") or "",
        mail_from=mail_from.get("MailFromDomain") or "",
        mail_from_status=mail_from.get("MailFromDomainStatus") or "",
        rejects_without_mx=mail_from.get("BehaviorOnMxFailure") == "REJECT_MESSAGE",
    )
