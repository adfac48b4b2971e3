"""Settings: where values come from, and all that can be wrong with them, at once."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from typing_extensions import override

from tank_mailer.settings import (
    NAMES,
    SECRET_NAMES,
    Fault,
    Listen,
    Loaded,
    Settings,
    SettingsError,
    load_settings,
    masked_url,
    parse_listen,
)
from tank_mailer.settings.names import near_miss

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/tank-outbound"
OTHER_QUEUE = "http://127.0.0.1:5000/000000000000/given-up"
PRIORITY_QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/tank-priority"
EVENT_QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/tank-events"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:tank-events"
# SES's events come back, and from one topic alone.
EVENTS = {
    "TANK_EVENT_QUEUE_URL": EVENT_QUEUE,
    "TANK_EVENT_TOPIC_ARNS": TOPIC,
    "TANK_CONFIGURATION_SET": "tank",
}
PRIORITY = {"TANK_PRIORITY_QUEUE_URL": PRIORITY_QUEUE}
POSTGRESQL = {"TANK_DATABASE_URL": "postgresql+asyncpg://tank:pass@db.example.com/tank"}
CANARY = {"TANK_CANARY_FROM": "canary@example.com"}
SECRET_24 = "A" * 32  # base64 of 24 bytes
SECRET_64 = f"{'A' * 86}=="
HOOK = {"TANK_WEBHOOK_URL": "https://www.example.com/hooks/email", "TANK_WEBHOOK_SECRET": SECRET_24}
NEEDED = {"TANK_OUTBOUND_QUEUE_URL": QUEUE}


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A directory without `.env` and without secrets."""
    (tmp_path / "nowhere").mkdir()
    return tmp_path / "nowhere"


def load(directory: Path, env_file: Path | None = None, /, **environ: str) -> Loaded:
    return load_settings(env_file, NEEDED | environ, directory=directory, container_secrets=directory / "secrets")


def faults(directory: Path, env_file: Path | None = None, /, **environ: str) -> dict[str, Fault]:
    with pytest.raises(SettingsError) as caught:
        load(directory, env_file, **environ)
    return {fault.name: fault for fault in caught.value.faults}


def write(path: Path, content: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    return path


# What is understood


def test_one_setting_is_enough(nowhere: Path) -> None:
    loaded = load(nowhere)

    assert loaded.settings == Settings(outbound_queue_url=QUEUE)
    assert loaded.settings.node == socket.gethostname()
    assert loaded.warnings == ()
    assert loaded.aws == {}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        pytest.param("max_parallel", " 20 ", 20, id="spaces-around-do-not-count"),
        pytest.param("send_rate", "auto", "auto", id="the-account's-rate"),
        pytest.param("send_rate", "AUTO", "auto", id="upper-case-is-fine"),
        pytest.param("send_rate", "0.5", 0.5, id="one-recipient-in-two-seconds"),
        pytest.param("delivery", "Dry_Run", "dry_run", id="a-word-in-any-case"),
        pytest.param("configuration_sets", "a, b,,c ", ("a", "b", "c"), id="a-list"),
        pytest.param("allowed_senders", "@Example.com,B@Example.ORG", ("example.com", "b@example.org"), id="senders"),
        pytest.param("allowed_senders", "bücher.example.com", ("xn--bcher-kva.example.com",), id="an-IDN-domain"),
        pytest.param("dead_letter_queue_url", OTHER_QUEUE, OTHER_QUEUE, id="an-emulator's-queue"),
        pytest.param("min_free_bytes", "1GiB", 1024**3, id="a-size-with-a-unit"),
        pytest.param("min_free_bytes", "0", 0, id="no-check-of-the-disk"),
        pytest.param("visibility_timeout_s", "43180", 43_180, id="the-longest-lease"),
        pytest.param("redirect_to", "staging@Example.com", "staging@example.com", id="an-address"),
        pytest.param("log_level", "WARNING", "warning", id="a-level"),
        pytest.param("event_queue_url", EVENT_QUEUE, EVENT_QUEUE, id="a-queue-for-events"),
        pytest.param("event_topic_arns", f"{TOPIC}, {TOPIC}-2", (TOPIC, f"{TOPIC}-2"), id="two-topics"),
        pytest.param("priority_queue_url", PRIORITY_QUEUE, PRIORITY_QUEUE, id="a-queue-for-what-goes-first"),
        pytest.param("priority_queue_url", "", None, id="one-lane"),
        pytest.param("daily_reserve", "0", 0.0, id="no-reserve"),
        pytest.param("daily_reserve", "0.99", 0.99, id="nearly-all-in-reserve"),
        pytest.param("bounce_warn", "0.0999", 0.0999, id="a-warning-just-below-the-pause"),
        pytest.param("bounce_pause", "0.0501", 0.0501, id="a-pause-just-above-the-warning"),
        pytest.param("bounce_pause", "1", 1.0, id="a-pause-that-never-comes"),
        pytest.param("complaint_warn", "0.0049", 0.0049, id="a-warning-of-complaints"),
        pytest.param("complaint_pause", "1e-2", 0.01, id="a-pause-for-complaints"),
        pytest.param("raw_events", "on", True, id="on"),
        pytest.param("raw_events", "TRUE", True, id="true"),
        pytest.param("raw_events", "Yes", True, id="yes"),
        pytest.param("raw_events", "1", True, id="one"),
        pytest.param("raw_events", "off", False, id="off"),
        pytest.param("raw_events", "false", False, id="false"),
        pytest.param("raw_events", "no", False, id="no"),
        pytest.param("raw_events", "0", False, id="zero"),
        pytest.param("verify_sns_signatures", "on", True, id="signatures-alone"),
        pytest.param("stale_after_days", "365", 365, id="a-year-without-a-delivery"),
        pytest.param("canary_interval_s", "60", 60, id="a-canary-each-minute"),
        pytest.param("canary_interval_s", "86400", 86_400, id="a-canary-each-day"),
        pytest.param("max_job_age_s", "1209600", 1_209_600, id="an-alert-when-SQS-forgets"),
        pytest.param("cloudwatch_namespace", "Tank/Mailer", "Tank/Mailer", id="a-namespace"),
        pytest.param("dns_resolver", "9.9.9.9", ("9.9.9.9:53",), id="a-resolver"),
        pytest.param(
            *(
                "dns_resolver",
                "127.0.0.1:5353, 2620:fe::fe ,[::1]:53",
                ("127.0.0.1:5353", "[2620:fe::fe]:53", "[::1]:53"),
            ),
            id="several-resolvers",
        ),
        pytest.param("http_listen", "0.0.0.0:80", "0.0.0.0:80", id="for-all-hosts-with-a-token"),
        pytest.param("http_listen", "[::1]:9464", "[::1]:9464", id="by-IPv6"),
        pytest.param("http_listen", "localhost:9464", "localhost:9464", id="by-name"),
        pytest.param("http_listen", "", "", id="empty-switches-HTTP-off"),
        pytest.param("http_listen", "  ", "", id="blank-switches-HTTP-off"),
        pytest.param("max_parallel", "", 10, id="empty-is-not-set"),
        pytest.param("max_parallel", "   ", 10, id="blank-is-not-set"),
    ],
)
def test_understood(name: str, text: str, value: object, nowhere: Path) -> None:
    settings = load(nowhere, TANK_HTTP_TOKEN="0123456789abcdef", **{f"TANK_{name.upper()}": text}).settings

    assert getattr(settings, name) == value


