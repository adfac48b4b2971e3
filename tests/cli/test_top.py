"""`tank-mailer top`: how all nodes are, at a glance."""

import asyncio
import io
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console, RenderableType
from typer.testing import Result

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import open_desk
from tank_mailer.cli.options import environment
from tank_mailer.cli.top.live import watch
from tank_mailer.cli.top.render import render
from tank_mailer.cli.top.sight import Lines, Sight, take_sight
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.holds import Situation
from tank_mailer.core.scope import OperatorPause, parse_scope
from tank_mailer.core.view import LaneView, NodeView, OutcomeView, PauseView, QuotaView, ReputationView
from tests.cli.boards import make_node, make_pause, order, post
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]
NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
LINES = Lines(0.05, 0.10, 0.001, 0.005)
CODES = LaneView(queue="tank-codes", visible=3, asked_at=NOW, in_hand=2, waiting=4, in_flight=1, per_s=1.5)
JOBS = LaneView(queue="tank-outbound", visible=48_200, asked_at=NOW, in_hand=20, waiting=30, in_flight=9, per_s=10.0)
QUOTA = QuotaView(limit=50_000, used=31_204, room={"priority": 18_796, "ordinary": 16_296})
REPUTATION = ReputationView(
    bounce_rate=0.012, complaint_rate=0.0001, volume=20_143, bounces_left=761, complaints_left=18
)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def node(name: str = "mail-1", **changes: Any) -> NodeView:
    fixed: dict[str, Any] = {"process": f"p-{name}", "version": "0.3", "started_at": at(-7200), "seen_at": at(-1)}
    pace: dict[str, Any] = {"rate": 12.6, "set_rate": 12.6, "account_rate": 14.0, "slots": 10, "slots_in_use": 9}
    lanes = {"priority": CODES, "ordinary": JOBS}
    full = NodeView(node=name, **fixed, **pace, lanes=lanes, quota=QUOTA, reputation=REPUTATION)
    return replace(full, **changes)


def pause(concern: str, reason: str, name: str = "", **rest: Any) -> PauseView:
    return PauseView(concern=concern, name=name, reason=reason, since=at(-2460), **rest)


def outcome(seconds: float, email_id: str, word: str = "accepted", reason: str | None = None) -> OutcomeView:
    return OutcomeView(at(seconds), email_id, "ordinary", word, reason)


def sight(*nodes: NodeView, **rest: Any) -> Sight:
    return Sight(Situation(now=NOW, views=nodes, **rest), LINES)


def shown(view: RenderableType, *, width: int = 80, colour: bool = False) -> str:
    console = Console(
        file=io.StringIO(),
        record=True,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
    )
    console.print(view)
    return console.export_text(styles=colour)


def line(text: str, start: str) -> str:
    """The line that begins so, with single spaces."""
    (found,) = [" ".join(one.split()) for one in text.splitlines() if one.startswith(start)]
    return found


def words(text: str) -> str:
    """All of it in one line: whatever is wrapped."""
    return " ".join(text.split())


# --- one look --------------------------------------------------------------------------------------


def test_what_one_node_shows() -> None:
    text = shown(render(sight(node(outcomes={"accepted": 12_031, "throttled": 2}))), width=120)

    assert line(text, "tank-mailer") == "tank-mailer 1 node alive: mail-1 08:00:00 UTC"
    assert line(text, "rate").startswith("rate 12.6/s in force ━")
    assert line(text, "rate").endswith("SES allows 14/s")
    assert line(text, "sending").startswith("sending 11.5/s ━")
    assert line(text, "sending").endswith("9 of 10 slots in use")
    assert line(text, "quota").startswith("quota 31,204 of 50,000 ━")
    assert line(text, "quota").endswith("62%; room: priority 18,796, ordinary 16,296")
    assert line(text, "bounces").startswith("bounces 1.2 % ━")
    assert "warned of at 5 %, stops the ordinary lane at 10 %; 761 more until AWS reviews" in words(text)
    assert "0.01 %" in line(text, "complaints")
    assert "warned of at 0.1 %, stops the ordinary lane at 0.5 %; 18 more until AWS reviews" in words(text)
    assert line(text, "priority") == "priority tank-codes 3 2 4 1 1.5 yes"
    assert line(text, "ordinary") == "ordinary tank-outbound 48,200 20 30 9 10.0 yes"
    assert "Pauses none Lanes" in words(text)
    assert "Outcomes accepted 12,031 throttled 2" in words(text)


