"""Which `TANK_*` names there are, and what a name means that is none of them."""

from collections.abc import Collection
from difflib import get_close_matches

PREFIX = "TANK_"
ENV_FILE_NAME = "TANK_ENV_FILE"  # says where settings are, as --env-file does; none itself
CLOSE_ENOUGH = 0.8  # of 1.0: one or two letters, or a missing unit


def near_miss(name: str, known: Collection[str]) -> str | None:
    """Find the one of `known` that was probably meant; the prefix, which all share, does not count."""
    bare = {other.removeprefix(PREFIX): other for other in known}
    found = get_close_matches(name.upper().removeprefix(PREFIX), bare, n=1, cutoff=CLOSE_ENOUGH)
    return bare[found[0]] if found else None
