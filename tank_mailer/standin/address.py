"""Addresses as SES reads them: enough to refuse what it refuses, in its words (aws-facts 1.5.2)."""

import re
from collections.abc import Callable
from typing import Final

from tank_mailer.standin.errors import AwsError

SIMULATOR_DOMAIN: Final = "simulator.amazonses.com"  # aws-facts 6

_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_WITH_NAME = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>\s*")
_CONTROL_OR_SPACE = re.compile(r"[\x00-\x20\x7f]")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f.:]+\]")

# What is wrong with a local part or a domain, in the order in which SES looks.
_FAULTS: Final[tuple[tuple[Callable[[str, str], object], str], ...]] = (
    (lambda _, domain: not domain, "Missing domain"),
    (lambda local, _: not local or ("," in local and not local.startswith('"')), "Illegal address"),
    (
        lambda local, _: _CONTROL_OR_SPACE.search(local) and not local.startswith('"'),
        "Local address contains control or whitespace",
    ),
    (lambda _, domain: _CONTROL_OR_SPACE.search(domain), "Domain contains control or whitespace"),
    (lambda _, domain: domain.startswith("."), "Domain starts with dot"),
    (lambda _, domain: domain.endswith("."), "Domain ends with dot"),
    (lambda _, domain: not _DOMAIN.fullmatch(domain), "Illegal address"),
)


def bare(mailbox: object) -> str:
    """The address out of `Name <address>`, checked."""
    if not isinstance(mailbox, str):
        raise _bad("Illegal address")
    if _PLAIN.fullmatch(mailbox):
        return mailbox
    if not mailbox.isascii():
        raise _bad("There are non-ASCII characters in the email address")
    found = _WITH_NAME.fullmatch(mailbox)
    plain = (found["address"] if found else mailbox).strip()
    if "<" in plain or ">" in plain or "\r" in mailbox or "\n" in mailbox:
        raise _bad("Illegal address")
    local, at, domain = plain.rpartition("@")
    if not at:
        raise _bad("Missing final '@domain'")
    for is_wrong, text in _FAULTS:
        if is_wrong(local, domain):
            raise _bad(text)
    return plain


def is_simulated(address: str) -> bool:
    """Whether the mailbox simulator takes it."""
    return address.lower().endswith(f"@{SIMULATOR_DOMAIN}")


def _bad(text: str) -> AwsError:
    return AwsError("BadRequestException", text)
