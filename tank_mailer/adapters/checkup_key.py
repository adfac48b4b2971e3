"""Whose key it is, how old it is, and what IAM's own simulation says that it may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tank_mailer.adapters.checkup_ask import Asker, moment
from tank_mailer.core.checkup.facts import AccessKey, ActionOn, Caller, Simulated
from tank_mailer.core.checkup.seen import Absent, Known, NotAsked, Seen, Unreached

if TYPE_CHECKING:
    from types_aiobotocore_iam import IAMClient
    from types_aiobotocore_sts import STSClient

SHOWN_CHARS: Final = 4  # of a key's id, at each end
DECISIONS: Final[Mapping[str, Simulated]] = {
    "allowed": Simulated.ALLOWED,
    "explicitDeny": Simulated.DENIED_BY_RULE,
    "implicitDeny": Simulated.NOT_GRANTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckupKey:
    """Asks; every method returns in every case but cancellation."""

    sts: "STSClient"
    iam: "IAMClient"
    asker: Asker
    access_key_id: str

    async def caller(self) -> Seen[Caller]:
        """Everybody may ask who he is."""
        match await self.asker.ask("sts:GetCallerIdentity", "*", self.sts.get_caller_identity):
            case Known(answer):
                return Known(Caller(answer.get("Account", ""), answer.get("Arn", "")))
            case Absent():
                return Unreached("AWS says that there is no such caller")
            case hidden:
                return hidden

    async def keys(self, caller: Caller) -> Seen[tuple[AccessKey, ...]]:
        """The caller's own."""
        if ":user/" not in caller.arn:
            return NotAsked("only users have keys that stay")
        match await self.asker.ask("iam:ListAccessKeys", caller.arn, self.iam.list_access_keys):
            case Known(answer):
                return Known(tuple(self._key(one) for one in answer.get("AccessKeyMetadata", [])))
            case Absent():
                return Known(())
            case hidden:
                return hidden

    async def simulate(
        self, caller: Caller, wanted: Mapping[str, Sequence[str]], *, sender: str
    ) -> Seen[Mapping[ActionOn, Simulated]]:
        """What the key may do, by IAM's word; one call a resource: of several in one, answers differ by age of the API.

        Args:
            caller: whose policies are looked at.
            wanted: actions, by the ARN that they are done on.
            sender: an address that mail may come from, for policies that ask.
        """
        source, told = principal_of(caller.arn), dict[ActionOn, Simulated]()
        for resource, actions in wanted.items():
            call = partial(
                self.iam.simulate_principal_policy,
                PolicySourceArn=source,
                ActionNames=list(actions),
                ResourceArns=[resource],
                ContextEntries=[
                    {
                        "ContextKeyName": "ses:FromAddress",
                        "ContextKeyValues": [sender],
                        "ContextKeyType": "string",
                    },
                    {
                        "ContextKeyName": "aws:SecureTransport",
                        "ContextKeyValues": ["true"],
                        "ContextKeyType": "boolean",
                    },
                ],
            )
            match await self.asker.ask("iam:SimulatePrincipalPolicy", source, call):
                case Known(answer):
                    results = answer.get("EvaluationResults", [])
                    told |= {(one.get("EvalActionName", ""), resource): _decision(one) for one in results}
                case Absent():
                    return Unreached(f"IAM does not know {source}")
                case hidden:
                    return hidden
        return Known(told)

    def _key(self, told: Mapping[str, Any]) -> AccessKey:
        name = told.get("AccessKeyId", "")
        return AccessKey(
            f"{name[:SHOWN_CHARS]}****{name[-SHOWN_CHARS:]}",
            told.get("Status") == "Active",
            moment(told.get("CreateDate")) or datetime.now(UTC),
            name == self.access_key_id,
        )


def principal_of(arn: str) -> str:
    """Whose policies count: of a session of a role the role's."""
    head, _, resource = arn.rpartition(":")
    if not resource.startswith("assumed-role/"):
        return arn
    return f"{head.replace(':sts:', ':iam:')}:role/{resource.split('/')[1]}"


def _decision(told: Mapping[str, Any]) -> Simulated:
    if told.get("MissingContextValues"):
        return Simulated.UNCLEAR
    return DECISIONS.get(told.get("EvalDecision", ""), Simulated.UNCLEAR)
