"""What a queue's URL tells of it."""

import re
from urllib.parse import urlsplit

# AWS's own names, of today and of before; with other hosts the region is not to be seen.
_HOST = re.compile(r"(?:sqs|sqs-fips)\.(?P<region>[a-z0-9-]+)\..+\..+|(?P<older>[a-z0-9-]+)\.queue\.amazonaws\..+")


def region_of(url: str) -> str | None:
    """The region in the host of a queue's URL; None where it does not tell."""
    found = _HOST.fullmatch(urlsplit(url).hostname or "")
    return None if found is None else found["region"] or found["older"]
