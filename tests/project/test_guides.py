"""Every command of every page: the program that it calls has it, with these options."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import typer
from botocore import xform_name
from botocore.session import Session
from typer.core import TyperGroup
from typer.testing import CliRunner

from tank_mailer.cli.program import build
from tests.project.pages import PAGES, ROOT, fences, name
from tests.project.typed import Command, commands, on_this_host, ours, own_commands, script

every_page = pytest.mark.parametrize("page", PAGES, ids=name)


def called(program: str) -> list[Command]:
    """All calls of a program with arguments, each once."""
    found = (one for page in PAGES for one in commands(page) if one.words[0] == program and len(one.words) > 1)
    return list(dict.fromkeys(found))


# --- ours ------------------------------------------------------------------------------------------

UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # click's, or typer's own copy of it
# What stands for something else, where an option or an argument takes less than any text.
FILE = re.compile(r"^[^-].*\.(jsonl?|csv|db|toml)$")
MEANT = {"ADDRESS": "you@example.org", "FILE": "copy.db", "LANE": "ordinary", "DAY": "2030-01-31"}


def takes(words: tuple[str, ...], *, is_whole: bool) -> None:
    """Parse it, as the command line does, and carry nothing out."""
    command: Any = own_commands()
    rest = [MEANT.get(word, word) for word in words if word != "..."]
    if rest[0] == "COMMAND" or rest[0].startswith("-"):
        assert {"--help", "--version", "--install-completion"} & set(rest)
        return
    while isinstance(command, TyperGroup):
        if not rest and not is_whole:
            return  # a group by its name
        assert rest, "a command is missing"
        assert rest[0] in command.commands, f"there is no {rest[0]}"
        command = command.commands[rest.pop(0)]
    if "--help" in rest:
        assert CliRunner().invoke(build(), list(words)).exit_code == 0
    else:
        try:
            command.make_context(command.name, rest)
        except UsageError as error:
            if is_whole or type(error).__name__ != "MissingParameter":
                raise


@every_page
def test_our_commands_take_it(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = []
    for command, found in ours(page):
        words = on_this_host(found, tmp_path)
        for word in (MEANT.get(word, word) for word in words):
            if FILE.search(word):
                (tmp_path / word).touch()
        try:
            takes(words, is_whole=command.is_whole)
        except (AssertionError, UsageError) as error:
            wrong.append(f"tank-mailer {' '.join(words)}: {str(error) or type(error).__name__}")

    assert wrong == []


def test_there_are_commands_to_be_looked_at() -> None:
    assert len({words for page in PAGES for _, words in ours(page)}) > 100


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("status", id="without-what-it-needs"),
        pytest.param("dlq lst", id="no-such-command"),
        pytest.param("dlq", id="a-group-alone"),
        pytest.param("dlq list --sine 1d", id="no-such-option"),
        pytest.param("pause --lane fast", id="no-such-lane"),
    ],
)
def test_a_wrong_one_is_found(words: str) -> None:
    with pytest.raises((AssertionError, UsageError)):
        takes(tuple(words.split()), is_whole=True)


# --- the AWS command line's ------------------------------------------------------------------------

# Of the AWS command line itself (aws help).
GLOBAL = frozenset({"--query", "--output", "--region", "--profile", "--endpoint-url", "--no-cli-pager"})
# Of its own making: no call of an API stands behind these (aws cloudformation deploy help, aws s3 cp help);
# or an option that has another name there than in the API, for --endpoint-url is taken (aws sns subscribe help).
CUSTOM: Mapping[tuple[str, str], frozenset[str]] = {
    ("cloudformation", "deploy"): frozenset({
        *("--stack-name", "--template-file", "--capabilities", "--parameter-overrides"),
    }),
    ("sns", "subscribe"): frozenset({
        *("--topic-arn", "--protocol", "--notification-endpoint", "--attributes", "--return-subscription-arn"),
    }),
    ("s3", "cp"): frozenset({"--sse", "--storage-class"}),
    ("s3", "sync"): frozenset({"--sse", "--storage-class", "--delete"}),
}  # fmt: skip
AWS = [one for one in called("aws") if one.words[1] != "configure"]  # which calls nobody


@pytest.fixture(scope="module")
def sdk() -> Session:
    return botocore.session.get_session()


def options_of(sdk: Session, service: str, command: str) -> tuple[frozenset[str], frozenset[str]]:
    """What the command takes and what it needs: members of the request, by the service's model, in kebab case."""
    if (service, command) in CUSTOM:
        return CUSTOM[service, command], frozenset()
    model = sdk.get_service_model({"s3api": "s3"}.get(service, service))
    named = {xform_name(operation, "-"): operation for operation in model.operation_names}
    assert command in named, f"aws {service} {command}"
    shape: Any = model.operation_model(named[command]).input_shape
    members = () if shape is None else shape.members
    needed = () if shape is None else shape.required_members
    found = {f"--{xform_name(one, '-')}" for one in members}
    return frozenset(found | {f"--no-{one[2:]}" for one in found}), frozenset(
        f"--{xform_name(one, '-')}" for one in needed
    )


