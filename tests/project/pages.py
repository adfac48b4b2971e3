"""README.md and docs/ as tests read them: fences, and code within sentences."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fence:
    """A block of code, without its indentation."""

    page: Path
    language: str
    body: str


def name(page: Path) -> str:
    """How a page is called in the name of a test."""
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, *languages: str, under: str = "") -> Iterator[Fence]:
    """All of a page or of one section, in whatever language or in these."""
    text = page.read_text(encoding="utf-8")
    if under:
        _, begun, text = text.partition(f"\n## {under}\n")
        assert begun, f"{name(page)} has no section {under}"
        text = text.partition("\n## ")[0]
    for found in _FENCE.finditer(text):
        if not languages or found["language"] in languages:
            yield Fence(page, found["language"], textwrap.dedent(found["body"]))


def code(page: Path) -> Iterator[str]:
    """What stands in backticks within sentences and tables."""
    for found in re.findall(r"`([^`]+)`", _FENCE.sub("", page.read_text(encoding="utf-8"))):
        yield re.sub(r"\s+", " ", found).replace("\\|", "|")


def tables(page: Path) -> Iterator[dict[str, str]]:
    """All rows of all tables, each by the heads of its columns."""
    heads: list[str] = []
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not line.startswith("|"):
            heads = []
        elif not heads:
            heads = cells
        elif set("".join(cells)) - set("-: "):
            yield dict(zip(heads, cells, strict=False))