@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite:///var/tank.db",
        "sqlite+aiosqlite:////var/lib/tank/tank.db",
        "postgresql+asyncpg://tank:pass@db.example.com:5432/tank",
        "postgresql+asyncpg:///tank?host=/run/postgresql",
    ],
)
def test_databases(url: str, nowhere: Path) -> None:
    assert load(nowhere, TANK_DATABASE_URL=url).settings.database_url == SecretStr(url)


def test_the_ledger_lies_where_systemd_says(nowhere: Path) -> None:
    loaded = load(nowhere, STATE_DIRECTORY="/var/lib/tank-mailer:/var/lib/other")

    url = loaded.settings.database_url.get_secret_value()
    assert url == "sqlite+aiosqlite:////var/lib/tank-mailer/tank-mailer.db"
    assert loaded.origins["TANK_DATABASE_URL"] == "default ($STATE_DIRECTORY)"


def test_settings_do_not_change() -> None:
    settings = Settings(outbound_queue_url=QUEUE)

    with pytest.raises(ValidationError):
        settings.max_parallel = 1  # type: ignore[misc]


def test_the_process_environment_does_not_leak_in(monkeypatch: pytest.MonkeyPatch, nowhere: Path) -> None:
    """What was not handed over is not there: so origins are true."""
    monkeypatch.setenv("TANK_MAX_PARALLEL", "99")

    assert load(nowhere).settings.max_parallel == 10
    assert Settings(outbound_queue_url=QUEUE).max_parallel == 10


def test_secret_names_are_the_secret_fields() -> None:
    secret = {name for name, field in NAMES.items() if "SecretStr" in str(Settings.model_fields[field].annotation)}

    assert secret == SECRET_NAMES


# Where it comes from


def test_the_environment_goes_before_the_file_before_secrets(nowhere: Path) -> None:
    write(nowhere / ".env", "TANK_MAX_PARALLEL=2\nTANK_MAX_ATTEMPTS=2\n")
    for name in ("TANK_MAX_PARALLEL", "TANK_MAX_ATTEMPTS", "tank_retention_days"):
        write(nowhere / "secrets" / name, "30\n")

    loaded = load(nowhere, TANK_MAX_PARALLEL="1")

    settings = loaded.settings
    assert (settings.max_parallel, settings.max_attempts, settings.retention_days) == (1, 2, 30)
    assert loaded.origins["TANK_MAX_PARALLEL"] == "environment"
    assert loaded.origins["TANK_MAX_ATTEMPTS"] == str(nowhere / ".env")
    assert loaded.origins["TANK_RETENTION_DAYS"] == str(nowhere / "secrets" / "tank_retention_days")
    assert loaded.origins["TANK_SEND_RATE"] == "default"
    assert [name for name in NAMES if not loaded.is_default(name)] == [
        "TANK_OUTBOUND_QUEUE_URL",
        "TANK_MAX_PARALLEL",
        "TANK_MAX_ATTEMPTS",
        "TANK_RETENTION_DAYS",
    ]


