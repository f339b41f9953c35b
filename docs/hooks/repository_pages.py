"""Make a page of each file of the repository that a page links to.

A page in Markdown (configs/README.md) is taken as it is, a file of code is shown, a folder is
listed. Links keep working when the documents are read in the repository itself.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

from site_pages import ROOT, first_sentence, write_table

__all__ = ['PROJECT_PAGES', 'RepositoryPages']

#: Pages of the site that are files at the top of the repository.
PROJECT_PAGES = {'changelog.md': 'CHANGELOG.md', 'contributing.md': 'CONTRIBUTING.md'}
_LINK = re.compile(r'(\]\()([^)\s#]+)((?:#[^)\s]*)?\))')
_LANGUAGES = {'.py': 'python', '.sh': 'bash', '.yml': 'yaml', '.yaml': 'yaml', '.txt': 'text'}


class RepositoryPages:
    """Pages of files outside of docs/, found by following links.

    Args:
        pages: Path below docs/ and text of each page that is there already.
    """

    def __init__(self, pages: dict[str, str]) -> None:
        self.pages = pages

    def make(self) -> dict[str, str]:
        """Return path below docs/ and text of each page to add."""
        made = {page: self._project_page(page) for page in PROJECT_PAGES}
        waiting = [(f'docs/{path}', text) for path, text in self.pages.items()]
        waiting += [(source, (ROOT / source).read_text()) for source in PROJECT_PAGES.values()]
        while waiting:
            source, text = waiting.pop()
            for target in sorted(set(self._outside(source, text))):
                page = place_page(target)
                if page in made:
                    continue
                made[page] = show_path(target, page)
                if target.endswith('.md'):
                    waiting.append((target, (ROOT / target).read_text()))
        return made

    def _project_page(self, page: str) -> str:
        source = PROJECT_PAGES[page]
        return self.relink((ROOT / source).read_text(), source, page)

    @staticmethod
    def _outside(source: str, text: str) -> list[str]:
        targets = [resolve_link(source, match.group(2)) for match in _LINK.finditer(text)]
        return [path for path in targets if path is not None and not path.startswith('docs/')]

    @staticmethod
    def relink(text: str, source: str, page: str) -> str:
        """Return a text with its links to files as links to their pages.

        Args:
            text: Markdown.
            source: File of the repository that holds it, which its links are relative to.
            page: Path below docs/ of the page that shows it.
        """

        def point(match: re.Match[str]) -> str:
            target = resolve_link(source, match.group(2))
            if target is None or (target.startswith('docs/') and source == f'docs/{page}'):
                return match.group(0)
            link = os.path.relpath(place_page(target), os.path.dirname(page) or '.')
            return match.group(1) + link + match.group(3)

        return _LINK.sub(point, text)


def resolve_link(source: str, link: str) -> str | None:
    """Return the file or folder of the repository that a link names, None where it names none.

    Args:
        source: File that holds the link, from the root of the repository.
        link: Target as written.
    """
    if '://' in link or link.startswith(('mailto:', '/')):
        return None
    target = os.path.normpath(os.path.join(os.path.dirname(source), link))
    if target.startswith('..') or not (ROOT / target).exists():
        return None
    return target


def place_page(target: str) -> str:
    """Return the path below docs/ of the page of a file or folder.

    Args:
        target: From the root of the repository.
    """
    for page, source in PROJECT_PAGES.items():
        if source == target:
            return page
    if target.startswith('docs/'):
        return target.removeprefix('docs/')
    if (ROOT / target).is_dir():
        readme = f'{target}/README.md'
        return f'repository/{readme if (ROOT / readme).is_file() else f"{target}.md"}'
    return f'repository/{target if target.endswith(".md") else f"{target}.md"}'


def show_path(target: str, page: str) -> str:
    """Return the page of a file or folder as Markdown.

    Args:
        target: From the root of the repository.
        page: Path of the page below docs/.
    """
    path = ROOT / target
    hidden = '---\nsearch:\n  exclude: true\n---\n\n'
    if path.is_dir():
        if (path / 'README.md').is_file():
            return RepositoryPages.relink((path / 'README.md').read_text(), f'{target}/x', page)
        return f'{hidden}# {target}/\n\n{list_folder(path)}\n'
    if target.endswith('.md'):
        return RepositoryPages.relink(path.read_text(), target, page)
    # Longer than any fence within the file.
    fence = '`' * 5
    language = _LANGUAGES.get(path.suffix, 'text')
    return f'{hidden}# {target}\n\n{fence}{language}\n{path.read_text().rstrip()}\n{fence}\n'


def list_folder(folder: Path) -> str:
    """Return a table of the Python files of a folder, with the first line of each.

    Args:
        folder: A folder of the repository.
    """
    rows = []
    for path in sorted(folder.iterdir()):
        if path.suffix == '.py' and path.name != '__init__.py':
            about = first_sentence(ast.get_docstring(ast.parse(path.read_text())))
            rows.append([f'`{path.name}`', about])
    return write_table(['file', 'what it holds'], rows)