def test_several_nodes_are_summed_and_listed() -> None:
    first = node(outcomes={"accepted": 5}, last=[outcome(-9, "order-1"), outcome(-3, "order-3")])
    other = node(
        "mail-2",
        rate=7.0,
        is_draining=True,
        outcomes={"accepted": 2, "failed": 1},
        last=[outcome(-5, "order-2", "failed")],
    )

    text = shown(render(sight(first, other)), width=120)

    assert "2 nodes alive: mail-1, mail-2" in text
    assert line(text, "rate").endswith("SES allows 14/s; cut from 12.6/s after throttling")
    assert line(text, "sending").endswith("18 of 20 slots in use")
    assert line(text, "ordinary") == "ordinary tank-outbound 48,200 40 60 18 20.0 yes"
    assert line(text, "quota").startswith("quota 31,204 of 50,000")
    assert "accepted 7 failed 1" in words(text)
    assert line(text, "mail-2") == "mail-2 0.3 2 h 9/10 11.5 0 stopping"
    last = [word for word in words(text.partition("Last outcomes")[2]).split() if word.startswith("order-")]
    assert last == ["order-3", "order-2", "order-1"]
    assert line(text, "07:59:55") == "07:59:55 order-2 ordinary failed - mail-2"


def test_a_pause_tells_reason_since_next_look_and_remedy() -> None:
    account = pause(
        "account",
        "sending_paused",
        next_probe_at=at(120),
        detail="Sending paused for this account.",
        lifted_by="GetAccount says that mail may go",
        remedy="see the mail to the account's owner",
    )
    text = shown(render(sight(node(pauses=[account]))))

    assert line(text, "the account") == "the account sending_paused since 07:19:00 (41 min)"
    for said in (
        "says Sending paused for this account.",
        "next look 08:02:00 UTC",
        "lifted by GetAccount says that mail may go",
        "remedy see the mail to the account's owner",
    ):
        assert said in words(text)


def test_pauses_of_people_of_one_node_and_of_yesterday() -> None:
    held = OperatorPause(parse_scope("lane/ordinary"), at(-90_000), "ann@office", "wrong price")
    store = pause("store", "store_sick", on_trial=True)
    idle = {"ordinary": replace(JOBS, is_polled=False)}

    text = words(shown(render(sight(node(pauses=[store], lanes=idle), node("mail-2", lanes=idle), orders=[held]))))

    assert "the ordinary lane operator since 2026-11-01 07:00:00 (1 d)" in text
    assert "by ann@office: wrong price" in text
    assert "ends by tank-mailer resume --lane ordinary" in text
    assert "on mail-1 only" in text
    assert "next look a job is being tried" in text
    assert "20.0 no" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"account_rate": None}, "what SES allows is not known", id="the-rate-is-not-known"),
        pytest.param({"rate": 6.3}, "cut from 12.6/s after throttling", id="the-rate-is-cut"),
        pytest.param({"rate": 0.0, "set_rate": 0.0, "account_rate": None}, "0/s in force", id="no-rate-at-all"),
        pytest.param({"quota": QuotaView(used=12)}, "12 used", id="no-quota-is-known"),
        pytest.param(
            {"quota": QuotaView(limit=200, used=200, room={"ordinary": 0}, room_at={"ordinary": at(3600)})},
            "100%; room: ordinary 0; ordinary again 09:00:00",
            id="the-quota-is-used-up",
        ),
        pytest.param({"reputation": ReputationView()}, "too few mails", id="too-few-mails-to-say"),
        pytest.param({"reputation": ReputationView(bounce_rate=0.06)}, "6 %, many", id="bounces-above-the-first-line"),
        pytest.param({"reputation": ReputationView(bounce_rate=0.11)}, "11 %, too many", id="above-the-second"),
        pytest.param(
            {"reputation": ReputationView(complaint_rate=0.002)}, "0.2 %, many", id="complaints-above-the-first-line"
        ),
        pytest.param({"reputation": ReputationView(is_trickling=True)}, "trickling", id="slowly-after-a-pause"),
        pytest.param({"lanes": {"ordinary": LaneView(queue="jobs")}}, "jobs ? 0", id="a-queue-that-nobody-asked"),
        pytest.param({"outcomes": {}}, "none since the start", id="nothing-has-come-of-anything"),
    ],
)
def test_words_say_it_where_there_is_no_colour(changes: dict[str, Any], said: str) -> None:
    assert said in words(shown(render(sight(node(**changes))), width=120))


def test_without_a_daemon_it_says_how_to_start_one() -> None:
    held = OperatorPause(parse_scope("all"), at(-60), "ann@office")

    text = words(shown(render(sight(orders=[held]))))

    assert "no node alive" in text
    assert "No daemon is alive on this store: start `tank-mailer run`" in text
    assert "everything operator since 07:59:00 (1 min)" in text
    assert "Lanes" not in text
    assert "Pauses" not in words(shown(render(sight())))


@pytest.mark.parametrize("colour", [False, True], ids=["without-colour", "with-colour"])
def test_it_fits_a_narrow_terminal(colour: bool) -> None:
    long = "a-rather-long-queue-name-of-a-department-with-much-to-say"
    odd = pause("sender", "mail_from_domain", "a.rather.long.name@department.example.com", remedy="mend it " * 20)
    busy = node(
        lanes={"priority": CODES, "ordinary": replace(JOBS, queue=long)},
        pauses=[odd],
        last=[outcome(-1, "x" * 200, "accepted"), outcome(-2, "order-1\x1b[2J", "in_doubt", "answer_lost")],
        outcomes=dict.fromkeys(
            ("accepted", "refused", "throttled", "held", "unreachable", "failed", "in_doubt"), 123_456
        ),
    )

    text = shown(render(sight(busy, node("mail-2"))))

    assert all(len(one.rstrip()) <= 80 for one in text.splitlines())
    assert "\x1b[2J" not in text
    assert "in_doubt" in text
    assert "answer_lost" in text
    assert ("\x1b[" in shown(render(sight(busy)), colour=True)) is True


