"""Every command of docs/aws-setup.md and of section 1 of docs/install.md: it exists, and takes what it is given."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import typer
from botocore import xform_name
from botocore.session import Session
from typer.testing import CliRunner

from tank_mailer.cli.program import build
from tank_mailer.cli.send_test import EXPECTED, Type
from tests.project.cloudformation import ROOT, template

SETUP = ROOT / "docs" / "aws-setup.md"
INSTALL = ROOT / "docs" / "install.md"
FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(tank-mailer [^`]+)`")
GLOBAL = frozenset({"--query", "--output", "--region", "--profile"})  # of the AWS command line itself
# Of the AWS command line's own making: no call of an API stands behind it (aws cloudformation deploy help).
CUSTOM: Mapping[tuple[str, str], frozenset[str]] = {
    ("cloudformation", "deploy"): frozenset({
        *("--stack-name", "--template-file", "--capabilities", "--parameter-overrides"),
    }),
}  # fmt: skip
PLACEHOLDERS = {"ID": "order-1", "ADDRESS": "you@example.org"}


def guides() -> Iterator[tuple[Path, str]]:
    yield SETUP, SETUP.read_text(encoding="utf-8")
    text = INSTALL.read_text(encoding="utf-8")
    yield INSTALL, text[text.index("## 1. At AWS") : text.index("## 2a. ")]


def lines(word: str) -> list[list[str]]:
    """All commands that begin with `word`, in their parts; in a fence or, of ours, within a sentence."""
    found = []
    for _, text in guides():
        fences = "\n".join(FENCE.findall(text)).replace("\\\n", " ")
        found += [shlex.split(line) for line in fences.splitlines() if line.startswith(f"{word} ")]
        found += [shlex.split(one) for one in INLINE.findall(re.sub(r"\s+", " ", text)) if one.startswith(f"{word} ")]
    return found


# --- ours ------------------------------------------------------------------------------------------

OURS = lines("tank-mailer")


def test_there_are_commands_to_be_looked_at() -> None:
    assert len(OURS) > 10
    assert len(lines("aws")) > 10


@pytest.mark.parametrize("parts", OURS, ids=[" ".join(one[1:]) for one in OURS])
def test_our_command_takes_it(parts: list[str]) -> None:
    """Parsed by the command line itself, and not carried out."""
    words = [PLACEHOLDERS.get(part, part) for part in parts[1:]]
    if "--help" in words:
        assert CliRunner().invoke(build(), words).exit_code == 0
        return
    command: Any = typer.main.get_command(build())
    while commands := getattr(command, "commands", None):
        name, *words = words
        command = commands[name]
    command.make_context(command.name, words)


def test_the_tests_of_the_guide_are_all_that_there_are() -> None:
    """Four kinds of jobs, in the order of the table, each with the end that it shows."""
    text = SETUP.read_text(encoding="utf-8")
    rows = re.findall(r"^\| [2-5] \| `([a-z-]+)` \| `([a-z]+)`", text, re.MULTILINE)

    assert rows == [(kind.value, EXPECTED[kind][0].value) for kind in Type]


# --- the AWS command line's ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sdk() -> Session:
    return botocore.session.get_session()


def options_of(sdk: Session, service: str, command: str) -> frozenset[str]:
    """What the command takes, by the service's model; it is a member of the request each, in kebab case."""
    if (service, command) in CUSTOM:
        return CUSTOM[service, command]
    model = sdk.get_service_model(service)
    named = {xform_name(operation, "-"): operation for operation in model.operation_names}
    assert command in named, f"aws {service} {command}"
    shape: Any = model.operation_model(named[command]).input_shape
    members = shape.members if shape is not None else {}
    found = {f"--{xform_name(name, '-')}" for name in members}
    return frozenset(found | {f"--no-{one[2:]}" for one in found})


AWS = lines("aws")


@pytest.mark.parametrize("parts", AWS, ids=[" ".join(one[1:3]) for one in AWS])
def test_the_aws_command_line_takes_it(sdk: Session, parts: list[str]) -> None:
    _, service, command, *rest = parts
    given = {part for part in rest if part.startswith("--")}

    assert given - GLOBAL - options_of(sdk, service, command) == set()


def test_parameters_of_the_stack_are_those_of_the_template() -> None:
    parts = template()["Parameters"]
    for one in AWS:
        if one[1:3] == ["cloudformation", "deploy"]:
            given = dict(part.split("=", 1) for part in one[one.index("--parameter-overrides") + 1 :])
            for name, value in given.items():
                assert re.fullmatch(
                    parts[name].get("AllowedPattern", "|".join(parts[name].get("AllowedValues", []))), value
                )
            assert one[one.index("--capabilities") + 1] == "CAPABILITY_IAM"
            assert (ROOT / one[one.index("--template-file") + 1]).exists()


def test_every_parameter_is_documented_with_its_default() -> None:
    text = INSTALL.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([A-Za-z]+)` \| (.*?) \|", text, re.MULTILINE))

    for name, one in template()["Parameters"].items():
        if name in {"TrustAnchorArn", "CertificateName"}:  # stand in the row of Access
            assert f"`{name}`" in text
            assert not one["Default"] or f"`{one['Default']}`" in text
        else:
            assert rows[name].startswith(f"`{one['Default']}`" if one.get("Default") else "none"), name


# --- pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [SETUP, INSTALL, ROOT / "docs" / "feedback.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]*(?:#[^)\s]*)?)\)", text):
        if "://" in target:
            continue
        page, _, anchor = target.partition("#")
        there = (path.parent / page).resolve() if page else path
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 _-]", "", one.lower()).replace(" ", "-") for one in headings}, target


def test_names_of_the_template_in_the_guides_are_there() -> None:
    """Queues, outputs and statements that an operator is sent to look for."""
    text = "".join(text for _, text in guides())
    queues = set(re.findall(r"`(tank-(?:outbound|priority|dead-letter|events|events-undelivered))`", text))
    resources = str(template()["Resources"])

    assert all(f"${{Name}}{one.removeprefix('tank')}" in resources for one in queues)
    assert "MailerUserName" in template()["Outputs"]
    assert all(f"'Sid': '{sid}'" in resources for sid in ("SendFrom", "SendThrough", "AccountSuppressionList"))
