"""Who may send: verified addresses and domains; and the configuration sets."""

import hashlib
import re
from dataclasses import dataclass, field

from tank_mailer.standin.address import bare
from tank_mailer.standin.errors import AwsError, Json

_SET_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # SES: aws-facts 1.3


@dataclass(slots=True, eq=False)
class Identities:
    """Identities by lower-cased name, and whether each is verified."""

    verified: dict[str, bool] = field(default_factory=dict)
    details: dict[str, Json] = field(default_factory=dict)  # laid over what is shown, group by group

    def create(self, name: str) -> None:
        """Add an identity, verified at once: nobody could click the link in a mail of the stand-in."""
        key = name.lower()
        if key in self.verified:
            raise AwsError("AlreadyExistsException", f"Email identity {name} already exist.")
        self.verified[key] = True

    def require(self, name: str) -> str:
        """The key of an identity that is there."""
        key = name.lower()
        if key not in self.verified:
            raise AwsError("NotFoundException", f"Email identity {name} does not exist.", status=404)
        return key

    def delete(self, name: str) -> None:
        """Take it away; its mails are refused from now on."""
        key = self.require(name)
        del self.verified[key]
        self.details.pop(key, None)

    def covers(self, address: str) -> bool:
        """The address's own identity decides; else its domain's or a parent domain's (aws-facts 2.3)."""
        address = address.lower()
        if address in self.verified:
            return self.verified[address]
        domain = address.rpartition("@")[2]
        while domain:
            if domain in self.verified:
                return self.verified[domain]
            domain = domain.partition(".")[2]
        return False

    def failing(self, mailboxes: list[str]) -> list[str]:
        """Those of `mailboxes` (with or without a name) that no identity covers, as they were given."""
        return [mailbox for mailbox in dict.fromkeys(mailboxes) if not self.covers(bare(mailbox))]

    def shown(self, name: str) -> Json:
        """As GetEmailIdentity answers."""
        key = self.require(name)
        verified = self.verified[key]
        status = "SUCCESS" if verified else "PENDING"
        shown: Json = {
            "IdentityType": type_of(name),
            "VerifiedForSendingStatus": verified,
            "VerificationStatus": status,
            "FeedbackForwardingStatus": True,
            "DkimAttributes": {
                "SigningEnabled": verified,
                "Status": status,
                "SigningAttributesOrigin": "AWS_SES",
                "Tokens": tokens_of(key),
            },
            "MailFromAttributes": {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"},
            "Policies": {},
            "Tags": [],
        }
        for group, told in self.details.get(key, {}).items():
            shown[group] = {**shown[group], **told} if isinstance(told, dict) else told
        return shown

    def listed(self) -> list[Json]:
        """As ListEmailIdentities answers."""
        return [
            {
                "IdentityType": type_of(name),
                "IdentityName": name,
                "SendingEnabled": verified,
                "VerificationStatus": "SUCCESS" if verified else "PENDING",
            }
            for name, verified in sorted(self.verified.items())
        ]


@dataclass(slots=True, eq=False)
class ConfigurationSets:
    """The configuration sets, each with what it was made with."""

    by_name: dict[str, Json] = field(default_factory=dict)

    def create(self, name: str, given: Json) -> None:
        """Add a set; `given` comes back from GetConfigurationSet."""
        if not _SET_NAME.fullmatch(name):
            raise AwsError("BadRequestException", f"Invalid configuration set name <{name}>.")
        if name in self.by_name:
            raise AwsError("AlreadyExistsException", f"Configuration set <{name}> already exists.")
        self.by_name[name] = given

    def require(self, name: str) -> Json:
        """What the set was made with."""
        if name not in self.by_name:
            raise AwsError("NotFoundException", f"Configuration set <{name}> does not exist.", status=404)
        return self.by_name[name]

    def delete(self, name: str) -> None:
        """Take it away; mails that name it are refused from now on."""
        self.require(name)
        del self.by_name[name]


def tokens_of(name: str) -> list[str]:
    """The three labels of Easy DKIM: always the same for a name. An address has its domain's."""
    domain = name.rpartition("@")[2]
    return [hashlib.md5(f"{domain}/{n}".encode(), usedforsecurity=False).hexdigest() for n in range(3)]


def type_of(name: str) -> str:
    """What kind of identity has such a name."""
    return "EMAIL_ADDRESS" if "@" in name else "DOMAIN"
