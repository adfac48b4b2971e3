"""One figure: what was to be reached, and what was measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A row of the report.

    Attributes:
        ok: None where no aim was set.
    """

    name: str
    aim: str
    measured: str
    ok: bool | None


def at_most(name: str, *, limit: float, measured: float, detail: str = "") -> Figure:
    """A figure that is better the lower it is."""
    return Figure(name=name, aim=f"≤ {limit:g}", measured=f"{measured:.2f}{detail}", ok=measured <= limit)


def at_least(name: str, *, limit: float, measured: float, detail: str = "") -> Figure:
    """A figure that is better the higher it is."""
    return Figure(name=name, aim=f"≥ {limit:g}", measured=f"{measured:.2f}{detail}", ok=measured >= limit)


def told(name: str, measured: str) -> Figure:
    """A figure without an aim."""
    return Figure(name=name, aim="", measured=measured, ok=None)
