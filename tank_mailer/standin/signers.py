"""Which access key has signed what, and which ones AWS would not take any more; no signature is checked."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tank_mailer.standin.errors import AwsError, Json

SQS: Final = "sqs"
NOBODY: Final = ""  # a request without a signature
EXPIRED, INVALID = "expired", "invalid"

_KEY = re.compile(r"Credential=([^/,\s]+)/")
_TEXT: Final = "The security token included in the request is"
_REFUSALS: Final = {  # what SQS calls it, what all others do, and their words (aws-facts 1.5)
    EXPIRED: ("ExpiredToken", "ExpiredTokenException", f"{_TEXT} expired"),
    INVALID: ("InvalidClientTokenId", "UnrecognizedClientException", f"{_TEXT} invalid."),
}


@dataclass(slots=True, eq=False)
class Signers:
    """Every key is good until an observer says otherwise."""

    calls: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)  # how

    def admit(self, key: str, service: str) -> None:
        """Count one more call, or refuse it in the service's words."""
        self.calls[key] += 1
        if how := self.refused.get(key):
            for_sqs, for_others, text = _REFUSALS[how]
            raise AwsError(for_sqs if service == SQS else for_others, text, status=403)

    def shown(self) -> Json:
        """By key, as an observer reads it."""
        keys = sorted({*self.calls, *self.refused})
        return {key: {"calls": self.calls[key], "refused": self.refused.get(key)} for key in keys}

    def change(self, key: str, changes: Json) -> None:
        """Take over `refused`."""
        how = changes.get("refused")
        if not key or set(changes) != {"refused"} or how not in {*_REFUSALS, None}:
            raise AwsError("BadRequestException", f'a key and {{"refused": {EXPIRED}, {INVALID} or null}} are wanted')
        if how is None:
            self.refused.pop(key, None)
        else:
            self.refused[key] = how

    def clear(self) -> None:
        """Begin anew."""
        self.calls.clear()
        self.refused.clear()


def key_of(authorization: str) -> str:
    """The access key id in a request's signature (SigV4)."""
    found = _KEY.search(authorization)
    return found[1] if found else NOBODY
