"""The account's own suppression list at SES: read in pages, changed address by address, one call a second."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from tank_mailer.adapters.aws import UNREADABLE
from tank_mailer.adapters.ses import broke, said_no
from tank_mailer.adapters.sqs import NOT_SQS
from tank_mailer.core.drift import Listed, ListedReason
from tank_mailer.core.errors import Reason, TankMailerError
from tank_mailer.core.outcome import Fault, Meaning, read
from tank_mailer.core.remedy import REMEDIES

if TYPE_CHECKING:
    from types_aiobotocore_sesv2 import SESV2Client

PAGE_SIZE: Final = 1_000  # SES documents no limit; this is what others use
CALL_EVERY_S: Final = 1.0  # SES: service quotas, one call a second of each operation beside sending
WAITS_S: Final = (2.0, 4.0, 8.0, 16.0)  # after a throttle: somebody else calls, too
CALL_TIMEOUT_S: Final = 60.0  # a whole call with the SDK's retries
MOST_REFUSED_IN_A_ROW: Final = 5  # ours: then it is not the addresses

NOT_FOUND: Final = "NotFoundException"
BAD_REQUEST: Final = "BadRequestException"
LIST_CHANGED: Final = "InvalidNextTokenException"
NOT_SES: Final = NOT_SQS.replace("SQS", "SES")

NETWORK: Final = "look at the network, at proxies and AWS_ENDPOINT_URL, then run the command again"
AGAIN: Final = "run the command again; what is done already is not done twice"
SANDBOX: Final = (
    "ask AWS for production access in this region; in the sandbox SES's list can be read but not added to"
    " (without --apply nothing is)"
)


class AccountListError(TankMailerError):
    """SES's list cannot be read or changed; `remedy` says what to do."""

    def __init__(self, reason: Reason, detail: str, remedy: str) -> None:
        super().__init__(reason, detail)
        self.remedy = remedy


@dataclass(slots=True, kw_only=True, eq=False)
class Pace:
    """Keeps calls apart: counted from the last answer, so that no delay on the way brings two of them together."""

    every_s: float = CALL_EVERY_S
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _free_at: float = float("-inf")  # on the loop's clock

    async def turn(self) -> None:
        """Wait until the next call may go out."""
        wait_s = self._free_at - asyncio.get_running_loop().time()
        if wait_s > 0:
            await self.sleep(wait_s)

    def answered(self) -> None:
        """A call has come back."""
        self._free_at = asyncio.get_running_loop().time() + self.every_s


