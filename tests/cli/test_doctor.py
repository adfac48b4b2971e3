"""`tank-mailer doctor` as people and monitors call it."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import Result

from tank_mailer.cli import doctor
from tank_mailer.cli.doctor.setup import sdk_hosts, senders_of, setup_of, targets_of
from tank_mailer.cli.doctor.show import render
from tank_mailer.core.checkup.finding import Check, Finding, Level, fault, note, ok, warning
from tank_mailer.settings import load_settings
from tank_mailer.standin import Standin
from tests.checkups import NOW
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]
SECRET = "wJalrXUtnFEMIK7MDENG"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "EVERY_S", 0.0)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def report_of(result: Result) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def checks(result: Result, level: str = "fault") -> set[str]:
    return {one["check"] for one in report_of(result)["findings"] if one["level"] == level}


def test_json_for_a_monitor(run: Run, standin: Standin, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    result = run("doctor", "--json")

    report = report_of(result)
    assert (result.exit_code, report["ok"]) == (0, True)
    assert set(report["findings"][0]) == {"area", "check", "level", "subject", "what", "remedy"}
    assert "event_queue" in checks(result, "warning")
    assert SECRET not in result.output


def test_warnings_count_when_they_are_asked_to(run: Run, standin: Standin) -> None:
    result = run("doctor", "--json", "--strict")

    assert (result.exit_code, report_of(result)["ok"]) == (3, False)


def test_a_fault_is_told_by_the_exit_code(run: Run, standin: Standin, store: StoreFile) -> None:
    standin.state.account.change({"sending_enabled": False})

    result = run("doctor")

    assert result.exit_code == 3
    assert result.stdout.startswith("area\tcheck\tlevel\tsubject\twhat\tremedy\n")
    assert (
        "account\tsending\tfault\taccount\tsending is switched off for this account\tAWS or the owner" in result.stdout
    )
    assert result.stderr.startswith("1 fault, ")


def test_one_area_and_one_check(run: Run, standin: Standin) -> None:
    """What is not asked for is neither told nor counted."""
    standin.state.account.change({"sending_enabled": False})

    queues = run("doctor", "--json", "--area", "queues", "--area", "store")
    quota = run("doctor", "--json", "--only", "quota")
    both = run("doctor", "--json", "--only", "delivery", "--area", "settings")

    assert (queues.exit_code, quota.exit_code) == (0, 0)
    assert {one["area"] for one in report_of(queues)["findings"]} == {"queues", "store"}
    assert {one["check"] for one in report_of(quota)["findings"]} == {"quota"}
    assert "region" in {one["check"] for one in report_of(both)["findings"]}
    assert run("doctor", "--only", "sending").exit_code == 3


def test_without_a_store(run: Run, standin: Standin, tmp_path: Path) -> None:
    result = run("doctor", "--json", "--area", "store")

    assert result.exit_code == 0
    assert checks(result, "note") == {"store"}
    assert not (tmp_path / "var").exists()


def test_settings_that_cannot_be_used(run: Run, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of their faults, as findings; and nobody is asked anything."""
    monkeypatch.setenv("TANK_MAX_PARALLEL", "none")
    monkeypatch.setenv("TANK_STRANGE", "1")

    result = run("doctor", "--json")
    plain = run("doctor")

    assert (result.exit_code, plain.exit_code) == (78, 78)
    report = report_of(result)
    assert report["ok"] is False
    assert {one["subject"] for one in report["findings"] if one["level"] == "fault"} == {
        "TANK_MAX_PARALLEL",
        "TANK_OUTBOUND_QUEUE_URL",
    }
    assert all(one["remedy"] for one in report["findings"] if one["level"] == "fault")
    assert "TANK_STRANGE" in plain.stdout


