"""docs/security.md agrees with what it speaks of: hosts, rights, unit, files, tables, checks."""

import re
import shutil
import subprocess
from pathlib import Path

import botocore.session
import pytest
from botocore.session import Session

from tank_mailer.adapters.endpoints import SERVICES, find_endpoints
from tank_mailer.adapters.schema import metadata
from tank_mailer.core.checkup.finding import Area, Check
from tank_mailer.core.errors import Reason
from tank_mailer.settings import NAMES, SECRET_NAMES
from tank_mailer.telemetry.catalogue import LOG_EVENTS
from tests.project import rights

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
UNITS = [ROOT / "systemd" / f"{name}.service" for name in ("tank-mailer", "tank-mailer@", "tank-mailer-report")]
WORDS = {"ses": "email", "sesv2": "email"}  # in a host's name
HELPERS = {"rolesanywhere"}  # asked by AWS's own helper, not by us
REGION_ROW = re.compile(r"^\| ([a-z]{2}(?:-[a-z]+)+-\d) \| `(\S+)` \| `(\S+)` \| (?:`(\S+)`|none) \|$", re.MULTILINE)
HOST_ROW = re.compile(r"^\| `([a-z]+)\.(?:REGION\.)?amazonaws\.com` \| 443 \| ([a-z, ]+) \|", re.MULTILINE)


def section(heading: str) -> str:
    """From a heading to the next of its kind or above."""
    level = heading.partition(" ")[0]
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


# --- the firewall ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sdk() -> Session:
    return botocore.session.get_session()


def known(sdk: Session) -> dict[str, tuple[str, str, str]]:
    """SES's regions by the SDK's data: the hosts of SES and SQS, and SES's with FIPS where there is one."""
    found = {}
    for partition in sdk.get_component("data_loader").load_data("endpoints")["partitions"]:
        for region, one in partition["services"].get("email", {}).get("endpoints", {}).items():
            if one.get("deprecated"):
                continue
            fips = [variant["hostname"] for variant in one.get("variants", []) if variant["tags"] == ["fips"]]
            suffix = partition["dnsSuffix"]
            found[region] = (f"email.{region}.{suffix}", f"sqs.{region}.{suffix}", fips[0] if fips else "")
    return found


def test_every_region_of_ses_stands_there_with_its_hosts(sdk: Session) -> None:
    rows = REGION_ROW.findall(PAGE)

    assert len(rows) == len({region for region, *_ in rows})
    assert {region: tuple(hosts) for region, *hosts in rows} == known(sdk)


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither keys nor files of the developer's."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_USE_FIPS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


async def hosts_of(region: str) -> dict[str, str]:
    found = await find_endpoints({"AWS_REGION": region}, region=None, event_region=None)
    return {name: url.split("/")[2] for name, url in found.urls.items()}


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "me-central-1"])
async def test_the_sdk_asks_these_hosts(sdk: Session, no_settings: None, region: str) -> None:
    """By its rules, not by its list of regions, from which it goes its own ways."""
    hosts = await hosts_of(region)

    assert (hosts["SESV2"], hosts["SQS"]) == known(sdk)[region][:2]
    iam = "iam.us-gov.amazonaws.com" if region.startswith("us-gov") else "iam.amazonaws.com"
    assert hosts["IAM"] == iam
    assert f"`{iam}`" in PAGE


async def test_a_region_that_the_sdk_does_not_know_has_the_same_form(sdk: Session, no_settings: None) -> None:
    [newer] = re.findall(r"AWS_REGION=(\S+) tank-mailer config endpoints", PAGE)

    assert newer not in known(sdk)
    assert (await hosts_of(newer))["SESV2"] == f"email.{newer}.amazonaws.com"


def test_every_service_that_is_called_has_its_row() -> None:
    """A client of another service would need a line in the firewall, in the command and here."""
    rows = dict(HOST_ROW.findall(section("## The firewall")))
    called = rights.services()

    assert set(rows) == {WORDS.get(service, service) for service in called} | HELPERS
    assert {service for service, _ in SERVICES.values()} == called


# --- keys ------------------------------------------------------------------------------------------


def test_each_statement_of_the_policy_is_somebodys() -> None:
    rows = re.findall(r"^\| (`[A-Za-z`, ]+`) \|", section("### No more rights than needed"), re.MULTILINE)
    named = [sid for row in rows for sid in re.findall(r"`(\w+)`", row)]

    assert sorted(named) == sorted(one["Sid"] for one in rights.statements())


