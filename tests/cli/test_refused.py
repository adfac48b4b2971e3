"""`tank-mailer refused`: jobs of which no mail came, looked at, corrected and put back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tank_mailer.core.job import EmailJob, parse_job
from tank_mailer.standin import Kind, Rule, Standin
from tests.builders import make_body
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]
Bodies = Callable[[], list[str]]

FIRST, SECOND, THIRD = "1f0c2a7e-0000-4000-8000-000000000001", "1f0c2a7e-ffff-4000-8000-000000000002", "9d-third"
BROKEN = '{"email_id": "order-4711", "to": "x\x1b[2J'


def hash_of(body: str) -> str:
    job = parse_job(body)
    assert isinstance(job, EmailJob)
    return job.content_hash


def requeued(store: StoreFile) -> list[str]:
    return [name for (name,) in store.ask("SELECT queue_message_id FROM asides WHERE requeued_at > 0 ORDER BY 1")]


# --- looking ---------------------------------------------------------------------------------------


def test_a_list_for_scripts(run: Run, store: StoreFile) -> None:
    store.put_aside(FIRST)
    store.put_aside(SECOND, kind="dry_run", reason="dry_run", at=1e9 + 60, requeued_at=1e9 + 70)

    report = json.loads(run("refused", "list", "--json").stdout)

    assert report["total"] == 2
    assert report["jobs"][0] == {
        "queue_message_id": SECOND,
        "email_id": "order-4711",
        "kind": "dry_run",
        "reason": "dry_run",
        "detail": "to: It is bad.",
        "lane": "ordinary",
        "at": "2001-09-09T01:47:40.000Z",
        "requeued_at": "2001-09-09T01:47:50.000Z",
    }


@pytest.mark.parametrize(
    ("options", "found"),
    [
        pytest.param([], [SECOND, FIRST], id="all"),
        pytest.param(["--kind", "invalid"], [FIRST], id="by-kind"),
        pytest.param(["--reason", "dry_run"], [SECOND], id="by-reason"),
        pytest.param(["--waiting"], [FIRST], id="not-put-back-yet"),
        pytest.param(["--limit", "1"], [SECOND], id="the-newest"),
    ],
)
def test_a_list_of_some(options: list[str], found: list[str], run: Run, store: StoreFile) -> None:
    store.put_aside(FIRST)
    store.put_aside(SECOND, kind="dry_run", reason="dry_run", at=1e9 + 60, requeued_at=1e9 + 70)

    lines = run("refused", "list", *options).stdout.splitlines()

    assert [line.split("\t")[0] for line in lines[1:]] == [name[:8] for name in found]


def test_a_text_cannot_speak_to_the_terminal(run: Run, store: StoreFile) -> None:
    store.put_aside(FIRST, raw=BROKEN)

    out = run("refused", "show", "order-4711").stdout

    assert "\x1b" not in out
    assert "x\\x1b[2J" in out


def test_nor_can_a_list(run: Run, store: StoreFile) -> None:
    store.put_aside(FIRST, detail="a\x1b[2Jb\tc")

    out = run("refused", "list").stdout

    assert "a\\x1b[2Jb\\tc" in out


def test_a_job_is_shown_so_that_it_can_be_read(run: Run, store: StoreFile) -> None:
    store.put_aside(FIRST, raw=make_body(subject="Grüße"))

    assert '\n  "subject": "Grüße",\n' in run("refused", "show", FIRST).stdout
    assert run("refused", "show", FIRST, "--raw").stdout == make_body(subject="Grüße") + "\n"
    assert json.loads(run("refused", "show", FIRST, "--json").stdout)["raw"] == make_body(subject="Grüße")


@pytest.mark.parametrize(
    ("name", "code", "word"),
    [
        pytest.param(FIRST, 0, FIRST, id="the-whole-id"),
        pytest.param("1f0c2a7e-0", 0, FIRST, id="how-it-begins"),
        pytest.param("1f0c2a7e", 3, "more than one", id="how-two-begin"),
        pytest.param("order-4711", 0, SECOND, id="an-email_id-means-its-newest"),
        pytest.param("1f0", 3, "no such job", id="too-short-to-mean-anything"),
        pytest.param("1f0c2a7_", 3, "no such job", id="no-wildcards"),
    ],
)
def test_a_job_goes_by_several_names(name: str, code: int, word: str, run: Run, store: StoreFile) -> None:
    store.put_aside(FIRST)
    store.put_aside(SECOND, at=1e9 + 60)

    result = run("refused", "show", name)

    assert result.exit_code == code
    assert word in result.stdout + result.stderr


# --- putting back ----------------------------------------------------------------------------------


def test_a_refused_job_goes_back_as_it_was(run: Run, on_queue: Bodies, store: StoreFile) -> None:
    """The sender has been verified since; the ledger's row lets it begin afresh."""
    store.put_aside(FIRST, kind="refused", reason="unverified_sender")
    store.put_job("order-4711", "refused", reason="unverified_sender")

    result = run("refused", "requeue", "order-4711")

    assert result.exit_code == 0
    assert on_queue() == [make_body()]
    assert requeued(store) == [FIRST]
    assert store.audit == [("refused requeue", "order-4711")]