@pytest.mark.parametrize("name", ["default", "environment"])
def test_a_file_of_any_name_is_a_file(name: str, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(nowhere)
    write(nowhere / name, "TANK_NODE=a\nAWS_REGION=eu-west-1\n")

    loaded = load(nowhere, Path(name))

    assert not loaded.is_default("TANK_NODE")
    assert loaded.aws == {"AWS_REGION": "eu-west-1"}


def test_an_empty_variable_does_not_hide_the_file(nowhere: Path) -> None:
    write(nowhere / ".env", "TANK_MAX_PARALLEL=2\n")

    assert load(nowhere, TANK_MAX_PARALLEL="").settings.max_parallel == 2


def test_credentials_of_systemd_go_before_those_of_the_container(nowhere: Path) -> None:
    credentials = nowhere / "credentials"
    write(credentials / "TANK_HASH_KEY", "from-systemd-from-systemd\n")
    write(nowhere / "secrets" / "TANK_HASH_KEY", "from-docker-from-docker\n")

    loaded = load(nowhere, CREDENTIALS_DIRECTORY=str(credentials))

    assert loaded.settings.hash_key == SecretStr("from-systemd-from-systemd")
    assert loaded.origins["TANK_HASH_KEY"] == str(credentials / "TANK_HASH_KEY")


def test_of_a_secret_file_one_line_end_is_taken_off(nowhere: Path) -> None:
    write(nowhere / "secrets" / "TANK_HASH_KEY", " 0123456789abcdef \n")

    assert load(nowhere).settings.hash_key == SecretStr(" 0123456789abcdef ")


def test_the_file_as_dotenv_writes_it(nowhere: Path) -> None:
    path = write(
        nowhere / "my.env",
        "\ufeff# a comment\r\n\r\nexport TANK_NODE='a-node' # why\r\nTANK_HASH_KEY=\"${HOME}0123456789abcdef\"\r\n",
    )

    settings = load(nowhere, path).settings

    assert settings.node == "a-node"
    assert settings.hash_key == SecretStr("${HOME}0123456789abcdef")


def test_AWS_variables_of_the_file_are_handed_over(nowhere: Path) -> None:  # noqa: N802
    """pydantic-settings does not export them, and botocore would not see them."""
    write(
        nowhere / ".env",
        "AWS_REGION=eu-west-1\nAWS_ACCESS_KEY_ID=AKIA\nHTTPS_PROXY=http://proxy:3128\nPATH=/bin\nno_proxy=local\n",
    )
    write(nowhere / "secrets" / "AWS_SECRET_ACCESS_KEY", "secret\n")

    loaded = load(nowhere, AWS_REGION="us-east-1", AWS_PROFILE="work")

    assert loaded.aws == {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "HTTPS_PROXY": "http://proxy:3128",
        "NO_PROXY": "local",
    }
    assert loaded.origins["AWS_REGION"] == "environment"
    assert loaded.origins["AWS_PROFILE"] == "environment"
    assert loaded.origins["AWS_ACCESS_KEY_ID"] == str(nowhere / ".env")


@pytest.mark.parametrize(
    ("environ", "in_file", "region"),
    [
        pytest.param({"AWS_REGION": "a"}, "", "a", id="from-the-environment-where-botocore-does-not-look"),
        pytest.param({"AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"}, "", "a", id="the-newer-name-goes-first"),
        pytest.param({"AWS_DEFAULT_REGION": "b"}, "AWS_REGION=c\n", "b", id="but-the-environment-goes-before-it"),
        pytest.param({}, "AWS_DEFAULT_REGION=d\nAWS_REGION=c\n", "c", id="from-the-file"),
        pytest.param({}, "AWS_DEFAULT_REGION=d\n", "d", id="by-the-older-name"),
    ],
)
def test_the_region(environ: dict[str, str], in_file: str, region: str, nowhere: Path) -> None:
    write(nowhere / ".env", in_file)

    assert load(nowhere, **environ).aws == {"AWS_REGION": region}


@pytest.mark.parametrize("name", ["AWS_SESSION_TOKEN", "AWS_PROFILE"])
def test_what_is_left_over_in_the_file_does_not_spoil_keys(name: str, nowhere: Path) -> None:
    """AWS would refuse keys with another's token, and a profile would silently replace them."""
    write(nowhere / ".env", f"{name}=old\n")

    loaded = load(nowhere, AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="secret")

    assert loaded.aws == {}
    assert f"{name} ({nowhere / '.env'}) is left out" in loaded.warnings[0]


# What is wrong


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        pytest.param("MAX_PARALLEL", "many", "'many': should be a valid integer", id="no-number"),
        pytest.param("MAX_PARALLEL", "0", "greater than 0", id="no-slot"),
        pytest.param("MAX_PARALLEL", "1001", "less than or equal to 1000", id="too-many-slots"),
        pytest.param("RATE_SHARE", "1.1", "less than or equal to 1", id="more-than-all"),
        pytest.param("RATE_SHARE", "0", "greater than 0", id="a-share-of-nothing"),
        pytest.param("RATE_SHARE", "nan", "finite", id="a-share-that-is-no-number"),
        pytest.param("SEND_RATE", "0", "neither 'auto' nor a number", id="a-rate-of-nothing"),
        pytest.param("SEND_RATE", "inf", "neither 'auto' nor a number", id="a-rate-without-end"),
        pytest.param("SEND_RATE", "fast", "neither 'auto' nor a number", id="a-rate-in-words"),
        pytest.param("VISIBILITY_TIMEOUT_S", "43181", "less than or equal to 43180", id="longer-than-SQS-allows"),
        pytest.param("VISIBILITY_TIMEOUT_S", "50", "too short", id="a-lease-shorter-than-an-attempt"),
        pytest.param("IN_DOUBT", "maybe", "should be 'resend' or 'hold'", id="an-unknown-word"),
        pytest.param("RETENTION_DAYS", "14", "greater than or equal to 15", id="the-ledger-forgets-before-SQS"),
        pytest.param("MIN_FREE_BYTES", "-1", "", id="less-than-no-disk"),
        pytest.param("TEST_TO", "nobody", "not an e-mail address", id="no-address"),
        pytest.param("TEST_FROM", "Bob <bob@example.com>", "an address with a name", id="an-address-with-a-name"),
        pytest.param("ALLOWED_SENDERS", "example.com,nobody", "'nobody': neither", id="one-of-the-senders"),
        pytest.param("CONFIGURATION_SET", "arn:aws:ses:x", "no name of a configuration set", id="an-ARN-for-a-name"),
        pytest.param("CONFIGURATION_SETS", "a,b c", "'b c': no name", id="one-of-the-sets"),
        pytest.param("NODE", "a b", "should match", id="a-node-with-a-space"),
        pytest.param("OUTBOUND_QUEUE_URL", "tank-outbound", "not a queue URL", id="a-name-for-a-URL"),
        pytest.param("OUTBOUND_QUEUE_URL", "http://[::1/1", "not a URL", id="a-broken-URL"),
        pytest.param("OUTBOUND_QUEUE_URL", "ftp://h/123456789012/q", "not a queue URL", id="another-scheme"),
        pytest.param("OUTBOUND_QUEUE_URL", "https://h/12345/q", "12 digits", id="a-mutilated-account"),
        pytest.param("OUTBOUND_QUEUE_URL", f"{QUEUE}?x=1", "not a queue URL", id="a-queue-with-a-query"),
        pytest.param("OUTBOUND_QUEUE_URL", f"{QUEUE}.fifo", "FIFO", id="a-FIFO-queue"),
        pytest.param("OUTBOUND_QUEUE_URL", "arn:aws:sqs:r:1:q", "ARN", id="an-ARN-for-a-URL"),
        pytest.param("DEAD_LETTER_QUEUE_URL", QUEUE, "the same queue", id="given-up-jobs-would-come-back"),
        pytest.param("PRIORITY_QUEUE_URL", "tank-priority", "not a queue URL", id="a-name-for-the-priority-queue"),
        pytest.param("PRIORITY_QUEUE_URL", f"{PRIORITY_QUEUE}.fifo", "FIFO", id="a-FIFO-queue-for-what-goes-first"),
        pytest.param("PRIORITY_QUEUE_URL", QUEUE, "same queue as TANK_OUTBOUND_QUEUE_URL", id="two-lanes-one-queue"),
        pytest.param("DAILY_RESERVE", "1", "less than 1", id="nothing-left-for-the-ordinary-lane"),
        pytest.param("DAILY_RESERVE", "-0.1", "greater than or equal to 0", id="less-than-no-reserve"),
        pytest.param("DAILY_RESERVE", "nan", "finite", id="a-reserve-that-is-no-number"),
        pytest.param("BOUNCE_WARN", "0", "greater than 0", id="a-warning-at-once"),
        pytest.param("BOUNCE_PAUSE", "10", "less than or equal to 1", id="per-cent-for-a-share"),
        pytest.param("BOUNCE_PAUSE", "0.05", "not above TANK_BOUNCE_WARN=0.05", id="a-pause-without-a-warning"),
        pytest.param("COMPLAINT_WARN", "2", "less than or equal to 1", id="more-complaints-than-mails"),
        pytest.param("COMPLAINT_PAUSE", "0", "greater than 0", id="a-pause-at-once"),
        pytest.param("COMPLAINT_PAUSE", "0.0005", "not above TANK_COMPLAINT_WARN=0.001", id="complaints-unwarned"),
        pytest.param("DELIVERY", "redirect", "needed with TANK_DELIVERY=redirect", id="a-redirect-to-nobody"),
        pytest.param("DATABASE_URL", "sqlite+aiosqlite://", "without a path", id="no-file"),
        pytest.param("DATABASE_URL", "sqlite+aiosqlite:///:memory:", "forgets", id="a-ledger-in-memory"),
        pytest.param("DATABASE_URL", "sqlite:///x.db", "without the driver", id="another-driver"),
        pytest.param("DATABASE_URL", "postgres://h/db", "without the driver", id="Heroku's-spelling"),
        pytest.param("DATABASE_URL", "postgresql+asyncpg://h", "without the name", id="no-database"),
        pytest.param("DATABASE_URL", "postgresql+asyncpg://u:a@b@h/db", "has an @", id="a-password-with-an-@"),
        pytest.param("DATABASE_URL", "mysql://h/db", "no URL of a database", id="another-database"),
        pytest.param("HASH_KEY", "short", "shorter than 16", id="a-key-that-is-none"),
        pytest.param("EVENT_QUEUE_URL", QUEUE, "same queue as TANK_OUTBOUND_QUEUE_URL", id="events-among-jobs"),
        pytest.param("EVENT_QUEUE_URL", f"{EVENT_QUEUE}.fifo", "FIFO", id="a-FIFO-queue-for-events"),
        pytest.param("EVENT_TOPIC_ARNS", "tank-events", "no ARN of an SNS topic", id="a-name-for-an-ARN"),
        pytest.param("EVENT_TOPIC_ARNS", f"{TOPIC},x", "'x': no ARN", id="one-of-the-topics"),
        pytest.param("EVENT_TOPIC_ARNS", f"{TOPIC}.fifo", "SES cannot publish", id="a-FIFO-topic"),
        pytest.param("EVENT_TOPIC_ARNS", f"{TOPIC}:6f1d0c2e-9a1b", "of a subscription", id="a-subscription"),
        pytest.param(
            "EVENT_TOPIC_ARNS", TOPIC.replace("sns", "sqs"), "no ARN of an SNS topic", id="the-ARN-of-a-queue"
        ),
        pytest.param(
            "EVENT_TOPIC_ARNS", TOPIC.replace("123456789012", "1234"), "no ARN of an", id="a-topic-of-half-an-account"
        ),
        pytest.param("EVENT_TOPIC_ARNS", TOPIC.replace("aws", "aws-xx"), "no ARN", id="an-unknown-partition"),
        pytest.param("RAW_EVENTS", "maybe", "'maybe': neither on nor off", id="neither-on-nor-off"),
        pytest.param("VERIFY_SNS_SIGNATURES", "2", "neither on nor off", id="a-number-for-a-switch"),
        pytest.param("STALE_AFTER_DAYS", "-1", "greater than or equal to 0", id="stale-before-it-was-mailed"),
        pytest.param("CANARY_INTERVAL_S", "59", "greater than or equal to 60", id="a-canary-too-often"),
        pytest.param("CANARY_INTERVAL_S", "86401", "less than or equal to 86400", id="a-canary-too-seldom"),
        pytest.param("CANARY_FROM", "canary", "not an e-mail address", id="a-canary-without-a-domain"),
        pytest.param("WEBHOOK_SECRET", SECRET_24, "without TANK_WEBHOOK_URL", id="a-secret-for-nobody"),
        pytest.param("HTTP_LISTEN", "9464", "not HOST:PORT", id="a-port-alone"),
        pytest.param("HTTP_LISTEN", ":9464", "not HOST:PORT", id="no-host"),
        pytest.param("HTTP_LISTEN", "*:9464", "not HOST:PORT", id="a-star-for-a-host"),
        pytest.param("HTTP_LISTEN", "localhost", "not HOST:PORT", id="a-host-alone"),
        pytest.param("HTTP_LISTEN", "::1:9464", "not HOST:PORT", id="IPv6-without-brackets"),
        pytest.param("HTTP_LISTEN", "[127.0.0.1]:9464", "not HOST:PORT", id="IPv4-in-brackets"),
        pytest.param("HTTP_LISTEN", "127.0.0.256:9464", "not HOST:PORT", id="a-number-above-255"),
        pytest.param("HTTP_LISTEN", "127.0.0.1:0", "a port from 1", id="port-0"),
        pytest.param("HTTP_LISTEN", "127.0.0.1:65536", "to 65535", id="a-port-beyond-all"),
        pytest.param("HTTP_LISTEN", "http://127.0.0.1:9464", "not HOST:PORT", id="a-URL-to-listen-on"),
        pytest.param("HTTP_TOKEN", "0123456789abcde", "shorter than 16", id="a-token-that-can-be-guessed"),
        pytest.param("HTTP_TOKEN", "0123456789 abcdef", "spaces", id="a-token-with-a-space"),
        pytest.param("HTTP_TOKEN", "0123456789abcdé-f", "letters outside ASCII", id="a-token-no-header-carries"),
        pytest.param("NODE", "a\nb", "line break", id="a-line-break"),
        pytest.param("NODE", "a\udcffb", "not UTF-8", id="bytes-that-are-not-UTF-8"),
    ],
)
def test_refused(name: str, text: str, says: str, nowhere: Path) -> None:
    found = faults(nowhere, **{f"TANK_{name}": text})

    name = "REDIRECT_TO" if name == "DELIVERY" else name
    assert list(found) == [f"TANK_{name}"]
    assert says in found[f"TANK_{name}"].problem
    assert found[f"TANK_{name}"].remedy


