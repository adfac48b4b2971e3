"""SPF records, as far as they can be judged without following them (RFC 7208)."""

from collections.abc import Sequence
from typing import Final

SES_INCLUDE: Final = "include:amazonses.com"
VERSION: Final = "v=spf1"
MAX_LOOKUPS: Final = 10  # RFC 7208, 4.6.4
_LOOKED_UP: Final = ("include", "a", "mx", "ptr", "exists", "redirect")


def policies(texts: Sequence[str]) -> list[str]:
    """Those of a name's TXT records that are SPF: the version is a word of its own, in any case."""
    return [text for text in texts if text.lower().split(" ", 1)[0] == VERSION]


def too_many_lookups(policy: str) -> int:
    """How many look-ups the record itself asks for, if they are more than receivers do; 0: they are not."""
    count = sum(_mechanism(word) in _LOOKED_UP for word in policy.lower().split()[1:])
    return count if count > MAX_LOOKUPS else 0


def _mechanism(word: str) -> str:
    """`-include:x` and `redirect=x` by their names."""
    bare = word.lstrip("+-~?")
    return min((bare.partition(end)[0] for end in ":/="), key=len)
