"""`tank-mailer refused`: jobs of which no mail came, looked at, corrected and put back."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import Result

from tank_mailer.cli.program import build
from tank_mailer.core.erasure import ERASED
from tank_mailer.core.job import EmailJob, parse_job
from tank_mailer.standin import Kind, Rule, Standin
from tests.builders import make_body
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]
Bodies = Callable[[], list[str]]

FIRST, SECOND, THIRD = "1f0c2a7e-0000-4000-8000-000000000001", "1f0c2a7e-ffff-4000-8000-000000000002", "9d-third"
EVENT, OTHER_EVENT = "e7e7e7e7-0000-4000-8000-000000000001", "e7e7e7e7-0000-4000-8000-000000000002"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:tank-events"
SES_EVENTS = Path(__file__).parents[1] / "ses_events"
BROKEN = '{"email_id": "order-4711", "to": "x\x1b[2J'


def hash_of(body: str) -> str:
    job = parse_job(body)
    assert isinstance(job, EmailJob)
    return job.content_hash


def put_event(store: StoreFile, queue_message_id: str = EVENT, /, **columns: object) -> None:
    """A message of the event queue in quarantine, as `flows.feedback` puts it there."""
    why = {"kind": "event", "reason": "foreign_topic", "detail": "The message comes from elsewhere."}
    store.put_aside(queue_message_id, **{"email_id": None, "lane": "events", "raw": enveloped(), **why, **columns})


def enveloped(topic_arn: str = TOPIC) -> str:
    event = (SES_EVENTS / "event_bounce.json").read_text(encoding="utf-8")
    return json.dumps({"Type": "Notification", "MessageId": "n-1", "TopicArn": topic_arn, "Message": event})


@pytest.fixture
def on_event_queue(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> Bodies:
    """The bodies there; the settings name it."""
    waited = standin.state.queues.create("events", {})
    monkeypatch.setenv("TANK_EVENT_QUEUE_URL", f"{standin.url}/000000000000/events")
    return lambda: [message.content.body for message in list(waited.queue.messages.values())]


@pytest.fixture
def on_priority_queue(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> Bodies:
    """The bodies there; the settings name it."""
    waited = standin.state.queues.create("urgent", {})
    monkeypatch.setenv("TANK_PRIORITY_QUEUE_URL", f"{standin.url}/000000000000/urgent")
    return lambda: [message.content.body for message in list(waited.queue.messages.values())]


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


# --- too late --------------------------------------------------------------------------------------

PAST, FUTURE = "2024-12-24T18:00:00Z", "2124-12-24T18:00:00Z"


def test_what_has_expired_meanwhile_is_not_put_back(run: Run, on_queue: Bodies, store: StoreFile) -> None:
    """Told apart in the sum: nothing is wrong with these but the time."""
    store.put_aside(FIRST, kind="dry_run", raw=make_body(expires_at=PAST))
    store.put_aside(SECOND, email_id="b", raw=make_body(email_id="b", expires_at=FUTURE))
    store.put_aside(THIRD, email_id="c", raw=BROKEN)

    result = run("refused", "requeue", FIRST, SECOND, THIRD)

    assert result.exit_code == 3
    assert f"{FIRST} (order-4711): not put back: expired: its expires_at, 2024-12-24T18:00:00+00:00" in result.stdout
    assert result.stdout.endswith("1 of 3 put back on the queue; 1 expired.\n")
    assert on_queue() == [make_body(email_id="b", expires_at=FUTURE)]
    assert (requeued(store), store.audit) == ([SECOND], [("refused requeue", "b")])


def test_scripts_see_it_by_its_reason(run: Run, on_queue: Bodies, store: StoreFile) -> None:
    store.put_aside(FIRST, kind="dead", reason="attempts_spent", raw=make_body(expires_at=PAST))
    store.put_aside(SECOND, email_id="c", raw=BROKEN)

    report = json.loads(run("refused", "requeue", "--all", "--yes", "--json").stdout)

    assert (report["requeued"], report["expired"]) == (0, 1)
    assert {job["id"]: job["reason"] for job in report["jobs"]} == {FIRST: "expired", SECOND: None}
    assert on_queue() == []


def test_a_later_end_brings_it_back(run: Run, on_queue: Bodies, store: StoreFile, tmp_path: Path) -> None:
    store.put_aside(FIRST, raw=make_body(expires_at=PAST))
    (tmp_path / "job.json").write_text(make_body(expires_at=FUTURE), encoding="utf-8")

    assert run("refused", "requeue", FIRST, "--file", "job.json").exit_code == 0
    assert on_queue() == [make_body(expires_at=FUTURE)]


# --- lanes -----------------------------------------------------------------------------------------


def test_each_goes_back_on_its_lane(run: Run, on_queue: Bodies, on_priority_queue: Bodies, store: StoreFile) -> None:
    """A code among a hundred thousand newsletters would come too late."""
    store.put_aside(FIRST, lane="priority", email_id="code", raw=make_body(email_id="code"))
    store.put_aside(SECOND, email_id="news", raw=make_body(email_id="news"))

    result = run("refused", "requeue", "--all", "--yes", "--json")

    assert result.exit_code == 0, result.output
    assert (on_priority_queue(), on_queue()) == ([make_body(email_id="code")], [make_body(email_id="news")])
    jobs = json.loads(result.stdout)["jobs"]
    assert {(job["email_id"], job["lane"], job["remark"]) for job in jobs} == {
        ("code", "priority", None),
        ("news", "ordinary", None),
    }


def test_of_a_lane_that_is_gone_it_goes_on_the_ordinary_one(run: Run, on_queue: Bodies, store: StoreFile) -> None:
    """Late is better than never, if it is said."""
    store.put_aside(FIRST, lane="priority")

    result = run("refused", "requeue", FIRST)

    assert result.exit_code == 0
    assert on_queue() == [make_body()]
    assert "on the ordinary lane, for TANK_PRIORITY_QUEUE_URL is not set here" in result.stdout


def test_a_priority_queue_that_is_missing_is_named(
    run: Run, standin: Standin, on_queue: Bodies, store: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong URL is a fault, not a lane that is gone; what is back on the other one is on record."""
    monkeypatch.setenv("TANK_PRIORITY_QUEUE_URL", f"{standin.url}/000000000000/gone")
    store.put_aside(FIRST, lane="priority", email_id="code", raw=make_body(email_id="code"))
    store.put_aside(SECOND, email_id="news", raw=make_body(email_id="news"))

    result = run("refused", "requeue", FIRST, SECOND)

    assert result.exit_code == 75
    assert "the priority queue does not work: queue_missing" in result.stderr
    assert "TANK_PRIORITY_QUEUE_URL" in result.stderr
    assert (requeued(store), len(on_queue())) == ([SECOND], 1)


