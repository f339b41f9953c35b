"""Pages of the tutorials: what was printed and drawn, and for which code."""

import json
import re

import pytest
from execute_tutorials import clean_text, execute_tutorial, main
from fixtures.runs import ROOT
from tutorial_pages import write_notebook, write_page
from tutorial_records import IMAGES, TUTORIALS, read_record

SOURCE = """# %% [markdown]
# # Title
#
# Words.

# %% [markdown]
# ## Curves

# %%
from pathlib import Path
Path('note').write_text('abc')

# %%
import matplotlib.pyplot as plt
print(Path('note').absolute(), 'is red: \\x1b[31mred\\x1b[0m')
plt.plot([1, 2])
plt.show()
"""


def read_notebook(path):
    return pytest.importorskip('jupytext').read(path, fmt='py:percent')


def list_records():
    return sorted(IMAGES.glob('*.json'))


def test_notebooks_become_pages():
    notebook = pytest.importorskip('jupytext').reads(
        '# %% [markdown]\n# # Title\n#\n# Words.\n\n# %%\nprint(1 + 1)\n', fmt='py:percent'
    )
    assert write_notebook(notebook) == '# Title\n\nWords.\n\n```python\nprint(1 + 1)\n```'
    cells = [dict(text='\n'.join(map(str, range(100))), pictures=[])]
    shown = write_notebook(notebook, dict(cells=cells)).split('```text\n')[1].split('\n')
    assert shown == [*map(str, range(20)), '...', *map(str, range(80, 100)), '```']


@pytest.mark.slow
def test_executed_tutorial_is_shown_until_its_code_changes(tmp_path, monkeypatch):
    for package in ('nbclient', 'ipykernel', 'matplotlib'):
        pytest.importorskip(package)
    monkeypatch.setenv('SWIMDIFF_TUTORIAL_QUICK', '1')  # which the executed ones do not see
    source, images = tmp_path / 'small.py', tmp_path / 'images'
    source.write_text(SOURCE)
    (tmp_path / 'run').mkdir()
    images.mkdir()
    (images / 'small-7.webp').touch()
    (images / 'small-other-1.webp').touch()
    written = execute_tutorial(source, tmp_path / 'run', images)
    assert written == json.loads((images / 'small.json').read_text())
    # The value of `write_text` is left out, the folder and the colour too.
    assert [cell['text'] for cell in written['cells']] == ['', 'note is red: red\n']
    assert written['processor_seconds'] > 0 and re.fullmatch(r'[0-9a-f]{16}', written['code'])
    names = {'small.json', 'small-1.webp', 'small-other-1.webp'}
    assert {path.name for path in images.iterdir()} == names
    page = write_page(source, images)
    assert page.endswith('![Curves: drawn by the block above](images/small-1.webp)\n')
    assert f'{written["processor_seconds"]} processor seconds' in page
    source.write_text(SOURCE.replace('Words', 'Other words'))
    assert 'images/small-1.webp' in write_page(source, images)
    source.write_text(SOURCE.replace('[1, 2]', '[2, 1]'))
    page = write_page(source, images)
    assert 'images/' not in page and 'is red: red' not in page and 'No results are shown' in page


def test_text_loses_the_folders_of_the_machine(tmp_path):
    text = f'\x1b[1;32m$\x1b[0m {tmp_path}/run/log {tmp_path} {ROOT}/configs'
    assert clean_text(text, tmp_path) == '$ run/log . CHECKOUT/configs'


def test_unknown_tutorials_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(['own-scenes'])
    assert 'no such tutorial: own-scenes' in capsys.readouterr().err


def test_records_belong_to_the_tutorials_as_they_are():
    for path in list_records():
        record = read_record(path.stem, read_notebook(TUTORIALS / f'{path.stem}.py'))
        assert record, f'changed: python docs/hooks/execute_tutorials.py {path.stem}'
        assert record['processor_seconds'] < 300
        pictures = [name for cell in record['cells'] for name in cell['pictures']]
        assert pictures and all((IMAGES / name).is_file() for name in pictures)


def test_pictures_are_small_and_all_are_shown():
    shown = [
        name
        for path in list_records()
        for cell in json.loads(path.read_text())['cells']
        for name in cell['pictures']
    ]
    there = {path.name: path.stat().st_size for path in IMAGES.glob('*.webp')}
    assert sorted(shown) == sorted(there) and sum(there.values()) < 1.5e6


def test_records_name_no_folder_of_a_machine():
    for path in list_records():
        assert not re.search(r'/(?:tmp|root|home|var|work|usr)/|~/', path.read_text()), path.name
