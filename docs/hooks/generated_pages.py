"""Add the generated pages to the site, complete the navigation, follow links into the repository.

The only hook that MkDocs calls; each kind of page has a module of its own beside this one.
"""

from __future__ import annotations

import re
import warnings
from pathlib import PurePosixPath
from typing import Any

from config_pages import make_config_page
from message_pages import make_message_page
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from part_pages import make_part_pages, make_python_page
from repository_pages import PROJECT_PAGES, RepositoryPages
from site_pages import PageMaker, title_of
from tool_pages import make_tool_page
from tutorial_pages import make_tutorial_pages
from zoo_page import make_zoo_page

# Of other packages, said while they are imported for the help of the tools.
warnings.filterwarnings('ignore', category=DeprecationWarning, module='torch')

MAKERS: list[PageMaker] = [
    make_part_pages,
    make_python_page,
    make_tool_page,
    make_config_page,
    make_message_page,
    make_zoo_page,
    make_tutorial_pages,
]


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what is generated; the navigation is completed once all pages are known."""
    for maker in MAKERS:
        for path, content in maker().items():
            files.append(File.generated(config, path, content=content))
    pages = {file.src_uri: file.content_string for file in files.documentation_pages()}
    for path, content in RepositoryPages(pages).make().items():
        files.append(File.generated(config, path, content=content))
    for path, source in PROJECT_PAGES.items():
        pages[path] = source
    config.nav = complete_navigation(config.nav, pages)
    return files


def complete_navigation(nav: list[Any], pages: dict[str, str]) -> list[Any]:
    """Replace each entry ``FOLDER/*`` by the pages of the folder that no other entry names.

    Args:
        nav: Entries as mkdocs.yml gives them: paths, or a title with more entries.
        pages: Path below docs/ and text of each page.

    Returns:
        The navigation without such entries, and without sections that have no page.
    """
    named = set(list_paths(nav))

    def complete(entries: list[Any]) -> list[Any]:
        done: list[Any] = []
        for entry in entries:
            if isinstance(entry, dict):
                inner = {title: complete(below) for title, below in entry.items()}
                done += [inner] if any(inner.values()) else []
            elif entry == '*' or entry.endswith('/*'):
                folder = PurePosixPath(entry).parent
                rest = [p for p in pages if PurePosixPath(p).parent == folder and p not in named]
                done += sorted(rest, key=lambda path: title_of(pages[path], path).lower())
            else:
                done.append(entry)
        return done

    return complete(nav)


def list_paths(entries: list[Any]) -> list[str]:
    """Return all paths that a navigation names.

    Args:
        entries: Entries as mkdocs.yml gives them.
    """
    paths: list[str] = []
    for entry in entries:
        if isinstance(entry, dict):
            paths += [path for below in entry.values() for path in list_paths(below)]
        else:
            paths.append(entry)
    return paths


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links that leave docs/ at the page of the file in the repository."""
    return RepositoryPages.relink(markdown, f'docs/{page.file.src_uri}', page.file.src_uri)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show cross-references of docstrings (``:class:`Name```) as plain code."""
    role = r':(?:class|func|mod|meth|attr|data):<code>[~!]?(?:[\w.]+\.)?(\w+)</code>'
    html = re.sub(role, r'<code>\1</code>', html)
    # What introduces a block of code in a docstring.
    return html.replace('::</p>', ':</p>')
