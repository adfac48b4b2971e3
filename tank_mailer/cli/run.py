"""tank-mailer run: the daemon."""

import asyncio
import sys
from pathlib import Path

import typer

from tank_mailer import daemon
from tank_mailer.cli.options import EXIT_BAD_SETTINGS, EnvFile, environment, errors, forget, print_faults
from tank_mailer.core.errors import ConfigurationError
from tank_mailer.settings import Loaded, SettingsError, Sources
from tank_mailer.telemetry.log import configure_logging, get_logger
from tank_mailer.telemetry.render import scrub

log = get_logger()

EXIT_BUG = 1


def run(env_file: EnvFile = None) -> None:
    """Send e-mail jobs until SIGTERM or SIGINT; a second signal ends at once.

    SIGHUP: reads the settings again. New AWS keys count at once; other changes are named and wait for a restart.

    Exit codes: 0 stopped as asked, 1 a bug, 78 settings or surroundings that do not fit.

    Example: tank-mailer run --env-file /etc/tank-mailer/tank-mailer.env
    """
    environ = environment()
    sources = Sources.of(env_file, environ)
    loaded = _settings(sources)
    forget(sources.of_file)
    settings = loaded.settings
    at_terminal = sys.stdout.isatty() and loaded.is_default("TANK_LOG_FORMAT")
    output = configure_logging(
        level=settings.log_level,
        fmt="console" if at_terminal else settings.log_format,
        node=settings.node,
        journal="JOURNAL_STREAM" in environ,
        colour=sys.stdout.isatty(),
    )
    state_directory = Path(environ.get("STATE_DIRECTORY", "").split(":")[0] or "var")
    try:
        work = daemon.run(
            loaded, reload=sources.load, environ=environ, state_directory=state_directory, flush=output.close
        )
        code = asyncio.run(work)
    except ConfigurationError as error:
        log.error("settings_refused", reason=error.reason, detail=error.detail)
        code = EXIT_BAD_SETTINGS
    except OSError as error:
        log.error("settings_refused", detail=f"{error.filename}: {error.strerror}")
        code = EXIT_BAD_SETTINGS
    except Exception:
        log.exception("flow_crashed")
        code = EXIT_BUG
    finally:
        output.close()
    raise typer.Exit(code)


def _settings(sources: Sources) -> Loaded:
    """At a terminal faults are for reading; elsewhere they are log lines like all others."""
    try:
        return sources.load()
    except SettingsError as error:
        if sys.stderr.isatty():
            print_faults(error, errors())
        else:
            with configure_logging(level="info", fmt="json", node="", journal="JOURNAL_STREAM" in environment()):
                for fault in error.faults:
                    log.error("settings_refused", name=fault.name, problem=scrub(fault.logged), remedy=fault.remedy)
        raise typer.Exit(EXIT_BAD_SETTINGS) from None