# --- and other ways --------------------------------------------------------------------------------


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


# --- messages of the event queue -------------------------------------------------------------------


def test_events_are_counted_and_not_listed(run: Run, store: StoreFile) -> None:
    """A web developer who looks for a job must not wade through a stranger's topic."""
    store.put_aside(FIRST)
    put_event(store)
    put_event(store, OTHER_EVENT, reason="raw_event", requeued_at=1e9 + 70)

    plain = run("refused", "list")
    report = json.loads(run("refused", "list", "--json").stdout)

    assert [line.split("\t")[0] for line in plain.stdout.splitlines()[1:]] == [FIRST[:8]]
    assert "event queue: 2" in plain.stderr
    assert "refused list --kind event" in plain.stderr
    assert (report["total"], report["quarantined_events"]) == (1, 2)
    assert [job["kind"] for job in report["jobs"]] == ["invalid"]
    assert "event queue: 1" in run("refused", "list", "--waiting").stderr
    assert "event queue: 1" in run("refused", "list", "--reason", "raw_event").stderr
    assert run("refused", "list", "--kind", "invalid").stderr == ""


def test_without_events_nothing_is_said_of_them(run: Run, store: StoreFile) -> None:
    store.put_aside(FIRST)

    assert run("refused", "list").stderr == ""


def test_events_are_listed_when_asked_for(run: Run, store: StoreFile) -> None:
    store.put_aside(FIRST)
    put_event(store)

    result = run("refused", "list", "--kind", "event")
    report = json.loads(run("refused", "list", "--kind", "event", "--json").stdout)

    assert [line.split("\t")[:4] for line in result.stdout.splitlines()[1:]] == [
        [EVENT[:8], "-", "event", "foreign_topic"]
    ]
    assert result.stderr == ""
    assert [(job["queue_message_id"], job["lane"]) for job in report["jobs"]] == [(EVENT, "events")]


def test_one_event_is_shown(run: Run, store: StoreFile) -> None:
    put_event(store)

    out = run("refused", "show", EVENT[:8]).stdout

    assert "foreign_topic" in out
    assert f'"TopicArn": "{TOPIC}"' in out
    assert run("refused", "show", EVENT, "--raw").stdout == enveloped() + "\n"


