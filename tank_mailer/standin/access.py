"""Who calls, and what he may: nobody's signature is checked, but an observer can take rights away."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from tank_mailer.standin.errors import AwsError, Json

USER = "stand-in"
ROOT = "root"  # the account's owner, who is no user
ANYTHING = ""  # on every resource
FREE = frozenset({"sts:GetCallerIdentity"})  # IAM: needs no right


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An access key of the caller."""

    key_id: str
    created_at: datetime = datetime(2026, 10, 1, tzinfo=UTC)
    is_active: bool = True


@dataclass(slots=True, kw_only=True, eq=False)
class Access:
    """One user, who may do everything but what is denied.

    Attributes:
        denied: actions as IAM calls them, and the name of the one resource that each is denied on.
        keys: of the user.
        date_skew_s: how far the `Date` of answers is ahead of the clock.
    """

    account_id: str
    user: str = USER
    denied: dict[str, str] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    date_skew_s: float = 0.0

    @property
    def arn(self) -> str:
        """The caller's."""
        who = self.user if self.user == ROOT else f"user/{self.user}"
        return f"arn:aws:iam::{self.account_id}:{who}"

    def clear(self) -> None:
        """Everything is allowed again."""
        self.denied.clear()
        self.keys.clear()
        self.user = USER
        self.date_skew_s = 0.0

    def may(self, action: str, name: str) -> bool:
        """Whether the caller may do this on the resource of that name."""
        on = self.denied.get(action)
        return action in FREE or on is None or on not in {ANYTHING, name}

    def check(self, action: str, name: str, *, code: str = "AccessDenied") -> None:
        """Refuse, in IAM's words, what may not be done."""
        if not self.may(action, name):
            raise AwsError(
                code,
                f"User: {self.arn} is not authorized to perform: {action} on resource: {name or '*'} because no "
                f"identity-based policy allows the {action} action",
                status=403,
            )

    def shown(self) -> Json:
        """As an observer reads it."""
        return {"caller": self.arn, "denied": dict(self.denied), "date_skew_s": self.date_skew_s}

    def change(self, changes: Json) -> None:
        """Take over `denied`, as a list or with resources, and `date_skew_s`."""
        if unknown := sorted(set(changes) - {"denied", "date_skew_s"}):
            raise _bad(f"unknown: {', '.join(unknown)}; known: date_skew_s, denied")
        denied, skew_s = changes.get("denied", self.denied), changes.get("date_skew_s", self.date_skew_s)
        if isinstance(denied, list):
            denied = dict.fromkeys(map(str, denied), ANYTHING)
        if not isinstance(denied, dict) or not all(isinstance(name, str) for name in denied.values()):
            raise _bad('denied is a list of actions, or an object: {"sqs:SendMessage": "jobs"}')
        if not isinstance(skew_s, int | float) or isinstance(skew_s, bool):
            raise _bad("date_skew_s is a number, in seconds")
        self.denied, self.date_skew_s = dict(denied), float(skew_s)


def _bad(text: str) -> AwsError:
    return AwsError("BadRequestException", text)
