"""docs/troubleshooting.md has every pause, alert, log event, exit code, refused setting and reason that there is."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import tank_mailer
from tank_mailer.adapters.posting import TIMEOUT_S
from tank_mailer.core.address import parse_address
from tank_mailer.core.alerts import AlertName
from tank_mailer.core.backoff import BACKOFF_S, RetryPolicy, backoff_s
from tank_mailer.core.breaker import TRIPS_AT
from tank_mailer.core.errors import Reason
from tank_mailer.core.gate import WHAT_A_MESSAGE_FINDS, Bond, Delivery, Skipped, Standing, Step, admit, spare_suppressed
from tank_mailer.core.health import Lack
from tank_mailer.core.job import KNOWN, InvalidJob, parse_job
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Concerned
from tank_mailer.core.pausing import RULES
from tank_mailer.core.status import Status
from tank_mailer.core.telling import GIVEN_UP_AFTER
from tank_mailer.flows.feedback import MAX_RETRY_S, STUCK_POLLS
from tank_mailer.flows.intake import PASSING_FAILURES, WAIT_S
from tank_mailer.telemetry.catalogue import LOG_EVENTS
from tests.builders import make_body, make_job
from tests.project.tables import ROOT, TROUBLESHOOTING, Row, first_words, section, table, tables, words

PACKAGE = Path(tank_mailer.__file__).parent
FEEDBACK = ROOT / "docs" / "feedback.md"
COMMANDS = ROOT / "docs" / "commands.md"
NOW = datetime(2026, 11, 2, tzinfo=UTC)
ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh")


def each_once(found: Iterator[str]) -> set[str]:
    """Them all; each stands in one row alone."""
    listed = list(found)
    assert sorted(listed) == sorted(set(listed))
    return set(listed)


def nodes(*names: str) -> Iterator[ast.AST]:
    """All that stands in these files of the package, or in all files of these folders."""
    for name in names:
        path = PACKAGE / name
        for one in [path] if path.suffix else sorted(path.rglob("*.py")):
            yield from ast.walk(ast.parse(one.read_text(encoding="utf-8")))


def calls(called: str, *names: str) -> Iterator[list[ast.expr]]:
    """What `called` is given, wherever it is called there."""
    for node in nodes(*names):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == called:
            yield node.args


def reasons(found: Iterable[ast.AST]) -> set[Reason]:
    """Each `Reason.SOMETHING` among them."""
    return {
        Reason[node.attr]
        for node in found
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == Reason.__name__
    }


def text_of(node: ast.expr) -> str:
    """A constant text, where `...` stands for what is put into it; "" for what is none."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part) or "..." for part in parts)
        case _:
            return ""


# --- pauses, alerts, log events ----------------------------------------------------------------------


def test_each_pause_has_a_row_for_each_of_its_reasons() -> None:
    rows = {words(row[0])[0]: words(row[1]) for row in table(TROUBLESHOOTING, "Every pause")}
    reasons = {reason for rule in RULES for reason in rule.reasons}

    assert rows == {reason: [rule.kind for rule in RULES if reason in rule.reasons] for reason in reasons}


def test_each_alert_is_led_to_its_symptoms() -> None:
    assert each_once(first_words(table(TROUBLESHOOTING, "Every alert"))) == set(AlertName)


def test_each_warning_and_error_of_the_log_is_led_on() -> None:
    wanted = {event.name for event in LOG_EVENTS if event.level in {"warning", "error"}}

    assert each_once(first_words(table(TROUBLESHOOTING, "What the log says"))) == wanted


def test_names_in_the_text_are_names_of_something() -> None:
    """One that nothing says any more would be looked for in vain."""
    text = TROUBLESHOOTING.read_text(encoding="utf-8")
    settings = (ROOT / ".env.example").read_text(encoding="utf-8")
    said = {event.name for event in LOG_EVENTS} | set(AlertName) | set(Reason) | set(Concerned) | set(Lack)
    said |= {field for event in LOG_EVENTS for field in event.fields}
    of_jobs = {*KNOWN, *State, *(status.word for status in Status)}

    assert set(re.findall(r"`(TANK_[A-Z0-9_]+)`", text)) <= set(re.findall(r"TANK_[A-Z0-9_]+", settings))
    names = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text))
    assert names - said - of_jobs == set()


# --- exit codes --------------------------------------------------------------------------------------