@pytest.mark.parametrize("command", AWS, ids=lambda one: " ".join(one.words[1:3]))
def test_the_aws_command_line_takes_it(sdk: Session, command: Command) -> None:
    _, service, operation, *rest = command.words
    given = {part.partition("=")[0] for part in rest if part.startswith("--")}
    takes, needs = options_of(sdk, service, operation)

    assert given - GLOBAL - takes == set()
    assert not command.is_whole or needs - given == set()


def test_there_are_calls_of_aws_to_be_looked_at() -> None:
    assert len(AWS) > 20


# --- the host's ------------------------------------------------------------------------------------

UNITS = {path.name for path in (ROOT / "systemd").iterdir()}
# As man systemctl has them.
VERBS = frozenset({
    *("start", "stop", "restart", "reload", "enable", "disable", "status", "edit", "cat", "show", "revert", "kill"),
    *("daemon-reload", "is-active", "is-enabled", "is-failed", "list-timers", "list-units", "reset-failed"),
})  # fmt: skip
DOCKER = frozenset({
    *("build", "run", "exec", "stop", "start", "restart", "rm", "rename", "kill", "logs", "ps", "cp", "inspect"),
    *("volume", "image", "compose", "save", "load", "tag", "pull", "push", "stats", "update", "system", "buildx"),
})  # fmt: skip
SYSTEMCTL, JOURNALCTL = called("systemctl"), called("journalctl")
SHELL = shutil.which("bash")


def unit(word: str) -> str:
    """The file of a unit: `tank-mailer@1` is one of the template's."""
    bare, _, kind = word.rpartition(".") if word.endswith((".service", ".timer")) else (word, "", "service")
    return f"{re.sub('@.*', '@', bare)}.{kind}"


@pytest.mark.parametrize("command", SYSTEMCTL, ids=lambda one: " ".join(one.words[1:]))
def test_units_are_there(command: Command) -> None:
    verb, *units = [*(word for word in command.words[1:] if not word.startswith("-")), ""]

    assert verb in VERBS or command.words[1:] == ("--failed",)
    assert [one for one in units if one.startswith("tank-mailer") and unit(one) not in UNITS] == []


@pytest.mark.parametrize("command", JOURNALCTL, ids=lambda one: " ".join(one.words[1:]))
def test_the_journal_is_asked_for_units_that_are_there(command: Command) -> None:
    after = zip(command.words, command.words[1:], strict=False)
    asked = [word for option, word in after if option in {"-u", "--unit"}]

    assert [one for one in asked if one.startswith("tank-mailer") and unit(one) not in UNITS] == []


@pytest.mark.parametrize("command", called("docker"), ids=lambda one: " ".join(one.words[1:4]))
def test_docker_has_it(command: Command) -> None:
    assert command.words[1] in DOCKER


@every_page
def test_a_shell_can_read_it(page: Path) -> None:
    if SHELL is None:
        pytest.skip("no bash here")
    for fence in fences(page, "sh", "console"):
        done = subprocess.run([SHELL, "-n"], input=script(fence), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), fence.body
