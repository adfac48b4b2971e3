"""`tank-mailer config from-stack`: the settings that a CloudFormation stack has as outputs, written into a `.env`."""

import asyncio
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from tank_mailer.adapters import aws
from tank_mailer.adapters.stacks import StackError, Stacks
from tank_mailer.cli.options import (
    EXIT_BAD_SETTINGS,
    AsJson,
    EnvFile,
    environment,
    errors,
    print_faults,
)
from tank_mailer.cli.outside import EXIT_NO, EXIT_OUTSIDE, leave, outside_or_exit
from tank_mailer.cli.terminal import hint, print_json, print_table, say
from tank_mailer.cli.textfiles import STANDARD_INPUT as STANDARD_OUTPUT
from tank_mailer.core.stack import TEMPLATE, USER_OUTPUT, Stack, Unusable, region_in, settings_of
from tank_mailer.settings import NAMES, Settings, SettingsError, load_aws
from tank_mailer.settings.env_file import Edited, put

USUAL_FILE: Final = Path(".env")
OWNERS_ONLY: Final = 0o600  # keys are going to stand in it
BOM: Final = "\ufeff"
COLUMNS: Final = ("setting", "value", "in the file")


def from_stack(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The stack's name, or its ARN.")],
    *,
    region: Annotated[
        str | None,
        typer.Option(metavar="REGION", help="Where the stack is. Without it: the ARN's, AWS_REGION, the profile's."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to; -: standard output. Without it: --env-file, else .env."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace other values that stand there.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the settings of a stack of config/aws/tank-mailer.yaml into a .env.

    What the file has besides stays as it is: comments, keys, other settings. A
    new file is readable by its owner only. Where one of the settings has
    another value there, nothing is written without --force.

    The stack is asked for with the AWS variables of the environment and of
    --env-file (else .env), and takes the right cloudformation:DescribeStacks,
    which the daemon's own key does not have: use the key that deployed it.

    Exit codes: 0 done; 2 usage; 3 no such stack, one that is not complete or
    not of this template, or other values in the file; 75 CloudFormation or the
    file cannot be reached; 78 bad settings.
    """
    try:
        given = load_aws(env_file, environment())
    except SettingsError as error:
        print_faults(error, errors())
        raise typer.Exit(EXIT_BAD_SETTINGS) from None
    target = output or env_file or USUAL_FILE
    text = "" if target == STANDARD_OUTPUT else _read(target)
    with outside_or_exit():
        try:
            stack, where = asyncio.run(_find(given, name, region or region_in(name)))
        except StackError as error:
            leave(EXIT_OUTSIDE, error.detail, error.remedy)
    if stack is None:
        remedy = f"mind its name and --region; aws cloudformation describe-stacks lists them, {TEMPLATE} makes one"
        leave(EXIT_NO, f"there is no stack {name} in {where}", remedy)
    found = settings_of(stack)
    if isinstance(found, Unusable):
        leave(EXIT_NO, f"{stack.name} in {where}: {found.detail}", found.remedy)
    heading = f"From the CloudFormation stack {stack.name} in {where}, by tank-mailer config from-stack."
    comments = {one: Settings.model_fields[NAMES[one]].description or one for one in found}
    edited = put(text, found, comments=comments, heading=heading)
    is_refused = bool(edited.changed) and not force
    if target != STANDARD_OUTPUT and not is_refused and edited.text != text:
        _write(target, edited.text)
    if as_json:
        _print_json(stack, where, found, edited, file=target, is_refused=is_refused)
    elif target == STANDARD_OUTPUT:
        typer.echo("\n".join(f"{one}={value}" for one, value in found.items()))
    elif not is_refused:
        _tell(stack, found, edited, file=target)
    if is_refused:
        what = f"{target} has other values, and was left as it is: {', '.join(edited.changed)}"
        leave(EXIT_NO, what, "--force puts the stack's in their place; --output - shows them")


async def _find(given: Mapping[str, str], name: str, region: str | None) -> tuple[Stack | None, str]:
    async with aws.open_cloudformation(given, region=region) as client:
        return await Stacks(client=client).find(name), client.meta.region_name


def _read(file: Path) -> str:
    try:
        if file.exists() and not file.is_file():
            leave(EXIT_OUTSIDE, f"{file} is no file", "name one, or - for standard output")
        return file.read_bytes().decode().removeprefix(BOM)
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        leave(EXIT_OUTSIDE, f"{file} is not UTF-8", "save it as UTF-8, or name another file with --output")
    except OSError as error:
        leave(EXIT_OUTSIDE, f"{file} cannot be read: {error.strerror}", "name a file that you may read and write")


def _write(file: Path, text: str) -> None:
    """All of it or nothing; a file that is there stays whose it is, and readable by whom it was."""
    file = file.resolve()  # of a link, what it leads to
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=OWNERS_ONLY)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as target:
                _inherit(file, target.fileno())
                target.write(text)
                target.flush()
                os.fsync(target.fileno())
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        leave(EXIT_OUTSIDE, f"{file}: {error.strerror}", "run it as the file's owner, or name another with --output")


def _inherit(file: Path, descriptor: int) -> None:
    with suppress(FileNotFoundError):
        there, new = file.stat(), os.fstat(descriptor)
        if (there.st_uid, there.st_gid) != (new.st_uid, new.st_gid):
            os.fchown(descriptor, there.st_uid, there.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(there.st_mode))


def _tell(stack: Stack, found: Mapping[str, str], edited: Edited, *, file: Path) -> None:
    print_table(COLUMNS, [[name, value, _fate(name, edited)] for name, value in found.items()])
    count = len(edited.added) + len(edited.changed)
    say(f"{file}: {count} written, {len(edited.kept)} there already.")
    if user := stack.outputs.get(USER_OUTPUT):
        hint(f"the daemon's key, once: aws iam create-access-key --user-name {user}")


def _fate(name: str, edited: Edited) -> str:
    if name in edited.kept:
        return "as it was"
    return "replaced" if name in edited.changed else "new"


def _print_json(
    stack: Stack, where: str, found: Mapping[str, str], edited: Edited, *, file: Path, is_refused: bool
) -> None:
    has_file = file != STANDARD_OUTPUT
    print_json(
        {
            "stack": stack.name,
            "region": where,
            "status": stack.status,
            "settings": dict(found),
            "user": stack.outputs.get(USER_OUTPUT),
            "file": str(file) if has_file else None,
            "written": has_file and not is_refused,
            "added": list(edited.added) if has_file else [],
            "kept": list(edited.kept) if has_file else [],
            "other_values": list(edited.changed) if has_file else [],
        }
    )
