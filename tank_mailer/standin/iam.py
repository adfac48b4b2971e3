"""STS and IAM, as far as a caller asks about himself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tank_mailer.standin.access import Access
from tank_mailer.standin.query import Form, Xml, element, members

NO_RESOURCE: Final = "*"


@dataclass(slots=True, kw_only=True, eq=False)
class Iam:
    """Three operations."""

    access: Access

    def answer(self, action: str, form: Form) -> Xml:
        """The inner of the result, or AwsError."""
        return OPERATIONS[action](self, form)

    def caller(self, _: Form) -> Xml:
        """Who is asking."""
        user_id = element("UserId", "AIDASTANDIN")
        return f"{element('Arn', self.access.arn)}{user_id}{element('Account', self.access.account_id)}"

    def keys(self, _: Form) -> Xml:
        """The caller's own, all on one page."""
        shown = [
            element("UserName", self.access.user)
            + element("AccessKeyId", key.key_id)
            + element("Status", "Active" if key.is_active else "Inactive")
            + element("CreateDate", key.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"))
            for key in self.access.keys
        ]
        return members("AccessKeyMetadata", shown) + element("IsTruncated", "false")

    def simulate(self, form: Form) -> Xml:
        """One result an action, over all resources, the strictest of them (as IAM has it since 2026)."""
        form.text("PolicySourceArn")
        resources = form.listing("ResourceArns") or [NO_RESOURCE]
        results = [
            element("EvalActionName", action)
            + element("EvalResourceName", resources[0])
            + element("EvalDecision", self._decision(action, resources))
            for action in form.listing("ActionNames")
        ]
        return members("EvaluationResults", results) + element("IsTruncated", "false")

    def _decision(self, action: str, resources: list[str]) -> str:
        names = (arn.rpartition(":")[2].rpartition("/")[2] for arn in resources)
        return "allowed" if all(self.access.may(action, name) for name in names) else "implicitDeny"


OPERATIONS: Final[dict[str, Callable[[Iam, Form], Xml]]] = {
    "GetCallerIdentity": Iam.caller,
    "ListAccessKeys": Iam.keys,
    "SimulatePrincipalPolicy": Iam.simulate,
}
