"""structlog and the standard library, as this program sets them up."""

import io
import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from tank_mailer.telemetry.log import Level, configure_logging, get_logger

log = get_logger()  # before any set-up, as modules do


@dataclass(frozen=True, slots=True)
class Retry:
    delay_s: float


def logged(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_verdict_becomes_fields() -> None:
    stream = io.StringIO()

    with configure_logging(level="info", fmt="json", node="n-1", stream=stream):
        log.info("job_settled", verdict=Retry(1.0))

    (line,) = logged(stream)
    assert list(line) == ["at", "level", "event", "node", "verdict", "verdict_delay_s"]
    assert (line["verdict"], line["verdict_delay_s"]) == ("retry", 1.0)


def test_context_goes_first() -> None:
    stream = io.StringIO()

    with configure_logging(level="info", fmt="json", node="n-1", stream=stream):
        with structlog.contextvars.bound_contextvars(queue_message_id="m-1", email_id="e-1"):
            log.info("job_settled", attempts=1)
        log.info("daemon_stopped")

    first, second = logged(stream)
    assert list(first)[4:] == ["email_id", "queue_message_id", "attempts"]
    assert "email_id" not in second


def test_what_is_less_than_the_level_is_not_logged() -> None:
    stream = io.StringIO()

    with configure_logging(level="warning", fmt="json", node="n-1", stream=stream):
        log.debug("queue_polled")
        log.info("job_settled")
        log.warning("lease_lost")

    assert [line["event"] for line in logged(stream)] == ["lease_lost"]


def test_a_logger_follows_the_latest_set_up() -> None:
    """Also one that was used before: a cached one would write into a closed output."""
    first, second = io.StringIO(), io.StringIO()
    level: Level = "info"
    with configure_logging(level=level, fmt="json", node="n-1", stream=first):
        log.info("daemon_started")

    with configure_logging(level=level, fmt="json", node="n-2", stream=second):
        log.info("daemon_started")

    assert [line["node"] for line in logged(first) + logged(second)] == ["n-1", "n-2"]


def test_tests_of_flows_can_capture_lines() -> None:
    stream = io.StringIO()

    with configure_logging(level="info", fmt="json", node="n-1", stream=stream):
        with capture_logs() as lines:
            log.info("job_settled", verdict=Retry(1.0))
        log.info("daemon_stopped")

    assert lines == [{"event": "job_settled", "verdict": Retry(1.0), "log_level": "info"}]
    assert [line["event"] for line in logged(stream)] == ["daemon_stopped"]


def test_an_exception_is_told_in_one_line() -> None:
    stream = io.StringIO()

    with configure_logging(level="info", fmt="json", node="n-1", stream=stream):
        try:
            json.loads("{")
        except ValueError:
            log.exception("flow_crashed")

    (line,) = logged(stream)
    assert line["level"] == "error"
    assert line["exception"].startswith("JSONDecodeError")


def test_libraries_speak_through_the_same_output() -> None:
    stream = io.StringIO()

    with configure_logging(level="info", fmt="json", node="n-1", stream=stream):
        logging.getLogger("asyncio").error("Task of %s was destroyed", "bob@example.com")
        logging.getLogger("aiobotocore").debug("body of a request")
        logging.getLogger("sqlalchemy.pool").info("checked out")
        logging.getLogger("odd").log(35, "an odd level")

    assert [(line["event"], line["level"], line["logger"], line["said"]) for line in logged(stream)] == [
        ("library_logged", "error", "asyncio", "Task of <address> was destroyed"),
        ("library_logged", "warning", "odd", "an odd level"),
    ]


def test_a_library_that_cannot_format_breaks_nothing() -> None:
    stream = io.StringIO()

    with configure_logging(level="info", fmt="json", node="n-1", stream=stream):
        ours = logging.getLogger().handlers[-1]  # pytest's own, before it, would raise
        ours.handle(logging.makeLogRecord({"name": "odd", "levelno": 30, "msg": "%d", "args": ("x",)}))
        logging.getLogger("odd").log(1000, "beyond all levels", exc_info=ValueError("x"))

    first, second = logged(stream)
    assert first["said"] == "<TypeError>"
    assert (second["level"], second["exception"]) == ("critical", "ValueError: x")


def test_a_second_set_up_does_not_double_what_libraries_say() -> None:
    first, second = io.StringIO(), io.StringIO()
    with configure_logging(level="info", fmt="json", node="n-1", stream=first):
        pass

    with configure_logging(level="info", fmt="json", node="n-1", stream=second):
        logging.getLogger("asyncio").warning("once")

    assert len(logged(second)) == 1


def test_lost_lines_are_told() -> None:
    class Slow(io.StringIO):
        """Loses time with its first write, so that the buffer runs full."""

    stream = Slow()
    output = configure_logging(level="info", fmt="json", node="n-1", stream=stream, capacity=5)
    with output:
        for _ in range(50):
            log.info("job_settled")
        while "log_lines_dropped" not in stream.getvalue():
            log.info("job_settled")

    told = [line for line in logged(stream) if line["event"] == "log_lines_dropped"]
    assert sum(line["lines"] for line in told) <= output.dropped
    assert told[0]["level"] == "warning"


def test_a_process_whose_log_nobody_reads_comes_to_its_end() -> None:
    """Neither the loop nor the interpreter's exit may wait for the reader of a full pipe."""
    program = (
        "from tank_mailer.telemetry.log import configure_logging, get_logger\n"
        "output = configure_logging(level='info', fmt='json', node='n', capacity=1000)\n"
        "for _ in range(5000):\n"
        "    get_logger().info('job_settled', said='x' * 500)\n"
        "output.close(timeout_s=0.1)\n"
        "raise SystemExit(7 if output.dropped > 3000 else 8)\n"
    )

    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.wait(timeout=30) == 7


def test_the_standard_output_of_the_moment_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with configure_logging(level="info", fmt="console", node="n-1"):
        log.info("daemon_started")

    assert "daemon_started" in capsys.readouterr().out