def test_all_faults_come_at_once(nowhere: Path) -> None:
    """Nobody should restart a service six times to learn of six mistakes."""
    path = write(nowhere / "my.env", "TANK_RATE_SHARE=2\nno sense\n")

    found = faults(
        nowhere,
        path,
        TANK_OUTBOUND_QUEUE_URL="",
        TANK_MAX_PARALEL="3",
        TANK_MAX_PARALLEL="three",
        TANK_SES_TIMEOUT_S="50",
        TANK_DELIVERY="redirect",
        TANK_HASH_KEY="short",
    )

    assert set(found) == {
        str(path),
        "TANK_OUTBOUND_QUEUE_URL",
        "TANK_RATE_SHARE",
        "TANK_MAX_PARALEL",
        "TANK_MAX_PARALLEL",
        "TANK_VISIBILITY_TIMEOUT_S",  # of two settings that are fine by themselves
        "TANK_REDIRECT_TO",
        "TANK_HASH_KEY",
    }
    assert found["TANK_OUTBOUND_QUEUE_URL"].problem == "required, and not set"
    assert found["TANK_VISIBILITY_TIMEOUT_S"].remedy == "at least 90, or a shorter TANK_SES_TIMEOUT_S"
    assert found[str(path)].problem == "line 2 is not NAME=value"


def test_a_rule_is_silent_where_its_own_settings_are_bad(nowhere: Path) -> None:
    assert list(faults(nowhere, TANK_SES_TIMEOUT_S="long", TANK_VISIBILITY_TIMEOUT_S="1")) == ["TANK_SES_TIMEOUT_S"]


def test_the_lease_that_is_asked_for_is_long_enough(nowhere: Path) -> None:
    assert load(nowhere, TANK_SES_TIMEOUT_S="50", TANK_VISIBILITY_TIMEOUT_S="90").settings.ses_timeout_s == 50


# Lanes


@pytest.mark.parametrize(
    ("environ", "name", "problem"),
    [
        pytest.param(
            PRIORITY | {"TANK_DEAD_LETTER_QUEUE_URL": PRIORITY_QUEUE},
            "TANK_DEAD_LETTER_QUEUE_URL",
            "the same queue as TANK_PRIORITY_QUEUE_URL: jobs that were given up would come back for ever",
            id="what-was-given-up-would-go-first",
        ),
        pytest.param(
            PRIORITY | EVENTS | {"TANK_EVENT_QUEUE_URL": PRIORITY_QUEUE},
            "TANK_EVENT_QUEUE_URL",
            "the same queue as TANK_PRIORITY_QUEUE_URL: jobs would be taken for events, and events for jobs",
            id="events-among-urgent-jobs",
        ),
        pytest.param(
            PRIORITY | {"TANK_PRIORITY_QUEUE_URL": PRIORITY_QUEUE.replace("eu-west-1", "eu-central-1")},
            "TANK_PRIORITY_QUEUE_URL",
            "a queue in eu-central-1, while TANK_OUTBOUND_QUEUE_URL is one in eu-west-1: both are read by one client",
            id="a-queue-that-our-client-cannot-reach",
        ),
        pytest.param(
            {"TANK_PRIORITY_QUEUE_URL": "https://eu-central-1.queue.amazonaws.com/123456789012/tank-priority"},
            "TANK_PRIORITY_QUEUE_URL",
            "a queue in eu-central-1, while TANK_OUTBOUND_QUEUE_URL is one in eu-west-1: both are read by one client",
            id="the-same-by-its-older-name",
        ),
    ],
)
def test_queues_that_get_in_each_others_way(environ: dict[str, str], name: str, problem: str, nowhere: Path) -> None:
    found = faults(nowhere, **environ)

    assert list(found) == [name]
    assert found[name].problem == problem
    assert found[name].remedy


