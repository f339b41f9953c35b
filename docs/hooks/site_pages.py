"""Collect the pages that the build makes from code, configs and results."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

__all__ = ['ROOT', 'PageMaker', 'first_sentence', 'title_of', 'write_table']

#: Folder of the checkout.
ROOT = Path(__file__).resolve().parents[2]

#: Makes pages: paths below docs/ and their Markdown.
PageMaker = Callable[[], dict[str, str]]


def first_sentence(text: str | None) -> str:
    """Return the first paragraph of a docstring as one line, without its full stop.

    Args:
        text: A docstring, or None.
    """
    paragraph = (text or '').strip().split('\n\n')[0]
    return ' '.join(paragraph.split()).rstrip('.:')


def title_of(markdown: str, default: str) -> str:
    """Return the first heading of a page.

    Args:
        markdown: Text of the page.
        default: Title of a page without a heading.
    """
    match = re.search(r'^# (.+)$', markdown, re.MULTILINE)
    return match.group(1).strip() if match else default


def write_table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; a bar within a cell is escaped.

    Args:
        head: Names of the columns.
        rows: Cells of each row, as many as there are columns.
    """
    cells = [[cell.replace('|', '\\|').replace('\n', ' ') for cell in row] for row in rows]
    lines = [head, ['---'] * len(head), *cells]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
