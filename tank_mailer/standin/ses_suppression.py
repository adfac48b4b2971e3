"""SESv2's calls on the account's suppression list."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tank_mailer.standin import parameters
from tank_mailer.standin.account import Account
from tank_mailer.standin.address import bare
from tank_mailer.standin.clock import Clock
from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.suppressed import REASONS, Suppressed, SuppressionList

MAX_PAGE: Final = 1_000  # not documented; aws-facts 2.5


@dataclass(slots=True, kw_only=True, eq=False)
class SuppressionCalls:
    """Four operations; `name` is the address in the path."""

    listed: SuppressionList
    account: Account
    clock: Clock

    def put(self, _: str, request: Json) -> Json:
        """Not in the sandbox (aws-facts 2.5)."""
        address, reason = parameters.text(request, "EmailAddress"), parameters.text(request, "Reason")
        if reason not in REASONS:
            raise _bad(f"Reason is one of {', '.join(REASONS)}.")
        if bare(address) != address:
            raise _bad("Illegal address")
        if not self.account.settings.production_access:
            raise _bad("The suppression list cannot be changed while the account is in the sandbox.")  # text unsure
        self.listed.put(Suppressed(address=address, reason=reason, updated_at=self.clock.wall()))
        return {}

    def get(self, name: str, _: Json) -> Json:
        """By its exact spelling."""
        entry = self.listed.require(name)
        ids = {"MessageId": entry.message_id, "FeedbackId": entry.feedback_id}
        attributes = {"Attributes": ids} if entry.message_id else {}
        return {"SuppressedDestination": {**_summary(entry), **attributes}}

    def delete(self, name: str, _: Json) -> Json:
        """By its exact spelling."""
        self.listed.remove(name)
        return {}

    def list(self, _: str, request: Json) -> Json:
        """A page, by address. The values come from the query: lists of texts."""
        reasons = [str(reason) for reason in request.get("Reason", REASONS)]
        if any(reason not in REASONS for reason in reasons):
            raise _bad(f"Reason is one of {', '.join(REASONS)}.")
        size = _page_size(_one(request, "PageSize") or str(MAX_PAGE))
        after = _read_token(_one(request, "NextToken"))
        since, until = _moment(request, "StartDate"), _moment(request, "EndDate")
        found = sorted(
            entry.address
            for entry in self.listed.by_spelling.values()
            if entry.reason in reasons
            and entry.address > after
            and (since is None or since <= entry.updated_at)
            and (until is None or entry.updated_at <= until)
        )
        page = found[:size]
        answer: Json = {
            "SuppressedDestinationSummaries": [_summary(self.listed.by_spelling[address]) for address in page]
        }
        if len(found) > size:
            answer["NextToken"] = base64.urlsafe_b64encode(page[-1].encode()).decode()
        return answer


OPERATIONS: Final[dict[str, Callable[[SuppressionCalls, str, Json], Json]]] = {
    "PutSuppressedDestination": SuppressionCalls.put,
    "GetSuppressedDestination": SuppressionCalls.get,
    "DeleteSuppressedDestination": SuppressionCalls.delete,
    "ListSuppressedDestinations": SuppressionCalls.list,
}


def _summary(entry: Suppressed) -> Json:
    return {
        "EmailAddress": entry.address,
        "Reason": entry.reason,
        "LastUpdateTime": round(entry.updated_at.timestamp(), 3),
    }


def _one(request: Json, name: str) -> str:
    return str(request[name][0]) if request.get(name) else ""


def _page_size(given: str) -> int:
    if not given.isdecimal() or not 1 <= int(given) <= MAX_PAGE:
        raise _bad(f"PageSize is a number from 1 to {MAX_PAGE}.")
    return int(given)


def _read_token(token: str) -> str:
    """The last address of the page before; all come after an empty one."""
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise AwsError("InvalidNextTokenException", "The NextToken is not valid.") from None


def _moment(request: Json, name: str) -> datetime | None:
    given = _one(request, name)
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise _bad(f"{name} is not a date.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bad(text: str) -> AwsError:
    return AwsError("BadRequestException", text)
