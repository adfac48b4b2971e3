"""`tank-mailer enqueue`: every job of a file, and each of them once."""

import fcntl
import hashlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result
from typing_extensions import override

from tank_mailer.standin import Kind, Rule, Standin
from tests.builders import make_body

Run = Callable[..., Result]
Bodies = Callable[[], list[str]]

CSV = """\
email_id,from,to,cc,subject,body,header:X-Campaign,tags,shoe_size
a-1,sender@example.com,one@example.org; "Two; Too" <two@example.org>,,Hello,"<p>Two
lines</p>",spring,"{""kind"": ""news""}",44
a-2,sender@example.com,three@example.org,four@example.org,,<p>x</p>,,,
"""


def ids(bodies: list[str]) -> list[str]:
    return sorted(json.loads(body)["email_id"] for body in bodies)


def write_jobs(path: Path, count: int) -> list[str]:
    names = [f"job-{n:04}" for n in range(count)]
    path.write_text("".join(make_body(email_id=name) + "\n" for name in names), encoding="utf-8")
    return names


@pytest.fixture
def on_priority_queue(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> Bodies:
    """The bodies there; the settings name it."""
    waited = standin.state.queues.create("urgent", {})
    monkeypatch.setenv("TANK_PRIORITY_QUEUE_URL", f"{standin.url}/000000000000/urgent")
    return lambda: [message.content.body for message in list(waited.queue.messages.values())]


def test_a_file_goes_on_the_queue_as_it_is(run: Run, on_queue: Bodies, tmp_path: Path) -> None:
    names = write_jobs(tmp_path / "jobs.jsonl", 25)

    result = run("enqueue", "jobs.jsonl")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "25 of 25 jobs are on the queue.\n"
    assert sorted(on_queue()) == [make_body(email_id=name) for name in names]
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.jsonl"]


def test_batches_stay_within_what_sqs_takes(run: Run, standin: Standin, on_queue: Bodies, tmp_path: Path) -> None:
    large = [make_body(email_id=f"large-{n}", body="x" * 300_000) for n in range(7)]
    (tmp_path / "jobs.jsonl").write_text("\n".join(large), encoding="utf-8")

    assert run("enqueue", "jobs.jsonl").exit_code == 0
    assert len(on_queue()) == 7
    assert standin.state.counts.of("sqs", "SendMessageBatch") == 3


def test_a_queue_that_takes_less_than_sqs(run: Run, standin: Standin, on_queue: Bodies, tmp_path: Path) -> None:
    """Queues from before August 2025 have their own limit: what is too large for it is named, the rest goes."""
    queues = standin.state.queues
    queues.change(queues.named("jobs"), {"MaximumMessageSize": "2000"})
    lines = [make_body(email_id="small"), make_body(email_id="large", body="x" * 3000)]
    (tmp_path / "jobs.jsonl").write_text("\n".join(lines), encoding="utf-8")

    result = run("enqueue", "jobs.jsonl")

    assert result.exit_code == 3
    assert ids(on_queue()) == ["small"]
    assert "line 2: too_large" in result.stderr


# --- lanes -----------------------------------------------------------------------------------------


def test_a_file_may_go_first(run: Run, on_queue: Bodies, on_priority_queue: Bodies, tmp_path: Path) -> None:
    names = write_jobs(tmp_path / "jobs.jsonl", 12)

    result = run("enqueue", "jobs.jsonl", "--lane", "priority")

    assert result.exit_code == 0
    assert result.stdout == "12 of 12 jobs are on the priority queue.\n"
    assert (ids(on_priority_queue()), on_queue()) == (names, [])


def test_scripts_are_told_the_lane(run: Run, on_queue: Bodies, on_priority_queue: Bodies, tmp_path: Path) -> None:
    write_jobs(tmp_path / "jobs.jsonl", 1)

    reports = [json.loads(run("enqueue", "jobs.jsonl", *lane, "--json").stdout) for lane in ([], ["--lane=priority"])]

    assert [(report["lane"], report["queue"].rpartition("/")[2]) for report in reports] == [
        ("ordinary", "jobs"),
        ("priority", "urgent"),
    ]
    assert (len(on_queue()), len(on_priority_queue())) == (1, 1)


@pytest.mark.parametrize(
    ("lane", "code", "word"),
    [
        pytest.param("priority", 78, "TANK_PRIORITY_QUEUE_URL is not set", id="no-priority-queue"),
        pytest.param("urgent", 2, "'urgent' is not one of", id="no-such-lane"),
    ],
)
def test_a_lane_that_is_not_there(
    lane: str, code: int, word: str, *, run: Run, on_queue: Bodies, tmp_path: Path
) -> None:
    write_jobs(tmp_path / "jobs.jsonl", 1)

    result = run("enqueue", "jobs.jsonl", "--lane", lane)

    assert result.exit_code == code
    assert word in result.stderr
    assert on_queue() == []
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.jsonl"]


def test_the_priority_queue_is_named_when_it_fails(
    run: Run, standin: Standin, on_queue: Bodies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual remedy speaks of the other queue."""
    monkeypatch.setenv("TANK_PRIORITY_QUEUE_URL", f"{standin.url}/000000000000/gone")
    write_jobs(tmp_path / "jobs.jsonl", 1)

    result = run("enqueue", "jobs.jsonl", "--lane", "priority")

    assert result.exit_code == 75
    assert "the priority queue does not work: queue_missing" in result.stderr
    assert "look at TANK_PRIORITY_QUEUE_URL" in result.stderr
    assert "TANK_OUTBOUND_QUEUE_URL" not in result.stderr


def test_what_began_on_one_lane_does_not_go_on_on_the_other(
    run: Run, standin: Standin, on_queue: Bodies, on_priority_queue: Bodies, tmp_path: Path
) -> None:
    write_jobs(tmp_path / "jobs.jsonl", 30)
    standin.state.faults.add(Rule(kind=Kind.STATUS, operation="SendMessageBatch", after=1, times=None))
    run("enqueue", "jobs.jsonl")
    standin.state.faults.rules.clear()

    result = run("enqueue", "jobs.jsonl", "--lane", "priority")

    assert result.exit_code == 3
    assert "another queue" in result.stderr
    assert on_priority_queue() == []


# --- once ------------------------------------------------------------------------------------------


def test_a_failure_is_taken_up_where_it_stopped(run: Run, standin: Standin, on_queue: Bodies, tmp_path: Path) -> None:
    """The issue's promise: the second run completes the first, and no job is there twice."""
    names = write_jobs(tmp_path / "jobs.jsonl", 95)
    standin.state.faults.add(Rule(kind=Kind.STATUS, operation="SendMessageBatch", after=5, times=None))

    failed = run("enqueue", "jobs.jsonl")
    first = on_queue()
    standin.state.faults.rules.clear()
    resumed = run("enqueue", "jobs.jsonl", "--json")

    assert failed.exit_code == 75
    assert "the queue does not work: queue_unreachable" in failed.stderr
    assert "the same command goes on from there (jobs.jsonl.progress)" in failed.stderr
    assert failed.stdout == "50 of 95 jobs are on the queue.\n"
    assert len(first) == 50
    assert resumed.exit_code == 0
    report = json.loads(resumed.stdout)
    assert (report["enqueued"], report["enqueued_before"], report["jobs"]) == (45, 50, 95)
    assert ids(on_queue()) == names
    assert not (tmp_path / "jobs.jsonl.progress").exists()


def test_an_entry_that_fails_is_tried_again(run: Run, standin: Standin, on_queue: Bodies, tmp_path: Path) -> None:
    names = write_jobs(tmp_path / "jobs.jsonl", 30)
    standin.state.faults.add(Rule(kind=Kind.STATUS, operation="SendMessageBatch", times=2))

    assert run("enqueue", "jobs.jsonl").exit_code == 0
    assert ids(on_queue()) == names


def test_a_file_that_changed_is_not_taken_up(run: Run, standin: Standin, on_queue: Bodies, tmp_path: Path) -> None:
    write_jobs(tmp_path / "jobs.jsonl", 45)
    standin.state.faults.add(Rule(kind=Kind.STATUS, operation="SendMessageBatch", after=2, times=None))
    run("enqueue", "jobs.jsonl")
    standin.state.faults.rules.clear()
    names = write_jobs(tmp_path / "jobs.jsonl", 46)

    refused = run("enqueue", "jobs.jsonl")
    restarted = run("enqueue", "jobs.jsonl", "--restart")

    assert refused.exit_code == 3
    assert "another content of the file: 20 jobs of that are queued" in refused.stderr
    assert "--restart" in refused.stderr
    assert restarted.exit_code == 0
    assert len(on_queue()) == 20 + len(names)


def test_a_failure_before_the_first_job_leaves_nothing_behind(run: Run, standin: Standin, tmp_path: Path) -> None:
    write_jobs(tmp_path / "jobs.jsonl", 3)
    standin.state.queues.clear()

    result = run("enqueue", "jobs.jsonl")

    assert result.exit_code == 75
    assert "queue_missing" in result.stderr
    assert "TANK_OUTBOUND_QUEUE_URL" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.jsonl"]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        pytest.param("{", "cannot be read", id="half-a-journal"),
        pytest.param("[]", "no journal of this program", id="somebody-elses-file"),
        pytest.param({"queue": "https://other/1/q"}, "another queue", id="another-queue"),
        pytest.param({"format": "csv"}, "another format", id="another-format"),
    ],
)
def test_a_journal_that_does_not_fit_stops_it(
    content: str | dict[str, str], word: str, *, run: Run, on_queue: Bodies, tmp_path: Path
) -> None:
    write_jobs(tmp_path / "jobs.jsonl", 1)
    journal = tmp_path / "jobs.jsonl.progress"
    if isinstance(content, dict):
        report = json.loads(run("enqueue", "jobs.jsonl", "--check", "--json").stdout)
        sha256 = hashlib.sha256((tmp_path / "jobs.jsonl").read_bytes()).hexdigest()
        fits = {"form": 1, "sha256": sha256, "format": "jsonl", "queue": report["queue"], "acknowledged": []}
        content = json.dumps(fits | content)
    journal.write_text(content, encoding="utf-8")

    result = run("enqueue", "jobs.jsonl")

    assert result.exit_code == 3
    assert word in result.stderr
    assert on_queue() == []
    assert run("enqueue", "jobs.jsonl", "--restart").exit_code == 0


def test_two_at_a_time_are_refused(run: Run, on_queue: Bodies, tmp_path: Path) -> None:
    write_jobs(tmp_path / "jobs.jsonl", 1)
    with (tmp_path / "jobs.jsonl").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        result = run("enqueue", "jobs.jsonl")

    assert result.exit_code == 75
    assert "another enqueue is at work on it" in result.stderr
    assert on_queue() == []


class Alarm(Rule):
    """A rule that says when it strikes."""

    rung = threading.Event()

    @override
    def matches(self, service: str, operation: str) -> bool:
        found = super().matches(service, operation)
        if found and self.after == 0:
            self.rung.set()
        return found


def test_an_interrupt_keeps_the_journal(run: Run, standin: Standin, on_queue: Bodies, tmp_path: Path) -> None:
    """A person who presses Ctrl-C may go on later; 130 is what shells expect."""
    names = write_jobs(tmp_path / "jobs.jsonl", 95)
    alarm = Alarm(kind=Kind.HANG, operation="SendMessageBatch", after=3, times=None)
    standin.state.faults.add(alarm)
    command = [sys.executable, "-m", "tank_mailer", "enqueue", "jobs.jsonl"]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert alarm.rung.wait(timeout=20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    standin.state.faults.rules.clear()
    resumed = run("enqueue", "jobs.jsonl")

    assert process.returncode == 130
    assert "30 of 95 jobs" in out
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert resumed.exit_code == 0
    assert ids(on_queue()) == names


# --- bad lines -------------------------------------------------------------------------------------

BAD = [
    make_body(email_id="good-1"),
    "{",
    make_body(email_id="bad-to", to="nobody-at-example.org"),
    "",
    make_body(email_id="good-1", subject="another"),
    make_body(email_id="no-from", from_=...),
    make_body(email_id="good-2"),
]


def test_all_bad_lines_are_listed_and_nothing_goes(run: Run, on_queue: Bodies, tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text("\n".join(BAD), encoding="utf-8")

    result = run("enqueue", "jobs.jsonl")

    assert result.exit_code == 3
    lines = result.stderr.splitlines()
    assert [line.split(":")[:2] for line in lines[:4]] == [
        ["line 2", " not_json"],
        ["line 3", " bad_address"],
        ["line 5", " duplicate"],
        ["line 6", " missing_field"],
    ]
    assert lines[4].startswith("4 bad lines: nothing was put on the queue")
    assert "nobody-at" not in result.stderr
    assert "@example" not in result.stderr
    assert on_queue() == []


def test_bad_lines_can_be_left_out(run: Run, on_queue: Bodies, tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text("\n".join(BAD), encoding="utf-8")

    result = run("enqueue", "jobs.jsonl", "--skip-bad", "--json")

    assert result.exit_code == 0
    assert ids(on_queue()) == ["good-1", "good-2"]
    report = json.loads(result.stdout)
    assert (report["jobs"], report["enqueued"]) == (2, 2)
    assert [(one["line"], one["reason"], one["email_id"]) for one in report["bad_lines"]] == [
        (2, "not_json", None),
        (3, "bad_address", "bad-to"),
        (5, "duplicate", "good-1"),
        (6, "missing_field", "no-from"),
    ]


def test_leaving_bad_lines_out_can_be_taken_up_too(
    run: Run, standin: Standin, on_queue: Bodies, tmp_path: Path
) -> None:
    lines = [make_body(email_id=f"job-{n:04}") if n % 3 else "{" for n in range(60)]
    (tmp_path / "jobs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    standin.state.faults.add(Rule(kind=Kind.STATUS, operation="SendMessageBatch", after=2, times=None))

    assert run("enqueue", "jobs.jsonl", "--skip-bad").exit_code == 75
    standin.state.faults.rules.clear()

    assert run("enqueue", "jobs.jsonl", "--skip-bad").exit_code == 0
    assert ids(on_queue()) == [f"job-{n:04}" for n in range(60) if n % 3]


def test_of_many_bad_lines_the_first_are_shown(run: Run, standin: Standin, tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text("{\n" * 50, encoding="utf-8")

    lines = run("enqueue", "jobs.jsonl", "--skip-bad").stderr.splitlines()

    assert len(lines) == 22
    assert lines[20].startswith("... and 30 more")
    assert lines[21].startswith("50 bad lines")


def test_a_check_sends_nothing(run: Run, on_queue: Bodies, tmp_path: Path) -> None:
    write_jobs(tmp_path / "jobs.jsonl", 3)

    assert run("enqueue", "jobs.jsonl", "--check").stdout == "3 sound jobs.\n"
    assert json.loads(run("enqueue", "jobs.jsonl", "--check", "--json").stdout)["jobs"] == 3
    assert on_queue() == []


# --- other forms -----------------------------------------------------------------------------------


def test_csv(run: Run, on_queue: Bodies, tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text(CSV, encoding="utf-8-sig")

    result = run("enqueue", "jobs.csv")

    assert result.exit_code == 0
    assert "no fields of a job, and have no effect: shoe_size" in result.stderr
    assert sorted(map(json.loads, on_queue()), key=lambda job: str(job["email_id"])) == [
        {
            "email_id": "a-1",
            "from": "sender@example.com",
            "to": ["one@example.org", '"Two; Too" <two@example.org>'],
            "subject": "Hello",
            "body": "<p>Two\nlines</p>",
            "headers": {"X-Campaign": "spring"},
            "tags": {"kind": "news"},
            "shoe_size": "44",
        },
        {
            "email_id": "a-2",
            "from": "sender@example.com",
            "to": "three@example.org",
            "cc": "four@example.org",
            "subject": "",
            "body": "<p>x</p>",
        },
    ]


def test_standard_input(run: Run, on_queue: Bodies, tmp_path: Path) -> None:
    result = run("enqueue", "-", "--format", "jsonl", stdin=make_body(email_id="piped") + "\n")

    assert result.exit_code == 0
    assert ids(on_queue()) == ["piped"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        pytest.param(["missing.jsonl"], 2, "There is no file missing.jsonl", id="no-such-file"),
        pytest.param(["-"], 2, "--format", id="standard-input-has-no-suffix"),
    ],
)
def test_usage(arguments: list[str], code: int, word: str, run: Run, standin: Standin) -> None:
    result = run("enqueue", *arguments)

    assert result.exit_code == code
    assert word in result.stderr


def test_settings_come_first(run: Run, clean_environment: None, tmp_path: Path) -> None:
    write_jobs(tmp_path / "jobs.jsonl", 1)

    assert run("enqueue", "jobs.jsonl").exit_code == 78


def test_an_empty_file_is_done(run: Run, standin: Standin, tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").touch()

    assert run("enqueue", "jobs.jsonl").exit_code == 0
