"""Measures and reports: `python -m tests.benchmarks.figures [--only WHAT] [--quick] [--json]`."""

import argparse
import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    calls,
    cpu,
    drain,
    governor,
    lookup,
    memory,
    nodes,
    pace,
    priority,
    report,
    scrape,
    start,
    storm,
)
from tests.benchmarks.figure import Figure

Measure = Callable[[], Awaitable[Sequence[Figure]]]

FULL = {
    "cpu": lambda: cpu.measure(3_000),
    "calls": lambda: calls.measure(2_000, 30),
    "pace": lambda: pace.measure(30),
    "start": start.measure,
    "memory": lambda: memory.measure(10_000, 50_000),
    "drain": lambda: drain.measure(20_000, 100_000, 14),
    "lookup": lambda: lookup.measure(1_000, 1_000_000),
    "governor": lambda: governor.measure(60),
    "nodes": lambda: nodes.measure(60),
    "priority": lambda: priority.measure(50_000, 30),
    "storm": lambda: storm.measure(300),
    "scrape": lambda: scrape.measure(60),
    "report": lambda: report.measure(10_000, 1_000_000),
}
QUICK = FULL | {
    "cpu": lambda: cpu.measure(1_000),
    "calls": lambda: calls.measure(1_000, 15),
    "memory": lambda: memory.measure(2_000, 10_000),
    "drain": lambda: drain.measure(5_000, 20_000, 14),
    "lookup": lambda: lookup.measure(1_000, 200_000),
    "governor": lambda: governor.measure(20),
    "nodes": lambda: nodes.measure(20),
    "priority": lambda: priority.measure(50_000, 10),
    "storm": lambda: storm.measure(30),
    "scrape": lambda: scrape.measure(20),
    "report": lambda: report.measure(10_000, 100_000),
}
MARKS = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}


async def measure(measures: Sequence[Measure]) -> list[Figure]:
    """All of them, one after the other."""
    figures = list[Figure]()
    for one in measures:
        figures += await one()
    return figures


def show(figures: Sequence[Figure]) -> None:
    """Print a table."""
    table = Table("figure", "aim", "measured", "ok", box=None, header_style="bold")
    for figure in figures:
        table.add_row(figure.name, figure.aim, figure.measured, MARKS[figure.ok])
    Console(highlight=False).print(table)


def main() -> None:
    """Enter here; the exit code is 1 if an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.figures", description=__doc__)
    parser.add_argument("--only", choices=FULL, action="append", help="may be given again; all without")
    parser.add_argument("--quick", action="store_true", help="fewer e-mails")
    parser.add_argument("--json", action="store_true", help="for scripts")
    asked = parser.parse_args()
    measures = QUICK if asked.quick else FULL
    load = os.getloadavg()[0]
    figures = asyncio.run(measure([measures[name] for name in asked.only or FULL]))
    if asked.json:
        Console().print_json(json.dumps({"load_before": load, "figures": [asdict(figure) for figure in figures]}))
    else:
        show(figures)
        Console(highlight=False).print(f"\nload before: {load:.2f}; more than 0.5 disturbs the CPU figures")
    raise SystemExit(any(figure.ok is False for figure in figures))


if __name__ == "__main__":
    main()