def test_all_that_is_wrong_with_queues_comes_at_once(nowhere: Path) -> None:
    """One queue for everything: each setting says what is wrong with it."""
    found = faults(
        nowhere,
        TANK_PRIORITY_QUEUE_URL=QUEUE,
        TANK_DEAD_LETTER_QUEUE_URL=QUEUE,
        TANK_EVENT_QUEUE_URL=QUEUE,
    )

    assert list(found) == ["TANK_PRIORITY_QUEUE_URL", "TANK_DEAD_LETTER_QUEUE_URL", "TANK_EVENT_QUEUE_URL"]
    assert len({fault.remedy for fault in found.values()}) == 3


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://sqs-fips.eu-west-1.amazonaws.com/123456789012/tank-priority", id="by-its-FIPS-name"),
        pytest.param("https://eu-west-1.queue.amazonaws.com/123456789012/tank-priority", id="by-its-older-name"),
        pytest.param("http://127.0.0.1:4566/123456789012/tank-priority", id="by-a-name-that-tells-no-region"),
        pytest.param("https://vpce-1.sqs.us-east-1.vpce.amazonaws.com/123456789012/q", id="by-an-endpoint-of-its-own"),
    ],
)
def test_a_priority_queue_may_be_where_the_other_is(url: str, nowhere: Path) -> None:
    loaded = load(nowhere, TANK_PRIORITY_QUEUE_URL=url)

    assert loaded.settings.priority_queue_url == url
    assert loaded.warnings == ()


def test_a_lane_is_not_blamed_for_the_fault_of_the_other(nowhere: Path) -> None:
    assert list(faults(nowhere, **PRIORITY, TANK_OUTBOUND_QUEUE_URL="x")) == ["TANK_OUTBOUND_QUEUE_URL"]


# Reputation


@pytest.mark.parametrize("what", ["BOUNCE", "COMPLAINT"])
def test_a_pause_is_never_the_first_one_hears(what: str, nowhere: Path) -> None:
    """Also where only the warning was set, and the pause by default lies below."""
    fault = faults(nowhere, **{f"TANK_{what}_WARN": "0.3"})[f"TANK_{what}_PAUSE"]

    assert f"not above TANK_{what}_WARN=0.3" in fault.problem
    assert fault.remedy == f"raise it above 0.3, or lower TANK_{what}_WARN"


@pytest.mark.parametrize("what", ["BOUNCE", "COMPLAINT"])
def test_a_pause_is_not_blamed_for_a_bad_warning(what: str, nowhere: Path) -> None:
    assert list(faults(nowhere, **{f"TANK_{what}_WARN": "often"})) == [f"TANK_{what}_WARN"]


# Names


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("TANK_MAX_PARALEL", "TANK_MAX_PARALLEL"),
        ("TANK_VISIBILITY_TIMEOUT", "TANK_VISIBILITY_TIMEOUT_S"),
        ("TANK_OUTBOUND_QUEUE", "TANK_OUTBOUND_QUEUE_URL"),
        ("TANK_CONFIGURATIONSET", "TANK_CONFIGURATION_SET"),
        ("TANK_DLQ_URL", None),
        ("TANK_PORT", None),
        ("TANK_SERVICE_HOST", None),
        ("TANK_EVNT_QUEUE_URL", "TANK_EVENT_QUEUE_URL"),
        ("TANK_EVENT_TOPIC_ARN", "TANK_EVENT_TOPIC_ARNS"),
        ("TANK_WEBHOOK_SERVICE_HOST", None),
        ("TANK_HTTP_PORT", None),
        ("TANK_PRIORTY_QUEUE_URL", "TANK_PRIORITY_QUEUE_URL"),
        ("TANK_COMPLAINTS_PAUSE", "TANK_COMPLAINT_PAUSE"),
    ],
)
def test_near_miss(wrong: str, right: str | None) -> None:
    assert near_miss(wrong, NAMES) == right


def test_a_near_miss_is_refused_with_the_right_name(nowhere: Path) -> None:
    fault = faults(nowhere, TANK_MAX_PARALEL="3")["TANK_MAX_PARALEL"]

    assert "TANK_MAX_PARALLEL is probably meant" in fault.problem
    assert "rename it to TANK_MAX_PARALLEL" in fault.remedy


def test_a_near_miss_among_secret_files_is_refused_too(nowhere: Path) -> None:
    write(nowhere / "secrets" / "TANK_HASHKEY", "0123456789abcdef")
    write(nowhere / "secrets" / "rhsm", "somebody else's")

    assert list(faults(nowhere)) == ["TANK_HASHKEY"]


def test_a_name_without_effect_draws_a_warning(nowhere: Path) -> None:
    (warning,) = load(nowhere, TANK_PORT_80_TCP="x").warnings

    assert "TANK_PORT_80_TCP (environment) is unknown: it has no effect" in warning


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        pytest.param({"TANK_REDIRECT_TO": "a@example.com"}, "TANK_REDIRECT_TO has no effect", id="a-redirect-unused"),
        pytest.param({"TANK_DRAIN_TIMEOUT_S": "5"}, "may leave jobs in doubt", id="a-short-drain"),
        pytest.param(
            {"TANK_EVENT_TOPIC_ARNS": TOPIC}, "TANK_EVENT_TOPIC_ARNS has no effect", id="topics-without-a-queue"
        ),
        pytest.param({"TANK_RAW_EVENTS": "on"}, "TANK_RAW_EVENTS has no effect", id="raw-events-without-a-queue"),
        pytest.param(
            {"TANK_VERIFY_SNS_SIGNATURES": "on"}, "SNS_SIGNATURES has no effect", id="signatures-without-a-queue"
        ),
        pytest.param(
            {"TANK_STALE_AFTER_DAYS": "365"}, "TANK_STALE_AFTER_DAYS has no effect", id="staleness-without-deliveries"
        ),
        pytest.param(
            {"TANK_CANARY_INTERVAL_S": "60"}, "TANK_CANARY_INTERVAL_S has no effect", id="an-interval-without-a-canary"
        ),
        pytest.param(
            {"TANK_DAILY_RESERVE": "0.1"}, "TANK_DAILY_RESERVE has no effect", id="a-reserve-for-a-lane-that-is-not"
        ),
        pytest.param(PRIORITY | {"TANK_MAX_PARALLEL": "1"}, "set 3 or more", id="two-lanes-in-one-slot"),
        pytest.param(PRIORITY | {"TANK_MAX_PARALLEL": "2"}, "set 3 or more", id="all-slots-in-one-lane"),
        pytest.param(
            {"TANK_PRIORITY_QUEUE_URL": PRIORITY_QUEUE.replace("123456789012", "210987654321")},
            "another AWS account",
            id="a-queue-of-somebody-else",
        ),
        pytest.param({"TANK_BOUNCE_PAUSE": "0.11"}, "is above 0.1, at which AWS", id="AWS-pauses-bounces-first"),
        pytest.param(
            {"TANK_COMPLAINT_PAUSE": "0.01"}, "is above 0.005, at which AWS", id="AWS-pauses-complaints-first"
        ),
        pytest.param(POSTGRESQL, "TANK_HASH_KEY is not set", id="nodes-that-name-one-recipient-differently"),
        pytest.param(EVENTS | {"TANK_EVENT_TOPIC_ARNS": ""}, "any topic", id="any-topic-may-speak"),
        pytest.param(EVENTS | {"TANK_CONFIGURATION_SET": ""}, "carry no tags", id="events-without-tags"),
        pytest.param(
            HOOK | {"TANK_WEBHOOK_URL": "http://www.example.com/"}, "is plain http", id="news-for-all-to-read"
        ),
        pytest.param(
            {"TANK_ALERT_WEBHOOK_URL": "http://chat.example.com/hooks/1"}, "is plain http", id="alerts-for-all-to-read"
        ),
        pytest.param(
            {"TANK_HTTP_LISTEN": "", "TANK_HTTP_TOKEN": "0123456789abcdef"},
            "TANK_HTTP_TOKEN has no effect",
            id="a-token-for-no-server",
        ),
    ],
)
def test_what_is_odd_draws_a_warning(environ: dict[str, str], says: str, nowhere: Path) -> None:
    (warning,) = load(nowhere, **environ).warnings

    assert says in warning


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param(EVENTS, id="events-of-one-topic"),
        pytest.param(EVENTS | {"TANK_RAW_EVENTS": "on"}, id="raw-events"),
        pytest.param(EVENTS | {"TANK_VERIFY_SNS_SIGNATURES": "on"}, id="signed-events"),
        pytest.param(EVENTS | CANARY, id="a-canary"),
        pytest.param(HOOK, id="a-webhook"),
        pytest.param(HOOK | {"TANK_WEBHOOK_URL": "http://127.0.0.1:8000/hook"}, id="plain-http-to-this-host"),
        pytest.param(HOOK | {"TANK_WEBHOOK_URL": "http://[::1]/"}, id="plain-http-to-this-host-by-IPv6"),
        pytest.param(HOOK | {"TANK_WEBHOOK_URL": "http://localhost/"}, id="plain-http-to-this-host-by-name"),
        pytest.param({"TANK_HTTP_LISTEN": ""}, id="no-HTTP"),
        pytest.param(PRIORITY | {"TANK_MAX_PARALLEL": "3"}, id="a-slot-for-the-ordinary-lane"),
        pytest.param(PRIORITY | {"TANK_DAILY_RESERVE": "0.1"}, id="a-reserve"),
        pytest.param({"TANK_MAX_PARALLEL": "1"}, id="one-slot-for-one-lane"),
        pytest.param({"TANK_BOUNCE_PAUSE": "0.1", "TANK_COMPLAINT_PAUSE": "0.005"}, id="pauses-where-AWS-has-them"),
        pytest.param(POSTGRESQL | {"TANK_HASH_KEY": "0123456789abcdef"}, id="several-nodes"),
        pytest.param(POSTGRESQL | {"TANK_HASH_KEY": "0123456789abcdef", "TANK_NODE": "a"}, id="nodes-with-names"),
    ],
)
def test_what_fits_together_draws_none(environ: dict[str, str], nowhere: Path) -> None:
    assert load(nowhere, **environ).warnings == ()


