"""Tables of a page, by the heading that they stand under."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"

_HEADING = re.compile(r"^#+ ", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")

Row = list[str]


def section(page: Path, heading: str) -> str:
    """What stands between a heading and the next one, of whatever level."""
    text = page.read_text(encoding="utf-8")
    begin = re.search(rf"^#+ {re.escape(heading)}$", text, re.MULTILINE)
    assert begin is not None, f"{page.name} has no heading {heading!r}"
    end = _HEADING.search(text, begin.end())
    return text[begin.end() : end.start() if end else len(text)]


def tables(page: Path, heading: str) -> list[list[Row]]:
    """The tables below a heading, each as its rows, without their heads."""
    found: list[list[Row]] = []
    lines: list[str] = []
    for line in [*section(page, heading).splitlines(), ""]:
        if line.startswith("|"):
            lines.append(line)
        elif lines:
            found.append([[cell.strip() for cell in one.strip("|").split(" | ")] for one in lines[2:]])
            lines = []
    return found


def table(page: Path, heading: str) -> list[Row]:
    """The first of them."""
    return tables(page, heading)[0]


def words(text: str) -> list[str]:
    """What stands there as code."""
    return _CODE.findall(text)


def first_words(rows: list[Row]) -> Iterator[str]:
    """What stands as code in the first cells."""
    for row in rows:
        yield from words(row[0])
