"""The pages under docs/: what the site is made of. Sphinx itself is run by CI."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from tests.support.environment import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("**/*.md"))
INDEX = DOCS / "index.md"

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """What a repository's browser makes of the headings, and Sphinx too."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def contents(index: str) -> str:
    text: str = runpy.run_path(str(DOCS / "conf.py"))["contents"](index)
    return text


def test_the_contents_reach_every_page() -> None:
    named = set(re.findall(r"<(.+)>$", contents(INDEX.read_text()), re.MULTILINE))
    pages = {str(each.relative_to(DOCS).with_suffix("")) for each in PAGES if each != INDEX}
    assert named == pages


def test_the_contents_are_the_lists_of_the_index() -> None:
    lines = (
        "# Top",
        "- [No](no.md)",
        "## First",
        "- [One](one.md): it\n- two",
        "## Last",
        "- [B](b/c.md)\n",
    )
    index = "\n\n".join(lines)
    assert contents(index).split("\n\n") == [
        "```{toctree}\n:hidden:\n:caption: First",
        "One <one>\n```",
        "```{toctree}\n:hidden:\n:caption: Last",
        "B <b/c>\n```",
    ]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: str(page.stem))
def test_anchors_of_links_are_there(page: Path) -> None:
    for file, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / file if file else page
        assert anchor in anchors(target), f"{page.name}: {file}#{anchor}"


def test_pages_read_well_without_sphinx() -> None:
    for page in PAGES:
        assert not re.findall(r"^(?:```\{|:::)", page.read_text(encoding="utf-8"), re.MULTILINE), (
            page
        )