# --- the command -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--once",)], ids=["in-a-pipe", "once"])
def test_it_prints_once(options: tuple[str, ...], run: Run, store: StoreFile) -> None:
    post(store, make_node("mail-1", outcomes={"accepted": 7}))

    result = run("top", *options)

    assert result.exit_code == 0
    assert result.stdout.startswith("tank-mailer  1 node alive: mail-1")
    assert "accepted 7" in result.stdout
    assert "\x1b" not in result.stdout
    assert "q ends" not in result.stdout


def test_for_scripts(run: Run, store: StoreFile) -> None:
    post(store, make_node("mail-1", pauses=[make_pause("account", "sending_paused")]), make_node("mail-2"))
    order(store, "all", note="audit")

    shape = json.loads(run("top", "--json").stdout)

    assert [one["node"] for one in shape["nodes"]] == ["mail-1", "mail-2"]
    assert shape["nodes"][0]["pauses"][0]["reason"] == "sending_paused"
    assert shape["nodes"][0]["lanes"]["ordinary"]["queue"] == "jobs"
    assert [(one["scope"], one["note"]) for one in shape["paused"]] == [("all", "audit")]


def test_no_daemon_is_a_no(run: Run, store: StoreFile) -> None:
    post(store, make_node(), seen_s=120)

    once, script = run("top", "--once"), run("top", "--json")

    assert (once.exit_code, script.exit_code) == (3, 3)
    assert "start `tank-mailer run`" in once.stdout
    assert json.loads(script.stdout)["nodes"] == []


def test_the_lines_are_those_of_the_settings(run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_BOUNCE_WARN", "0.02")
    monkeypatch.setenv("TANK_BOUNCE_PAUSE", "0.04")
    post(store, make_node(reputation=ReputationView(bounce_rate=0.03)))

    text = words(run("top").stdout)

    assert "3 %, many" in text
    assert "warned of at 2 %, stops the ordinary lane at 4 %" in text


def test_without_a_store(run: Run, store: StoreFile) -> None:
    store.path.unlink()

    assert run("top").exit_code == 75


async def test_a_look_waits_for_nobody(store: StoreFile) -> None:
    """The daemon writes; who looks on neither waits for it nor keeps it waiting."""
    post(store, make_node())
    location = database.locate(f"sqlite+aiosqlite:///{store.path}")
    async with open_desk(location, clock=SystemClock(), who="ann") as desk:
        with closing(sqlite3.connect(store.path, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")

            seen = await take_sight(desk, LINES)

    assert [one.node for one in seen.nodes] == ["mail-1"]


# --- live ------------------------------------------------------------------------------------------


async def test_a_store_that_cannot_be_read_leaves_the_last_look_there() -> None:
    """And says so; when it can be read again, all is as before."""
    looks: list[Sight | StoreError] = [StoreError(Reason.STORE_SICK, "the disk is full"), sight(node("mail-2"))]
    texts, stop = list[str](), asyncio.Event()

    async def look() -> Sight:
        match looks.pop(0):
            case StoreError() as error:
                raise error
            case Sight() as seen:
                return seen

    def show(view: RenderableType) -> None:
        texts.append(words(shown(view)))
        if not looks:
            stop.set()

    await watch(look, show, first=sight(node("mail-1")), interval_s=0, stop=stop)

    assert ["mail-1" in text for text in texts] == [True, True, False]
    assert ["the disk is full" in text for text in texts] == [False, True, False]
    assert "this is how it was at 2026-11-02 08:00:00 UTC" in texts[1]
    assert "mail-2" in texts[2]


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.master, slave = pty.openpty()
        command = [sys.executable, "-c", "from tank_mailer.cli import main; main()", "top", "--interval", "0.2"]
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment(), "TERM": "xterm", "COLUMNS": "80", "LINES": "40"},
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""

    def read_until(self, word: str) -> None:
        deadline_s = time.monotonic() + 30
        while word not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline_s - time.monotonic()))
            assert ready, self.seen
            self.seen += os.read(self.master, 65_536).decode(errors="replace")

    def end(self) -> int:
        try:
            return self.process.wait(timeout=20)
        finally:
            self.process.kill()
            os.close(self.master)


@pytest.mark.parametrize("by", ["q", "SIGINT", "SIGTERM"])
def test_live_until_somebody_ends_it(by: str, store: StoreFile) -> None:
    terminal = Terminal()
    terminal.read_until("start `tank-mailer run`")  # it keeps looking
    post(store, make_node("mail-1"))
    terminal.read_until("1 node alive: mail-1")

    if by == "q":
        os.write(terminal.master, b"xq")
    else:
        terminal.process.send_signal(signal.Signals[by])

    assert terminal.end() == 0
    assert "(q ends)" in terminal.seen
