"""`tank-mailer config endpoints`: what an operator hands to whoever looks after the firewall."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
REGION = "eu-west-1"
QUEUE = f"https://sqs.{REGION}.amazonaws.com/123456789012/tank-outbound"
EVENTS = f"https://sqs.{REGION}.amazonaws.com/123456789012/tank-events"
KEY = "hunter2hunter2"


@pytest.fixture(autouse=True)
def _environment(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_OUTBOUND_QUEUE_URL", QUEUE)


@pytest.fixture
def listed(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, dict[str, Any]]]:
    """The list by `HOST:PORT`, with more variables than the queue's URL."""

    def ask(**variables: str) -> dict[str, dict[str, Any]]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        result = run("config", "endpoints", "--json")
        assert result.exit_code == 0, result.output
        return {f"{one['host']}:{one['port']}": one for one in json.loads(result.stdout)["endpoints"]}

    return ask


Listed = Callable[..., dict[str, dict[str, Any]]]


def test_for_a_pipe_it_is_a_line_each(run: Run) -> None:
    result = run("config", "endpoints")

    heading, *lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert heading.split("\t") == ["host", "port", "protocol", "opened by", "way", "for"]
    assert lines[0] == f"sqs.{REGION}.amazonaws.com\t443\ttcp\tdaemon, commands\tdirect\tqueues"
    assert lines[1] == f"email.{REGION}.amazonaws.com\t443\ttcp\tdaemon, commands\tdirect\tSES"
    assert "DNS" in result.stderr
    assert "Nothing comes in" in result.stderr


def test_what_is_not_set_is_not_opened(listed: Listed) -> None:
    assert set(listed()) == {
        f"sqs.{REGION}.amazonaws.com:443",
        f"email.{REGION}.amazonaws.com:443",
        "iam.amazonaws.com:443",
        f"sts.{REGION}.amazonaws.com:443",
        f"sns.{REGION}.amazonaws.com:443",
        f"cloudformation.{REGION}.amazonaws.com:443",
    }


def test_all_that_settings_name_is_there(listed: Listed) -> None:
    found = listed(
        TANK_EVENT_QUEUE_URL=EVENTS,
        TANK_VERIFY_SNS_SIGNATURES="on",
        TANK_WEBHOOK_URL="https://www.example.com/hooks/mail",
        TANK_WEBHOOK_SECRET="whsec_" + "hunter2" * 8,
        TANK_ALERT_WEBHOOK_URL=f"https://hooks.example.com:8443/services/{KEY}",
        TANK_DATABASE_URL=f"postgresql+asyncpg://tank:{KEY}@db.example.com/tank",
        TANK_DNS_RESOLVER="192.0.2.53",
    )

    assert found[f"sqs.{REGION}.amazonaws.com:443"]["for"] == ["queues", "event queue"]
    assert found[f"sns.{REGION}.amazonaws.com:443"]["opened_by"] == ["daemon", "commands"]
    assert found["www.example.com:443"]["for"] == ["TANK_WEBHOOK_URL"]
    assert found["hooks.example.com:8443"]["for"] == ["TANK_ALERT_WEBHOOK_URL"]
    assert found["db.example.com:5432"]["for"] == ["TANK_DATABASE_URL"]
    assert found["192.0.2.53:53"]["protocols"] == ["udp", "tcp"]
    assert KEY not in json.dumps(found)
    assert "hunter2" not in json.dumps(found)


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        pytest.param({"AWS_REGION": "eu-central-1"}, "email.eu-central-1.amazonaws.com:443", id="another-region"),
        pytest.param({"AWS_USE_FIPS_ENDPOINT": "true"}, f"email-fips.{REGION}.amazonaws.com:443", id="FIPS"),
        pytest.param({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, f"email.{REGION}.api.aws:443", id="dual-stack"),
        pytest.param({"AWS_REGION": "us-gov-west-1"}, "iam.us-gov.amazonaws.com:443", id="another-partition"),
        pytest.param({"AWS_ENDPOINT_URL_SESV2": "https://vpce.example.com"}, "vpce.example.com:443", id="an-endpoint"),
        pytest.param({"AWS_ENDPOINT_URL_SES": "https://vpce.example.com"}, "vpce.example.com:443", id="of-SESv1"),
        pytest.param({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "127.0.0.1:4566", id="the-stand-in"),
    ],
)  # fmt: skip
def test_hosts_are_those_that_the_sdk_would_ask(listed: Listed, variables: dict[str, str], host: str) -> None:
    assert host in listed(**variables)


