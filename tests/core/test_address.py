from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from tank_mailer.core.address import Address, AddressError, mailbox_key, parse_address
from tank_mailer.core.errors import Reason


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("a@example.com", Address("a@example.com"), id="a-bare-mailbox"),
        pytest.param("  a@example.com ", Address("a@example.com"), id="white-space-around-is-nothing"),
        pytest.param("<a@example.com>", Address("a@example.com"), id="angle-brackets-alone"),
        pytest.param("Ann <a@example.com>", Address("a@example.com", "Ann"), id="a-name-without-quotes"),
        pytest.param(
            "Acme Inc. (Sales) <a@example.com>",
            Address("a@example.com", "Acme Inc. (Sales)"),
            id="dots-and-brackets-in-a-name-need-no-quotes",
        ),
        pytest.param("Jörg <a@example.com>", Address("a@example.com", "Jörg"), id="letters-of-any-script"),
        pytest.param('"Doe, Ann" <a@example.com>', Address("a@example.com", "Doe, Ann"), id="a-comma-inside-quotes"),
        pytest.param(
            r'"A \"B\" \\ C" <a@example.com>',
            Address("a@example.com", r'A "B" \ C'),
            id="escapes-inside-quotes-are-undone",
        ),
        pytest.param(
            "=?utf-8?q?J=C3=B6rg?= <a@example.com>",
            Address("a@example.com", "Jörg"),
            id="a-name-in-rfc-2047-words-is-decoded",
        ),
        pytest.param(
            '"=?iso-8859-1?q?J=F6rg?=" <a@example.com>',
            Address("a@example.com", "Jörg"),
            id="words-inside-quotes-are-decoded-too",
        ),
        pytest.param("Ann@EXAMPLE.Com", Address("Ann@example.com"), id="the-domain-is-lower-case-only"),
        pytest.param("INFO@example.com", Address("INFO@example.com"), id="a-role's-name-stays-as-given"),
        pytest.param("a@bücher.example", Address("a@xn--bcher-kva.example"), id="a-domain-becomes-punycode"),
        pytest.param("a@XN--BCHER-KVA.example", Address("a@xn--bcher-kva.example"), id="punycode-stays"),
        pytest.param("a+b.c@example.com", Address("a+b.c@example.com"), id="plus-signs-and-dots-stay"),
        pytest.param("o'neil@mail.example", Address("o'neil@mail.example"), id="an-apostrophe"),
    ],
)
def test_what_is_an_address(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "empty", id="nothing"),
        pytest.param("   ", "empty", id="white-space-alone"),
        pytest.param("ann", "no @-sign", id="a-word"),
        pytest.param("Ann <ann>", "no @-sign", id="a-word-in-angle-brackets"),
        pytest.param("a@b@example.com", "more than one @-sign", id="two-at-signs"),
        pytest.param("a@example.com, b@example.com", "give several", id="two-addresses-in-one-text"),
        pytest.param("a@example.com, Bob <b@example.com>", "give several", id="two-addresses-with-a-name"),
        pytest.param("@example.com", "before the @-sign", id="nothing-before-the-at-sign"),
        pytest.param("a..b@example.com", "before the @-sign", id="two-dots-side-by-side"),
        pytest.param(".a@example.com", "before the @-sign", id="a-dot-at-the-beginning"),
        pytest.param("a b@example.com", "before the @-sign", id="a-space-inside"),
        pytest.param('"a b"@example.com', "before the @-sign", id="a-quoted-local-part"),
        pytest.param("<a@example.com", "before the @-sign", id="an-open-angle-bracket"),
        pytest.param("jörg@example.com", "outside ASCII", id="ses-takes-no-smtputf8"),
        pytest.param("a@", "whole domain", id="nothing-after-the-at-sign"),
        pytest.param("a@example", "whole domain", id="a-top-level-domain"),
        pytest.param("a@localhost", "whole domain", id="localhost"),
        pytest.param("a@shop.test", "no mail reaches", id="a-domain-for-tests"),
        pytest.param("a@shop.invalid", "no mail reaches", id="an-invalid-domain"),
        pytest.param("a@PRINTER.LOCAL", "no mail reaches", id="a-local-domain"),
        pytest.param("a@-x.com", "cannot exist", id="a-hyphen-at-the-beginning"),
        pytest.param("a@example..com", "cannot exist", id="an-empty-label"),
        pytest.param("a@[192.0.2.1]", "cannot exist", id="an-ip-address"),
        pytest.param("a@exa mple.com", "cannot exist", id="a-space-in-the-domain"),
        pytest.param("a@example.com>", "cannot exist", id="a-closing-angle-bracket-alone"),
        pytest.param("a@" + "x" * 255 + ".com", "longer than any", id="a-domain-beyond-dns"),
        pytest.param("a" * 243 + "@example.com", "254", id="255-characters"),
        pytest.param("a" * 2_049, "2048", id="a-text-beyond-any-address"),
        pytest.param("Doe, Ann <a@example.com>", "double quotes", id="a-comma-without-quotes"),
        pytest.param('Ann "A" <a@example.com>', "double quotes", id="quotes-in-the-middle-of-a-name"),
        pytest.param('"Ann <a@example.com>', "does not end", id="quotes-that-do-not-end"),
        pytest.param('"Ann" A <a@example.com>', "does not end", id="quotes-that-end-too-early"),
        pytest.param("n" * 256 + " <a@example.com>", "255", id="a-name-of-256-characters"),
        pytest.param("=?nope?q?x?= <a@example.com>", "cannot be read", id="words-in-no-known-charset"),
        pytest.param("=?utf-8?q?=FF?= <a@example.com>", "cannot be read", id="words-with-other-bytes"),
        pytest.param("=?utf-8?b?A?= <a@example.com>", "cannot be read", id="words-in-broken-base64"),
        pytest.param("\ud800 <a@example.com>", "lone surrogate", id="half-a-character"),
        pytest.param("=?unicode_escape?q?=5Cud800?= <a@example.com>", "lone surrogate", id="half-a-character-in-words"),
    ],
)
def test_what_is_none(text: str, says: str) -> None:
    with pytest.raises(AddressError, match=says) as caught:
        parse_address(text)

    assert caught.value.reason is Reason.BAD_ADDRESS
    assert caught.value.detail == str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a@example.com\r\nBcc: b@example.com", id="a-line's-end-after-the-mailbox"),
        pytest.param("a@example.com\n", id="a-line's-end-that-stripping-would-hide"),
        pytest.param("Ann\rX <a@example.com>", id="a-carriage-return-in-the-name"),
        pytest.param("a\0@example.com", id="a-nul"),
        pytest.param("Ann\x85 <a@example.com>", id="next-line"),
        pytest.param("Ann\u2028 <a@example.com>", id="a-line-separator"),
        pytest.param("=?utf-8?q?A=0D=0ABcc:b?= <a@example.com>", id="a-line's-end-hidden-in-words"),
    ],
)
def test_no_header_is_smuggled_in(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)

    assert caught.value.reason is Reason.HEADER_INJECTION


