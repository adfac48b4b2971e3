"""Settings out of environment, `.env` and secret files, with all faults at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from tank_mailer.settings.faults import Fault, SettingsError
from tank_mailer.settings.forms import FORM, RULE, SQLITE, masked_url, split_list
from tank_mailer.settings.model import Settings
from tank_mailer.settings.names import ENV_FILE_NAME, PREFIX, near_miss
from tank_mailer.settings.odd import odd
from tank_mailer.settings.sources import (
    Found,
    Notes,
    read_env_file,
    read_secret_files,
    usable,
    warn_of_readers,
)

DEFAULT: Final = "default"
ENVIRONMENT: Final = "environment"
ENV_FILE: Final = Path(".env")
CONTAINER_SECRETS: Final = Path("/run/secrets")  # Docker, Podman, Kubernetes by custom
DATABASE_FILE: Final = "tank-mailer.db"

NAMES: Final[Mapping[str, str]] = {f"{PREFIX}{field}".upper(): field for field in Settings.model_fields}
SECRET_NAMES: Final = frozenset({  # the fields of type SecretStr
    "TANK_ALERT_WEBHOOK_URL",
    "TANK_DATABASE_URL",
    "TANK_HASH_KEY",
    "TANK_HTTP_TOKEN",
    "TANK_WEBHOOK_SECRET",
    "TANK_WEBHOOK_URL",
})  # fmt: skip
AWS_KEY_ID, AWS_SECRET, AWS_TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
AWS_CREDENTIALS: Final = (AWS_KEY_ID, AWS_SECRET, AWS_TOKEN)
AWS_REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
# A profile that is handed to the SDK would hide keys in the environment; a token belongs to its own keys.
KEPT_FROM_KEYS: Final = frozenset({AWS_TOKEN, "AWS_PROFILE"})
SECRETS: Final = frozenset({*SECRET_NAMES, AWS_SECRET, AWS_TOKEN})
OURS: Final = (PREFIX, "AWS_")
PROXIES: Final = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
MAX_SHOWN_CHARS: Final = 60
QUOTES: Final = frozenset("'\"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings in force, and what is to be said about them."""

    settings: Settings
    origins: Mapping[str, str]  # of each TANK_* setting, and of each AWS_* and proxy variable found
    aws: Mapping[str, str]  # variables that the SDK does not see in the environment; holds secrets
    warnings: tuple[str, ...]
    given: frozenset[str]  # the TANK_* settings that somebody has set
    hidden: frozenset[str] = frozenset()  # names of which a file says one thing, and the environment another

    def is_default(self, name: str) -> bool:
        """Whether nobody has set the variable `name`."""
        return name not in self.given


def load_settings(
    env_file: Path | None,
    environ: Mapping[str, str],
    *,
    directory: Path = Path(),
    container_secrets: Path = CONTAINER_SECRETS,
) -> Loaded:
    """Read all sources; the environment goes before `.env`, `.env` before the secret files.

    Args:
        env_file: has to exist; None: `.env` in `directory`, if there is one.
        environ: the environment.
        directory: where `.env` is looked for.
        container_secrets: where secret files may be besides `$CREDENTIALS_DIRECTORY`.

    Raises:
        SettingsError: with every fault that there is.
    """
    notes = Notes()
    found = _gather(
        find_env_file(env_file, directory),
        environ,
        secrets=[*_path(environ, "CREDENTIALS_DIRECTORY"), container_secrets],
        notes=notes,
    )
    own = {name: one for name, one in found.items() if name.startswith(PREFIX) and name != ENV_FILE_NAME}
    _judge_names(own, notes)
    aws = {name: one for name, one in found.items() if not name.startswith(PREFIX)}
    values: dict[str, Any] = {NAMES[name]: _bare(name, one) for name, one in own.items() if name in NAMES}
    origins = {name: own[name].origin if name in own else DEFAULT for name in NAMES}
    if "database_url" not in values and (state := _path(environ, "STATE_DIRECTORY")):
        values["database_url"] = SecretStr(f"{SQLITE}:///{state[0] / DATABASE_FILE}")
        origins["TANK_DATABASE_URL"] = f"{DEFAULT} ($STATE_DIRECTORY)"
    if "node" not in values:
        origins["TANK_NODE"] = f"{DEFAULT} (host name)"
    try:
        settings = Settings(**values)
    except ValidationError as error:
        notes.faults.extend(_fault(detail, values) for detail in error.errors(include_url=False, include_input=False))
        raise SettingsError(tuple(notes.faults), tuple(notes.warnings)) from None
    if notes.faults:
        raise SettingsError(tuple(notes.faults), tuple(notes.warnings))
    notes.warnings.extend(odd(settings))
    return Loaded(
        settings=settings,
        origins=origins | {name: one.origin for name, one in aws.items()},
        aws=_for_the_sdk(aws),
        warnings=tuple(notes.warnings),
        given=frozenset(own) & NAMES.keys(),
        hidden=frozenset(notes.hidden),
    )


