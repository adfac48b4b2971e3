"""CloudFormation, asked for one stack."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from tank_mailer.adapters.aws import UNREADABLE
from tank_mailer.adapters.ses import broke, said_no
from tank_mailer.core.errors import Reason, TankMailerError
from tank_mailer.core.outcome import Fault, Meaning, read
from tank_mailer.core.remedy import REMEDIES
from tank_mailer.core.stack import Stack

if TYPE_CHECKING:
    from types_aiobotocore_cloudformation import CloudFormationClient

CALL_TIMEOUT_S: Final = 60.0  # a whole call with the SDK's retries
ACTION: Final = "cloudformation:DescribeStacks"
NOT_CLOUDFORMATION: Final = "what answers is not CloudFormation"

NETWORK: Final = "look at the network, at proxies and AWS_ENDPOINT_URL, then run the command again"
DENIED: Final = (
    f"run it with the key of whoever deployed the stack (AWS_PROFILE), or allow this one {ACTION}; the daemon's own key"
    " has no use for it"
)


class StackError(TankMailerError):
    """CloudFormation cannot be asked; `remedy` says what to do."""

    def __init__(self, reason: Reason, detail: str, remedy: str) -> None:
        super().__init__(reason, detail)
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """The stacks of one account in one region."""

    client: "CloudFormationClient"

    async def find(self, name: str) -> Stack | None:
        """The stack of this name or ARN; None: there is none.

        Raises:
            StackError: nobody can say.
        """
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                reply = await self.client.describe_stacks(StackName=name)
        except ClientError as error:
            fault = said_no(error)
            if fault.code == "ValidationError" and "does not exist" in fault.text:
                return None
            raise _error(fault) from error
        except (BotoCoreError, RuntimeError, TimeoutError, LookupError, ResponseParserError, *UNREADABLE) as error:
            raise _error(broke(error)) from error
        stacks: list[Any] = list(reply.get("Stacks") or [])
        if len(stacks) != 1:  # a proxy's page does not raise (aws-facts 0)
            raise StackError(Reason.ANSWER_UNCLEAR, NOT_CLOUDFORMATION, NETWORK)
        outputs = {one.get("OutputKey", ""): one.get("OutputValue", "") for one in stacks[0].get("Outputs") or []}
        return Stack(stacks[0].get("StackName", name), stacks[0].get("StackStatus", ""), outputs)


def _error(fault: Fault) -> StackError:
    meaning, reason = read(fault)
    said = f"HTTP {fault.status} {fault.code}" if fault.status else fault.code or fault.text
    if meaning is Meaning.DENIED:
        return StackError(reason, f"the key may not call {ACTION}", DENIED)
    if fault.code == "ValidationError":
        detail = f"CloudFormation does not take the name: {fault.text}"
        return StackError(Reason.BAD_FIELD, detail, "give the name of a stack, or its ARN")
    if meaning is Meaning.ACCOUNT_HELD and reason in REMEDIES:
        return StackError(reason, f"CloudFormation cannot be asked ({said})", REMEDIES[reason])
    if meaning is Meaning.UNREACHABLE or fault.status is None:
        return StackError(Reason.UNREACHABLE, f"CloudFormation does not answer ({said})", NETWORK)
    return StackError(reason, f"CloudFormation answers with {said}", "run the command again in a while")
