"""First lines of public docstrings are sentences that begin with a verb and fit a line of help."""

import ast
import re

import pytest
from fixtures.runs import ROOT

TEXT = ('.py', '.md', '.sh', '.yml', '.txt', '.jinja')
PACKAGES = sorted(path.name for path in (ROOT / 'swimdiff').iterdir() if path.is_dir())
#: Openings of phrases that say what a thing is, not what it does.
NO_VERB = re.compile(
    r'(What|Where|Whether|Which|Who|When|How|Why|That|This|The|An?|All|As|In|One|Each|Every|Its?|'
    r'Our|Such|Of|By|Those|Same|Not?|Two|Some|Both|Several|``.*|[A-Z]\w*[^s]s)\b'
)


def find_public(tree, prefix=''):
    """Names and docstrings of public classes, functions and methods."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith('_'):
            name = f'{prefix}{node.name}'
            yield name, ast.get_docstring(node)
            if isinstance(node, ast.ClassDef):
                yield from find_public(node, f'{name}.')


def find_faults(path):
    for name, text in find_public(ast.parse(path.read_text())):
        line = (text or '').split('\n')[0]
        if line and (len(line) >= 80 or not line.endswith('.') or NO_VERB.match(line)):
            yield f'{path.relative_to(ROOT)} {name}: {line}'


@pytest.mark.parametrize('package', ['', *PACKAGES])
def test_public_docstrings_begin_with_a_verb(package):
    folder = ROOT / 'swimdiff' / package
    faults = [
        fault
        for path in (folder.rglob('*.py') if package else folder.glob('*.py'))
        for fault in find_faults(path)
    ]
    assert not faults, '\n'.join(faults)


def test_no_file_holds_the_marks_of_a_merge():
    """Within a docstring they are no error of syntax."""
    marks = re.compile(r'^(<{7}|>{7})( |$)', re.MULTILINE)
    folders = (ROOT / name for name in ('swimdiff', 'configs', 'tools', 'tests', 'docs'))
    texts = (path for folder in folders for path in folder.rglob('*') if path.suffix in TEXT)
    assert [str(path.relative_to(ROOT)) for path in texts if marks.search(path.read_text())] == []