def load_aws(
    env_file: Path | None,
    environ: Mapping[str, str],
    *,
    directory: Path = Path(),
    container_secrets: Path = CONTAINER_SECRETS,
) -> Mapping[str, str]:
    """What `Loaded.aws` is, for a command that is there to find the other settings.

    Raises:
        SettingsError: a source cannot be read, or holds what no variable can.
    """
    notes = Notes()
    secrets = [*_path(environ, "CREDENTIALS_DIRECTORY"), container_secrets]
    found = _gather(find_env_file(env_file, directory), environ, secrets=secrets, notes=notes)
    if notes.faults:
        raise SettingsError(tuple(notes.faults), tuple(notes.warnings))
    return _for_the_sdk({name: one for name, one in found.items() if not name.startswith(PREFIX)})


def find_env_file(given: Path | None, directory: Path) -> Path | None:
    """The file that is read: the one that is named, or else `.env`, if there is one that can be seen."""
    if given is not None:
        return given
    usual = directory / ENV_FILE
    try:
        return usual if usual.exists() else None
    except OSError:  # a working directory that is another user's
        return None


def _path(environ: Mapping[str, str], name: str) -> list[Path]:
    """Read a variable of systemd that holds paths, separated by colons; the first one counts."""
    first = environ.get(name, "").split(":")[0]
    return [Path(first)] if first else []


def _gather(
    env_file: Path | None,
    environ: Mapping[str, str],
    *,
    secrets: list[Path],
    notes: Notes,
) -> dict[str, Found]:
    """Collect our variables and the SDK's; the source that goes first wins."""
    found = _ours({name: Found(value, ENVIRONMENT, is_exported=True) for name, value in environ.items()}, notes)
    if env_file is not None:
        is_named = environ.get(ENV_FILE_NAME) == str(env_file)
        in_file = _ours(read_env_file(env_file, notes, is_named=is_named), notes)
        warn_of_readers(env_file, in_file, SECRETS, notes)
        _add(found, in_file, notes)
    _add(found, _ours(read_secret_files(secrets, [*NAMES, *AWS_CREDENTIALS], notes), notes), notes)
    return found


def _ours(source: Mapping[str, Found], notes: Notes) -> dict[str, Found]:
    named = {_canonical(name): one for name, one in sorted(source.items(), reverse=True)}  # "TANK" after "tank"
    return usable({name: one for name, one in named.items() if name.startswith(OURS) or name in PROXIES}, notes)


def _canonical(name: str) -> str:
    upper = name.upper()
    return upper if upper.startswith(PREFIX) or upper in PROXIES else name


def _add(found: dict[str, Found], source: Mapping[str, Found], notes: Notes) -> None:
    """Add what is not there yet; but to keys that are complete no session token and no profile of others."""
    complete = AWS_KEY_ID in found and AWS_SECRET in found
    for name, one in source.items():
        if name in KEPT_FROM_KEYS and complete and name not in found:
            notes.warnings.append(f"{name} ({one.origin}) is left out: the AWS keys in use come from elsewhere")
        elif found.setdefault(name, one).is_exported and found[name].value != one.value:
            notes.hidden.add(name)


def _for_the_sdk(aws: Mapping[str, Found]) -> dict[str, str]:
    """Choose what to hand to the SDK: what it does not find by itself, and one region.

    Python's SDK reads AWS_DEFAULT_REGION and not AWS_REGION, which all others read.
    """
    handed = {name: one.value for name, one in aws.items() if not one.is_exported}
    if not handed.keys().isdisjoint(AWS_CREDENTIALS):  # half a pair in a session hides the other half from the SDK
        handed |= {name: aws[name].value for name in AWS_CREDENTIALS if name in aws}
    regions = [aws[name] for name in AWS_REGIONS if name in aws]
    chosen = next((one for one in regions if one.is_exported), regions[0] if regions else None)
    for name in AWS_REGIONS:
        handed.pop(name, None)
    return handed if chosen is None else {**handed, AWS_REGIONS[0]: chosen.value}


def _judge_names(names: Mapping[str, Found], notes: Notes) -> None:
    for name, one in names.items():
        if name in NAMES:
            continue
        meant = near_miss(name, NAMES)
        if meant is not None:
            remedy = f"rename it to {meant}, or take it out"
            notes.faults.append(Fault(name, f"unknown ({one.origin}); {meant} is probably meant", remedy))
        else:
            notes.warnings.append(f"{name} ({one.origin}) is unknown: it has no effect")


def _bare(name: str, one: Found) -> str | SecretStr:
    return SecretStr(one.value) if name in SECRET_NAMES else one.value.strip()


def _fault(detail: ErrorDetails, values: Mapping[str, str | SecretStr]) -> Fault:
    field, *where = (str(part) for part in detail["loc"])
    about = Settings.model_fields[field]
    default = about.get_default(call_default_factory=False)
    example = about.examples[0] if about.examples else default
    remedy = f"{about.description}; for example {example}"
    problem = detail["msg"].replace("Input should", "should", 1)
    if detail["type"] == "missing":
        problem = "required, and not set"
    elif detail["type"] in {FORM, RULE}:
        problem, remedy = detail["ctx"]["problem"], detail["ctx"]["remedy"]
    value, quoted = values.get(field), ""
    if isinstance(value, str) and detail["type"] != RULE:
        shown = split_list(value)[int(where[0])] if where and where[0].isdigit() else value
        quoted = masked_url(shown)[:MAX_SHOWN_CHARS]
        problem = f"{quoted!r}: {problem}"
        if shown[:1] in QUOTES:
            remedy = f"leave the quotes out, they became part of the value; {remedy}"
    return Fault(f"{PREFIX}{field}".upper(), problem, remedy, quoted)
