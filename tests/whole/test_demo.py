"""The demo as a process: what it promises to somebody who sees tank-mailer for the first time."""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aioboto3
import aiohttp
import psutil
import pytest
from standardwebhooks import Webhook

from tank_mailer.adapters.desk_events import RecipientStatus
from tank_mailer.cli.demo.books import Fate, Sent
from tank_mailer.cli.demo.ending import Ending
from tank_mailer.cli.demo.feedback import Feedback
from tank_mailer.cli.demo.jobs import Entry, Play
from tank_mailer.cli.demo.lanes import compare
from tank_mailer.cli.demo.memory import Memory
from tank_mailer.cli.demo.web_server import Arrival, WebServer
from tank_mailer.cli.options import environment
from tank_mailer.core.event import EventKind
from tank_mailer.core.news import News, spell
from tank_mailer.core.status import Status
from tank_mailer.core.suppression import Entry as Suppression
from tank_mailer.standin import Accepted
from tests.builders import make_body

DEMO_S = 60.0  # a demo of the mixed jobs takes 15 s on an idle machine
MEANWHILE_S = 20.0

# What a developer may have set; all of it would lead elsewhere.
HOSTILE = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "TANK_DATABASE_URL": "postgresql+asyncpg://tank@127.0.0.1:9/tank",
    "TANK_DELIVERY": "dry_run",
    "STATE_DIRECTORY": "/nonexistent",
}

FATES = {
    "answer-lost": ("accepted", None, 1),
    "name": ("accepted", None, 1),
    "umlauts": ("accepted", None, 1),
    "idn-domain": ("accepted", None, 1),
    "copies": ("accepted", None, 1),
    "five-people": ("accepted", None, 1),
    "plain-text": ("accepted", None, 1),
    "not-again": ("accepted", None, 1),
    "partly": ("accepted", None, 1),
    "order-1001": ("accepted", None, 1),
    "order-1020": ("accepted", None, 1),
    "delivered": ("accepted", None, 1),
    "bounces": ("accepted", None, 1),
    "complains": ("accepted", None, 1),
    "out-of-office": ("accepted", None, 1),
    "mailbox-full": ("accepted", None, 1),
    "delayed": ("accepted", None, 1),
    "read": ("accepted", None, 1),
    "code-1": ("accepted", None, 1),
    "code-3": ("accepted", None, 1),
    "no-from": ("invalid", "missing_field", 0),
    "no-such-address": ("invalid", "bad_address", 0),
    "injection": ("invalid", "header_injection", 0),
    "crowd": ("invalid", "too_many_recipients", 0),
    "other-set": ("invalid", "unknown_configuration_set", 0),
    "unverified": ("refused", "unverified_sender", 0),
    "too-late": ("expired", "expired", 0),
    "suppressed": ("suppressed", "suppressed", 0),
    "bounces-again": ("suppressed", "suppressed", 0),
    "complains-again": ("suppressed", "suppressed", 0),
}
BOUNCE, COMPLAINT = "bounce@simulator.amazonses.com", "complaint@simulator.amazonses.com"
STATUSES = {  # all others are delivered
    ("partly", "bounced@example.org"): "suppressed",
    ("suppressed", "bounced@example.org"): "suppressed",
    ("bounces", BOUNCE): "hard_bounced",
    ("bounces-again", BOUNCE): "suppressed",
    ("complains", COMPLAINT): "complained",
    ("complains-again", COMPLAINT): "suppressed",
    ("mailbox-full", "softbounce@simulator.amazonses.com"): "soft_bounced",
}


