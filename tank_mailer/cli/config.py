"""`tank-mailer config`: which settings are in force, where each came from, and what is wrong with them."""

import sys
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tank_mailer.cli.endpoints import endpoints
from tank_mailer.cli.from_stack import from_stack
from tank_mailer.cli.options import (
    EXIT_BAD_SETTINGS,
    AsJson,
    EnvFile,
    environment,
    errors,
    print_faults,
    print_warnings,
    printable,
    settings_or_exit,
)
from tank_mailer.settings import (
    MASK,
    NAMES,
    PROXIES,
    Loaded,
    SettingsError,
    load_settings,
    masked_url,
)

__all__ = ["app", "print_faults"]

app = typer.Typer(name="config", help="Show, check and fetch the settings.", no_args_is_help=True)

UNSET: Final = "-"
PIPE_WIDTH: Final = 500  # columns; for grep, nothing is to be folded
SHOWN_OF_KEY_ID: Final = 4  # characters at each end: enough to tell keys apart
# Everything else that begins with AWS_ is taken for a secret.
OPEN_AWS_NAMES: Final = frozenset(
    {
        *(
            "AWS_CA_BUNDLE",
            "AWS_CONFIG_FILE",
            "AWS_DEFAULT_PROFILE",
            "AWS_DEFAULT_REGION",
            "AWS_EC2_METADATA_DISABLED",
        ),
        *(
            "AWS_MAX_ATTEMPTS",
            "AWS_PROFILE",
            "AWS_REGION",
            "AWS_RETRY_MODE",
            "AWS_ROLE_ARN",
            "AWS_ROLE_SESSION_NAME",
        ),
        *("AWS_SHARED_CREDENTIALS_FILE", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_USE_FIPS_ENDPOINT"),
        *("AWS_WEB_IDENTITY_TOKEN_FILE",),
    },
)


@app.command(
    epilog="Example: tank-mailer config show --env-file /etc/tank-mailer.env",
)
def show(*, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """Print every setting in force and where it came from; secrets are masked.

    Exit codes: 0 printed, 78 bad settings.
    """
    loaded = settings_or_exit(env_file)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    own = {name: _value_of(loaded, field) for name, field in NAMES.items()}
    aws = {name: _aws_value(loaded, name) for name in sorted(loaded.origins) if name not in NAMES}
    if as_json:
        report = {"settings": _with_origin(own, loaded), "aws": _with_origin(aws, loaded)}
        console.print_json(data={**report, "warnings": loaded.warnings})
        return
    table = Table("name", "value", "from", box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    for name, value in (own | aws).items():
        origin = loaded.origins[name]
        style = "dim" if name in NAMES and loaded.is_default(name) else ""
        table.add_row(*(Text(printable(text), style=style) for text in (name, _text(value), origin)))
    console.print(table)
    print_warnings(loaded.warnings, errors())


@app.command(
    epilog="Example, before a restart: tank-mailer config check && systemctl restart tank-mailer",
)
def check(*, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """Look for faults without starting anything.

    Asks neither AWS nor the database.

    Exit codes: 0 none, 78 bad settings.
    """
    console = Console(highlight=False, soft_wrap=True)
    try:
        loaded = load_settings(env_file, environment())
    except SettingsError as error:
        if as_json:
            faults = [{"name": f.name, "problem": f.problem, "remedy": f.remedy} for f in error.faults]
            console.print_json(data={"ok": False, "faults": faults, "warnings": error.warnings})
        else:
            print_faults(error, errors())
        raise typer.Exit(EXIT_BAD_SETTINGS) from None
    if as_json:
        console.print_json(data={"ok": True, "faults": [], "warnings": loaded.warnings})
        return
    print_warnings(loaded.warnings, errors())
    given = sum(not loaded.is_default(name) for name in NAMES)
    console.print(f"The settings are sound: {given} given, {len(NAMES) - given} by default.")


app.command(epilog="Example, for the firewall of another region: AWS_REGION=eu-central-1 tank-mailer config endpoints")(
    endpoints
)


app.command(
    "from-stack",
    epilog="Example: tank-mailer config from-stack tank-queues --region eu-west-1\n\n"
    "Example, to look only: tank-mailer config from-stack tank-queues --output -",
)(from_stack)


def _value_of(loaded: Loaded, field: str) -> Any:  # noqa: ANN401  # settings are of many types
    """Give a setting as it may be shown."""
    value = getattr(loaded.settings, field)
    if not isinstance(value, SecretStr):
        return value
    match field:
        case "database_url":
            return masked_url(value.get_secret_value())
        case "webhook_url":
            return _host_of(value.get_secret_value())
        case _:
            return MASK


def _host_of(url: str) -> str:
    """Where it leads: of a web hook the path may be the key, by which alone its owner knows who calls."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{MASK}"


def _aws_value(loaded: Loaded, name: str) -> str:
    value = loaded.aws.get(name) or environment().get(name) or environment().get(name.lower(), "")
    if name in PROXIES or name.startswith("AWS_ENDPOINT_URL"):
        return masked_url(value)
    if name in OPEN_AWS_NAMES:
        return value
    if name == "AWS_ACCESS_KEY_ID" and len(value) > SHOWN_OF_KEY_ID * 4:
        return f"{value[:SHOWN_OF_KEY_ID]}{MASK}{value[-SHOWN_OF_KEY_ID:]}"
    return MASK


def _with_origin(values: Mapping[str, Any], loaded: Loaded) -> dict[str, dict[str, Any]]:
    return {name: {"value": value, "from": loaded.origins[name]} for name, value in values.items()}


def _text(value: Any) -> str:  # noqa: ANN401  # as above
    if value is None or value in ((), ""):
        return UNSET
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
