"""A person who is to be forgotten: where a text names the address, and what of it may stay."""

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar
from urllib.parse import unquote

from tank_mailer.core.address import address_hash

T = TypeVar("T")
ERASED = "The text was erased: it named a person who is not to be known here any more."
GONE = "(erased)"

# What of an event's facts tells of nobody: SES's and the mail protocol's own words. A new fact goes until it is here.
IMPERSONAL = frozenset({
    *("type", "subtype", "feedback_type", "action", "code", "expires_at", "reason", "template"),
    *("processing_ms", "is_bot", "unsubscribe_all"),
})  # fmt: skip
MARK = "erased"  # a fact of its own: the others can no longer be judged anew

_JSON_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\[nrtbf]")
# A name of such letters goes on before the address, or its domain after it: it is somebody else's.
_BEFORE, _AFTER = r"(?<![\w.+-])", r"(?![\w-]|\.\w)"


@dataclass(frozen=True)
class Person:
    """Somebody, by the mailbox key."""

    key: str

    @property
    def hash(self) -> str:
        """What stands for the address from now on."""
        return address_hash(self.key)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        local_part, _, domain = self.key.rpartition("@")
        try:
            spellings = {domain, domain.encode().decode("idna")}
        except UnicodeError:
            spellings = {domain}
        domains = "|".join(re.escape(one) for one in sorted(spellings))
        return re.compile(f"{_BEFORE}{re.escape(local_part)}@(?:{domains}){_AFTER}", re.IGNORECASE)

    def is_named_in(self, text: str) -> bool:
        """Whether a text has the address in it, in any case, also as JSON, a URL or HTML write it."""
        return bool(self._pattern.search(text) or self._pattern.search(_plain(text)))

    def left_of(self, text: str) -> str:
        """The text with the hash in the address's place."""
        found = self._pattern.sub(self.hash, text)
        return GONE if self.is_named_in(found) else found

    def letter_without(self, payload: str) -> str:
        """News for the web server with the hash in the address's place; the email_id stays, whatever it says."""
        news = json.loads(payload)
        if news["data"]["recipient"] != self.key:
            return payload
        news["data"]["recipient"] = self.hash
        return json.dumps(news, ensure_ascii=False)

    def facts_of_others(self, facts: Mapping[str, object]) -> dict[str, object]:
        """What stays of another recipient's event, whose text may name this one beside."""
        return {name: value for name, value in facts.items() if not self.is_named_in(str(value))}


def impersonal(facts: Mapping[str, T]) -> dict[str, T | bool]:
    """What stays of an event of this person's."""
    return {**{name: value for name, value in facts.items() if name in IMPERSONAL}, MARK: True}


def _plain(text: str) -> str:
    """Undo what the writer of a job or a link may have done to the @-sign and other characters."""
    if "\\" in text:
        text = _JSON_ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", text)
    if "%" in text:
        text = unquote(text)
    return html.unescape(text) if "&" in text else text