# Events, webhook and HTTP


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sns:eu-west-1:123456789012:tank-events",
        "arn:aws-cn:sns:cn-north-1:123456789012:tank_events",
        "arn:aws-us-gov:sns:us-gov-west-1:123456789012:t",
        "arn:aws-eusc:sns:eusc-de-east-1:123456789012:t",
    ],
)
def test_topics_of_every_partition(arn: str, nowhere: Path) -> None:
    assert load(nowhere, TANK_EVENT_TOPIC_ARNS=arn).settings.event_topic_arns == (arn,)


def test_events_do_not_come_to_the_dead_letters(nowhere: Path) -> None:
    environ = EVENTS | {"TANK_EVENT_QUEUE_URL": OTHER_QUEUE, "TANK_DEAD_LETTER_QUEUE_URL": OTHER_QUEUE}

    found = faults(nowhere, **environ)

    assert list(found) == ["TANK_EVENT_QUEUE_URL"]
    assert "the same queue as TANK_DEAD_LETTER_QUEUE_URL" in found["TANK_EVENT_QUEUE_URL"].problem


def test_what_is_raw_has_no_signature_to_check(nowhere: Path) -> None:
    found = faults(nowhere, **EVENTS, TANK_RAW_EVENTS="on", TANK_VERIFY_SNS_SIGNATURES="on")

    assert list(found) == ["TANK_VERIFY_SNS_SIGNATURES"]
    assert "raw carries no signature" in found["TANK_VERIFY_SNS_SIGNATURES"].problem


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        pytest.param(
            {"TANK_CONFIGURATION_SET": ""},
            "its events would not come back without TANK_CONFIGURATION_SET",
            id="no-set",
        ),
        pytest.param(
            {"TANK_EVENT_QUEUE_URL": "", "TANK_EVENT_TOPIC_ARNS": ""},
            "its events would not come back without TANK_EVENT_QUEUE_URL",
            id="no-queue",
        ),
        pytest.param(
            {"TANK_ALLOWED_SENDERS": "example.org,other@example.com"},
            "TANK_ALLOWED_SENDERS does not allow this sender",
            id="a-sender-that-may-not-send",
        ),
        pytest.param(
            dict.fromkeys(EVENTS, "") | {"TANK_ALLOWED_SENDERS": "example.org"},
            "its events would not come back without TANK_CONFIGURATION_SET and TANK_EVENT_QUEUE_URL; "
            "TANK_ALLOWED_SENDERS does not allow this sender",
            id="all-of-it-at-once",
        ),
    ],
)
def test_a_canary_that_proves_nothing(environ: dict[str, str], problem: str, nowhere: Path) -> None:
    found = faults(nowhere, **(EVENTS | CANARY | environ))

    assert list(found) == ["TANK_CANARY_FROM"]
    assert found["TANK_CANARY_FROM"].problem == problem
    assert "leave TANK_CANARY_FROM out" in found["TANK_CANARY_FROM"].remedy


@pytest.mark.parametrize("allowed", ["example.com", "Canary@Example.com"])
def test_a_canary_that_may_send(allowed: str, nowhere: Path) -> None:
    settings = load(nowhere, **EVENTS, TANK_CANARY_FROM="Canary@example.com", TANK_ALLOWED_SENDERS=allowed).settings

    assert settings.canary_from == "Canary@example.com"


@pytest.mark.parametrize("unsound", ["TANK_CONFIGURATION_SET", "TANK_EVENT_QUEUE_URL", "TANK_ALLOWED_SENDERS"])
def test_a_canary_is_not_blamed_for_the_faults_of_others(unsound: str, nowhere: Path) -> None:
    assert list(faults(nowhere, **(EVENTS | CANARY | {unsound: "? ?"}))) == [unsound]


@pytest.mark.parametrize(
    "url",
    [
        "https://www.example.com",
        "https://www.example.com:8443/hooks/email?key=1",
        "http://10.0.0.7/hook",
        "https://[2001:db8::1]/hook",
    ],
)
def test_webhooks(url: str, nowhere: Path) -> None:
    assert load(nowhere, **(HOOK | {"TANK_WEBHOOK_URL": url})).settings.webhook_url == SecretStr(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("www.example.com/hook", "not a URL of the form", id="no-scheme"),
        pytest.param("ftp://www.example.com/", "not a URL of the form", id="another-scheme"),
        pytest.param("https:///hook", "not a URL of the form", id="no-host"),
        pytest.param("https://www.example.com:0/", "not a URL of the form", id="port-0"),
        pytest.param("https://www.example.com:99999/", "not a URL", id="a-port-beyond-all"),
        pytest.param("https://[::1/", "not a URL", id="a-broken-URL"),
        pytest.param("https://www.example.com/a b", "without spaces", id="a-space"),
        pytest.param("https://bücher.example.com/", "in ASCII", id="other-letters"),
        pytest.param("https://tank:hunter2@www.example.com/", "a user or a password", id="a-password"),
        pytest.param("https://tank@www.example.com/", "a user or a password", id="a-user"),
        pytest.param("https://www.example.com/#hook", "a fragment", id="a-fragment"),
        pytest.param("https://www.example.com/#", "a fragment", id="an-empty-fragment"),
    ],
)
def test_no_webhook(url: str, says: str, nowhere: Path) -> None:
    found = faults(nowhere, **(HOOK | {"TANK_WEBHOOK_URL": url}))

    assert list(found) == ["TANK_WEBHOOK_URL"]
    assert says in found["TANK_WEBHOOK_URL"].problem
    assert found["TANK_WEBHOOK_URL"].remedy


