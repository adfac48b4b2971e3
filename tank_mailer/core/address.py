"""Addresses: what SES takes for one, and one spelling for one mailbox."""

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from tank_mailer.core.errors import Reason
from tank_mailer.core.headertext import CONTROL, SURROGATE, decode_words, encode_words

MAX_TEXT_CHARACTERS = 2_048  # ours: room for a name of 255 characters in its RFC 2047 spelling
MAX_NAME_CHARACTERS = 255  # ours: more is no name
HASHED = "hash:"  # no address begins so: a colon stands in none
MAX_MAILBOX_CHARACTERS = 254  # RFC 5321, section 4.5.3.1.3 (a path of 256 with its angle brackets)

_LOCAL_PART = re.compile(r"[\w!#$%&'*+\-/=?^`{|}~]+(?:\.[\w!#$%&'*+\-/=?^`{|}~]+)*", re.ASCII)  # RFC 5322, 3.2.3
_QUOTED_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_NOT_IN_BARE_NAME = re.compile(r'[",;<>@]')  # a second address might hide behind any of them


class AddressError(ValueError):
    """A text is no address that SES takes; `detail` says why, and quotes nothing of it."""

    def __init__(self, detail: str, reason: Reason = Reason.BAD_ADDRESS) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox, with the name that a reader sees beside it."""

    mailbox: str  # local part as given, domain lower-case in Punycode
    name: str = ""  # decoded

    @property
    def key(self) -> str:
        """The one spelling under which this mailbox is looked up; plus signs stay.

        RFC 5321 (2.4) lets a mailbox depend on its case and advises against it; a suppressed one must not be
        reached by way of a capital letter.
        """
        return self.mailbox.lower()

    @property
    def domain(self) -> str:
        """The part after the @-sign, in Punycode."""
        return self.mailbox.rpartition("@")[2]

    @property
    def header(self) -> str:
        """What SES gets: ASCII, names outside of it in RFC 2047 words (SES: Destination)."""
        if not self.name:
            return self.mailbox
        if self.name.isascii() and "=?" not in self.name:
            escaped = self.name.replace("\\", r"\\").replace('"', r"\"")
            return f'"{escaped}" <{self.mailbox}>'
        return f"{encode_words(self.name)} <{self.mailbox}>"


def parse_address(text: str) -> Address:
    """Read `mailbox` or `Name <mailbox>`.

    More lenient than RFC 5322 with names, which may hold dots and letters of any script without quotes, since
    SES gets them in our spelling. Stricter with local parts: SES takes none outside ASCII (SES: Destination),
    and quoted ones are refused as `email-validator` does.

    Raises:
        AddressError: SES would not take it, or no mail reaches it.
    """
    return _parse(text)


def mailbox_key(text: str) -> str:
    """Return the look-up spelling of an address as people write it; raises what `parse_address` raises."""
    return parse_address(text).key


def address_hash(key: str) -> str:
    """Return what stands for a mailbox key where the address itself may not be kept.

    A hash stands for itself. Without a secret, for it must be the same on every node and after every restore; so it
    hides an address from readers, not from somebody who tries addresses out.
    """
    if key.startswith(HASHED):
        return key
    return f"{HASHED}{blake2b(key.encode(), digest_size=16, person=b'tank-mailer').hexdigest()}"


@lru_cache(maxsize=4096)  # a few senders come again and again, recipients now and then
def _parse(text: str) -> Address:
    _refuse_hostile(text)
    text = text.strip()
    if len(text) > MAX_TEXT_CHARACTERS:
        raise AddressError(f"The address is longer than {MAX_TEXT_CHARACTERS} characters.")
    if not text:
        raise AddressError("The address is empty.")
    head, opening, tail = text.rpartition("<")
    if opening and tail.endswith(">"):
        return Address(_mailbox(tail[:-1].strip()), _name(head.strip()))
    return Address(_mailbox(text))


def _refuse_hostile(text: str) -> None:
    if CONTROL.search(text):
        raise AddressError(
            "The address has a control character in it (CR, LF, NUL or the like); take it out.",
            Reason.HEADER_INJECTION,
        )
    if not text.isascii() and SURROGATE.search(text):
        raise AddressError("The address has half a character (a lone surrogate) in it; write it as valid Unicode.")


def _mailbox(text: str) -> str:
    local_part, at, domain = text.rpartition("@")
    if not at:
        raise AddressError("The address has no @-sign.")
    if "@" in local_part:
        raise AddressError("The address has more than one @-sign; give several addresses as a list of texts.")
    if not local_part.isascii():
        raise AddressError("The address has a character outside ASCII before the @-sign; SES cannot send there.")
    if not _LOCAL_PART.fullmatch(local_part):
        raise AddressError(
            "The address has something before the @-sign that may not stand there: look for spaces, quotes,"
            " commas, and dots at an end or side by side.",
        )
    mailbox = f"{local_part}@{_domain(domain)}"
    if len(mailbox) > MAX_MAILBOX_CHARACTERS:
        raise AddressError(f"The address is longer than {MAX_MAILBOX_CHARACTERS} characters.")
    return mailbox


@lru_cache(maxsize=4096)  # many recipients, few domains: what costs time is done once for each
def _domain(domain: str) -> str:
    if len(domain) > MAX_MAILBOX_CHARACTERS:
        raise AddressError("The address has a domain that is longer than any.")
    try:
        found = validate_email(f"x@{domain}", check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        raise AddressError(_what_is_wrong_with(domain)) from None  # the cause quotes parts of the address
    return found.ascii_domain.lower()


def _what_is_wrong_with(domain: str) -> str:
    if "." not in domain:
        return "The address needs a whole domain after the @-sign, such as example.com."
    if domain.lower().rpartition(".")[2] in SPECIAL_USE_DOMAIN_NAMES:
        return "The address has a domain that no mail reaches, such as .test or .local; use a real one."
    return "The address has a domain that cannot exist: look for spaces, commas, odd characters and double dots."


def _name(text: str) -> str:
    if text.startswith('"'):
        quoted = _QUOTED_NAME.fullmatch(text)
        if not quoted:
            raise AddressError("The display name begins with a double quote and does not end with one.")
        text = _ESCAPED.sub(r"\1", quoted[1])
    elif _NOT_IN_BARE_NAME.search(text):
        raise AddressError(
            "The display name has a comma, semicolon, quote, @-sign or angle bracket in it: put the name into"
            " double quotes, or give several addresses as a list of texts.",
        )
    if "=?" in text:
        decoded = decode_words(text)
        if decoded is None:
            raise AddressError("The display name is encoded in a way that cannot be read; write it as plain Unicode.")
        text = decoded
        _refuse_hostile(text)
    if len(text) > MAX_NAME_CHARACTERS:
        raise AddressError(f"The display name is longer than {MAX_NAME_CHARACTERS} characters.")
    return text.strip()
