"""docs/commands.md has every command there is, and its examples could be typed."""

import re
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from tank_mailer.cli.program import build

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def commands() -> dict[str, set[str]]:
    """All of them with their options; a group's own go by `GROUP NAME`."""
    root = get_command(build())
    assert isinstance(root, TyperGroup)
    found = dict[str, set[str]]()
    for name, one in root.commands.items():
        for path, command in (
            [(f"{name} {inner}", each) for inner, each in one.commands.items()]
            if isinstance(one, TyperGroup)
            else [(name, one)]
        ):
            found[path] = {option for parameter in command.params for option in parameter.opts}
    return found


def listed() -> set[str]:
    """Those of the table; `dlq list`, `show` stands for two of the group dlq."""
    found = set[str]()
    for cell in re.findall(r"^\| (`[^|]*`[^|]*) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        group = ""
        for text in re.findall(r"`([^`]+)`", cell):
            words = [word for word in text.split() if word.islower()]
            if len(words) > 1:
                group = words[0]
            found.add(" ".join(words) if len(words) > 1 or not group else f"{group} {words[0]}")
    return found


def test_the_table_has_them_all() -> None:
    assert set(commands()) <= listed()


def test_the_examples_name_commands_and_options_that_there_are() -> None:
    known = commands()
    text = PAGE.read_text(encoding="utf-8")
    lines = re.findall(r"^[$#] tank-mailer (.+)$", text, re.MULTILINE)
    assert len(lines) > 10

    for line in lines:
        words = line.split(">")[0].split()
        name = words[0] if words[0] in known else " ".join(words[:2])
        assert name in known, line
        assert {word for word in words if word.startswith("--")} <= known[name], line


@pytest.mark.parametrize("name", ["TANK_ENV_FILE", "DeadLetterOperator", "systemd/tank-mailer-ctl"])
def test_what_it_names_is_there(name: str) -> None:
    root = PAGE.parents[1]
    texts = [root / "tank_mailer/settings/names.py", root / "config/aws/iam-policy.json", root / "systemd/drill.sh"]

    assert (root / name).exists() or any(name in path.read_text(encoding="utf-8") for path in texts)