@pytest.fixture(autouse=True)
def _temporary_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The demo leaves its folder behind, on purpose."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@asynccontextmanager
async def demo(*arguments: str, **more: str) -> AsyncIterator[Process]:
    """Run it; killed at the end of the block if it still runs, its daemon too."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tank_mailer", "demo", *arguments),
        stdout=PIPE,
        stderr=PIPE,
        env={**environment(), **more},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                one.kill()
            await process.wait()


async def outcome(*arguments: str, **more: str) -> tuple[int, str, str]:
    async with demo(*arguments, **more) as process, asyncio.timeout(DEMO_S):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def write_jobs(path: Path, *lines: str) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def fates(shown: dict[str, Any]) -> list[tuple[object, ...]]:
    return [(job["email_id"], job["state"], job["reason"], job["times_accepted"]) for job in shown["jobs"]]


def told_of(shown: dict[str, Any]) -> dict[tuple[str, str], list[str]]:
    """What the web server was told of each recipient, one after the other."""
    told: dict[tuple[str, str], list[str]] = {}
    for news in shown["web_server"]["told"]:
        if news["recipient"] is not None:
            told.setdefault((news["email_id"], news["recipient"]), []).append(news["status"])
    return told


async def test_every_job_of_the_mixed_set_ends_as_it_should(tmp_path: Path) -> None:
    """Whatever the caller's environment says: it might lead to a real account. What SES reports comes back."""
    code, out, err = await outcome("--json", "--directory", str(tmp_path / "demo"), **HOSTILE)

    shown = json.loads(out)
    assert (code, shown["ok"]) == (0, True), shown["verdict"] + err
    by_id = {job["email_id"]: job for job in shown["jobs"] if job["email_id"] != "receipt-2001"}
    for email_id, fate in FATES.items():
        job = by_id[email_id]
        assert (job["state"], job["reason"], job["times_accepted"]) == fate, email_id
    assert [fate[1:] for fate in fates(shown) if fate[0] == "receipt-2001"] == [
        ("accepted", None, 1),
        ("dropped", "duplicate", 0),
        ("invalid", "id_conflict", 0),
    ]
    assert [fate[1:] for fate in fates(shown) if fate[0] is None] == [
        ("invalid", "missing_field", 0),
        ("invalid", "not_json", 0),
    ]
    assert shown["mails"] == sum(job["times_accepted"] for job in shown["jobs"])
    assert shown["busiest_second_recipients"] <= 14 + 4  # SES: a call of five goes as a whole
    assert any(job["attempts"] > 1 for job in shown["jobs"])  # were throttled
    assert by_id["answer-lost"]["attempts"] == 1  # nothing was sent again
    statuses = {(job["email_id"], one["address"]): one["status"] for job in shown["jobs"] for one in job["recipients"]}
    assert {key: status for key, status in statuses.items() if status != "delivered"} == STATUSES
    assert {key: words[-1] for key, words in told_of(shown).items()} == statuses
    for words in told_of(shown).values():
        ranks = [Status[word.upper()] for word in words]
        assert ranks == sorted(set(ranks)), words
    events = shown["events"]
    assert events["Send"] == shown["mails"]
    assert events["Delivery"] == Counter(statuses.values())["delivered"] + 1  # who complains has got it
    assert [events[kind] for kind in ("Bounce", "Complaint", "DeliveryDelay", "Open", "Click")] == [3, 1, 1, 1, 1]
    assert [(one["address"], one["reason"], one["source"], one["mails"]) for one in shown["suppressions"]] == [
        ("bounced@example.org", "manual", "manual", 0),
        (BOUNCE, "hard_bounce", "event", 1),
        (COMPLAINT, "complaint", "event", 1),
    ]
    assert shown["priority_lane"]["waits_s"].keys() == {"code-1", "code-2", "code-3"}
    assert shown["priority_lane"]["ordinary_waiting"] > 10  # nobody had received them yet
    assert shown["priority_lane"]["went_before"] == []
    assert shown["web_server"]["wrong_signatures"] == 0
    assert shown["log"] == str(tmp_path / "demo" / "daemon.log")
    assert not psutil.pid_exists(shown["daemon_pid"])


