"""What the README promises about itself."""

import re
from pathlib import Path

from tests.project.readme import README, commands

ROOT = README.parent
TOP = {"tank_mailer", "tests", "config", "systemd", "docs", "Dockerfile", "pyproject.toml", "README.md", "CHANGELOG.md"}


def test_there_are_two_commands_of_one_line() -> None:
    assert len(commands()) == 2
    assert all("\n" not in command for command in commands())
    assert commands()[0].endswith("tank-mailer demo")
    assert "pytest" in commands()[1]


def test_every_file_that_it_names_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    code = [f"tank_mailer/{path}" for path in re.findall(r"`((?:core|flows|adapters)/[a-z_]+\.py)`", text)]

    assert [path for path in (*links, *code) if not (ROOT / path).exists()] == []


def test_the_top_level_is_the_customers() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}

    assert found - {"var", "dist"} <= TOP


def test_no_path_of_a_machine_and_no_registry() -> None:
    suffixes = {".py", ".md", ".toml", ".txt", ".json", ".service", ".sh"}
    files = [p for p in ROOT.rglob("*") if p.suffix in suffixes and not set(p.parts) & {".venv", ".git", "var"}]
    registry = re.compile(r"https?://[^ \"]*(/simple/|\.whl\b)")

    assert [str(p) for p in files if registry.search(Path(p).read_text(encoding="utf-8"))] == []
