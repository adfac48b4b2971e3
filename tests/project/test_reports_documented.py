"""docs/reports.md and the reports agree: commands, prices, what domains go bad in, what the key needs."""

import json
import re
from pathlib import Path

import pytest

import tank_mailer
from tank_mailer.cli import report
from tank_mailer.core.prices import Billed
from tank_mailer.core.reports.domains import Ill

ROOT = Path(tank_mailer.__file__).parents[1]
PAGE = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")


def headings() -> list[str]:
    return re.findall(r"^## (.+)$", PAGE, re.MULTILINE)


def first_cells() -> set[str]:
    """The names in the first column of all tables."""
    return {
        name for line in re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`([^`]+)`", line)
    }


def test_each_report_has_its_section() -> None:
    commands = [one.name or getattr(one.callback, "__name__", "") for one in report.app.registered_commands]
    assert [heading for heading in headings() if heading in commands] == commands
    assert f"report {'|'.join(commands)}`" in PAGE


@pytest.mark.parametrize("names", [set(Billed), set(Ill)], ids=["every-line-of-the-bill", "every-way-to-go-bad"])
def test_closed_sets_are_documented(names: set[str]) -> None:
    assert {str(name) for name in names} <= first_cells()


def test_what_the_key_needs_is_what_the_policy_allows() -> None:
    statements = json.loads((ROOT / "config/aws/iam-policy.json").read_text(encoding="utf-8"))["Statement"]
    actions = [one["Action"] for one in statements if one["Sid"].startswith("Report")]
    assert set(actions) <= first_cells()
    assert all(one["Sid"] in PAGE for one in statements if one["Sid"].startswith("Report"))