def exit_codes() -> set[int]:
    """Constants called EXIT_... of the command line."""
    found = set[int]()
    for node in nodes("cli"):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=int(code)))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=int(code)))
            ) if name.startswith("EXIT_"):
                found.add(code)
            case _:
                pass
    return found


def test_each_exit_code_stands_in_the_page() -> None:
    codes = {int(word) for word in first_words(table(TROUBLESHOOTING, "Exit codes"))}

    assert len(exit_codes()) > 5
    assert codes == {0, *exit_codes()}


# --- settings that are refused -----------------------------------------------------------------------


def problems() -> set[str]:
    """All that `problem` may say, but for pydantic's own words."""
    found = {text_of(problem) for problem, *_ in calls("refusal", "settings")}
    found |= {text_of(problem) for _, problem, *_ in calls("Fault", "settings")}
    found |= {text_of(problem) for (problem,) in calls("problems.append", "settings")}
    for node in nodes("settings"):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "problem":
            found.add(text_of(node.value))
    return {text for text in found if text.strip(".: ")}  # one puts the value before another


def details() -> set[str]:
    """All that `detail` may say where the daemon's surroundings do not fit."""
    return {text_of(detail).replace("`", "") for _, detail in calls("ConfigurationError", "daemon", "adapters")}


def test_each_fault_of_a_setting_stands_in_the_page() -> None:
    first, _ = tables(TROUBLESHOOTING, "Settings that are refused")

    assert len(problems()) > 40
    assert set(first_words(first)) == problems()


def test_whatever_does_not_fit_around_the_daemon_stands_in_the_page() -> None:
    _, second = tables(TROUBLESHOOTING, "Settings that are refused")

    assert len(details()) > 4
    assert set(first_words(second)) == details()


# --- reasons -----------------------------------------------------------------------------------------

INVALID: dict[Reason, str] = {
    Reason.NOT_JSON: "[]",
    Reason.TOO_DEEP: "[" * 100_000,
    Reason.TOO_LARGE: make_body(body="x" * 1_048_576),
    Reason.MISSING_FIELD: make_body(to=None),
    Reason.BAD_FIELD: make_body(attachments=["x"]),
    Reason.BAD_ADDRESS: make_body(to="nobody"),
    Reason.TOO_MANY_RECIPIENTS: make_body(to=[f"you-{n}@example.org" for n in range(51)]),
    Reason.HEADER_INJECTION: make_body(subject="Hello\r\nBcc: all@example.org"),
    Reason.RESERVED_NAME: make_body(headers={"X-Tank-Email-Id": "1"}),
}


@pytest.mark.parametrize("row", table(TROUBLESHOOTING, "A job is invalid"), ids=lambda row: row[0])
def test_a_job_is_invalid_for_what_the_page_says(row: Row) -> None:
    found = parse_job(INVALID[Reason(words(row[0])[0])])

    assert isinstance(found, InvalidJob)
    assert [found.reason] == words(row[0])


def test_each_reason_for_which_a_job_is_invalid_has_its_row() -> None:
    files = [f"core/{name}.py" for name in ("job", "fields", "labels", "rawjson", "address", "headertext")]

    assert each_once(first_words(table(TROUBLESHOOTING, "A job is invalid"))) == reasons(nodes(*files))


JOB = make_job(sender="shop@example.com", to="you@example.org")
SKIPPED = [
    admit(replace(JOB, expires_at=NOW - timedelta(seconds=1)), delivery=Delivery(), now=NOW),
    admit(replace(JOB, configuration_set="other"), delivery=Delivery(), now=NOW),
    admit(JOB, delivery=Delivery(allowed_senders=frozenset({"example.net"})), now=NOW),
    admit(JOB, delivery=Delivery(dry_run=True), now=NOW),
    spare_suppressed(JOB, {parse_address("you@example.org").key: Reason.HARD_BOUNCE}),
    spare_suppressed(JOB, {parse_address("you@example.org").key: Reason.STALE}),
]
LEFT_AS_IT_WAS = {Reason.DUPLICATE: Step.DROP_DUPLICATE, Reason.ID_CONFLICT: Step.REFUSE_CONFLICT}


def test_a_job_is_skipped_for_what_the_page_says() -> None:
    rows = {Reason(words(row[0])[0]): row[1] for row in table(TROUBLESHOOTING, "A job is skipped")}
    ends = {one.reason: f"`{one.state}`" for one in SKIPPED if isinstance(one, Skipped)}

    assert len(ends) == len(SKIPPED)
    assert rows == {**ends, **dict.fromkeys(LEFT_AS_IT_WAS, "as it was")}


