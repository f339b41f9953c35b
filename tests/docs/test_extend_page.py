"""docs/extend.md: every block of the page is written to a file of its name, and run."""

import re
import runpy
import sys

import pytest
from fixtures.runs import ROOT, options, scalars

from swimdiff.__main__ import main

PAGE = ROOT / 'docs' / 'extend.md'
BLOCK = re.compile(r'^```python title="(?P<name>[\w.]+)"\n(?P<code>.*?)^```$', re.M | re.S)


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    """The folder that a reader of the page has in the end."""
    folder = tmp_path_factory.mktemp('my_project')
    for block in BLOCK.finditer(PAGE.read_text()):
        assert not (folder / block['name']).exists(), f'{block["name"]} is on the page twice'
        (folder / block['name']).write_text(block['code'])
    return folder


@pytest.fixture(autouse=True)
def _work_there(project, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(project)
    monkeypatch.setattr(sys, 'argv', list(sys.argv))


def swimdiff(*arguments):
    """As ``python -m swimdiff`` in this process: the imports are paid once."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        assert not end.code, end.code


def test_the_page_has_the_four_parts_with_their_checks(project):
    names = {path.name for path in project.glob('*.py')}
    for part in ('label_rule', 'neck', 'noise_schedule', 'archive'):
        assert {f'my_{part}.py', f'try_{part}.py'} <= names
    assert {'my_config.py', 'my_archive_config.py'} <= names


def test_what_is_made_where_is_there():
    table = PAGE.read_text().split('## Find where something is made')[1].split('\n## ')[0]
    rows = [line.split('|')[2:4] for line in table.splitlines() if '`' in line][1:]
    assert len(rows) > 9
    for files, names in rows:
        texts = [
            (ROOT / 'swimdiff' / name).read_text() for name in re.findall(r'`(\S+\.py)`', files)
        ]
        for name in re.findall(r'`(\w+)`', names):
            assert any(re.search(rf'^ *(def|class) {name}\b', text, re.M) for text in texts), name


@pytest.mark.parametrize('name', ['try_label_rule', 'try_neck', 'try_noise_schedule'])
def test_check_of_a_part(name):
    runpy.run_path(f'{name}.py')


def test_one_config_trains_with_rule_neck_and_schedule(shared_seco_root, tmp_path):
    swimdiff('train', 'my_config.py', '--work-dir', tmp_path, *options(shared_seco_root))
    rows = scalars(tmp_path)
    assert len(rows) == 2 and all('loss_diffusion' in row for row in rows)
    text = (tmp_path / 'my_config.py').read_text()
    assert all(part in text for part in ('threshold', 'GeneralisedMeanNeck', 'SigmoidSchedule'))


def test_the_archive_is_checked_packed_and_trained_on(tmp_path):
    runpy.run_path('try_archive.py')
    swimdiff('pack', 'my_archive_config.py', 'archive_pack', '--workers', 1)
    for name in ('archive', 'archive_pack'):
        swimdiff('train', 'my_archive_config.py', '--work-dir', tmp_path / name, *options(name))
    raw, packed = (scalars(tmp_path / name) for name in ('archive', 'archive_pack'))
    assert len(raw) == 2 and packed[0]['loss'] == pytest.approx(raw[0]['loss'])
