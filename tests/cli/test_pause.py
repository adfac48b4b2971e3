"""`tank-mailer pause` and `resume`: a person's word, kept for every daemon on the store."""

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from tank_mailer.cli.board import kept_pauses, people_pauses
from tank_mailer.core.scope import parse_scope
from tank_mailer.flows.board import OURSELVES
from tank_mailer.ports.nodes import Action, Order, Posted
from tests.cli.boards import ago, make_node, make_pause, order, post
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]


def orders(store: StoreFile) -> list[tuple[str, str]]:
    return [(scope, action) for scope, action in store.ask("SELECT scope, action FROM orders ORDER BY scope")]


@pytest.mark.parametrize(
    ("options", "scope", "said"),
    [
        pytest.param((), "all", "everything", id="everything"),
        pytest.param(("--lane", "ordinary"), "lane/ordinary", "the ordinary lane", id="a-lane"),
        pytest.param(
            ("--from", "News <NEWS@Example.com>"),
            "sender/news@example.com",
            "mail from news@example.com",
            id="a-sender-in-any-spelling",
        ),
        pytest.param(
            ("--configuration-set", "promo"),
            "configuration_set/promo",
            "mail through the configuration set promo",
            id="a-set",
        ),
    ],
)
def test_pause_and_back(options: tuple[str, ...], scope: str, said: str, run: Run, store: StoreFile) -> None:
    """No daemon is needed: the order stands in the store, and the one that starts next obeys it."""
    paused = run("pause", *options, "--reason", "wrong price")
    standing = orders(store)
    resumed = run("resume", *options)

    assert (paused.exit_code, resumed.exit_code) == (0, 0)
    assert f"Paused: {said}. To go on: {parse_scope(scope).resume}" in paused.stdout
    assert "No daemon is alive on this store: the next one that runs obeys." in paused.stdout
    assert standing == [(scope, "pause")]
    assert f"Resumed: {said}; it was paused since " in resumed.stdout
    assert "(wrong price)" in resumed.stdout
    assert orders(store) == [(scope, "resume")]
    assert store.audit == [("pause", scope), ("resume", scope)]


def test_who_is_alive_hears_it(run: Run, store: StoreFile) -> None:
    post(store, make_node("mail-1"), make_node("mail-2"))
    post(store, make_node("mail-3"), seen_s=120)  # gone

    assert "Alive, and doing so within seconds: mail-1, mail-2." in run("pause").stdout


def test_pausing_twice_changes_nothing_and_says_who_it_was(run: Run, store: StoreFile) -> None:
    order(store, "lane/ordinary", note="audit")
    post(store, make_node())

    result = run("pause", "--lane", "ordinary", "--reason", "me too")

    assert result.exit_code == 0
    assert "Paused already, the ordinary lane: since " in result.stdout
    assert "by ann@office (audit). Nothing was changed." in result.stdout
    assert result.stdout.endswith("Alive: mail-1.\n")
    assert store.audit == []
    assert store.ask("SELECT who, note FROM orders") == [("ann@office", "audit")]


def test_what_else_is_paused_is_listed(run: Run, store: StoreFile) -> None:
    order(store, "sender/news@example.com")

    out = run("pause").stdout

    assert "Still paused: mail from news@example.com, since " in out
    assert "To go on: tank-mailer resume --from news@example.com" in out
    assert "Still paused: everything" not in out


def test_a_set_that_no_setting_names_may_be_a_slip(run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_CONFIGURATION_SET", "tank")
    monkeypatch.setenv("TANK_CONFIGURATION_SETS", "promo")

    assert "tankk is none of the sets" in run("pause", "--configuration-set", "tankk").stderr
    assert run("pause", "--configuration-set", "tank").stderr == ""
    assert run("pause", "--configuration-set", "promo").stderr == ""


def test_for_scripts(run: Run, store: StoreFile) -> None:
    post(store, make_node())

    paused = json.loads(run("pause", "--lane", "priority", "--json").stdout)
    again = json.loads(run("pause", "--lane", "priority", "--json").stdout)
    resumed = json.loads(run("resume", "--lane", "priority", "--json").stdout)

    assert (paused["scope"], paused["action"], paused["changed"]) == ("lane/priority", "pause", True)
    assert [one["scope"] for one in paused["paused"]] == ["lane/priority"]
    assert paused["paused"][0]["since"] == paused["at"]
    assert (paused["nodes"], paused["before"]) == (["mail-1"], None)
    assert (again["changed"], again["at"], again["before"]) == (False, None, paused["paused"][0])
    assert (resumed["action"], resumed["changed"], resumed["paused"]) == ("resume", True, [])
    assert resumed["before"]["scope"] == "lane/priority"


# --- resume ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "standing", "said"),
    [
        pytest.param((), (), "nothing is paused as a whole", id="nothing-is-paused"),
        pytest.param(
            (), ("lane/ordinary",), "remedy: `tank-mailer resume --lane ordinary`", id="only-a-lane-is-so-it-is-named"
        ),
        pytest.param(("--lane", "priority"), ("lane/ordinary",), "the priority lane is not paused", id="another-lane"),
        pytest.param(("--lane", "ordinary"), ("all",), "remedy: `tank-mailer resume`", id="only-the-whole-is"),
        pytest.param(("--from", "a@example.com"), (), "mail from a@example.com is not paused", id="a-sender"),
    ],
)
def test_what_is_not_paused_cannot_be_resumed(
    options: tuple[str, ...], standing: tuple[str, ...], said: str, run: Run, store: StoreFile
) -> None:
    for scope in standing:
        order(store, scope)

    result = run("resume", *options)

    assert result.exit_code == 3
    assert said in result.stderr
    assert orders(store) == [(scope, "pause") for scope in standing]
    assert json.loads(run("resume", *options, "--json").stdout)["changed"] is False