async def test_jobs_of_a_file_are_put_on_the_queue_as_they_are(tmp_path: Path) -> None:
    jobs = write_jobs(
        tmp_path / "jobs.jsonl",
        make_body(email_id="mine-1", from_="me@example.com"),
        make_body(email_id="mine-2", from_="me@example.com", to=["a@example.org", "b@example.org"]),
        "",
        "[1, 2]",
        "gibberish",
        make_body(email_id="mine-3", from_="me@elsewhere.example"),
        make_body(email_id="mine-4", from_="me@mine.example", to=BOUNCE),
    )

    code, out, err = await outcome("--jobs", jobs, "--json", "--identity", "mine.example")

    assert code == 0, out + err
    assert fates(json.loads(out)) == [
        ("mine-1", "accepted", None, 1),
        ("mine-2", "accepted", None, 1),
        (None, "invalid", "not_json", 0),
        (None, "invalid", "not_json", 0),
        ("mine-3", "refused", "unverified_sender", 0),
        ("mine-4", "accepted", None, 1),
    ]
    told = told_of(json.loads(out))
    assert told["mine-2", "b@example.org"] == ["accepted", "delivered"]
    assert told["mine-4", BOUNCE] == ["accepted", "hard_bounced"]


async def test_people_get_a_table_and_ways_to_look_further(tmp_path: Path) -> None:
    """Control characters of somebody's file are shown, not obeyed."""
    jobs = write_jobs(
        tmp_path / "jobs.jsonl",
        make_body(from_="me@example.com", to=COMPLAINT),
        make_body(email_id="\x1b[31m[bold]"),
    )

    code, out, err = await outcome("--jobs", jobs)

    assert code == 0, out + err
    rows = [line.split() for line in out.splitlines()]
    assert ["order-4711", "accepted", "1"] in rows
    assert ["order-4711", COMPLAINT, "complained", "Delivery,", "Complaint"] in rows
    assert [COMPLAINT, "complaint", "SES's", "event", "1", "0"] in rows  # mails, kept back
    assert ["order-4711", COMPLAINT, "delivered"] in rows  # told to the web server
    assert max(map(len, out.splitlines()[5:])) <= 110
    assert "\x1b" not in out
    assert "2 jobs in" in out
    assert "Priority lane" not in out  # a file has none
    assert "daemon.log" in out
    further = [line.split() for line in out.splitlines() if "--env-file demo.env" in line]
    assert {words[1] for words in further} == {"status", "why", "refused", "suppress", "dlq", "report", "doctor"}
    assert "ended; " in err  # progress


async def test_what_sqs_does_not_take_is_told(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path / "jobs.jsonl", make_body(from_="me@example.com"), "a\x00b")

    code, out, _ = await outcome("--jobs", jobs, "--json")

    assert code == 3
    assert [state for _, state, *_ in fates(json.loads(out))] == ["accepted", "not_queued"]


async def read_json(process: Process) -> dict[str, Any]:
    """Read the first JSON document of a process that goes on."""
    assert process.stdout is not None
    text = ""
    while True:
        text += (await process.stdout.readline()).decode()
        try:
            shown: dict[str, Any] = json.loads(text)
        except ValueError:
            continue
        return shown


async def line_with(process: Process, words: str) -> str:
    """The next line for people that has them in it."""
    assert process.stderr is not None
    while words not in (line := (await process.stderr.readline()).decode()):
        assert line, "the demo has ended"
    return line


async def mails(url: str, since: int) -> list[dict[str, Any]]:
    """Wait for a mail after number `since`."""
    async with aiohttp.ClientSession(url) as http, asyncio.timeout(MEANWHILE_S):
        while True:
            async with http.get("/_standin/log", params={"since": since}) as answer:
                if log := await answer.json():
                    return list(log)
            await asyncio.sleep(0.1)


