"""Reading the settings again while the program runs: what came from a file may come anew, the environment stays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tank_mailer.settings.load import AWS_CREDENTIALS, CONTAINER_SECRETS, NAMES, Loaded, find_env_file, load_settings
from tank_mailer.settings.sources import Notes, read_env_file

# What the SDK can be given anew under open clients; all else of AWS's is read once, as the clients are made.
RENEWED: Final = frozenset({*AWS_CREDENTIALS, "AWS_PROFILE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where one process has its settings from, at its start and later.

    Attributes:
        env_file: as `load_settings` takes it.
        environ: the environment, without what the file has put there.
        of_file: names of AWS's that the file has put there: the SDK would find their old values.
    """

    env_file: Path | None
    environ: Mapping[str, str] = field(repr=False)
    of_file: frozenset[str]
    directory: Path = Path()
    container_secrets: Path = CONTAINER_SECRETS

    @classmethod
    def of(
        cls,
        env_file: Path | None,
        environ: Mapping[str, str],
        *,
        directory: Path = Path(),
        container_secrets: Path = CONTAINER_SECRETS,
    ) -> "Sources":
        """Tell the file's part of the environment from the rest.

        systemd (`EnvironmentFile=`), Docker (`--env-file`) and a shell put the lines of a file into the environment,
        which goes before the file: what the file says later would never count. What both hold alike is the file's.
        """
        path = find_env_file(env_file, directory)
        lines = {} if path is None else read_env_file(path, Notes())
        own = {
            name for name, one in lines.items() if (name in NAMES or name in RENEWED) and environ.get(name) == one.value
        }
        return cls(
            env_file=env_file,
            environ={name: value for name, value in environ.items() if name not in own},
            of_file=frozenset(own & RENEWED),
            directory=directory,
            container_secrets=container_secrets,
        )

    def load(self) -> Loaded:
        """Read all of them, as they are now.

        Raises:
            SettingsError: with every fault that there is.
        """
        return load_settings(
            self.env_file, self.environ, directory=self.directory, container_secrets=self.container_secrets
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs, by name; values may be secrets.

    Attributes:
        changed: takes effect at once.
        waiting: takes effect at the next start.
    """

    changed: tuple[str, ...]
    waiting: tuple[str, ...]


def changes_of(before: Loaded, now: Loaded, *, keys: Mapping[str, str]) -> Changes:
    """Compare what is in force with what was read.

    Args:
        before: what was read at the start, and is in force but for `RENEWED`.
        now: what was read just now.
        keys: the variables of AWS's that the keys were looked for with last; those of `RENEWED` are in force.
    """
    own = {name for name, field in NAMES.items() if getattr(before.settings, field) != getattr(now.settings, field)}
    aws = _different(before.aws, now.aws)
    hidden = now.hidden - before.hidden  # the environment, which cannot change, holds what the file said at the start
    renewed = _different(keys, now.aws) & RENEWED
    return Changes(changed=tuple(sorted(renewed)), waiting=tuple(sorted(own | (aws - RENEWED) | hidden)))


def _different(before: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    return {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