def test_an_event_goes_back_as_it_came(
    run: Run, on_queue: Bodies, on_event_queue: Bodies, store: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The topic has been added to the settings since."""
    put_event(store)
    monkeypatch.setenv("TANK_EVENT_TOPIC_ARNS", TOPIC)

    result = run("refused", "requeue", EVENT[:8])

    assert result.exit_code == 0, result.output
    assert (on_event_queue(), on_queue()) == ([enveloped()], [])
    assert requeued(store) == [EVENT]
    assert store.audit == [("refused requeue", EVENT)]


def test_an_event_goes_back_where_its_queue_is(
    run: Run, on_event_queue: Bodies, store: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With raw delivery switched on there is no envelope, and no topic."""
    event = (SES_EVENTS / "event_send.json").read_text(encoding="utf-8")
    put_event(store, reason="raw_event", raw=event)

    still = run("refused", "requeue", EVENT)
    monkeypatch.setenv("TANK_RAW_EVENTS", "on")
    mended = run("refused", "requeue", EVENT)

    assert (still.exit_code, mended.exit_code) == (3, 0)
    assert "still raw_event" in still.stdout
    assert "TANK_RAW_EVENTS" in still.stdout
    assert on_event_queue() == [event]


@pytest.mark.parametrize(
    ("columns", "options", "why"),
    [
        pytest.param({"raw": enveloped("arn:aws:sns:eu-west-1:123456789012:x")}, [], "still foreign_topic", id="still"),
        pytest.param({"raw": "", "detail": ERASED}, [], "its text was erased", id="erased"),
        pytest.param({"raw": enveloped()[:-1] + "x" * 65_536}, [], "64 KiB", id="cut"),
        pytest.param({}, ["--file", "job.json"], "as it came", id="corrected"),
    ],
)
def test_an_event_that_would_come_to_nothing_stays(
    columns: dict[str, object],
    options: list[str],
    why: str,
    *,
    run: Run,
    on_event_queue: Bodies,
    store: StoreFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "raw" in columns:
        columns = {**columns, "raw": str(columns["raw"])[:65_536]}
    put_event(store, **columns)
    (tmp_path / "job.json").write_text(make_body(), encoding="utf-8")
    monkeypatch.setenv("TANK_EVENT_TOPIC_ARNS", TOPIC)

    result = run("refused", "requeue", EVENT, *options)

    assert result.exit_code == 3
    assert why in result.stdout
    assert (on_event_queue(), requeued(store), store.audit) == ([], [], [])


def test_all_means_all_jobs(run: Run, on_queue: Bodies, on_event_queue: Bodies, store: StoreFile) -> None:
    """Events go back only when somebody says so: their cause is another one."""
    store.put_aside(FIRST)
    put_event(store)

    jobs = run("refused", "requeue", "--all", "--yes")
    report = json.loads(run("refused", "requeue", "--all", "--yes", "--json").stdout)

    assert jobs.stdout.endswith("1 of 1 put back on the queue.\n")
    assert "refused requeue --all --kind event" in jobs.stderr
    assert report == {"dry_run": False, "requeued": 0, "expired": 0, "jobs": [], "quarantined_events": 1}
    assert (len(on_queue()), on_event_queue()) == (1, [])

    events = run("refused", "requeue", "--all", "--yes", "--kind", "event")

    assert events.stdout.endswith("1 of 1 put back on the queue.\n")
    assert events.stderr == ""
    assert (len(on_queue()), len(on_event_queue())) == (1, 1)


def test_by_name_each_goes_on_its_own_queue(
    run: Run, on_queue: Bodies, on_event_queue: Bodies, store: StoreFile
) -> None:
    store.put_aside(FIRST)
    put_event(store)

    assert run("refused", "requeue", EVENT, FIRST).exit_code == 0
    assert (on_queue(), on_event_queue()) == ([make_body()], [enveloped()])


@pytest.mark.parametrize("names", [[FIRST, EVENT], ["--all", "--yes", "--kind", "event"]], ids=["by-name", "all"])
def test_without_an_event_queue_nothing_moves(names: list[str], run: Run, on_queue: Bodies, store: StoreFile) -> None:
    store.put_aside(FIRST)
    put_event(store)

    result = run("refused", "requeue", *names)

    assert result.exit_code == 78
    assert "TANK_EVENT_QUEUE_URL is not set" in result.stderr
    assert (on_queue(), requeued(store)) == ([], [])


def test_jobs_need_no_event_queue(run: Run, on_queue: Bodies, store: StoreFile) -> None:
    store.put_aside(FIRST)
    put_event(store)

    assert run("refused", "requeue", FIRST).exit_code == 0
    assert len(on_queue()) == 1


def test_an_event_queue_that_is_gone_is_named(
    run: Run, standin: Standin, on_queue: Bodies, store: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs that were asked for in the same breath are back, and on record."""
    monkeypatch.setenv("TANK_EVENT_QUEUE_URL", f"{standin.url}/000000000000/gone")
    store.put_aside(FIRST)
    put_event(store)

    result = run("refused", "requeue", FIRST, EVENT)

    assert result.exit_code == 75
    assert "TANK_EVENT_QUEUE_URL" in result.stderr
    assert (len(on_queue()), requeued(store)) == (1, [FIRST])


def test_a_table_fits_80_columns(
    store: StoreFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.put_aside(FIRST, email_id="newsletter-2026-11-customer-000004711", detail="to: It is bad. " * 5)
    put_event(store, detail="The message comes from elsewhere. " * 3, requeued_at=1e9)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")  # 80 columns, whatever the developer's are

    for kind in ("invalid", "event"):
        typer.main.get_command(build())(["refused", "list", "--kind", kind], standalone_mode=False)

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["message", "email_id", "why", "when", "(UTC)", "put", "back"]
    assert lines[1].startswith("1f0c2a7e")
    assert "2001-09-09 01:46" in lines[1]


# --- filters, rehearsals, and what the settings say ------------------------------------------------


@pytest.mark.parametrize(
    ("options", "found"),
    [
        pytest.param(["--domain", "example.org"], [FIRST], id="by-domain"),
        pytest.param(["--domain", "EXAMPLE.net"], [SECOND], id="in-any-case"),
        pytest.param(["--older-than", "1h"], [FIRST], id="older"),
        pytest.param(["--newer-than", "1h"], [SECOND], id="newer"),
        pytest.param(["--newer-than", "1h", "--domain", "example.org"], [], id="both"),
    ],
)
def test_more_filters(options: list[str], found: list[str], run: Run, on_queue: Bodies, store: StoreFile) -> None:
    """The same ones choose what is listed and what goes back."""
    store.put_aside(FIRST)
    body = make_body(email_id="b", to="x@example.net")
    store.put_aside(SECOND, email_id="b", raw=body, at=time.time() - 60)

    listed = json.loads(run("refused", "list", "--json", *options).stdout)
    back = json.loads(run("refused", "requeue", "--all", "--yes", "--json", *options).stdout)

    assert (listed["total"], [one["queue_message_id"] for one in listed["jobs"]]) == (len(found), found)
    assert [job["id"] for job in back["jobs"]] == found
    assert len(on_queue()) == len(found)


def test_the_newest_of_a_domain_come_first(run: Run, store: StoreFile) -> None:
    store.put_aside(FIRST)
    store.put_aside(SECOND, at=1e9 + 60)

    lines = run("refused", "list", "--domain", "example.org", "--limit", "1").stdout.splitlines()

    assert [line.split("\t")[0] for line in lines[1:]] == [SECOND[:8]]


def test_a_rehearsal_changes_nothing(run: Run, on_queue: Bodies, store: StoreFile) -> None:
    store.put_aside(FIRST)
    store.put_aside(SECOND, email_id="b", raw=BROKEN)

    result = run("refused", "requeue", "--all", "--dry-run")
    report = json.loads(run("refused", "requeue", "--all", "--dry-run", "--json").stdout)

    assert result.exit_code == 3
    assert f"{FIRST} (order-4711): would go on the ordinary queue" in result.stdout
    assert result.stdout.endswith("1 of 2 would be put back on the queue.\n")
    assert (report["dry_run"], report["requeued"]) == (True, 0)
    assert (on_queue(), requeued(store), store.audit) == ([], [], [])


@pytest.mark.parametrize(
    ("body", "reason", "why"),
    [
        pytest.param(make_body(from_="x@example.net"), "sender_not_allowed", "TANK_ALLOWED_SENDERS", id="sender"),
        pytest.param(make_body(configuration_set="x"), "unknown_configuration_set", "TANK_CONFIGURATION_SET", id="set"),
        pytest.param(make_body(to="no@example.org"), "suppressed", "every `to` recipient", id="suppressed"),
    ],
)
def test_what_the_daemon_would_end_again_is_not_put_back(
    body: str, reason: str, why: str, *, run: Run, on_queue: Bodies, store: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANK_ALLOWED_SENDERS", "example.com")
    monkeypatch.setenv("TANK_CONFIGURATION_SETS", "tank,other")
    store.ask("INSERT INTO suppressions (address, reason, source, created_at) VALUES ('no@example.org', 'x', 'x', 1)")
    store.put_aside(FIRST, raw=body)
    store.put_aside(SECOND, email_id="b", raw=make_body(email_id="b", configuration_set="other"))

    report = json.loads(run("refused", "requeue", "--all", "--yes", "--json").stdout)

    assert {job["id"]: job["reason"] for job in report["jobs"]} == {FIRST: reason, SECOND: None}
    assert why in report["jobs"][0]["why_not"]
    assert on_queue() == [make_body(email_id="b", configuration_set="other")]