def test_the_certificates_of_sns_are_where_they_are(listed: Listed) -> None:
    """SNS names their URL in each message; no setting moves them."""
    found = listed(TANK_EVENT_QUEUE_URL=EVENTS, TANK_VERIFY_SNS_SIGNATURES="on", AWS_ENDPOINT_URL="http://127.0.0.1:1")

    assert found[f"sns.{REGION}.amazonaws.com:443"]["for"] == ["SNS's certificates"]


def test_a_proxy_is_a_host_too(listed: Listed) -> None:
    found = listed(
        HTTPS_PROXY=f"http://me:{KEY}@proxy.example.com:3128",
        NO_PROXY="www.example.com",
        TANK_WEBHOOK_URL="https://www.example.com/hooks/mail",
        TANK_WEBHOOK_SECRET="whsec_" + "hunter2" * 8,
    )

    assert found["proxy.example.com:3128"]["proxy"] is None
    assert found[f"email.{REGION}.amazonaws.com:443"]["proxy"] == "proxy.example.com:3128"
    assert found["www.example.com:443"]["proxy"] is None
    assert KEY not in json.dumps(found)


@pytest.mark.parametrize(
    ("proxy", "place"),
    [
        pytest.param("proxy.example.com:3128", "proxy.example.com:3128", id="without-a-scheme"),
        pytest.param("http://proxy.example.com", "proxy.example.com:80", id="without-a-port"),
        pytest.param("https://proxy.example.com", "proxy.example.com:443", id="by-TLS-without-a-port"),
        pytest.param("http://[2001:db8::1]:3128", "[2001:db8::1]:3128", id="by-IPv6"),
    ],
)
def test_a_proxy_is_where_its_url_says(listed: Listed, proxy: str, place: str) -> None:
    host, _, port = place.rpartition(":")
    found = listed(HTTPS_PROXY=proxy)

    assert found[f"email.{REGION}.amazonaws.com:443"]["proxy"] == place
    assert found[f"{host.strip('[]')}:{port}"]["for"] == ["the proxy"]


@pytest.mark.parametrize(
    ("url", "places"),
    [
        pytest.param("tank:x@db.example.com/tank", {"db.example.com:5432"}, id="a-host"),
        pytest.param("tank:x@[2001:db8::1]:6543/tank", {"2001:db8::1:6543"}, id="an-address"),
        pytest.param("tank:x@/tank?host=db.example.com&port=6543", {"db.example.com:6543"}, id="in-the-query"),
        pytest.param("tank@a.example.com/tank?host=db.example.com", {"db.example.com:5432"}, id="the-query-goes-first"),
        pytest.param("/tank?host=a.example:5432&host=b.example:1", {"a.example:5432", "b.example:1"}, id="several"),
        pytest.param("/tank?host=/var/run/postgresql", set(), id="a-socket"),
    ],
)  # fmt: skip
def test_a_database_is_where_the_driver_looks_for_it(listed: Listed, url: str, places: set[str]) -> None:
    found = listed(TANK_DATABASE_URL=f"postgresql+asyncpg://{url}")

    assert {place for place, one in found.items() if one["for"] == ["TANK_DATABASE_URL"]} == places


def test_a_helper_goes_its_own_ways(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not run for this."""
    (tmp_path / "config").write_text(f"[default]\ncredential_process = touch {tmp_path / 'was-run'}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    result = run("config", "endpoints")

    assert "rolesanywhere.REGION.amazonaws.com:443" in result.stderr
    assert json.loads(run("config", "endpoints", "--json").stdout)["credential_process"]
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        pytest.param({"AWS_PROFILE": "nobody"}, "profile", id="no-such-profile"),
        pytest.param({"TANK_OUTBOUND_QUEUE_URL": "http://127.0.0.1:4566/000000000000/jobs"}, "region", id="no-region"),
        pytest.param({"TANK_MAX_PARALLEL": "none"}, "TANK_MAX_PARALLEL", id="bad-settings"),
        pytest.param({"AWS_ENDPOINT_URL": "ftp://127.0.0.1/"}, "AWS_ENDPOINT_URL", id="an-endpoint-of-another-kind"),
        pytest.param({"HTTPS_PROXY": f"http://me:{KEY}@h:port"}, "HTTPS_PROXY", id="a-proxy-with-no-port"),
        pytest.param({"HTTPS_PROXY": f"http://me:{KEY}/x@h:3128"}, "HTTPS_PROXY", id="a-proxy-with-a-slash-before-it"),
        pytest.param({"HTTPS_PROXY": "http://[::1"}, "HTTPS_PROXY", id="a-proxy-with-half-an-address"),
    ],
)
def test_an_sdk_that_cannot_be_set_up(
    run: Run, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], text: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    result = run("config", "endpoints")

    assert (result.exit_code, result.stdout) == (78, "")
    assert text in result.stderr
    assert KEY not in result.stderr
