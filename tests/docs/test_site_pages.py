"""Pages that the site makes from code, configs and results, against the things themselves."""

import ast
import json
import re
import subprocess
from statistics import fmean

import pytest
from fixtures.runs import ROOT
from generated_pages import complete_navigation, list_paths
from message_pages import make_message_page, read_messages
from part_pages import find_parts, make_part_pages
from repository_pages import RepositoryPages, place_page, show_path
from tool_pages import make_tool_page
from zoo_page import list_models, make_zoo_page, split_comment

from swimdiff import registry as registries
from swimdiff.commands import list_commands


def test_all_registered_parts_have_an_entry():
    found = {(part.registry, name) for part in find_parts(ROOT / 'swimdiff') for name in part.names}
    registered = set()
    for registry_name in registries.__all__:
        registry = getattr(registries, registry_name)
        registry.import_from_location()
        registered |= {
            (registry_name, name)
            for name, item in registry.module_dict.items()
            if item.__module__.startswith('swimdiff.')
        }
    # Some are registered by a call, not a decorator; those have no docstring of ours to show.
    source = ''.join(path.read_text() for path in (ROOT / 'swimdiff').rglob('*.py'))
    called = {
        (registry, name)
        for registry, name in registered - found
        if f'register_module(module={name}' in source
    }
    assert found == registered - called


def test_each_part_is_on_one_page_with_its_docstring():
    pages = ''.join(make_part_pages().values())
    for part in find_parts(ROOT / 'swimdiff'):
        assert pages.count(f'::: {part.path}\n') == 1, part.path


def test_navigation_takes_what_no_other_entry_names():
    nav = [
        {'A': ['a/index.md', {'B': ['a/two.md', 'a/*']}]},
        {'Empty': ['none/*'], 'Top': ['*']},
    ]
    pages = {
        'a/index.md': '# A',
        'a/two.md': '# Two',
        'a/z.md': '# Apples',
        'a/b.md': '# Pears',
        'a/below/c.md': '# No',
        'top.md': '# Top',
    }
    done = complete_navigation(nav, pages)
    assert done == [
        {'A': ['a/index.md', {'B': ['a/two.md', 'a/z.md', 'a/b.md']}]},
        {'Empty': [], 'Top': ['top.md']},
    ]
    assert list_paths(done) == ['a/index.md', 'a/two.md', 'a/z.md', 'a/b.md', 'top.md']


def test_messages_are_read_with_their_names_in_brackets():
    tree = ast.parse(
        'def f(path, x):\n'
        "    raise RasterError(f'{path.name}: expected {x} bands, found ' + f'{len(x)} of them')\n"
        "    raise RasterError('short')\n"
        '    raise RasterError(text)\n'
        "    raise ValueError('not one of ours, however long it is')\n"
    )
    assert read_messages(tree, {'RasterError'}) == [
        ('RasterError', '<name>: expected <x> bands, found <x> of them')
    ]
    (page,) = make_message_page().values()
    assert page.count('```text') > 100 and '## DatasetNotFoundError' in page


def test_links_out_of_docs_lead_to_pages_and_back():
    text = 'See [a](../../configs/README.md#ablations), [b](../index.md), [c](https://x.y/z).'
    made = RepositoryPages({'how-to/page.md': text}).make()
    assert 'repository/configs/README.md' in made
    assert 'repository/configs/swimdiff_r50_seco.py.md' in made  # linked by that page
    moved = RepositoryPages.relink(text, 'docs/how-to/page.md', 'how-to/page.md')
    assert '](../repository/configs/README.md#ablations)' in moved
    assert '](../index.md)' in moved and '](https://x.y/z)' in moved
    back = made['repository/configs/README.md']
    assert '](../../how-to/data.md)' in back
    assert place_page('CHANGELOG.md') == 'changelog.md'
    shown = show_path('swimdiff/version.py', 'repository/swimdiff/version.py.md')
    assert '__version__ = ' in shown and 'exclude: true' in shown


def test_zoo_has_the_means_of_the_result_files_and_owes_the_rest():
    (page,) = make_zoo_page().values()
    lines = (ROOT / 'docs/studies/claim_r18-half_rsscn7.jsonl').read_text().splitlines()
    records = [json.loads(line) for line in lines]
    section = page.partition('### claim_r18-half_rsscn7')[2].splitlines()
    for variant in ('swimdiff', 'diffusion', 'random'):
        scores = [r['scores']['rsscn7']['knn'] for r in records if r['variant'] == variant]
        assert len(scores) == 3
        (row,) = [line for line in section if re.match(rf'\| {variant} +\| 3 ', line)][:1]
        assert f'{fmean(scores):.2f} +- ' in row
    owed = [model['Name'] for model in list_models() if not model['Results']]
    for name in owed:
        (row,) = [line for line in page.splitlines() if line.startswith(f'| [`{name}`]')]
        assert row.count('*owed*') == 2
    finished = {path.stem for path in (ROOT / 'docs/studies').glob('*.jsonl')}
    for path in (ROOT / 'configs/studies/questions').glob('*.py'):
        assert (f'### {path.stem}' in page) is (path.stem in finished)


def test_page_of_tools_has_the_help_of_each():
    (page,) = make_tool_page().values()
    for command in list_commands():
        section = page.partition(f'\n## {command.name} {{')[2].partition('\n## ')[0]
        assert 'usage: ' in section and 'examples:' in section, command.name
    assert str(ROOT) not in page


MENTION = re.compile(r'(?<![\w./-])docs/[\w./-]*\.(?:md|png|jsonl|svg)')


def test_documents_that_code_and_pages_mention_are_there():
    listed = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip('not a checkout')
    missing = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix not in ('.py', '.md', '.sh', '.yml', '.cfg', '.toml') or not path.is_file():
            continue
        if name.startswith('tests/') or name == 'CHANGELOG.md':
            continue
        for mention in MENTION.findall(path.read_text()):
            if not (ROOT / mention).exists() and 'PLAN' not in mention and 'NAME' not in mention:
                missing.append(f'{name}: {mention}')
    assert not missing


def test_faq_has_each_error_with_its_cure():
    tree = ast.parse((ROOT / 'swimdiff' / 'errors.py').read_text())
    families = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    bases = {'SwiMDiffError', 'DataError'}
    faq = (ROOT / 'docs' / 'faq.md').read_text()
    rows = re.findall(r'^\| (`\w+Error`.*?) \| (.+?) \| (.+) \|$', faq, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r'\w+Error', row[0])}
    assert named == families - bases


def test_command_of_a_plan_is_no_part_of_the_words_about_it():
    about = split_comment('A claim? A_1=... B=... python tools/study.py configs/studies/a.py')
    assert about == ('A claim?', 'A_1=... B=... ')
    about = split_comment('A claim. export A=... python tools/study.py configs/studies/a.py')
    assert about == ('A claim.', 'A=... ')
    assert split_comment('A claim. python tools/study.py a.py') == ('A claim.', '')
    assert split_comment('Only words.') == ('Only words.', '')