@pytest.fixture
def nowhere(clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Neither a region nor a file of the SDK."""
    monkeypatch.setenv("TANK_OUTBOUND_QUEUE_URL", "http://127.0.0.1:1/123456789012/jobs")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none-either"))
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "check", "text"),
    [
        pytest.param({"AWS_PROFILE": "nobody"}, "credentials", "profile", id="no-such-profile"),
        pytest.param({}, "region", "no region", id="no-region"),
    ],
)
def test_an_sdk_that_cannot_be_set_up(
    run: Run, nowhere: pytest.MonkeyPatch, variables: dict[str, str], check: str, text: str
) -> None:
    for name, value in variables.items():
        nowhere.setenv(name, value)

    result = run("doctor", "--json")

    assert result.exit_code == 3
    assert check in checks(result)
    assert text in result.stdout


def test_everything_has_a_help_with_an_example(run: Run) -> None:
    shown = run("doctor", "--help").stdout

    assert "tank-mailer doctor --json --strict" in shown
    assert "Exit codes: 0 nothing is wrong" in shown


# --- at a terminal ---------------------------------------------------------------------------------

FOUND = [
    fault(Check.CONNECT, "email.eu-west-1.amazonaws.com:443", "SES: no\x1b[31m way", "open it in the firewall"),
    ok(Check.DELIVERY, "", "for real"),
    ok(Check.CLOCK, "", "right"),
    ok(Check.NAME, "a", "there"),
    ok(Check.NAME, "b", "there"),
    warning(Check.QUOTA, "account", "nearly used up", "ask for more"),
    note(Check.DAEMON, "", "nobody is alive"),
    Finding(Check.QUEUE, Level.UNSEEN, "jobs", "not seen"),
]


def at_terminal(found: list[Finding], *, shows_all: bool = False) -> str:
    buffer = io.StringIO()
    console = Console(file=buffer, width=80, force_terminal=True, color_system="standard", highlight=False)
    console.print(render(found, shows_all=shows_all))
    return buffer.getvalue()


def test_it_fits_a_terminal_and_says_by_words_what_colours_say() -> None:
    shown = at_terminal(FOUND)

    assert "remedy: " in shown
    assert "\x1b[31m way" not in shown, "what comes from outside steers no terminal"
    assert "\\x1b[31m way" in shown
    assert "clock, name" in shown
    assert "1 not seen" in shown
    assert "4 in order" in shown
    for heading in ("Settings", "Network", "Account", "Queues", "Store"):
        assert heading in shown
    assert "Events" not in shown


def test_all_shows_what_is_in_order_line_by_line() -> None:
    shown = at_terminal(FOUND, shows_all=True)

    assert "right" in shown
    assert "clock, name" not in shown


def test_nothing_was_looked_at() -> None:
    assert "Nothing was looked at." in at_terminal([])


def test_a_terminal_gets_the_areas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    doctor._print(FOUND, as_json=False, shows_all=False, is_ok=False)

    shown = capsys.readouterr().out
    assert "Network" in shown
    assert "\t" not in shown


# --- what is asked ---------------------------------------------------------------------------------


def settings_of(tmp_path: Path, **variables: str) -> Any:
    needed = {"TANK_OUTBOUND_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"}
    return load_settings(None, {**needed, **variables}, directory=tmp_path, container_secrets=tmp_path)


def test_hosts_are_each_probed_once(tmp_path: Path) -> None:
    loaded = settings_of(
        tmp_path,
        TANK_WEBHOOK_URL="https://www.example.com/hooks/1",
        TANK_WEBHOOK_SECRET="c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
        TANK_ALERT_WEBHOOK_URL="https://www.example.com/alerts",
        TANK_VERIFY_SNS_SIGNATURES="on",
        TANK_EVENT_QUEUE_URL="https://sqs.eu-west-1.amazonaws.com/123456789012/events",
    )
    endpoints = {"SES": "https://email.x", "SQS": "https://sqs.x", "SNS": "https://sns.x", "STS": "https://sts.x"}

    found = targets_of(loaded.settings, endpoints)

    assert [(one.use, one.is_aws) for one in found] == [
        ("SES", True),
        ("SQS", True),
        ("SNS", True),
        ("TANK_WEBHOOK_URL", False),
    ]
    assert [one.use for one in targets_of(settings_of(tmp_path).settings, endpoints)] == ["SES", "SQS"]


def test_senders_are_those_that_settings_name(tmp_path: Path) -> None:
    named = settings_of(tmp_path, TANK_ALLOWED_SENDERS="Example.com,a@b.example", TANK_TEST_FROM="Test@example.com")

    assert senders_of(named.settings) == ("example.com", "a@b.example", "test@example.com")
    assert setup_of(named, {}, region=None, now=NOW).any_sender is False
    assert setup_of(settings_of(tmp_path), {}, region=None, now=NOW).any_sender is True


@pytest.mark.parametrize(
    ("aws", "environ", "resolver", "asks_dns"),
    [
        pytest.param({}, {}, "", True, id="at-AWS"),
        pytest.param({}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "", False, id="emulated"),
        pytest.param({}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "9.9.9.9", True, id="emulated-with-a-resolver"),
        pytest.param({"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1"}, {}, "", True, id="only-the-queues-are-emulated"),
        pytest.param(
            {"AWS_ENDPOINT_URL_SESV2": "https://email.eu-west-1.amazonaws.com"},
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
            "",
            True,
            id="ses-by-its-own-name",
        ),
    ],
)
def test_whether_dns_says_anything(
    tmp_path: Path, aws: dict[str, str], environ: dict[str, str], resolver: str, asks_dns: bool
) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in aws.items()))
    loaded = settings_of(tmp_path, TANK_DNS_RESOLVER=resolver, **environ)

    assert setup_of(loaded, environ, region="eu-west-1", now=NOW).asks_dns is asks_dns
    assert sdk_hosts({"AWS_ENDPOINT_URL_SQS": "http://u:p@host:1/x"}, {}) == {"AWS_ENDPOINT_URL_SQS": "host"}
