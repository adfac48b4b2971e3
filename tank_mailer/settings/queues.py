"""The form of a queue's URL, and how the queues of one daemon have to differ."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator

from tank_mailer.core.queueurl import region_of
from tank_mailer.settings.forms import RULE, refusal
from tank_mailer.settings.names import PREFIX

EXAMPLE: Final = "copy the queue's URL from the SQS console"

_PATH = re.compile(r"/(?:.+/)?(?P<account>\d{12})/(?P<queue>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)")  # SQS


def _queue_url(value: str) -> str:
    try:
        url = urlsplit(value)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        raise refusal("not a URL", EXAMPLE) from None
    path = _PATH.fullmatch(url.path)
    if value.startswith("arn:"):
        raise refusal("this is the queue's ARN; its URL is needed", EXAMPLE)
    if not usable or path is None or url.query or url.fragment or url.username is not None:
        raise refusal("not a queue URL of the form https://HOST/ACCOUNT/NAME, ACCOUNT in 12 digits", EXAMPLE)
    if path["queue"].endswith(".fifo"):
        raise refusal(
            "a FIFO queue: it holds back all messages behind one that is to be tried again, and drops what "
            "it takes for a copy within five minutes",
            "make a standard queue",
        )
    return value


QueueUrl = Annotated[str, AfterValidator(_queue_url)]


def account_of(url: str) -> str:
    """The AWS account in the path of a sound queue URL."""
    found = _PATH.fullmatch(urlsplit(url).path)
    return "" if found is None else found["account"]


def refuse_the_same(url: str | None, others: Mapping[str, Any], *, mixing: Mapping[str, str], remedy: str) -> None:
    """Refuse a queue that another setting names already.

    Args:
        url: the queue; None: unset, which is never refused.
        others: the sound settings, by field.
        mixing: fields of other queues, and what would come of sharing one.
        remedy: what to do instead.
    """
    same = [name for name in mixing if url is not None and url == others.get(name)]
    if same:
        names = " and ".join(f"{PREFIX}{name.upper()}" for name in same)
        raise refusal(f"the same queue as {names}: {mixing[same[0]]}", remedy, kind=RULE)


def refuse_another_region(url: str, outbound: str) -> None:
    """Refuse a queue that the client of the outbound one cannot reach: SQS knows a queue in its own region alone."""
    here, there = region_of(outbound), region_of(url)
    if here is not None and there is not None and here != there:
        raise refusal(
            f"a queue in {there}, while TANK_OUTBOUND_QUEUE_URL is one in {here}: both are read by one client",
            f"make the priority queue in {here}",
            kind=RULE,
        )