def test_alerts_go_to_an_address_that_nobody_is_told(nowhere: Path) -> None:
    url = "https://hooks.example.com/services/T0/hunter2"

    assert load(nowhere, TANK_ALERT_WEBHOOK_URL=url).settings.alert_webhook_url == SecretStr(url)
    fault = faults(nowhere, TANK_ALERT_WEBHOOK_URL=f"https://tank:{url}")["TANK_ALERT_WEBHOOK_URL"]
    assert "hunter2" not in f"{fault.problem} {fault.remedy}"
    assert "TANK_WEBHOOK_SECRET" not in fault.remedy


@pytest.mark.parametrize(
    "wrong", ["dns.example.com", "9.9.9.9:0", "9.9.9.9:x", "9.9.9", "[::1", "::1]:53:1", "9.9.9.9;1.1.1.1"]
)
def test_no_resolver(wrong: str, nowhere: Path) -> None:
    fault = faults(nowhere, TANK_DNS_RESOLVER=wrong)["TANK_DNS_RESOLVER"]

    assert "no IP address of a DNS server" in fault.problem
    assert "9.9.9.9" in fault.remedy


@pytest.mark.parametrize("wrong", ["AWS/SES", "Tank Mailer", "x" * 256])
def test_no_namespace(wrong: str, nowhere: Path) -> None:
    assert (
        "no CloudWatch namespace"
        in faults(nowhere, TANK_CLOUDWATCH_NAMESPACE=wrong)["TANK_CLOUDWATCH_NAMESPACE"].problem
    )


@pytest.mark.parametrize("secret", [SECRET_24, f"whsec_{SECRET_24}", SECRET_64, f"whsec_{SECRET_64}"])
def test_secrets_of_webhooks(secret: str, nowhere: Path) -> None:
    """Standard Webhooks: base64 of 24 to 64 bytes, with `whsec_` before it where it is passed on."""
    assert load(nowhere, **(HOOK | {"TANK_WEBHOOK_SECRET": secret})).settings.webhook_secret == SecretStr(secret)


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        pytest.param("A" * 28, "21 bytes", id="too-short"),
        pytest.param("A" * 88, "66 bytes", id="too-long"),
        pytest.param("whsec_", "0 bytes", id="a-prefix-alone"),
        pytest.param("A" * 31, "no base64", id="cut-off"),
        pytest.param(f"whsk_{SECRET_24}", "no base64", id="a-key-of-the-other-kind"),
        pytest.param("-_" * 16, "no base64", id="the-alphabet-of-URLs"),
        pytest.param("é" * 32, "no base64", id="other-letters"),
    ],
)
def test_no_secret_of_a_webhook(secret: str, says: str, nowhere: Path) -> None:
    fault = faults(nowhere, **(HOOK | {"TANK_WEBHOOK_SECRET": secret}))["TANK_WEBHOOK_SECRET"]

    assert says in fault.problem
    assert secret not in fault.problem
    assert "openssl rand -base64 32" in fault.remedy


def test_news_is_signed(nowhere: Path) -> None:
    found = faults(nowhere, **(HOOK | {"TANK_WEBHOOK_SECRET": ""}))

    assert list(found) == ["TANK_WEBHOOK_SECRET"]
    assert found["TANK_WEBHOOK_SECRET"].problem.startswith("needed with TANK_WEBHOOK_URL")
    assert "openssl rand -base64 32" in found["TANK_WEBHOOK_SECRET"].remedy


def test_a_secret_is_not_blamed_for_a_bad_address(nowhere: Path) -> None:
    assert list(faults(nowhere, TANK_WEBHOOK_URL="x")) == ["TANK_WEBHOOK_URL"]


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "[::]:9464", "192.168.1.7:9464", "mailer.example.com:9464"])
def test_other_hosts_show_a_token(listen: str, nowhere: Path) -> None:
    found = faults(nowhere, TANK_HTTP_LISTEN=listen)

    assert list(found) == ["TANK_HTTP_TOKEN"]
    assert f"needed with TANK_HTTP_LISTEN={listen}" in found["TANK_HTTP_TOKEN"].problem
    assert load(nowhere, TANK_HTTP_LISTEN=listen, TANK_HTTP_TOKEN="0123456789abcdef").warnings == ()


@pytest.mark.parametrize("listen", ["127.0.0.1:9464", "127.0.0.2:80", "[::1]:9464", "localhost:9464", ""])
def test_this_host_may_do_without(listen: str, nowhere: Path) -> None:
    assert load(nowhere, TANK_HTTP_LISTEN=listen).settings.http_token is None


@pytest.mark.parametrize(
    ("text", "listen", "is_loopback"),
    [
        pytest.param("127.0.0.1:9464", Listen("127.0.0.1", 9464), True, id="IPv4"),
        pytest.param("[::1]:80", Listen("::1", 80), True, id="IPv6-without-its-brackets"),
        pytest.param("LocalHost:80", Listen("LocalHost", 80), True, id="a-name"),
        pytest.param("[::]:80", Listen("::", 80), False, id="all-of-IPv6"),
        pytest.param("localhost.example.com:80", Listen("localhost.example.com", 80), False, id="a-name-elsewhere"),
    ],
)
def test_where_to_listen(text: str, listen: Listen, *, is_loopback: bool) -> None:
    assert parse_listen(text) == listen
    assert listen.is_loopback is is_loopback


def test_nowhere_to_listen() -> None:
    assert parse_listen("") is None


def test_an_empty_variable_switches_HTTP_off_whatever_the_file_says(nowhere: Path) -> None:  # noqa: N802
    write(nowhere / ".env", "TANK_HTTP_LISTEN=127.0.0.1:80\n")

    loaded = load(nowhere, TANK_HTTP_LISTEN="")

    assert loaded.settings.http_listen == ""
    assert loaded.origins["TANK_HTTP_LISTEN"] == "environment"


def test_secrets_of_files(nowhere: Path) -> None:
    for name, value in {**HOOK, "TANK_HTTP_TOKEN": "0123456789abcdef"}.items():
        write(nowhere / "secrets" / name, f"{value}\n")

    settings = load(nowhere).settings

    assert settings.webhook_url == SecretStr(HOOK["TANK_WEBHOOK_URL"])
    assert settings.webhook_secret == SecretStr(SECRET_24)
    assert settings.http_token == SecretStr("0123456789abcdef")


