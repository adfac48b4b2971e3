"""Imports all that the program may import, so that Python leaves it compiled: in an image nothing is written later.

What is never imported stays uncompiled, which is a third of the libraries.
"""

import asyncio
import importlib
import pkgutil
import tempfile
from pathlib import Path

import tank_mailer
from tank_mailer.adapters import aws, database

DRIVERS = ("aiosqlite", "asyncpg", "sqlalchemy.dialects.postgresql.asyncpg", "sqlalchemy.dialects.sqlite.aiosqlite")
NOBODY = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


async def main() -> None:
    """Open what is opened at a start: some of it is imported only then."""
    for module in pkgutil.walk_packages(tank_mailer.__path__, "tank_mailer."):
        if not module.name.endswith(("__main__", ".env")) and ".versions." not in module.name:
            importlib.import_module(module.name)
    for name in DRIVERS:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        location = database.locate(f"sqlite+aiosqlite:///{Path(folder) / 'store.db'}")
        async with (
            database.open_engine(location, creates=True) as engine,
            aws.open_clients(NOBODY, region="eu-west-1", max_parallel=1, ses_timeout_s=1.0, has_events=True),
        ):
            await database.upgrade(engine)


asyncio.run(main())
