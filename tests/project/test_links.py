"""Every link of the README and of the pages in docs/ leads somewhere, and every page can be reached from the README."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.project.tables import ROOT

README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def text_of(page: Path) -> str:
    """Without what is fenced: there nothing is a link, and no line with a # a heading."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def links_of(page: Path) -> Iterator[tuple[Path, str]]:
    """Each relative link: the file that it leads to, and the anchor there; "" for none."""
    for target in LINK.findall(CODE.sub("", text_of(page))):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        yield (page.parent / path).resolve() if path else page, anchor


def anchors_of(page: Path) -> set[str]:
    """As GitHub makes them of headings: the same once more gets a number."""
    found = set[str]()
    for heading in HEADING.findall(text_of(page)):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        names = [anchor, *(f"{anchor}-{n}" for n in range(1, 100))]
        found.add(next(one for one in names if one not in found))
    return found


def test_there_are_links_to_be_looked_at() -> None:
    assert sum(1 for page in PAGES for _ in links_of(page)) > 150


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in links_of(page):
        assert path.exists(), path
        assert path.is_relative_to(ROOT), path
        if anchor:
            assert anchor in anchors_of(path), f"{name_of(path)}#{anchor}"


def test_every_page_is_reached_from_the_readme() -> None:
    """Who looks for a page begins there."""
    reached, ahead = set[Path](), [README]
    while ahead:
        page = ahead.pop()
        if page in reached:
            continue
        reached.add(page)
        for path, _ in links_of(page):
            ahead += sorted(path.glob("*.md")) if path.is_dir() else [path] if path.suffix == ".md" else []

    assert [name_of(page) for page in PAGES if page not in reached] == []


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        pytest.param("2b. As a container", "2b-as-a-container", id="a-full-stop"),
        pytest.param("In a server's shell", "in-a-servers-shell", id="an-apostrophe"),
        pytest.param("`alerts test`", "alerts-test", id="code"),
        pytest.param("DNS, proxy, TLS, firewall", "dns-proxy-tls-firewall", id="commas"),
    ],
)
def test_anchors_are_made_as_the_viewer_makes_them(tmp_path: Path, heading: str, anchor: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"## {heading}\n\n## {heading}\n", encoding="utf-8")

    assert anchors_of(page) == {anchor, f"{anchor}-1"}
