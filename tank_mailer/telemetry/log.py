"""structlog set up for this program; `get_logger()` is all that other modules need of it."""

import logging
import sys
import time
from collections.abc import Callable
from typing import IO, Any, Final, Literal

import structlog
from structlog.typing import EventDict, FilteringBoundLogger
from typing_extensions import override

from tank_mailer.telemetry.flatten import flatten
from tank_mailer.telemetry.privacy import AddressPrivacy, Recipients, load_or_make_hash_key
from tank_mailer.telemetry.render import Format, Renderer, scrub
from tank_mailer.telemetry.sink import CAPACITY, LogOutput

__all__ = [
    "AddressPrivacy",
    "Format",
    "Level",
    "LogOutput",
    "Recipients",
    "configure_logging",
    "flatten",
    "get_logger",
    "load_or_make_hash_key",
]

Level = Literal["debug", "info", "warning", "error", "critical"]

LIBRARY_LEVEL: Final = logging.WARNING  # below it botocore writes request bodies: addresses and mails

# A source of keys that does not answer is no bug: `credentials_unavailable` says it in a line, without a traceback.
TOLD_BY_US: Final = ("aiobotocore.credentials",)


def get_logger() -> FilteringBoundLogger:
    """Give a logger that follows the set-up of the moment, also when made before it."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


log = get_logger()


def configure_logging(
    *,
    level: Level,
    fmt: Format,
    node: str,
    stream: IO[str] | None = None,
    journal: bool = False,
    colour: bool = False,
    capacity: int = CAPACITY,
    now: Callable[[], float] = time.time,
) -> LogOutput:
    """Send the lines of all loggers, also those of libraries, to one output, which the caller closes.

    Args:
        level: what is less is not logged.
        fmt: JSON, or text for a person at a terminal.
        node: who writes; a field of each line.
        stream: standard output unless given.
        journal: systemd reads the output: give each line its `<N>` priority.
        colour: colour the level; for terminals only.
        capacity: how many lines may wait for the output.
        now: the time, in seconds since 1970.
    """
    output = LogOutput(stream or sys.stdout, capacity=capacity, on_room=_tell_of_loss)
    renderer = Renderer(node=node, fmt=fmt, journal=journal, colour=colour, now=now)
    structlog.configure(
        processors=[_context_first, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: output,
        # A cached logger would keep this output for ever; not caching costs 1 µs a line.
        cache_logger_on_first_use=False,
    )
    _listen_to_libraries()
    return output


def _context_first(_logger: object, _method: str, event_dict: EventDict) -> EventDict:
    """Put what is bound as context variables (which job it is about) before the other fields."""
    return {**dict(sorted(structlog.contextvars.get_contextvars().items())), **event_dict}


def _tell_of_loss(lines: int) -> None:
    log.warning("log_lines_dropped", lines=lines)


# The one base class that the standard library demands.
class _LibraryHandler(logging.Handler):
    """Carries what libraries log by `logging` over to the same output."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on, without addresses."""
        try:
            text = scrub(record.getMessage())
        except Exception as error:  # noqa: BLE001  # arguments that do not fit their format
            text = f"<{type(error).__name__}>"
        fields: dict[str, Any] = {"logger": record.name, "said": text, "exc_info": record.exc_info}
        log.log(min(record.levelno // 10 * 10, logging.CRITICAL), "library_logged", **fields)


def _listen_to_libraries() -> None:
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, _LibraryHandler):
            root.removeHandler(handler)
    root.addHandler(_LibraryHandler(level=LIBRARY_LEVEL))
    root.setLevel(LIBRARY_LEVEL)
    for name in TOLD_BY_US:
        logging.getLogger(name).setLevel(logging.CRITICAL)
