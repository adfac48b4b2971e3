"""SESv2 in rest-json, and v1's GetSendQuota: which request does what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tank_mailer.standin import parameters, ses_destinations, ses_suppression
from tank_mailer.standin.account import Account
from tank_mailer.standin.address import bare, is_simulated
from tank_mailer.standin.control_plane import ControlPlane
from tank_mailer.standin.email import Email, read_email
from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.events import Events
from tank_mailer.standin.identities import ConfigurationSets, Identities, type_of
from tank_mailer.standin.mailbox import Mailbox
from tank_mailer.standin.ses_destinations import DestinationCalls
from tank_mailer.standin.ses_suppression import SuppressionCalls

SET_DEFAULTS: Final[Json] = {
    "SendingOptions": {"SendingEnabled": True},
    "ReputationOptions": {"ReputationMetricsEnabled": False},
}


@dataclass(slots=True, kw_only=True, eq=False)
class Ses:
    """The service: an account, its identities and configuration sets, the mails it accepted and their events."""

    region: str
    account: Account
    identities: Identities
    configuration_sets: ConfigurationSets
    mailbox: Mailbox
    events: Events
    suppression: SuppressionCalls
    destinations: DestinationCalls
    control_plane: ControlPlane

    def answer(self, operation: str, name: str, request: Json, *, body: bytes) -> Json:
        """Return the answer or raise AwsError. `name` stood in the path, `body` is the request as it came.

        Of a GET `request` is the query: lists of texts by name.
        """
        self.control_plane.admit(operation)
        if operation == "SendEmail":
            return self.send_email(request, body=body)
        if operation in ses_suppression.OPERATIONS:
            return ses_suppression.OPERATIONS[operation](self.suppression, name, request)
        if operation in ses_destinations.OPERATIONS:
            return ses_destinations.OPERATIONS[operation](self.destinations, name, request)
        work = OPERATIONS.get(operation)
        if work is None:
            raise AwsError("UnknownOperationException", "The stand-in does not know this operation.", status=404)
        return work(self, name, request)

    def send_email(self, request: Json, *, body: bytes) -> Json:
        """First the request in itself, then the account, the set, the identities, and the quotas last.

        So a mail that cannot go out costs no place. Whether AWS throttles before it checks is not documented.
        """
        email = read_email(request)
        self.account.refuse_if_stopped()
        if email.configuration_set:
            self.configuration_sets.require(email.configuration_set)
        self._refuse_unverified(email)
        self.account.debit(recipients=len(email.recipients), simulated=email.simulated)
        message_id, at = self.mailbox.accept(email, request=body)
        self.events.accepted(email, message_id=message_id, at=at)
        return {"MessageId": message_id}

    def get_account(self, _: str, __: Json) -> Json:
        """Rate, quota and state."""
        settings = self.account.settings
        if settings.get_account_denied:
            raise AwsError(
                "AccessDeniedException",
                "User: arn:aws:iam::000000000000:user/stand-in is not authorized to perform: ses:GetAccount "
                "on resource: *",
                status=403,
            )
        return {
            "DedicatedIpAutoWarmupEnabled": False,
            "EnforcementStatus": settings.enforcement_status,
            "ProductionAccessEnabled": settings.production_access,
            "SendQuota": self.account.quota(),
            "SendingEnabled": settings.sending_enabled,
            "SuppressionAttributes": {"SuppressedReasons": self.account.suppressed_reasons},
        }

    def create_identity(self, _: str, request: Json) -> Json:
        """Verified at once; an observer may take that back."""
        name = parameters.text(request, "EmailIdentity")
        if "@" in name:
            bare(name)
        self.identities.create(name)
        return {"IdentityType": type_of(name), "VerifiedForSendingStatus": True, "DkimAttributes": {}}

    def get_identity(self, name: str, _: Json) -> Json:
        """One identity, or 404."""
        return self.identities.shown(name)

    def list_identities(self, _: str, __: Json) -> Json:
        """All on one page."""
        return {"EmailIdentities": self.identities.listed()}

    def delete_identity(self, name: str, _: Json) -> Json:
        """404 when it is not there."""
        self.identities.delete(name)
        return {}

    def create_set(self, _: str, request: Json) -> Json:
        """No options are acted upon."""
        self.configuration_sets.create(parameters.text(request, "ConfigurationSetName"), request)
        return {}

    def get_set(self, name: str, _: Json) -> Json:
        """What it was made with, and what is so by itself."""
        return {**SET_DEFAULTS, **self.configuration_sets.require(name), "ConfigurationSetName": name}

    def get_ips(self, _: str, __: Json) -> Json:
        """All on one page."""
        return {"DedicatedIps": self.account.dedicated_ips}

    def list_sets(self, _: str, __: Json) -> Json:
        """All on one page."""
        return {"ConfigurationSets": sorted(self.configuration_sets.by_name)}

    def delete_set(self, name: str, _: Json) -> Json:
        """404 when it is not there."""
        self.configuration_sets.delete(name)
        self.events.destinations.forget(name)
        return {}

    def _refuse_unverified(self, email: Email) -> None:
        """The sender always; in the sandbox the recipients too, but for the simulator's (aws-facts 2.2)."""
        mailboxes = list(email.senders)
        if not self.account.settings.production_access:
            mailboxes += [mailbox for mailbox in email.recipients if not is_simulated(bare(mailbox))]
        if failing := self.identities.failing(mailboxes):
            raise AwsError(
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in region "
                f"{self.region.upper()}: {', '.join(failing)}",
            )


def send_quota_xml(account: Account) -> str:
    """v1's GetSendQuota, the inner of its result: the only quota call that moto has."""
    return "".join(f"<{name}>{value}</{name}>" for name, value in account.quota().items())


OPERATIONS: Final[dict[str, Callable[[Ses, str, Json], Json]]] = {
    "GetAccount": Ses.get_account,
    "CreateEmailIdentity": Ses.create_identity,
    "GetEmailIdentity": Ses.get_identity,
    "ListEmailIdentities": Ses.list_identities,
    "DeleteEmailIdentity": Ses.delete_identity,
    "CreateConfigurationSet": Ses.create_set,
    "GetConfigurationSet": Ses.get_set,
    "ListConfigurationSets": Ses.list_sets,
    "GetDedicatedIps": Ses.get_ips,
    "DeleteConfigurationSet": Ses.delete_set,
}