def test_each_secret_has_its_way_to_a_new_one() -> None:
    assert set(re.findall(r"TANK_\w+", section("### The other secrets"))) == SECRET_NAMES


def test_what_it_names_is_there() -> None:
    """Settings, log events, reasons and checks that somebody is sent to look for."""
    checks = set(re.findall(r"--only (\w+)", PAGE))
    areas = set(re.findall(r"--area (\w+)", PAGE))

    assert set(re.findall(r"TANK_[A-Z0-9_]+", PAGE)) - set(NAMES) == set()
    assert checks <= set(Check)
    assert areas <= set(Area)
    assert {"credentials_changed", "job_settled"} <= {one.name for one in LOG_EVENTS}
    assert {"sending_paused", "queue_suspect"} <= set(Reason)


# --- the host --------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_units_forbid_what_the_page_says(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \|", section("## The sandbox"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([A-Za-z]+=[\w/-]*)`", row)]

    assert len(named) > 15
    for name in named:
        assert re.search(rf"^{re.escape(name)}", text, re.MULTILINE), name


@pytest.mark.parametrize(
    ("allowed", "score"),
    [
        pytest.param(None, "1.1", id="as-shipped"),
        pytest.param("localhost 192.0.2.10 192.0.2.53", "1.0", id="by-a-proxy-alone"),
        pytest.param("localhost", "0.9", id="by-a-proxy-on-this-host"),
    ],
)
def test_the_scores_are_those_of_systemd(tmp_path: Path, allowed: str | None, score: str) -> None:
    """Newer systemds may weigh things otherwise, but not for the worse."""
    text = UNITS[0].read_text(encoding="utf-8")
    if allowed is not None:
        text = text.replace("[Install]", f"IPAddressDeny=any\nIPAddressAllow={allowed}\nMemorySwapMax=0\n\n[Install]")
        assert f"IPAddressAllow={allowed}" in section("## The sandbox")
    assert score in section("## The sandbox")
    if (program := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not here: the page's figures are held against the page alone")
    unit = tmp_path / "tank-mailer.service"
    unit.write_text(text, encoding="utf-8")
    asked = [program, "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    [measured] = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)

    assert float(measured) <= float(score), done.stderr


# --- data ------------------------------------------------------------------------------------------


def test_each_table_and_column_is_one_of_the_store_and_none_is_missing() -> None:
    """What stands in them is looked for by tests/whole/test_personal_data.py."""
    text = section("### What is personal, and where")
    rows = re.findall(r"^\| (`[a-z`, ]+`) \| (`[a-z_`, ]+`) \|", text, re.MULTILINE)
    tables = set[str]()
    for names, columns in rows:
        for name in re.findall(r"`(\w+)`", names):
            tables.add(name)
            assert set(re.findall(r"`(\w+)`", columns)) <= set(metadata.tables[name].columns.keys()), name
    [free] = re.findall(r"^(`alembic_version`.*) hold nobody's data", text, re.MULTILINE)
    harmless = set(re.findall(r"`(\w+)`", free)) - {"alembic_version"}

    assert tables & harmless == set()
    assert tables | harmless == set(metadata.tables)


# Columns by whose names somebody might look for persons; each is named in the page, or it is told here why not.
PERSONAL = re.compile(r"address|recipient|who|note|raw|payload|subject|facts|view|hash|detail")
IMPERSONAL = {
    "jobs.content_hash": "of the whole job, with its email_id: nobody's address comes of it",
    "jobs.detail": "addresses are taken out of it (core/outcome.py)",
    "volume.recipients": "a number",
    "alerts.subject": "a lane, a queue, a node",
    "alerts.detail": "a sentence without addresses",
}


def test_no_column_that_sounds_of_persons_is_left_out() -> None:
    text = section("### What is personal, and where")
    told = {
        f"{name}.{column}"
        for names, columns in re.findall(r"^\| (`[a-z`, ]+`) \| (`[a-z_`, ]+`) \|", text, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
        for column in re.findall(r"`(\w+)`", columns)
    }
    sounding = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if PERSONAL.search(column.name)
    }

    assert sounding - told == set(IMPERSONAL)
