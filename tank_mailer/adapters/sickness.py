"""What a database driver raised, as a store's error: is the store sick, or does it take all but these values?"""

import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tank_mailer.core.errors import Reason, StoreDamagedError, StoreError, UnstorableError

try:  # only with the extra `postgresql`
    from asyncpg import InterfaceError, PostgresError

    _DRIVER_ERRORS: tuple[type[Exception], ...] = (PostgresError, InterfaceError, sqlite3.Error)
except ImportError:
    _DRIVER_ERRORS = (sqlite3.Error,)

SICK: tuple[type[Exception], ...] = (SQLAlchemyError, OSError, TimeoutError, *_DRIVER_ERRORS)

_OF_VALUES = frozenset({"DataError", "IntegrityError", "OverflowError", "UnicodeEncodeError"})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PASSING = frozenset({"DeadlockDetectedError", "SerializationError"})  # PostgreSQL: 40P01, 40001


def sick(error: BaseException) -> StoreError:
    """What a driver raised, in one line without values: SQLAlchemy's own text holds the parameters."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(error, SQLAlchemyError) and origin is error:
        text = ""
    else:
        text = ": " + (str(origin).splitlines() or [""])[0].removeprefix(f"{type(origin)}: ")[:200]
        text = text.partition(": '")[0]  # asyncpg quotes the value that it cannot encode
    if _is_damage(origin):
        return StoreDamagedError(
            Reason.STORE_SICK, f"damaged{text}; `tank-mailer db restore` puts a backup in its place"
        )
    kind = UnstorableError if _is_about_values(error) else StoreError
    return kind(Reason.STORE_SICK, f"{type(origin).__name__}{text}")


def _is_damage(origin: BaseException) -> bool:
    code = getattr(origin, "sqlite_errorcode", None) if isinstance(origin, sqlite3.Error) else None
    return code is not None and code & 0xFF in _DAMAGED  # the upper bits say more closely what


def _is_about_values(error: BaseException) -> bool:
    """Whether it is these values that no database takes, rather than the database that is not well."""
    names = _names(error)
    return not names.isdisjoint(_OF_VALUES) or isinstance(error, ValueError | TypeError | OverflowError)


def is_passing(error: BaseException) -> bool:
    """Whether the same transaction may go well at once: it lost against another one, and nothing of it is on disk."""
    return not _names(error).isdisjoint(_PASSING)


def _names(error: BaseException) -> set[str]:
    """What the error is called, by SQLAlchemy, by its adapter and by the driver below."""
    found, names = [error], set[str]()
    while found:
        one = found.pop()
        names.add(type(one).__name__)
        under = (getattr(one, "orig", None), one.__cause__)
        found += [other for other in under if other is not None and type(other).__name__ not in names]
    return names
