"""How a recipient is named in a log line: so that lines can be told apart, and nobody be found."""

import hmac
import os
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

KEY_HEX_CHARS = 16  # 64 bits: one mailbox in a billion shares its name with another
HASH_KEY_BYTES = 32


class AddressPrivacy(StrEnum):
    """What a log line tells of an address."""

    HASH = "hash"  # a keyed hash and the domain
    MASK = "mask"  # besides, the first character
    PLAIN = "plain"  # besides, the address


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Names recipients in log lines; `hash_key` is the same on all nodes."""

    hash_key: str
    privacy: AddressPrivacy = AddressPrivacy.HASH

    def key_of(self, mailbox: str) -> str:
        """Make the `recipient_key` of a mailbox; upper and lower case are one."""
        digest = hmac.digest(self.hash_key.encode(), mailbox.lower().encode(errors="replace"), "sha256")
        return digest.hex()[:KEY_HEX_CHARS]

    def name_of(self, mailbox: str) -> dict[str, str]:
        """Make the fields of a log line that is about one mailbox."""
        local, _, domain = mailbox.rpartition("@")
        fields = {"recipient_key": self.key_of(mailbox), "recipient_domain": domain.lower()}
        match self.privacy:
            case AddressPrivacy.HASH:
                return fields
            case AddressPrivacy.MASK:
                return {**fields, "recipient_masked": f"{local[:1]}***@{domain}"}
            case AddressPrivacy.PLAIN:
                return {**fields, "recipient_address": mailbox}


def load_or_make_hash_key(path: Path) -> str:
    """Read the key, or make one that only our user may read.

    Whoever comes first makes it, in one step: two nodes that start together read the same key.

    Raises:
        OSError: the directory or the file cannot be read or written.
    """
    if key := _read(path):
        return key
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  # a descriptor, no path
            file.write(secrets.token_hex(HASH_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if path.exists() and not _read(path):  # emptied by a full disk, say
            draft.replace(path)
        else:
            _link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return _read(path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""


def _link(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return  # another process was first; its key counts
