"""Pages that code, configs and tools send their readers to are there."""

import re

import pytest
from fixtures.processes import ROOT

_PAGE = re.compile(r'(?<![\w./-])((?:docs|configs)/[\w./-]+\.md)(?:#([\w-]+))?')
_NUMBERED = re.compile(r'\b(\w+\.md),? section \d')


def find_sources():
    for folder in ('swimdiff', 'tools', 'configs'):
        yield from sorted((ROOT / folder).rglob('*.py'))


@pytest.mark.parametrize('folder', ['swimdiff', 'tools', 'configs'])
def test_cited_pages_are_there(folder):
    cited = {
        (str(path.relative_to(ROOT)), page)
        for path in sorted((ROOT / folder).rglob('*.py'))
        for page, _ in _PAGE.findall(path.read_text())
    }
    assert cited
    assert [one for one in sorted(cited) if not (ROOT / one[1]).is_file()] == []


def test_no_page_is_cited_by_numbers_of_sections():
    """Pages have headings, no numbers."""
    found = [
        f'{path.relative_to(ROOT)}: {match[0]}'
        for path in find_sources()
        for match in _NUMBERED.finditer(path.read_text())
    ]
    assert found == []


def find_anchors(page):
    for line in (ROOT / page).read_text().splitlines():
        if line.startswith('#'):
            words = re.sub(r'[^\w\s-]', '', line.lstrip('# ').lower())
            yield re.sub(r'\s', '-', words)


def test_cited_headings_are_there():
    for path in find_sources():
        for page, anchor in _PAGE.findall(path.read_text()):
            assert not anchor or anchor in find_anchors(page), (path, page, anchor)