async def test_it_stays_for_web_developers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path / "jobs.jsonl", make_body(from_="me@example.com"))
    async with demo("--jobs", jobs, "--keep", "--json") as process:
        async with asyncio.timeout(DEMO_S):
            shown = await read_json(process)
        told = shown["environment"]
        assert psutil.pid_exists(shown["daemon_pid"])
        session = aioboto3.Session(
            aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
            region_name=told["AWS_REGION"],
        )
        async with session.client("sqs", endpoint_url=told["AWS_ENDPOINT_URL"]) as sqs:
            body = make_body(email_id="tried-out", from_="me@example.com", to=BOUNCE)
            await sqs.send_message(QueueUrl=told["TANK_OUTBOUND_QUEUE_URL"], MessageBody=body)
        (mail,) = await mails(told["AWS_ENDPOINT_URL"], since=1)
        async with asyncio.timeout(MEANWHILE_S):
            lines = [await line_with(process, f"web server told: tried-out  {BOUNCE}") for _ in range(2)]
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(MEANWHILE_S):
            await process.communicate()

    assert mail["email_id"] == "tried-out"
    assert [line.split()[5] for line in lines] == ["accepted", "hard_bounced"]
    assert process.returncode == 0
    assert not psutil.pid_exists(shown["daemon_pid"])


async def test_stopped_in_the_middle_it_leaves_nothing_behind() -> None:
    async with demo("--json") as process:
        assert process.stderr is not None
        async with asyncio.timeout(MEANWHILE_S):
            while b"ended;" not in await process.stderr.readline():
                pass
            children = psutil.Process(process.pid).children()
            process.send_signal(signal.SIGTERM)
            out, err = await process.communicate()

    assert children
    assert not any(child.is_running() for child in children)
    assert (process.returncode, out) == (3, b"")
    assert b"Stopped" in err


