"""Copies of a PostgreSQL store, by its own programs; the password goes by the environment, never in a command."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters.copy_sqlite import CopyError
from tank_mailer.adapters.sickness import SICK, sick

PG_DUMP: Final = "pg_dump"
PG_RESTORE: Final = "pg_restore"
SSL_MODES: Final = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_REVISION: Final = re.compile(r"^COPY [^\n]*alembic_version[^\n]*\n(\d{4})\n\\\.$", re.MULTILINE)


class ToolMissingError(CopyError):
    """PostgreSQL's programs are not on this machine; `command`: what somebody can run where they are."""

    def __init__(self, program: str, command: str) -> None:
        super().__init__(f"{program} is not on the PATH here")
        self.command = command


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The store's server, as PostgreSQL's programs are told of it.

    Attributes:
        url: of the database; may hold a password.
        environ: the process environment.
        schema: where the store's tables are.
    """

    url: str
    environ: Mapping[str, str]
    schema: str

    def dump(self, file: Path) -> None:
        """Write the whole store to `file`, one moment of it; raises `CopyError`."""
        self._run(PG_DUMP, [*_FORM, "--format=custom", f"--schema={self.schema}", f"--file={file}"])

    def restore(self, file: Path) -> None:
        """Read it into the database, all of it or nothing; raises `CopyError`."""
        form = [*_FORM, "--single-transaction", "--exit-on-error", f"--schema={self.schema}"]
        self._run(PG_RESTORE, form, file=file)

    def revision_in(self, file: Path) -> str:
        """The schema revision that a dump is of; raises `CopyError` also for what is no dump of ours."""
        command = [self._found(PG_RESTORE), "--data-only", "--table=alembic_version", "--file=-", str(file)]
        found = _REVISION.search(self._output(command, PG_RESTORE))
        if found is None:
            raise CopyError(f"{file} is no dump of a store of tank-mailer")
        return found[1]

    def _run(self, program: str, options: Sequence[str], *, file: Path | None = None) -> None:
        arguments = [*options, *self._where, *([str(file)] if file is not None else [])]
        self._output([self._found(program, arguments), *arguments], program)

    def _found(self, program: str, arguments: Sequence[str] = ()) -> str:
        found = shutil.which(program, path=self.environ.get("PATH"))
        if found is None:
            raise ToolMissingError(program, shlex.join([program, *arguments]))
        return found

    def _output(self, command: Sequence[str], program: str) -> str:
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own program, found on the operator's PATH, and no shell
            command,
            env={**self.environ, **self._secrets, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            said = next(iter(done.stderr.splitlines()), f"exit code {done.returncode}")
            raise CopyError(said if said.startswith(program) else f"{program}: {said}")
        return done.stdout

    @property
    def _where(self) -> list[str]:
        url = make_url(self.url)
        named = {"host": url.host, "port": url.port, "username": url.username, "dbname": url.database}
        return ["--no-password", *(f"--{name}={value}" for name, value in named.items() if value is not None)]

    @property
    def _secrets(self) -> dict[str, str]:
        url = make_url(self.url)
        found = {"PGPASSWORD": str(url.password)} if url.password is not None else {}
        mode = url.query.get("ssl")
        return found | ({"PGSSLMODE": mode} if isinstance(mode, str) and mode in SSL_MODES else {})


_FORM: Final = ("--no-owner", "--no-privileges")


# --- the schema that is there ----------------------------------------------------------------------


async def schema_of(engine: AsyncEngine) -> str:
    """The schema that the store's tables are in, or go to; raises `StoreError`."""
    try:
        async with engine.connect() as connection:
            return await connection.scalar(sa.text("SELECT current_schema()")) or "public"
    except SICK as error:
        raise sick(error) from error


async def set_aside(engine: AsyncEngine, schema: str, *, kept: str) -> None:
    """Rename the schema with all that is in it, and make an empty one in its place; raises `StoreError`."""
    await _execute(
        engine, f"ALTER SCHEMA {_quoted(schema)} RENAME TO {_quoted(kept)}", f"CREATE SCHEMA {_quoted(schema)}"
    )


async def take_back(engine: AsyncEngine, schema: str, *, kept: str) -> None:
    """Undo `set_aside`: nothing came of the restore; raises `StoreError`."""
    await _execute(
        engine,
        f"DROP SCHEMA {_quoted(schema)} CASCADE",
        f"ALTER SCHEMA {_quoted(kept)} RENAME TO {_quoted(schema)}",
    )


async def _execute(engine: AsyncEngine, *statements: str) -> None:
    try:
        async with engine.begin() as connection:
            for one in statements:
                await connection.execute(sa.text(one))
    except SICK as error:
        raise sick(error) from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
