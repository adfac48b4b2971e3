"""What a person's order is about, and what `resume` does to pauses that began by themselves."""

from datetime import UTC, datetime

import pytest

from tank_mailer.core.lanes import LANES
from tank_mailer.core.outcome import Concerned
from tank_mailer.core.scope import (
    ALL,
    Answer,
    Scope,
    ScopeError,
    ScopeKind,
    answer_to,
    concern_of,
    make_scope,
    parse_scope,
)
from tank_mailer.core.view import PauseView

AT = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
ORDINARY = Scope(ScopeKind.LANE, "ordinary")


@pytest.mark.parametrize(
    ("text", "scope", "said"),
    [
        pytest.param("all", ALL, "everything", id="everything"),
        pytest.param("lane/priority", Scope(ScopeKind.LANE, "priority"), "the priority lane", id="one-lane"),
        pytest.param("lane/ordinary", ORDINARY, "the ordinary lane", id="the-other-lane"),
        pytest.param(
            "sender/news@example.com",
            Scope(ScopeKind.SENDER, "news@example.com"),
            "mail from news@example.com",
            id="one-sender",
        ),
        pytest.param(
            "sender/a/b@example.com",
            Scope(ScopeKind.SENDER, "a/b@example.com"),
            "mail from a/b@example.com",
            id="a-sender-with-a-slash",
        ),
        pytest.param(
            "configuration_set/tank-1",
            Scope(ScopeKind.CONFIGURATION_SET, "tank-1"),
            "mail through the configuration set tank-1",
            id="one-set",
        ),
    ],
)
def test_a_scope_is_spelled_as_it_is_read(text: str, scope: Scope, said: str) -> None:
    assert parse_scope(text) == scope
    assert scope.text == text
    assert scope.said == said


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("", "one of all, lane/NAME, sender/NAME, configuration_set/NAME", id="nothing"),
        pytest.param("everything", "one of all", id="another-word"),
        pytest.param("all/ordinary", "stands alone", id="everything-with-a-name"),
        pytest.param("lane", "no such lane", id="a-lane-without-a-name"),
        pytest.param("lane/", "one of all", id="a-slash-and-nothing-after-it"),
        pytest.param("lane/express", "there are priority and ordinary", id="no-such-lane"),
        pytest.param("sender/nobody", "no @-sign", id="no-address"),
        pytest.param("configuration_set/a b", "1 to 64 letters", id="no-name-of-a-set"),
    ],
)
def test_what_is_no_scope_is_told_so(text: str, word: str) -> None:
    with pytest.raises(ScopeError, match=word):
        parse_scope(text)


def test_a_sender_is_one_mailbox_however_it_is_spelled() -> None:
    assert make_scope(ScopeKind.SENDER, "News <NEWS@Example.COM>").text == "sender/news@example.com"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        pytest.param("all", "tank-mailer resume", id="everything"),
        pytest.param("lane/priority", "tank-mailer resume --lane priority", id="a-lane"),
        pytest.param(
            "sender/o'hara@example.com", """tank-mailer resume --from 'o'"'"'hara@example.com'""", id="a-sender"
        ),
        pytest.param("configuration_set/tank", "tank-mailer resume --configuration-set tank", id="a-set"),
    ],
)
def test_the_way_back_can_be_pasted_into_a_shell(text: str, command: str) -> None:
    assert parse_scope(text).resume == command


def pause(concern: str, name: str = "") -> PauseView:
    return PauseView(concern=concern, name=name, reason="any", since=AT)


@pytest.mark.parametrize(
    ("scope", "standing", "answer"),
    [
        # Quota and account pauses cannot be lifted by a person, the daemon only looks again.
        pytest.param(ALL, pause("account"), Answer.LOOKED_AT, id="the-account-is-only-looked-at"),
        pytest.param(ALL, pause("ses"), Answer.LOOKED_AT, id="ses-is-only-looked-at"),
        pytest.param(ALL, pause("store"), Answer.LOOKED_AT, id="the-store-is-only-looked-at"),
        pytest.param(ALL, pause("queue", "ordinary"), Answer.LOOKED_AT, id="a-queue-is-only-looked-at"),
        pytest.param(ALL, pause("quota", "ordinary"), Answer.LOOKED_AT, id="the-quota-is-only-looked-at"),
        pytest.param(ALL, pause("sender", "a@example.com"), Answer.LOOKED_AT, id="a-sender-is-only-looked-at"),
        pytest.param(ALL, pause("reputation", "ordinary"), Answer.LIFTED, id="reputation-is-lifted-by-a-person"),
        pytest.param(ALL, pause("suspect", "ordinary"), Answer.LIFTED, id="a-suspect-queue-is-lifted-by-a-person"),
        pytest.param(ORDINARY, pause("reputation", "ordinary"), Answer.LIFTED, id="by-its-lane-reputation-is-lifted"),
        pytest.param(ORDINARY, pause("suspect", "ordinary"), Answer.LIFTED, id="by-its-lane-a-suspect-queue-is-too"),
        pytest.param(ORDINARY, pause("suspect", "priority"), None, id="the-other-lane-stays-as-it-is"),
        pytest.param(ORDINARY, pause("quota", "ordinary"), Answer.LOOKED_AT, id="no-word-brings-quota-back"),
        pytest.param(ORDINARY, pause("account"), None, id="a-lane-is-not-the-account"),
        pytest.param(
            Scope(ScopeKind.SENDER, "a@example.com"),
            pause("sender", "a@example.com"),
            Answer.LOOKED_AT,
            id="by-name-a-sender-is-only-looked-at",
        ),
        pytest.param(Scope(ScopeKind.SENDER, "a@example.com"), pause("sender", "b@example.com"), None, id="another"),
        pytest.param(Scope(ScopeKind.SENDER, "tank"), pause("configuration_set", "tank"), None, id="another-kind"),
        pytest.param(
            Scope(ScopeKind.CONFIGURATION_SET, "tank"),
            pause("configuration_set", "tank"),
            Answer.LOOKED_AT,
            id="by-name-a-set-is-only-looked-at",
        ),
        pytest.param(
            Scope(ScopeKind.CONFIGURATION_SET, "tank"), pause("sender", "tank"), None, id="a-set-is-no-sender"
        ),
        pytest.param(ALL, pause("operator", "all"), None, id="orders-are-taken-back-by-orders"),
        pytest.param(ALL, pause("moon"), None, id="what-only-another-version-knows"),
    ],
)
def test_what_resume_does_to_a_pause_that_began_by_itself(
    scope: Scope, standing: PauseView, answer: Answer | None
) -> None:
    assert answer_to(scope, standing) is answer


def test_every_concern_of_ours_is_known() -> None:
    assert all(concern_of(pause(kind.value)) is not None for kind in Concerned)
    assert all(parse_scope(f"lane/{lane}").name == lane for lane in LANES)