def test_a_corrected_job_goes_back(run: Run, on_queue: Bodies, store: StoreFile, tmp_path: Path) -> None:
    store.put_aside(FIRST, raw=BROKEN)
    (tmp_path / "job.json").write_text(make_body(), encoding="utf-8")

    result = run("refused", "requeue", "1f0c2a7e", "--file", "job.json", "--json")

    assert result.exit_code == 0
    assert on_queue() == [make_body()]
    (job,) = json.loads(result.stdout)["jobs"]
    assert (job["id"], job["email_id"], job["requeued"], job["why_not"]) == ("1f0c2a7e", "order-4711", True, None)
    assert "corrected" in store.ask("SELECT detail FROM audit")[0][0]


@pytest.mark.parametrize(
    ("aside", "row", "why"),
    [
        pytest.param({"raw": BROKEN}, None, "still invalid: not_json", id="still-invalid"),
        pytest.param({"raw": make_body(body="x" * 66_000)[:65_536]}, None, "64 KiB", id="cut"),
        pytest.param({"raw": make_body(subject="\uffff").replace("\\uffff", "\uffff")}, None, "SQS", id="not-for-SQS"),
        pytest.param({"kind": "dead", "reason": "in_doubt"}, None, "--may-double", id="SES-may-have-it"),
        pytest.param({}, {"state": "deferred"}, "under way", id="under-way"),
        pytest.param({}, {"state": "accepted"}, "another job was accepted", id="its-id-is-taken"),
        pytest.param(
            {},
            {"state": "accepted", "content_hash": hash_of(make_body())},
            "accepted meanwhile",
            id="accepted-meanwhile",
        ),
    ],
)
def test_what_would_come_to_nothing_is_not_put_back(
    aside: dict[str, object],
    row: dict[str, str] | None,
    why: str,
    *,
    run: Run,
    on_queue: Bodies,
    store: StoreFile,
) -> None:
    store.put_aside(FIRST, **aside)
    if row:
        store.put_job("order-4711", **row)

    result = run("refused", "requeue", FIRST)

    assert result.exit_code == 3
    assert why in result.stdout
    assert on_queue() == []
    assert (requeued(store), store.audit) == ([], [])


def test_a_text_of_nearly_64_kib_that_is_whole_goes_back(run: Run, on_queue: Bodies, store: StoreFile) -> None:
    size = len(make_body(body=""))
    store.put_aside(FIRST, raw=make_body(body="x" * (65_536 - size)))

    assert run("refused", "requeue", FIRST).exit_code == 0
    assert len(on_queue()[0]) == 65_536


def test_a_doubt_can_be_overruled(run: Run, on_queue: Bodies, store: StoreFile) -> None:
    store.put_aside(FIRST, kind="dead", reason="in_doubt")

    assert run("refused", "requeue", FIRST, "--may-double").exit_code == 0
    assert len(on_queue()) == 1


def test_after_a_rehearsal_all_go_back_once(run: Run, on_queue: Bodies, store: StoreFile) -> None:
    for n in range(25):
        store.put_aside(f"m-{n:02}", kind="dry_run", email_id=f"job-{n}", raw=make_body(email_id=f"job-{n}"))
    store.put_aside("other", raw=BROKEN)

    first = run("refused", "requeue", "--all", "--yes", "--kind", "dry_run")
    second = run("refused", "requeue", "--all", "--yes", "--kind", "dry_run")
    everything = run("refused", "requeue", "--all", "--yes")

    assert first.stdout.endswith("25 of 25 put back on the queue.\n")
    assert (second.exit_code, second.stdout) == (0, "0 of 0 put back on the queue.\n")
    assert len(on_queue()) == 25
    assert everything.exit_code == 3
    assert len(store.audit) == 25


def test_a_queue_that_fails_leaves_no_false_record(
    run: Run, standin: Standin, on_queue: Bodies, store: StoreFile
) -> None:
    for n in range(15):
        store.put_aside(f"m-{n:02}", email_id=f"job-{n}", raw=make_body(email_id=f"job-{n}"), at=1e9 + n)
    standin.state.faults.add(Rule(kind=Kind.STATUS, operation="SendMessageBatch", after=1, times=None))

    result = run("refused", "requeue", "--all", "--yes")

    assert result.exit_code == 75
    assert len(on_queue()) == len(requeued(store)) == len(store.audit) == 10


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="neither-ids-nor-all"),
        pytest.param([FIRST, "--all"], id="both"),
        pytest.param([FIRST, "--kind", "dead"], id="a-kind-without-all"),
        pytest.param([FIRST, SECOND, "--file", "-"], id="one-file-for-two"),
    ],
)
def test_usage(arguments: list[str], run: Run, standin: Standin, store: StoreFile) -> None:
    assert run("refused", "requeue", *arguments).exit_code == 2


def test_an_unknown_id(run: Run, standin: Standin, store: StoreFile) -> None:
    result = run("refused", "requeue", "nobody")

    assert result.exit_code == 3
    assert "there is no such job" in result.stdout
