"""`.env.example`, the README's table and the model tell the same about every setting."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from tank_mailer.settings import NAMES, Settings, load_settings

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"
COMMENTED = re.compile(r"^#(?=[A-Z])", re.MULTILINE)
MADE_AT_START = {"TANK_NODE"}  # the default depends on the host
REQUIRED = {name for name, field in NAMES.items() if Settings.model_fields[field].is_required()}


def example() -> dict[str, str]:
    """All variables of the example, those that are commented out too."""
    text = COMMENTED.sub("", EXAMPLE.read_text(encoding="utf-8"))
    lines = [line.partition("=") for line in text.splitlines() if re.match(r"[A-Z_]+=", line)]
    return {name: value for name, _, value in lines}


def readme_settings() -> str:
    """The README's section on settings."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^## Settings$(?P<section>.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, "README.md needs a section '## Settings'"
    return found["section"]


def test_the_example_has_every_setting_once() -> None:
    lines = re.findall(r"^#?(TANK_\w+)=", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(lines) == sorted(NAMES)


def test_the_example_works_as_it_stands() -> None:
    loaded = load_settings(EXAMPLE, {}, container_secrets=ROOT / "no such directory")

    assert {name for name in NAMES if not loaded.is_default(name)} == REQUIRED
    assert loaded.warnings == ()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in MADE_AT_START | REQUIRED])
def test_what_is_commented_out_is_the_default(name: str, tmp_path: Path) -> None:
    field = NAMES[name]
    about = Settings.model_fields[field]
    spelled = example()[name]
    default = about.get_default()
    if not spelled:
        assert default in (None, ())
        return

    written = tmp_path / "one.env"
    written.write_text(f"{required_line()}\n{name}={spelled}\n", encoding="utf-8")
    settings = load_settings(written, {}, container_secrets=tmp_path).settings

    assert plain(getattr(settings, field)) == plain(default)


def plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def required_line() -> str:
    return f"TANK_OUTBOUND_QUEUE_URL={example()['TANK_OUTBOUND_QUEUE_URL']}"


def test_the_readme_has_every_setting() -> None:
    told = set(re.findall(r"TANK_[A-Z0-9_]+", readme_settings()))

    assert sorted(set(NAMES) - told) == []
    assert sorted(told - set(NAMES)) == []


@pytest.mark.parametrize("page", ["install.md", "nodes.md", "feedback.md", "health.md", "metrics.md"])
def test_pages_name_no_setting_that_is_not(page: str) -> None:
    told = set(re.findall(r"TANK_[A-Z0-9_]+", (ROOT / "docs" / page).read_text(encoding="utf-8")))

    assert told - set(NAMES) == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_description_says_what_it_is(name: str) -> None:
    about = Settings.model_fields[NAMES[name]]

    assert about.description
    assert about.examples or about.default, "a fault's remedy needs an example"
