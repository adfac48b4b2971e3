"""How a recipient is named in a log line."""

import re
from pathlib import Path

import pytest

from tank_mailer.telemetry.privacy import AddressPrivacy, Recipients, _link, load_or_make_hash_key

KEY = "k" * 32


def test_the_same_mailbox_has_the_same_name() -> None:
    recipients = Recipients(hash_key=KEY)

    assert recipients.key_of("Bob@Example.com") == recipients.key_of("bob@example.com")
    assert recipients.key_of("bob@example.com") != recipients.key_of("rob@example.com")
    assert re.fullmatch(r"[0-9a-f]{16}", recipients.key_of("bob@example.com"))


def test_another_key_gives_other_names() -> None:
    """Without the key nobody can try addresses until a name fits."""
    assert Recipients(hash_key="a").key_of("bob@example.com") != Recipients(hash_key="b").key_of("bob@example.com")


@pytest.mark.parametrize(
    ("privacy", "more"),
    [
        pytest.param(AddressPrivacy.HASH, {}, id="hash-tells-nothing-more"),
        pytest.param(AddressPrivacy.MASK, {"recipient_masked": "b***@Example.com"}, id="mask-tells-a-letter"),
        pytest.param(AddressPrivacy.PLAIN, {"recipient_address": "bob@Example.com"}, id="plain-tells-all"),
    ],
)
def test_name_of(privacy: AddressPrivacy, more: dict[str, str]) -> None:
    recipients = Recipients(hash_key=KEY, privacy=privacy)

    fields = recipients.name_of("bob@Example.com")

    key = recipients.key_of("bob@example.com")
    assert fields == {"recipient_key": key, "recipient_domain": "example.com", **more}


def test_odd_mailboxes_have_names_too() -> None:
    recipients = Recipients(hash_key=KEY, privacy=AddressPrivacy.MASK)

    assert recipients.name_of("")["recipient_domain"] == ""
    assert recipients.name_of("no-sign")["recipient_masked"] == "***@no-sign"
    assert recipients.key_of("\ud800@example.com")


def test_a_key_is_made_once_and_for_us_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "hash-key"

    key = load_or_make_hash_key(path)

    assert re.fullmatch(r"[0-9a-f]{64}", key)
    assert load_or_make_hash_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["hash-key"]


def test_an_emptied_key_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "hash-key"
    path.touch()

    key = load_or_make_hash_key(path)

    assert key
    assert load_or_make_hash_key(path) == key


def test_of_two_that_start_together_the_first_makes_the_key(tmp_path: Path) -> None:
    path, draft = tmp_path / "hash-key", tmp_path / "draft"
    path.write_text("first", encoding="ascii")
    draft.write_text("second", encoding="ascii")

    _link(draft, path)

    assert load_or_make_hash_key(path) == "first"


def test_a_file_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        load_or_make_hash_key(tmp_path)
