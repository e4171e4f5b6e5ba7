"""How Sphinx builds the site: ``python -m sphinx -W --keep-going docs build/docs``."""

from __future__ import annotations

import importlib.metadata
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "pytest-flash"
version = release = importlib.metadata.version("pytest-flash")
extensions = ["myst_parser"]
exclude_patterns = ["**/.*"]
nitpicky = True

myst_heading_anchors = 4  # As a repository's browser makes them.
highlight_language = "none"
smartquotes = False  # Else the two hyphens of an option become one dash.

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False

_SECTION = re.compile(r"^## (?P<caption>.+)$\n(?P<text>(?:(?!^## ).*\n?)*)", re.MULTILINE)
_PAGE = re.compile(r"^- \[(?P<title>[^\]]+)\]\((?P<page>[^)]+)\.md\)", re.MULTILINE)


def contents(index: str) -> str:
    """The table of contents that the lists of the index are.

    As a directive in the page it would be shown as code in a repository's browser.
    """
    trees = []
    for section in _SECTION.finditer(index):
        pages = (f"{each['title']} <{each['page']}>" for each in _PAGE.finditer(section["text"]))
        options = (":hidden:", f":caption: {section['caption']}")
        trees.append("\n".join(("```{toctree}", *options, "", *pages, "```")))
    return "\n\n".join(trees)


def _add_contents(_: Sphinx, page: str, source: list[str]) -> None:
    if page == "index":
        source[0] += "\n" + contents(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Let the index carry its contents."""
    app.connect("source-read", _add_contents)
    return {"parallel_read_safe": True}
