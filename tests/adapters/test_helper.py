"""A `credential_process` as people write them: hanging, talkative, broken; none stays behind, and none tells a key."""

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tank_mailer.adapters import aws, keys
from tank_mailer.adapters.helper import without_keys, wrong_with
from tank_mailer.adapters.keys import Keys

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # of AWS's documentation
TOKEN = "FwoGZXIvYXdzEBYaDHhBTEMPLESvSrF1wVYZJ8sP4iPq9k2mT5LxQ=="
KEY_ID = "ASIAIOSFODNN7EXAMPLE"
ANSWER = {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "SessionToken": TOKEN}


@pytest.fixture
def look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Looks for keys by a helper of these lines; what was said of it."""

    def looked(*lines: str) -> str:
        script = tmp_path / "helper"
        script.write_text("\n".join(("#!/bin/sh", *lines, "")))
        script.chmod(0o755)
        (tmp_path / "config").write_text(f"[default]\ncredential_process = {script}\n")
        of = Keys(aws={"AWS_CONFIG_FILE": str(tmp_path / "config")}, source=aws.source_of)

        async def start() -> str:
            await of.start()
            return repr(of)

        shown = asyncio.run(start())
        return shown + capsys.readouterr().out

    return looked


def test_its_keys_are_taken(look: Callable[..., str]) -> None:
    assert "credentials_unavailable" not in look(f"echo '{json.dumps(ANSWER)}'", "echo 'a word beside' >&2")


@pytest.mark.parametrize("then", ["sleep 600", "sleep 600 & echo begun", "trap '' TERM INT; sleep 600 | sleep 600"])
def test_what_a_hanging_helper_has_started_does_not_stay_behind(
    look: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """A script around `curl` is ended with its curl; or each look would cost a process, and two open files of ours."""
    monkeypatch.setattr(keys, "LOOK_TIMEOUT_S", 1.0)
    before = open_files()

    said = look(f"exec 9>'{tmp_path / 'mark'}'", f"echo $$ >'{tmp_path / 'group'}'", then)

    assert "no answer within 1 s" in said
    assert open_files() <= before
    asyncio.run(until_gone((tmp_path / "group").read_text().strip()))


def open_files() -> set[str]:
    """Of this process, pipes by their numbers."""
    found = set[str]()
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # of the look itself
            found.add(str(one.readlink()))
    return found


async def until_gone(group: str) -> None:
    """What is killed is gone a moment later."""
    async with asyncio.timeout(60):
        while members(group):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)


def members(group: str) -> list[str]:
    """Processes of the group that run; one that is ended and not yet buried does not."""
    found = list[str]()
    for one in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, _, its_group, *_ = one.read_text().rpartition(")")[2].split()
            found += [one.parent.name] if its_group == group and state != "Z" else []
    return found


def test_a_helper_that_leaves_somebody_behind_on_purpose_may(look: Callable[..., str], tmp_path: Path) -> None:
    """A cache that serves the next time: it holds none of our pipes, and nobody waits for it."""
    pid = tmp_path / "pid"

    said = look(f"sleep 600 </dev/null >/dev/null 2>&1 & echo $! >'{pid}'", f"echo '{json.dumps(ANSWER)}'")

    assert "credentials_unavailable" not in said
    os.kill(int(pid.read_text()), 9)


@pytest.mark.parametrize("where", ["", " >&2"], ids=["as-its-answer", "as-its-error"])
def test_one_that_never_stops_writing_is_ended(look: Callable[..., str], where: str) -> None:
    """`yes` wrote 700 MB within the time that a helper has."""
    said = look(f"exec yes{where}")

    assert "it writes more than 65536 bytes" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("exit 1", "exit code 1, without a word", id="it-says-nothing"),
        pytest.param("kill -9 $$", "ended by signal 9, without a word", id="it-was-killed"),
        pytest.param(r"printf '\377no\n' >&2; exit 1", "no", id="no-utf-8"),
        pytest.param("echo 'certificate has expired' >&2; exit 1", "certificate has expired", id="it-says-why"),
        pytest.param("echo '[]'", "its answer is no JSON object", id="a-list"),
    ],
)
def test_what_is_said_of_one_that_fails(look: Callable[..., str], line: str, said: str) -> None:
    assert said in look(line)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["set -x", f"echo '{json.dumps(ANSWER)}' >/dev/null", "exit 1"], id="a-script-that-is-traced"),
        pytest.param(
            ["set -x", f"AWS_SECRET_ACCESS_KEY={SECRET}", f"AWS_SESSION_TOKEN={TOKEN}", "exit 1"], id="others"
        ),
        pytest.param([f"echo 'denied for {SECRET}' >&2", "exit 1"], id="in-a-sentence"),
        pytest.param([f"""echo '{{"Version": "{SECRET}"}}'"""], id="as-a-version"),
        pytest.param([f"echo '{json.dumps({**ANSWER, 'AccessKeyId': None})}'"], id="without-the-other-half"),
    ],
)
def test_a_failing_helper_tells_no_key(look: Callable[..., str], lines: list[str]) -> None:
    """Its error goes into the log, and from there to wherever logs are shipped."""
    said = look(*lines)

    assert "credentials_unavailable" in said
    assert SECRET not in said
    assert TOKEN not in said
    assert KEY_ID not in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({}, "", id="as-it-should-be"),
        pytest.param({"SessionToken": None}, "", id="keys-that-last"),
        pytest.param({"Expiration": "2030-01-31T12:00:00Z"}, "", id="with-an-end"),
        pytest.param({"Expiration": "2030-01-31T12:00:00.123456789Z"}, "", id="by-the-nanosecond"),
        pytest.param({"Expiration": "31 Jan 2030 12:00:00 GMT"}, "", id="a-form-that-the-sdk-may-know"),
        pytest.param({"Expiration": "2030-01-31T12:00:00"}, "Expiration in its answer has no time zone", id="no-zone"),
        pytest.param({"Expiration": 1896091200}, "Expiration in its answer is no ISO 8601 time", id="seconds"),
        pytest.param({"Version": "1"}, "its answer is not of Version 1", id="another-version"),
        pytest.param({"AccessKeyId": None}, "AccessKeyId in its answer is missing, or no key", id="half-a-pair"),
        pytest.param({"SecretAccessKey": ""}, "SecretAccessKey in its answer is missing, or no key", id="empty"),
        pytest.param({"SecretAccessKey": 5}, "SecretAccessKey in its answer is missing, or no key", id="a-number"),
        pytest.param({"AccessKeyId": "AKIA\n"}, "AccessKeyId in its answer is missing, or no key", id="a-line-break"),
        pytest.param({"SessionToken": "é"}, "SessionToken in its answer is no key", id="no-ascii"),
    ],
)
def test_what_is_wrong_with_an_answer(change: dict[str, object], said: str) -> None:
    """What would fail at each signature later, as something that nobody understands."""
    assert wrong_with(json.dumps({**ANSWER, **change}).encode()) == said


@pytest.mark.parametrize("answer", [b"", b"<html>", b"\xff\xfe"])
def test_what_is_no_json(answer: bytes) -> None:
    assert wrong_with(answer) == "its answer is not JSON"


@pytest.mark.parametrize(
    "text",
    [
        "unable to parse private key /etc/tank-mailer/roles-anywhere/key.pem",
        "AccessDeniedException: arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/0a1b2c3d-4e5f-6789-abcd-ef01",
        "Post https://rolesanywhere.eu-west-1.amazonaws.com/sessions: dial tcp 192.0.2.1:443: i/o timeout",
    ],
)
def test_what_helps_to_find_the_cause_stays(text: str) -> None:
    assert without_keys(text) == text
