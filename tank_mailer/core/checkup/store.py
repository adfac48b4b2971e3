"""Whether the store can be trusted with what was sent, and who works on it."""

from collections.abc import Iterator
from typing import Final

from tank_mailer.core.checkup.facts import Facts, StoreState
from tank_mailer.core.checkup.finding import Check, Finding, fault, note, ok, unseen, warning
from tank_mailer.core.checkup.seen import Absent, Denied, Known, NotAsked, Unreached, value_of
from tank_mailer.core.checkup.setup import Setup, name_of_queue

SQLITE: Final = (3, 35)  # RETURNING
POSTGRESQL: Final = 14  # what its makers still mend
CLOCK_WARN_S: Final = 5.0  # as the daemon warns (adapters/clock.py)
UPGRADE: Final = "run tank-mailer db upgrade"
ROOM: Final = 2  # times TANK_MIN_FREE_BYTES: then it is near


def judge_store(setup: Setup, facts: Facts) -> Iterator[Finding]:
    """Of what TANK_DATABASE_URL names."""
    match facts.store:
        case Absent():
            yield note(
                Check.STORE,
                "",
                "there is no store yet: what it would show was not looked at",
                "tank-mailer run makes it; if that is running, this command sees another TANK_DATABASE_URL,"
                " STATE_DIRECTORY or working directory",
            )
        case Known(store):
            yield from _schema(store)
            yield from _version(store)
            yield from _clock(store)
            yield from _age(setup, facts, store)
            yield from _files(store)
            yield from _room(setup, store)
            yield from _daemon(store)
        case Unreached(detail):
            yield fault(
                Check.STORE,
                "",
                f"the store does not work: {detail}",
                "look at TANK_DATABASE_URL, at the disk, and whose the files are; nothing is sent without it",
            )
        case Denied() | NotAsked() as hidden:
            yield unseen(Check.STORE, "", hidden)


def _schema(store: StoreState) -> Iterator[Finding]:
    if not store.schema or store.schema < store.newest:
        said = f"tables of revision {store.schema}" if store.schema else "no tables"
        make = warning if store.is_file else fault  # the daemon mends its own file at start
        yield make(Check.STORE, "", f"the store has {said}; this program needs {store.newest}", UPGRADE)
    elif store.schema > store.newest:
        yield note(
            Check.STORE, "", f"the store was made by a newer version ({store.schema}; this one knows {store.newest})"
        )
    else:
        yield ok(Check.STORE, "", f"the store can be read, revision {store.schema}")


def _version(store: StoreState) -> Iterator[Finding]:
    if not store.version:
        return
    shown = ".".join(map(str, store.version))
    if store.is_file and store.version < SQLITE:
        yield fault(
            Check.DATABASE_VERSION,
            "",
            f"SQLite {shown} is too old: 3.35 is needed",
            "install a newer Python, or libsqlite3, for tank-mailer",
        )
    elif not store.is_file and store.version[0] < POSTGRESQL:
        yield warning(
            Check.DATABASE_VERSION,
            "",
            f"PostgreSQL {shown} is no longer maintained",
            f"upgrade the server to {POSTGRESQL} or newer",
        )
    else:
        yield ok(Check.DATABASE_VERSION, "", f"{'SQLite' if store.is_file else 'PostgreSQL'} {shown}")


def _clock(store: StoreState) -> Iterator[Finding]:
    off_s = store.clock_off_s
    if off_s is None:
        return
    if abs(off_s) > CLOCK_WARN_S:
        yield warning(
            Check.DATABASE_CLOCK,
            "",
            f"this host's clock is {abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} the database server's",
            "mend the NTP of this host, or the database server's",
        )
    else:
        yield ok(Check.DATABASE_CLOCK, "", "this host's clock agrees with the database server's")


def _age(setup: Setup, facts: Facts, store: StoreState) -> Iterator[Finding]:
    """An empty ledger beside queues and an account with a past: a lost file, or another one."""
    if not store.is_empty:
        yield ok(Check.STORE_AGE, "", "the ledger knows of mail that was sent before")
        return
    signs = list[str]()
    quota, dead = value_of(facts.quota), value_of(facts.queues.get(facts.dead_letter_url or ""))
    if quota is not None and quota.sent > 0:
        signs.append(f"this account has sent to {quota.sent:.0f} recipients in the last 24 hours")
    if dead is not None and dead.visible:
        signs.append(f"{dead.visible} letters lie on {name_of_queue(dead.arn)}")
    waiting = [
        f"{queue.in_flight} messages of {name_of_queue(url)} are in work"
        for url in setup.lanes.values()
        if (queue := value_of(facts.queues.get(url))) is not None and queue.in_flight
    ]
    signs += waiting
    if signs:
        yield warning(
            Check.STORE_AGE,
            "",
            f"the ledger is empty, and {'; '.join(signs)}: a job that was sent before would be sent again",
            "if this is not the first start: look at TANK_DATABASE_URL, STATE_DIRECTORY and the working directory, or"
            " put a backup back (tank-mailer db restore)",
        )
    else:
        yield ok(Check.STORE_AGE, "", "the ledger is empty, and so is the past")


def _files(store: StoreState) -> Iterator[Finding]:
    if store.open_files:
        modes = ", ".join(f"{mode:04o}" for mode in dict.fromkeys(store.open_files.values()))
        yield warning(
            Check.FILE_MODES,
            next(iter(store.open_files)),
            f"others than its owner may read or write the store (mode {modes}); it holds addresses and texts of mail",
            f"chmod 600 {' '.join(store.open_files)}",
        )
    elif store.is_file:
        yield ok(Check.FILE_MODES, "", "nobody else can read the store")


def _room(setup: Setup, store: StoreState) -> Iterator[Finding]:
    free, least = store.free_bytes, setup.min_free_bytes
    if free is None:
        return
    said = f"{_size(free)} free where the store is; below {_size(least)} (TANK_MIN_FREE_BYTES) nothing is sent"
    remedy = "make room on the disk, or move the store to a larger one"
    if free < least:
        yield fault(Check.DISK, "", said, remedy)
    elif free < least * ROOM:
        yield warning(Check.DISK, "", said, remedy)
    else:
        yield ok(Check.DISK, "", said)


def _size(size: int) -> str:
    return f"{size / 1024**2:.0f} MiB" if size < 1024**3 else f"{size / 1024**3:.1f} GiB"


def _daemon(store: StoreState) -> Iterator[Finding]:
    if not store.nodes:
        yield note(Check.DAEMON, "", "no daemon is alive on this store", "start tank-mailer run")
        return
    for node in store.nodes:
        for pause in node.pauses:
            yield note(
                Check.DAEMON,
                node.node,
                f"paused: {pause.concern} {pause.name} ({pause.reason}) since {pause.since:%Y-%m-%d %H:%M} UTC".replace(
                    "  ", " "
                ),
                pause.remedy or "tank-mailer top shows it; tank-mailer resume lifts what a person may lift",
            )
        if not node.pauses:
            yield ok(Check.DAEMON, node.node, "alive, and nothing is paused")
