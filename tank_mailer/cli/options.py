"""What all commands share: options, and how they get their settings."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from tank_mailer.settings import ENV_FILE_NAME, Loaded, SettingsError, load_settings

EXIT_BAD_SETTINGS: Final = 78  # sysexits.h: EX_CONFIG

EnvFile = Annotated[
    Path | None,
    typer.Option(
        "--env-file",
        metavar="PATH",
        envvar=ENV_FILE_NAME,
        show_envvar=False,
        help="File with NAME=value lines; the environment goes before it. Without it: the one that TANK_ENV_FILE names,"
        " else .env, if there is one.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def environment() -> Mapping[str, str]:
    """The one place where the process environment is taken from."""
    return os.environ  # noqa: TID251


def forget(names: Collection[str]) -> None:
    """Take variables out of the process environment: the SDK looks there by itself, and would find old keys."""
    for name in names:
        os.environ.pop(name, None)  # noqa: TID251


def settings_or_exit(env_file: Path | None) -> Loaded:
    """Read the settings; print all faults and exit with 78 if there are any. Warnings are the caller's."""
    try:
        return load_settings(env_file, environment())
    except SettingsError as error:
        print_faults(error, errors())
        raise typer.Exit(EXIT_BAD_SETTINGS) from None


def errors() -> Console:
    """Give a console on standard error, as it is now."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_faults(error: SettingsError, console: Console) -> None:
    """Print what is wrong with the settings, all of it, each with its remedy; then the warnings."""
    count = len(error.faults)
    console.print(Text(f"The settings cannot be used: {count} fault{'s' if count > 1 else ''}.", style="bold red"))
    for fault in error.faults:
        console.print(Text.assemble("  ", (printable(fault.name), "bold"), "  ", printable(fault.problem)))
        console.print(Text.assemble("    ", ("remedy: ", "green"), printable(fault.remedy)))
    print_warnings(error.warnings, console)


def print_warnings(warnings: tuple[str, ...], console: Console) -> None:
    """Print what is odd, and does not keep the program from starting."""
    for warning in warnings:
        console.print(Text.assemble(("warning: ", "yellow"), printable(warning)))


def printable(text: str) -> str:
    """Show what a terminal would obey instead."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