def test_no_reason_to_skip_a_job_is_left_out() -> None:
    told = {reason for args in calls("Skipped", "core/gate.py") for reason in reasons(args)}

    assert {one.reason for one in SKIPPED if isinstance(one, Skipped)} == told
    assert WHAT_A_MESSAGE_FINDS[Standing.ACCEPTED, Bond.COPY] is LEFT_AS_IT_WAS[Reason.DUPLICATE]
    assert WHAT_A_MESSAGE_FINDS[Standing.ACCEPTED, Bond.OTHER] is LEFT_AS_IT_WAS[Reason.ID_CONFLICT]


def test_reasons_of_the_dead_are_those_of_the_commands_page() -> None:
    named = set(words(section(TROUBLESHOOTING, "A job is dead"))) & set(Reason)

    assert named == set(first_words(table(COMMANDS, "Dead letters")))
    given_up = {reason for args in calls("DeadLetter", "core/verdict.py", "core/doubt.py") for reason in reasons(args)}
    assert named == given_up | {Reason.REDRIVE_POLICY, Reason.UNEXPLAINED}


def test_reasons_of_quarantine_are_those_of_the_feedback_page() -> None:
    named = set(words(section(TROUBLESHOOTING, "An event is put aside"))) & set(Reason)
    unreadable = {reason for args in calls("Unreadable", "core", "flows") for reason in reasons(args)}

    assert named == unreadable | {Reason.UNSTORABLE}
    assert named == set(first_words(table(FEEDBACK, "What is no event")))


def test_each_reason_that_there_is_can_be_found() -> None:
    elsewhere = ("Every pause", "A job is invalid", "A job is skipped")
    found = {word for heading in elsewhere for word in first_words(table(TROUBLESHOOTING, heading))}
    for heading in ("A job is dead", "An event is put aside", "All others"):
        found |= set(words(section(TROUBLESHOOTING, heading)))

    assert set(Reason) <= found


def test_all_others_are_reasons() -> None:
    assert each_once(first_words(table(TROUBLESHOOTING, "All others"))) <= set(Reason)


FIGURES = [
    pytest.param("The error table", f"after {RetryPolicy().max_throttles} throttles", id="throttles"),
    pytest.param("The error table", f"again in {backoff_s(1, 0):.0f} to {backoff_s(1, 1):.0f} s", id="unreachable"),
    pytest.param(
        "The error table",
        f"again after {BACKOFF_S[0]:.0f} s, {BACKOFF_S[1] / 60:.0f} min, {BACKOFF_S[2] / 60:.0f} min",
        id="failed",
    ),
    pytest.param("The error table", f"not before {RetryPolicy().evidence_wait_s / 60:.0f} min", id="evidence"),
    pytest.param("The error table", f"({RetryPolicy().no_channel_wait_s / 60:.0f} min without event", id="no-channel"),
    pytest.param("SQS", f"at the {ORDINALS[PASSING_FAILURES + 1]} failure in a row", id="polls-of-jobs"),
    pytest.param("SQS", f"at the {ORDINALS[STUCK_POLLS]} in a row `event_poll_stuck`", id="polls-of-events"),
    pytest.param("SQS", f"every {MAX_RETRY_S:.0f} s at last", id="polls-of-events-at-last"),
    pytest.param("The web server is not told", f"2xx within {TIMEOUT_S:.0f} s", id="webhook"),
    pytest.param("DNS, proxy, TLS, firewall", f"a long poll of {WAIT_S} s", id="long-poll"),
]


@pytest.mark.parametrize(("heading", "told"), FIGURES)
def test_figures_are_those_of_the_code(heading: str, told: str) -> None:
    assert told in section(TROUBLESHOOTING, heading)


def test_figures_in_words_are_those_of_the_code() -> None:
    assert (TRIPS_AT, RetryPolicy().max_resends, RetryPolicy().max_doubt_s) == (5, 3, 6 * 3600)
    assert "after five: five attempts of different jobs in a row" in section(TROUBLESHOOTING, "The error table")
    assert "after three resends or six hours" in section(TROUBLESHOOTING, "The error table")
    assert timedelta(days=3) == GIVEN_UP_AFTER
    assert "three days are over" in section(TROUBLESHOOTING, "The web server is not told")
