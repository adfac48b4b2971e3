"""The demo as a process: what it promises to somebody who sees tank-mailer for the first time."""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aioboto3
import aiohttp
import psutil
import pytest

from tank_mailer.cli.options import environment
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
    "answer-lost": ("accepted", None, 2),
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
    "no-from": ("invalid", "missing_field", 0),
    "no-such-address": ("invalid", "bad_address", 0),
    "injection": ("invalid", "header_injection", 0),
    "crowd": ("invalid", "too_many_recipients", 0),
    "other-set": ("invalid", "unknown_configuration_set", 0),
    "unverified": ("refused", "unverified_sender", 0),
    "too-late": ("expired", "expired", 0),
    "suppressed": ("suppressed", "suppressed", 0),
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


async def test_every_job_of_the_mixed_set_ends_as_it_should(tmp_path: Path) -> None:
    """Whatever the caller's environment says: it might lead to a real account."""
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
    assert any(job["attempts"] > 1 for job in shown["jobs"] if job["email_id"] != "answer-lost")  # were throttled
    assert "arrived twice" in by_id["answer-lost"]["why"]
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
        make_body(email_id="mine-4", from_="me@mine.example"),
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


async def test_people_get_a_table_and_ways_to_look_further(tmp_path: Path) -> None:
    """Control characters of somebody's file are shown, not obeyed."""
    jobs = write_jobs(tmp_path / "jobs.jsonl", make_body(from_="me@example.com"), make_body(email_id="\x1b[31m[bold]"))

    code, out, err = await outcome("--jobs", jobs)

    assert code == 0, out + err
    assert any(line.split()[:3] == ["order-4711", "accepted", "1"] for line in out.splitlines())
    assert "\x1b" not in out
    assert "2 jobs in" in out
    assert "daemon.log" in out
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
            body = make_body(email_id="tried-out", from_="me@example.com")
            await sqs.send_message(QueueUrl=told["TANK_OUTBOUND_QUEUE_URL"], MessageBody=body)
        (mail,) = await mails(told["AWS_ENDPOINT_URL"], since=1)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(MEANWHILE_S):
            await process.communicate()

    assert mail["email_id"] == "tried-out"
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