async def test_what_ses_does_not_report_is_missed(tmp_path: Path) -> None:
    """A demo that shows what comes back has to see when it does not."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with demo("--json", "--port", str(port)) as process, asyncio.timeout(DEMO_S):
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    await http.put("/_standin/events", json={"lost_kinds": ["CLICK", "DELIVERY_DELAY"]})
                    await http.put("/_standin/events", json={"rules": [{"match": "jm@example.org", "fate": "silence"}]})
                    break
                await asyncio.sleep(0.05)
        out, _ = await process.communicate()

    shown = json.loads(out)
    assert (process.returncode, shown["ok"]) == (3, False)
    assert "no event of the kind Click" in shown["verdict"]
    assert "no event of the kind DeliveryDelay" in shown["verdict"]
    assert "umlauts: the status of jm@example.org is accepted; expected: delivered" in shown["verdict"]
    assert [job["email_id"] for job in shown["jobs"] if not job["as_expected"]] == ["umlauts"]


async def test_a_daemon_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "hash-key").mkdir()  # where the daemon wants a file

    code, out, err = await outcome("--directory", str(tmp_path))

    assert code == 3
    assert "exit code 78" in err
    assert "Is a directory" in err
    assert "Traceback" not in out + err


async def test_a_folder_with_a_store_is_not_used_again(tmp_path: Path) -> None:
    (tmp_path / "tank-mailer.db").touch()

    code, _, err = await outcome("--directory", str(tmp_path))

    assert code == 2
    assert "another folder" in err


async def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = await outcome("--port", str(taken.getsockname()[1]))

    assert code == 75
    assert "--port 0" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("text", [None, "\n\n"], ids=["there-is-none", "it-is-empty"])
async def test_a_file_without_jobs_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "jobs.jsonl"
    if text is not None:
        path.write_text(text, encoding="utf-8")

    code, _, err = await outcome("--jobs", str(path))

    assert code == 2
    assert str(path) in err


# --- what the demo makes of it ---------------------------------------------------------------------

AT = datetime(2026, 11, 2, 9, 15, tzinfo=UTC)
TOLD = {
    one.payload: one
    for one in (
        Arrival(email_id="a", state="accepted", recipient=BOUNCE, status="accepted", reason=None, payload="1"),
        Arrival(
            email_id="a", state="accepted", recipient=BOUNCE, status="hard_bounced", reason="hard_bounce", payload="2"
        ),
        Arrival(email_id="b", state="invalid", recipient=None, status=None, reason="bad_address", payload="3"),
    )
}
WRONG_REASON = replace(TOLD["3"], reason="not_json")
STRANGER = replace(TOLD["3"], email_id="c")
ENTERED = Suppression(BOUNCE, "hard_bounce", "event", AT)
SOMEBODY = Suppression("well@example.org", "soft_bounces", "event", AT)
BOUNCED = RecipientStatus(BOUNCE, Status.HARD_BOUNCED, "hard_bounce", AT)
PLAY = Play(main=(), reports=(EventKind.BOUNCE,), learned={BOUNCE: "hard_bounce"}, suppressed=("old@example.org",))


def ending(email_id: str, state: str, reason: str | None = None, *recipients: RecipientStatus) -> Ending:
    fate = Fate(queue_message_id="m", email_id=email_id, state=state, reason=reason, why="")
    return Ending(Entry(body="{}"), replace(fate, recipients={one.address: one for one in recipients}))


ENDINGS = (ending("a", "accepted", None, BOUNCED), ending("b", "invalid", "bad_address"))


def complaints(**changes: Any) -> list[str]:
    """What is complained of when all is as it should be but for `changes`."""
    memory: dict[str, Any] = {
        "reported": Counter({EventKind.SEND: 1, EventKind.BOUNCE: 1}),
        "suppressions": [ENTERED],
        "letters": {"a": ["1", "2"], "b": ["3"]},
    }
    memory |= {name: changes.pop(name) for name in memory if name in changes}
    given: dict[str, Any] = {"published": {"Send": 1, "Bounce": 1}, "told": [*TOLD.values()], "mails_to": {BOUNCE: 1}}
    return list(Feedback(memory=Memory(**memory), **(given | changes)).complaints(PLAY, ENDINGS))


def test_nothing_is_complained_of_without_a_reason() -> None:
    old = Suppression("old@example.org", "manual", "manual", AT)

    assert complaints() == []
    assert complaints(suppressions=[old, ENTERED]) == []
    assert complaints(repeated=3) == []  # a web server that is told twice knows


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            {"published": {"Send": 2, "Bounce": 1}}, ["published 2", "1 were recorded"], id="an-event-is-lost"
        ),
        pytest.param({"published": {"Send": 1}}, ["no event of the kind Bounce"], id="nothing-has-bounced"),
        pytest.param({"suppressions": []}, ["is not on the suppression list"], id="nobody-is-suppressed"),
        pytest.param(
            {"suppressions": [replace(ENTERED, reason="complaint")]}, ["expected: hard_bounce"], id="for-another-reason"
        ),
        pytest.param(
            {"suppressions": [replace(ENTERED, source="manual")]}, ["entered by manual"], id="by-another-hand"
        ),
        pytest.param({"suppressions": [ENTERED, SOMEBODY]}, ["well@example.org", "should not be"], id="one-too-many"),
        pytest.param({"mails_to": {BOUNCE: 2}}, ["2 mails went to"], id="a-second-mail-got-through"),
        pytest.param({"told": [TOLD["1"], TOLD["3"]]}, ["1 changes; there were 2", "knows accepted"], id="not-told"),
        pytest.param(
            {"told": [TOLD["2"], TOLD["1"], TOLD["3"]]}, ["another order", "knows accepted"], id="out-of-order"
        ),
        pytest.param(
            {"told": [TOLD["2"], TOLD["1"], TOLD["2"], TOLD["3"]], "letters": {"a": ["2", "1", "2"], "b": ["3"]}},
            ["goes back"],
            id="backwards-as-it-was-written",
        ),
        pytest.param({"told": [TOLD["1"], TOLD["2"], WRONG_REASON]}, ["not told that it ended"], id="another-end"),
        pytest.param({"told": [*TOLD.values(), STRANGER]}, ["c: the web server was told 1"], id="of-nobodys-job"),
        pytest.param({"unsigned": 2}, ["2 requests", "right signature"], id="wrongly-signed"),
    ],
)
def test_what_should_not_be_is_complained_of(changes: dict[str, Any], said: list[str]) -> None:
    found = "; ".join(complaints(**changes))

    assert all(words in found for words in said), found


def mail(number: int, email_id: str, at_s: float) -> Accepted:
    return Accepted(
        number=number,
        at="",
        monotonic_s=at_s,
        message_id=f"m-{number}",
        email_id=email_id,
        attempt="1",
        header_email_id=email_id,
        sender="",
        to=(),
        cc=(),
        bcc=(),
        recipients=1,
        tags={},
        configuration_set="",
        size_bytes=0,
    )


def put(*names: str, at_s: float = 0.0) -> list[Sent]:
    return [Sent(Entry(body=make_body(email_id=name)), queue_message_id=f"q-{name}", put_s=at_s) for name in names]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        pytest.param(["o-1", "c-1", "c-2", "o-2", "o-3"], [], id="before-all-that-waited"),
        pytest.param(["o-1", "c-1", "o-2", "c-2", "o-3"], ["1 ordinary", "last of 2", "o-2"], id="one-came-between"),
        pytest.param(["o-1", "o-2", "o-3", "c-1", "c-2"], ["2 ordinary jobs", "o-2, o-3"], id="at-the-end"),
        pytest.param(["o-1", "c-1", "o-2"], ["not accepted: c-2"], id="one-did-not-go"),
        pytest.param(["c-1", "c-2"], [], id="nobody-else-has-gone-yet"),
    ],
)
def test_who_goes_first_is_read_from_the_accept_log(order: list[str], said: list[str]) -> None:
    """o-1 was in hand when the codes came: its turn is its own; o-2 and o-3 were on their queue."""
    log = [mail(n, name, 10.0 + n) for n, name in enumerate(order, 1)]

    lanes = compare(put("c-1", "c-2", at_s=10.0), put("o-2", "o-3"), log)

    assert lanes is not None
    found = "; ".join(lanes.complaints())
    assert all(words in found for words in said), found
    assert bool(found) is bool(said)


def test_the_wait_of_each_is_told() -> None:
    lanes = compare(put("c-1", "c-2", at_s=10.0), put("o-1"), [mail(1, "c-1", 10.25), mail(2, "c-2", 10.5)])

    assert lanes is not None
    assert "2 jobs were put when 1 ordinary ones waited" in lanes.sentence()
    assert lanes.sentence().endswith("each within 0.5 s.")
    assert lanes.shape()["waits_s"] == {"c-1": 0.25, "c-2": 0.5}


def test_without_priority_jobs_nothing_is_said() -> None:
    assert compare([], put("o-1"), [mail(1, "o-1", 1.0)]) is None


async def test_its_web_server_takes_what_is_signed_and_nothing_else() -> None:
    """As the library of a customer would: a wrong signature is refused, what comes again is known."""
    news = spell(
        News(email_id="order-4711", state="accepted", occurred_at=AT, recipient=BOUNCE, status=Status.ACCEPTED)
    )
    at = datetime.now(UTC).replace(microsecond=0)

    def headers(secret: str) -> dict[str, str]:
        signature = Webhook(secret).sign("msg_1", at, news)
        return {"webhook-id": "msg_1", "webhook-timestamp": f"{at.timestamp():.0f}", "webhook-signature": signature}

    async with WebServer.start() as server, aiohttp.ClientSession() as http:
        right, wrong = headers(server.secret), headers("whsec_" + "A" * 32)
        nonsense = {**right, "webhook-signature": "nonsense"}
        answers = [await http.post(server.url, data=news, headers=one) for one in (wrong, right, right, nonsense, {})]

    assert [answer.status for answer in answers] == [401, 204, 204, 401, 401]
    assert [(one.email_id, one.recipient, one.status) for one in server.told] == [("order-4711", BOUNCE, "accepted")]
    assert (server.repeated, server.unsigned) == (1, 3)