def test_quotes_that_docker_left_are_pointed_out(nowhere: Path) -> None:
    fault = faults(nowhere, TANK_OUTBOUND_QUEUE_URL=f'"{QUEUE}"')["TANK_OUTBOUND_QUEUE_URL"]

    assert fault.remedy.startswith("leave the quotes out")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TANK_DATABASE_URL", "postgres://tank:hunter2@h/db"),
        ("TANK_DATABASE_URL", "hunter2"),
        ("TANK_DATABASE_URL", "postgresql+hunter2"),
        ("TANK_HASH_KEY", "hunter2"),
        ("TANK_HASH_KEY", "hunter2\n"),
        ("TANK_OUTBOUND_QUEUE_URL", "https://tank:hunter2@h/123456789012/q"),
        ("TANK_HTTP_TOKEN", "hunter2"),
        ("TANK_WEBHOOK_SECRET", "hunter2"),
        ("TANK_WEBHOOK_URL", "hunter2"),
        ("TANK_WEBHOOK_URL", "https://tank:hunter2@h/"),
        ("TANK_EVENT_QUEUE_URL", "https://h/123456789012/q?key=hunter2"),
    ],
)
def test_no_fault_tells_a_secret(name: str, value: str, nowhere: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(nowhere, **{name: value})

    assert "hunter2" not in f"{caught.value} {caught.value.faults} {caught.value.__cause__}"


def test_no_print_of_the_settings_tells_a_secret(nowhere: Path) -> None:
    loaded = load(
        nowhere,
        TANK_DATABASE_URL="postgresql+asyncpg://t:hunter2@h/d",
        TANK_HASH_KEY="hunter2" * 3,
        TANK_HTTP_TOKEN="hunter2" * 3,
        TANK_WEBHOOK_URL="https://h/?key=hunter2",
        TANK_WEBHOOK_SECRET="hunter2x" * 4,
    )

    assert "hunter2" not in f"{loaded} {loaded.settings!r} {loaded.settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"A=1\nB=\xff\n", "line 2 is not UTF-8", id="not-UTF-8"),
        pytest.param(b"\n\nTANK_NODE\n", "line 3 is not NAME=value", id="no-value"),
        pytest.param(b'A=1\nTANK_NODE="open\n', "line 2 is not NAME=value", id="an-open-quote"),
    ],
)
def test_a_file_that_cannot_be_understood(content: bytes, says: str, nowhere: Path) -> None:
    path = nowhere / "my.env"
    path.write_bytes(content)

    assert faults(nowhere, path)[str(path)].problem == says


def test_a_file_that_is_named_has_to_exist(nowhere: Path) -> None:
    path = nowhere / "missing.env"

    assert "No such file" in faults(nowhere, path)[str(path)].problem


def test_a_directory_is_no_file(nowhere: Path) -> None:
    assert "Is a directory" in faults(nowhere, nowhere)[str(nowhere)].problem


def test_a_name_that_stands_twice_draws_a_warning(nowhere: Path) -> None:
    write(nowhere / ".env", "TANK_NODE=a\nTANK_NODE=b\n")

    loaded = load(nowhere)

    assert loaded.settings.node == "b"
    assert "TANK_NODE stands there twice; line 2 counts" in loaded.warnings[0]


@pytest.mark.parametrize(
    ("content", "mode", "warns"),
    [
        pytest.param("TANK_HASH_KEY=0123456789abcdef\n", 0o644, True, id="a-key-for-everybody"),
        pytest.param("TANK_HASH_KEY=0123456789abcdef\n", 0o640, False, id="a-key-for-a-group"),
        pytest.param("TANK_DATABASE_URL=postgresql+asyncpg://u:p@h/d\n", 0o644, True, id="a-password-for-everybody"),
        pytest.param("TANK_DATABASE_URL=sqlite+aiosqlite:///x.db\n", 0o644, False, id="a-URL-without-a-password"),
        pytest.param("TANK_WEBHOOK_SECRET=QUFB\n", 0o644, True, id="a-signing-key-for-everybody"),
        pytest.param("TANK_WEBHOOK_URL=https://h/?key=1\n", 0o644, True, id="a-query-for-everybody"),
        pytest.param("TANK_WEBHOOK_URL=https://h/hook\n", 0o644, False, id="an-address-without-a-query"),
        pytest.param("TANK_NODE=a\n", 0o644, False, id="nothing-to-hide"),
    ],
)
def test_secrets_that_everybody_may_read(content: str, mode: int, *, warns: bool, nowhere: Path) -> None:
    write(nowhere / ".env", content, mode)

    try:
        warnings = load(nowhere).warnings
    except SettingsError as error:
        warnings = error.warnings

    assert any("chmod 600" in warning for warning in warnings) is warns


def test_a_secret_that_cannot_be_read_is_a_fault(nowhere: Path) -> None:
    (nowhere / "secrets" / "TANK_HASH_KEY").mkdir(parents=True)
    write(nowhere / "secrets" / "TANK_NODE", "x" * 100_000)
    (nowhere / "secrets" / "TANK_TEST_TO").write_bytes(b"\xff")

    found = faults(nowhere)

    assert sorted(fault.problem for fault in found.values()) == [
        "cannot be read: Is a directory",
        "is not UTF-8",
        "too large for a secret",
    ]


class Unlisted(type(Path())):  # type: ignore[misc]
    """A directory that may be entered and not listed, as sops makes /run/secrets."""

    @override
    def iterdir(self) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")


def test_a_directory_that_cannot_be_listed_is_asked_for_names(nowhere: Path) -> None:
    write(nowhere / "secrets" / "tank_hash_key", "0123456789abcdef")

    loaded = load_settings(None, NEEDED, directory=nowhere, container_secrets=Unlisted(nowhere / "secrets"))

    assert loaded.settings.hash_key == SecretStr("0123456789abcdef")


class Closed(type(Path())):  # type: ignore[misc]
    """Below a directory that may not be entered: another user's, or a tmpfs of root's."""

    @override
    def exists(self, **_: bool) -> bool:
        raise PermissionError(13, "Permission denied")


def test_a_working_directory_that_is_closed_has_no_file(nowhere: Path) -> None:
    loaded = load_settings(None, NEEDED, directory=Closed(nowhere), container_secrets=nowhere / "secrets")

    assert loaded.given == set(NEEDED)


def test_a_file_that_may_not_be_read_says_who_has_to_let_whom(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root systemd reads it, and the daemon, at a reload, as itself."""
    file = write(nowhere / "mailer.env", "")

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)

    assert "chmod 640" in faults(nowhere, file)[str(file)].remedy


def test_an_error_names_what_is_wrong(nowhere: Path) -> None:
    with pytest.raises(SettingsError, match="TANK_MAX_PARALLEL: '0': should be greater than 0"):
        load(nowhere, TANK_MAX_PARALLEL="0")


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:****@h/d"),
        ("postgresql+asyncpg://u:p@s/w:@h:5432/d", "postgresql+asyncpg://u:****@h:5432/d"),
        ("postgresql+asyncpg:///d?user=u&password=p&x=1", "postgresql+asyncpg:///d?user=u&password=****&x=1"),
        ("postgresql+asyncpg://u@h:5432/d", "postgresql+asyncpg://u@h:5432/d"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("http://h:3128", "http://h:3128"),
        ("https://h/hook?key=1&x=2", "https://h/hook?****"),
        ("HTTPS://u:p?q@h/hook?key=a@b", "HTTPS://u:****@b"),
        ("https://h/hook", "https://h/hook"),
    ],
)
def test_masked_url(url: str, masked: str) -> None:
    assert masked_url(url) == masked