@dataclass(slots=True, kw_only=True, eq=False)
class AccountList:
    """The list, over a client whose calls may be repeated. Every method raises `AccountListError`."""

    client: "SESV2Client"
    pace: Pace = field(default_factory=Pace)
    _refused_in_a_row: int = 0

    async def pages(self) -> AsyncIterator[list[Listed]]:
        """All of it, a page a call."""
        token: str | None = None
        while True:
            more = {} if token is None else {"NextToken": token}
            answer = await self._ask("ListSuppressedDestinations", PageSize=PAGE_SIZE, **more)
            if isinstance(answer, Fault):
                raise _error(answer, "ListSuppressedDestinations")
            yield [one for summary in answer.get("SuppressedDestinationSummaries", []) if (one := _listed(summary))]
            before, token = token, answer.get("NextToken")
            if not token:
                return
            if token == before:
                raise AccountListError(Reason.ANSWER_UNCLEAR, "SES gives the same page again and again", AGAIN)

    async def find(self, address: str) -> Listed | None:
        """What it says of this exact spelling."""
        answer = await self._ask("GetSuppressedDestination", EmailAddress=address)
        if not isinstance(answer, Fault):
            return _listed(answer.get("SuppressedDestination", {}))
        if answer.code == NOT_FOUND:
            return None
        raise _error(answer, "GetSuppressedDestination")

    async def put(self, address: str, reason: ListedReason) -> bool:
        """Add it, or change its reason; False: SES does not take this address."""
        answer = await self._ask("PutSuppressedDestination", EmailAddress=address, Reason=reason.value)
        if not isinstance(answer, Fault):
            self._refused_in_a_row = 0
            return True
        if "sandbox" in answer.text.lower():
            raise AccountListError(Reason.SANDBOX_RECIPIENT, "SES adds nothing to its list: a sandbox account", SANDBOX)
        if answer.code != BAD_REQUEST:
            raise _error(answer, "PutSuppressedDestination")
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= MOST_REFUSED_IN_A_ROW:
            detail = f"SES refuses one addition after the other ({BAD_REQUEST})"
            raise AccountListError(Reason.REJECTED, detail, f"if the account is in the sandbox: {SANDBOX}")
        return False

    async def remove(self, address: str) -> None:
        """Take this exact spelling off it; one that is not there is off it."""
        answer = await self._ask("DeleteSuppressedDestination", EmailAddress=address)
        if isinstance(answer, Fault) and answer.code != NOT_FOUND:
            raise _error(answer, "DeleteSuppressedDestination")

    async def _ask(self, operation: str, **parameters: object) -> dict[str, Any] | Fault:
        """One call in its turn; what is throttled is done again after a while."""
        fault = await self._once(operation, parameters)
        for wait_s in WAITS_S:
            if not (isinstance(fault, Fault) and read(fault)[0] is Meaning.THROTTLED):
                break
            await self.pace.sleep(wait_s)
            fault = await self._once(operation, parameters)
        return fault

    async def _once(self, operation: str, parameters: dict[str, object]) -> dict[str, Any] | Fault:
        await self.pace.turn()
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                answer: dict[str, Any] = await self._call(operation)(**parameters)
        except ClientError as error:
            return said_no(error)
        except (BotoCoreError, RuntimeError, TimeoutError, *UNREADABLE) as error:
            return broke(error)
        finally:
            self.pace.answered()
        if not answer.get("ResponseMetadata", {}).get("RequestId"):  # a proxy's page does not raise (aws-facts 0)
            return Fault(text=NOT_SES)
        return answer

    def _call(self, operation: str) -> Callable[..., Awaitable[Any]]:
        calls: dict[str, Callable[..., Awaitable[Any]]] = {
            "ListSuppressedDestinations": self.client.list_suppressed_destinations,
            "GetSuppressedDestination": self.client.get_suppressed_destination,
            "PutSuppressedDestination": self.client.put_suppressed_destination,
            "DeleteSuppressedDestination": self.client.delete_suppressed_destination,
        }
        return calls[operation]


def _listed(summary: dict[str, Any]) -> Listed | None:
    """One of SES's summaries; None for one without the fields that every one has."""
    address, reason = summary.get("EmailAddress"), summary.get("Reason")
    if not address:
        return None
    known = reason if reason in set(ListedReason) else ListedReason.BOUNCE  # a new kind of reason suppresses, too
    return Listed(address, ListedReason(known), summary.get("LastUpdateTime"))


def _error(fault: Fault, operation: str) -> AccountListError:
    """What is wrong; SES's own text may quote the address and is left out."""
    meaning, reason = read(fault)
    said = f"HTTP {fault.status} {fault.code}" if fault.status else fault.code or fault.text
    if fault.text == NOT_SES:
        return AccountListError(Reason.ANSWER_UNCLEAR, NOT_SES, NETWORK)
    if fault.code == LIST_CHANGED:
        return AccountListError(Reason.ANSWER_UNCLEAR, "SES's list has changed while it was read", AGAIN)
    if meaning is Meaning.DENIED:
        detail = f"the key may not call ses:{operation}"
        return AccountListError(reason, detail, f"allow the key ses:{operation} on resource *")
    if meaning is Meaning.THROTTLED:
        detail = f"SES throttles ses:{operation}: something else in this account calls it, too"
        return AccountListError(reason, detail, f"wait a while; {AGAIN}")
    if meaning is Meaning.ACCOUNT_HELD and reason in REMEDIES:
        return AccountListError(reason, f"SES answers ses:{operation} with {said}", REMEDIES[reason])
    if meaning is Meaning.UNREACHABLE or fault.status is None:
        return AccountListError(Reason.UNREACHABLE, f"SES does not answer ses:{operation} ({said})", NETWORK)
    return AccountListError(reason, f"SES answers ses:{operation} with {said}", AGAIN)