@pytest.mark.parametrize(
    ("address", "header"),
    [
        pytest.param(Address("a@example.com"), "a@example.com", id="no-name"),
        pytest.param(Address("a@example.com", "Ann"), '"Ann" <a@example.com>', id="a-name-is-quoted"),
        pytest.param(Address("a@example.com", 'A "B" \\'), r'"A \"B\" \\" <a@example.com>', id="quotes-are-escaped"),
        pytest.param(Address("a@example.com", "Jörg"), "=?utf-8?b?SsO2cmc=?= <a@example.com>", id="words"),
        pytest.param(Address("a@example.com", "=?x?="), "=?utf-8?b?PT94Pz0=?= <a@example.com>", id="no-false-words"),
    ],
)
def test_what_ses_gets(address: Address, header: str) -> None:
    assert address.header == header


def test_one_spelling_for_one_mailbox() -> None:
    assert mailbox_key('"Ann" <Ann+News@EXAMPLE.com>') == "ann+news@example.com"
    assert parse_address("Ann@Bücher.example").key == parse_address("ANN@xn--bcher-kva.example").key
    assert parse_address("Ann <a@Example.com>").domain == "example.com"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
@example("é" * 255)
@example("=?utf-8?q?x?=")
def test_a_name_comes_back_from_its_header(name: str) -> None:
    """A recipient's mail program reads the name that the producer gave."""
    header = Address("a@example.com", name).header

    assert header.isascii()
    assert header.isprintable()
    encoded, mailbox = parseaddr(header)
    assert mailbox == "a@example.com"
    assert str(make_header(decode_header(encoded))) == name


@given(st.emails())
def test_we_agree_with_the_library(text: str) -> None:
    """Local parts are checked here, for speed; that must not make another rule of it."""
    try:
        expected = validate_email(text, check_deliverability=False, allow_smtputf8=False).ascii_email
    except EmailNotValidError:
        expected = None
    try:
        found = parse_address(text).mailbox
    except AddressError:
        found = None

    assert (found and found.lower()) == (expected and expected.lower())


@given(st.text() | st.text(alphabet='a@.<>"\\ =?,é\u200b\ud800\0'))
def test_every_text_is_an_address_or_none(text: str) -> None:
    try:
        header = parse_address(text).header
    except AddressError as error:
        assert error.detail.endswith(".")  # noqa: PT017 - either is fine
    else:
        assert header.isascii()
        assert header.isprintable()
