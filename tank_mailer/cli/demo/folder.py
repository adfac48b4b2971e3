"""The demo's folder, and the environment in which its daemon cannot touch a real account."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STORE: Final = "tank-mailer.db"
LOG: Final = "daemon.log"
ENV_FILE: Final = "demo.env"

# All times are as short as the settings' rules allow with some room, so that nobody waits for a demo.
SETTINGS: Final[Mapping[str, str]] = {
    "TANK_IN_DOUBT_WAIT_S": "30",  # events settle doubts long before; this is for what gets lost with --keep
    "TANK_SES_TIMEOUT_S": "5",
    "TANK_VISIBILITY_TIMEOUT_S": "30",
    "TANK_HTTP_LISTEN": "",  # the port may be a real daemon's
    "TANK_LOG_FORMAT": "json",
    "TANK_NODE": "demo",
}
# What the caller's environment may not hand on: accounts, proxies, and systemd's ways to its own child.
FOREIGN_PREFIXES: Final = ("TANK_", "AWS_", "BOTO")
FOREIGN_SUFFIX: Final = "_PROXY"
FOREIGN_NAMES: Final = frozenset({
    *("CREDENTIALS_DIRECTORY", "JOURNAL_STREAM", "NOTIFY_SOCKET", "STATE_DIRECTORY"),
    *("WATCHDOG_PID", "WATCHDOG_USEC"),
})  # fmt: skip


class FolderTakenError(Exception):
    """There is a store in it already, and its jobs would be taken for done."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where store, log and settings are; stays when the demo is over."""

    path: Path

    @classmethod
    def make(cls, path: Path | None) -> "Folder":
        """Make it, a temporary one without a `path`.

        Raises:
            FolderTakenError: another demo, or a real daemon, has its store there.
            OSError: it cannot be made.
        """
        if path is None:
            return cls(Path(tempfile.mkdtemp(prefix="tank-mailer-demo-")))
        folder = cls(path.resolve())
        folder.path.mkdir(parents=True, exist_ok=True)
        if folder.store.exists():
            raise FolderTakenError(f"{folder.path} holds the store of another demo: delete it, or take another folder")
        return folder

    @property
    def store(self) -> Path:
        """The ledger, a SQLite file."""
        return self.path / STORE

    @property
    def log(self) -> Path:
        """What the daemon says."""
        return self.path / LOG

    @property
    def env_file(self) -> Path:
        """The daemon's settings, for `--env-file`."""
        return self.path / ENV_FILE

    def settings(self, surroundings: Mapping[str, str]) -> dict[str, str]:
        """All that the daemon is told; `surroundings` lead it to the stand-in and to the web server."""
        return {**surroundings, "TANK_DATABASE_URL": f"sqlite+aiosqlite:///{self.store}", **SETTINGS}

    def write_env_file(self, settings: Mapping[str, str]) -> None:
        """Keep the settings for the commands that look further."""
        self.env_file.touch(mode=0o600)  # keys are made up, but the daemon does not know that
        self.env_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")

    def environment(self, settings: Mapping[str, str], caller: Mapping[str, str]) -> dict[str, str]:
        """The daemon's environment: the caller's without any account in it, and `settings` on top."""
        nowhere = str(self.path / "no-such-file")
        return {
            **{name: value for name, value in caller.items() if not _is_foreign(name)},
            **settings,
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "*",  # some systems have a proxy of their own
            "STATE_DIRECTORY": str(self.path),
        }


def _is_foreign(name: str) -> bool:
    upper = name.upper()
    return upper.startswith(FOREIGN_PREFIXES) or upper.endswith(FOREIGN_SUFFIX) or upper in FOREIGN_NAMES
