"""
Configure Sphinx: Markdown pages, the Furo theme, and an API reference from docstrings.

The build needs no network.
"""

import os
import re
import sys
import tomllib
from pathlib import Path

from pygments.lexers.special import TextLexer

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT / "workflow/lib"))

project = "Posterity"
author = "Posterity maintainers"
project_copyright = "The Posterity developers"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Posterity {release}"
highlight_language = "none"  # an indented block is output or YAML as often as Python
default_role = "code"  # docstrings quote code with single backticks
nitpicky = False

myst_heading_anchors = 3
napoleon_google_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"

# The page of the site that stands for a Markdown file outside docs/.
PAGES = {
    "README.md": "index.md",
    "config/README.md": "configuration.md",
    "benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
LINK = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)")


def resolve_links(text: str, source: Path, page: Path) -> str:
    """
    Return Markdown text whose relative links work on the site.

    Links in the repository are relative to the file that holds them. On the site an included text
    is part of another page. A link to a file in `PAGES` leads to its page, and a link to any other
    file outside docs/ downloads that file.

    Parameters
    ----------
    text
        Markdown text.
    source
        The file that holds the text.
    page
        The page in docs/ that shows the text.
    """

    def replace(match: re.Match) -> str:
        target = os.path.relpath(source.parent / match[1], ROOT)
        shown = DOCS / PAGES[target] if target in PAGES else ROOT / target
        scheme = "" if shown.is_relative_to(DOCS) else "path:"
        return f"]({scheme}{os.path.relpath(shown, page.parent)}"

    return LINK.sub(replace, text)


def resolve_page(app, docname: str, content: list[str]) -> None:
    """Resolve the links of a page of docs/ (Sphinx calls this with the text of each)."""
    page = DOCS / f"{docname}.md"
    content[0] = resolve_links(content[0], page, page)


def resolve_include(app, relative_path: Path, parent: str, content: list[str]) -> None:
    """Resolve the links of an included text (Sphinx calls this with the text of each)."""
    content[0] = resolve_links(content[0], DOCS / relative_path, DOCS / f"{parent}.md")


def setup(app) -> None:
    """Register the functions above, and a lexer."""
    app.connect("source-read", resolve_page)
    app.connect("include-read", resolve_include)
    app.add_lexer("csv", TextLexer)  # Pygments knows no CSV
