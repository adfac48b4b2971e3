"""A person who is to be forgotten: which texts name the address, and what may stay."""

import json

import pytest

from tank_mailer.core.erasure import GONE, Person, impersonal

JANE = Person("jane.doe@example.com")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("jane.doe@example.com", id="alone"),
        pytest.param('{"to": "JANE.Doe@Example.COM"}', id="in-any-case"),
        pytest.param("550 <jane.doe@example.com>... no such user", id="in-angle-brackets"),
        pytest.param("rfc822;jane.doe@example.com.", id="at-the-end-of-a-sentence"),
        pytest.param("'jane.doe@example.com'", id="in-single-quotes"),
        pytest.param('{"to": "jane.doe\\u0040example.com"}', id="as-JSON-may-write-it"),
        pytest.param('{"text": "Hello\\njane.doe@example.com"}', id="behind-a-line-end-in-JSON"),
        pytest.param("https://example.org/?email=jane.doe%40example.com&x=1", id="in-a-link"),
        pytest.param("mail jane.doe&#64;example.com", id="in-HTML"),
    ],
)
def test_named(text: str) -> None:
    assert JANE.is_named_in(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("mary-jane.doe@example.com", id="a-longer-name"),
        pytest.param("x.jane.doe@example.com", id="a-name-with-one-more-dot"),
        pytest.param("jane.doe+news@example.com", id="another-plus-address"),
        pytest.param("janeXdoe@example.com", id="a-dot-is-a-dot"),
        pytest.param("jane.doe@example.com.au", id="a-longer-domain"),
        pytest.param("jane.doe@example.community", id="another-domain"),
        pytest.param("jane.doe@mail.example.com", id="a-subdomain"),
        pytest.param("", id="nothing"),
    ],
)
def test_somebody_else(text: str) -> None:
    """Whoever erases too much destroys what others may still ask for."""
    assert not JANE.is_named_in(text)


def test_a_domain_in_both_its_spellings() -> None:
    person = Person("jane@xn--bcher-kva.example.com")

    assert person.is_named_in("Jane@Bücher.example.com")
    assert person.is_named_in("jane@XN--BCHER-KVA.example.com")


def test_a_domain_that_no_letters_stand_for() -> None:
    assert Person("jane@xn--a.example.com").is_named_in("jane@xn--a.example.com")


def test_the_hash_takes_its_place() -> None:
    assert JANE.left_of("to Jane.Doe@example.com, mary@example.com") == f"to {JANE.hash}, mary@example.com"
    assert JANE.left_of("see jane.doe%40example.com") == GONE


def test_news_keeps_its_job() -> None:
    """The web server knows the job by its id, even if that holds the address; only its own it may change."""
    data = {"email_id": "jane.doe@example.com-1", "recipient": JANE.key, "status": "delivered"}
    payload = json.dumps({"type": "email.status", "data": data})

    assert json.loads(JANE.letter_without(payload))["data"] == {**data, "recipient": JANE.hash}
    assert Person("john@example.com").letter_without(payload) == payload


def test_facts() -> None:
    facts = {"type": "Permanent", "diagnostic": "550 jane", "ip": "192.0.2.1", "link": "https://x", "code": "5.1.1"}

    assert impersonal(facts) == {"type": "Permanent", "code": "5.1.1", "erased": True}
    assert JANE.facts_of_others({"type": "Permanent", "diagnostic": "550 jane.doe@example.com"}) == {
        "type": "Permanent"
    }
    assert JANE.facts_of_others({"diagnostic": "550 john@example.com"}) == {"diagnostic": "550 john@example.com"}