@pytest.mark.parametrize("options", [(), ("--lane", "ordinary")], ids=["as-a-whole", "by-its-lane"])
def test_a_person_lifts_a_pause_for_the_reputation(options: tuple[str, ...], run: Run, store: StoreFile) -> None:
    post(store, make_node(pauses=[make_pause("reputation", "reputation_bounces", "ordinary")]))

    result = run("resume", *options)

    assert result.exit_code == 0
    assert "Lifted: the pause of the ordinary lane (reputation_bounces)" in result.stdout
    assert store.audit == [("resume", "lane/ordinary" if options else "all")]


@pytest.mark.parametrize("options", [(), ("--lane", "ordinary")], ids=["as-a-whole", "by-its-lane"])
def test_a_suspect_queue_is_resumed_for_good_though_no_daemon_runs(
    options: tuple[str, ...], run: Run, store: StoreFile
) -> None:
    """The daemon has put it down as an order of its own, which would come back with its next start."""
    order(store, "lane/ordinary", who=OURSELVES, note="queue_suspect")

    result = run("resume", *options)

    assert result.exit_code == 0
    assert "Lifted: the pause of the ordinary lane (queue_suspect)" in result.stdout
    assert ("lane/ordinary", "resume") in orders(store)
    assert run("resume", *options).exit_code == 3


def test_a_person_may_pause_what_the_daemon_holds_for_suspect(run: Run, store: StoreFile) -> None:
    order(store, "lane/ordinary", who=OURSELVES)

    assert "Paused: the ordinary lane" in run("pause", "--lane", "ordinary").stdout


@pytest.mark.parametrize(
    ("concern", "reason", "options"),
    [
        pytest.param("quota", "quota_exceeded", ("--lane", "ordinary"), id="quota-by-its-lane"),
        pytest.param("quota", "quota_exceeded", (), id="quota"),
        pytest.param("account", "sending_paused", (), id="the-account"),
    ],
)
def test_no_word_of_a_person_brings_quota_or_account_back(
    concern: str, reason: str, options: tuple[str, ...], run: Run, store: StoreFile
) -> None:
    name = "ordinary" if concern == "quota" else ""
    post(store, make_node(pauses=[make_pause(concern, reason, name, lifted_by="room returns")]))

    result = run("resume", *options)
    shape = json.loads(run("resume", *options, "--json").stdout)

    assert result.exit_code == 0
    assert "Looked at again at once: " in result.stdout
    assert "it ends when: room returns" in result.stdout
    assert "Lifted" not in result.stdout
    assert shape["automatic"] == [{"concern": concern, "name": name, "reason": reason, "becomes": "looked_at"}]


# --- usage, and what is wrong outside --------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "word"),
    [
        pytest.param(("--lane", "express"), "express", id="no-such-lane"),
        pytest.param(("--from", "nobody"), "no @-sign", id="no-address"),
        pytest.param(("--configuration-set", "a b"), "1 to 64 letters", id="no-name-of-a-set"),
        pytest.param(("--lane", "ordinary", "--from", "a@example.com"), "Give one of", id="two-scopes"),
    ],
)
@pytest.mark.parametrize("command", ["pause", "resume"])
def test_usage(command: str, options: tuple[str, ...], word: str, run: Run, store: StoreFile) -> None:
    result = run(command, *options)

    assert result.exit_code == 2
    assert word in result.stderr
    assert orders(store) == []


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_commands_make_no_store(command: str, run: Run, store: StoreFile) -> None:
    store.path.unlink()

    result = run(command)

    assert result.exit_code == 75
    assert "start `tank-mailer run`" in result.stderr
    assert not store.path.exists()


def test_an_order_of_a_newer_version_is_left_to_it() -> None:
    strange = Order("domain/example.com", Action.PAUSE, ago(5), "ann")
    lifted = Order("all", Action.RESUME, ago(5), "ann")
    odd = Order("everything", Action.PAUSE, ago(5), OURSELVES)

    assert people_pauses(Posted([strange, lifted], [])) == []
    assert kept_pauses(Posted([strange, lifted, odd], [])) == []
