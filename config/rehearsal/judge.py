"""Judges a rehearsal by what the stand-in has accepted: `judge.py [--wait SECONDS] URL JOBS.jsonl...`.

It compares the accept log of `tank-mailer standin`, which is at URL, with the files that were put on the queue, and
needs nothing but Python. How to rehearse: docs/load-test.md. Exit codes: 0 all is as it should be, 3 it is not,
2 a file is none of jobs, 75 no stand-in answers.
"""

import argparse
import http.client
import json
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

POLL_S = 0.5
OK, USAGE, NO, OUTSIDE = 0, 2, 3, 75


class CannotJudgeError(Exception):
    """There is nothing to compare: with the exit code, and what is wrong."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


def ask(url: str, what: str) -> Any:  # noqa: ANN401 - JSON
    """One look at the stand-in."""
    try:
        with urllib.request.urlopen(f"{url}/_standin/{what}", timeout=30) as answer:  # noqa: S310 - ours, on loopback
            return json.load(answer)
    except (OSError, ValueError, http.client.HTTPException) as error:
        text = f"no stand-in answers at {url} ({error}); start it, and give the AWS_ENDPOINT_URL that it prints"
        raise CannotJudgeError(OUTSIDE, text) from error


def ids_in(path: Path) -> set[str]:
    """The email_id of each job in the file."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotJudgeError(USAGE, f"{path} cannot be read: {error}") from error
    return {id_in(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()}


def id_in(line: str, where: str) -> str:
    """Its email_id."""
    try:
        job = json.loads(line)
    except (ValueError, RecursionError):
        job = None
    if isinstance(job, dict) and isinstance(email_id := job.get("email_id"), str):
        return email_id
    raise CannotJudgeError(USAGE, f"{where}: no JSON object with an email_id, so it is not what was put on the queue")


def log_of(url: str, wanted: set[str], wait_s: float) -> list[dict[str, Any]]:
    """The accept log, as soon as all jobs are in it, or the time is over."""
    end_s, log = time.monotonic() + wait_s, list[dict[str, Any]]()
    while True:
        log += ask(url, f"log?since={len(log)}")
        if wanted <= {entry["header_email_id"] for entry in log} or not time.monotonic() < end_s:
            return log
        time.sleep(POLL_S)


def fullest_second(log: list[dict[str, Any]]) -> int:
    """The most recipients in any window of a second, wherever it begins."""
    most = inside = first = 0
    for entry in log:
        inside += entry["recipients"]
        while entry["monotonic_s"] - log[first]["monotonic_s"] >= 1:
            inside -= log[first]["recipients"]
            first += 1
        most = max(most, inside)
    return most


def judge(wanted: set[str], log: list[dict[str, Any]], url: str) -> list[tuple[str, str, str, bool]]:
    """Rows: what, measured, wanted, whether it is so."""
    times = Counter(entry["header_email_id"] for entry in log)
    rate = ask(url, "account")["max_send_rate"]
    throttles = len(ask(url, "counts")["throttles"])
    missing, strange = len(wanted - times.keys()), len(times.keys() - wanted)
    doubles = sum(count > 1 for count in times.values())
    fullest, largest = fullest_second(log), max((entry["recipients"] for entry in log), default=1)
    span_s = log[-1]["monotonic_s"] - log[0]["monotonic_s"] if log else 0.0
    share = f"{sum(entry['recipients'] for entry in log[1:]) / span_s / rate:.1%}" if span_s else "-"
    return [
        ("jobs put on the queue", str(len(wanted)), "", True),
        ("accepted, of these", str(len(wanted) - missing), str(len(wanted)), not missing),
        ("accepted twice", str(doubles), "0", not doubles),
        ("accepted, of others", str(strange), "0", not strange),
        ("refused for the rate", str(throttles), "0", not throttles),
        ("fullest second", str(fullest), f"at most {rate + largest - 1:g}", fullest <= rate + largest - 1),
        ("seconds", f"{span_s:.1f}", "", True),
        ("share of the account's rate", share, "", True),
    ]


def main() -> int:
    """Enter here."""
    parser = argparse.ArgumentParser(description="Judges a rehearsal by the accept log of tank-mailer standin.")
    parser.add_argument("url", metavar="URL", help="where the stand-in is: $AWS_ENDPOINT_URL")
    parser.add_argument("jobs", type=Path, nargs="+", metavar="JOBS.jsonl", help="what was put on the queue")
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="for jobs that are still under way")
    asked = parser.parse_args()
    url = asked.url.rstrip("/")
    try:
        wanted = set[str]().union(*map(ids_in, asked.jobs))
        rows = judge(wanted, log_of(url, wanted, asked.wait), url)
    except CannotJudgeError as fault:
        sys.stderr.write(f"{parser.prog}: {fault}\n")
        return fault.code
    for what, measured, aim, is_so in rows:
        sys.stdout.write(f"{what:<28}  {measured:>6}  {aim or '-':<10}  {'ok' if is_so else 'NO'}\n")
    return OK if all(is_so for *_, is_so in rows) else NO


if __name__ == "__main__":
    raise SystemExit(main())
