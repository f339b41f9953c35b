"""The pictures of figures 3 and 4 of the paper, from two true short runs."""

import pytest
from fixtures.runs import ROOT, THIN, options
from fixtures.tools import load_tool
from PIL import Image

CONFIG = 'configs/swimdiff_r18_seco.py'


@pytest.fixture(scope='module')
def runs(shared_seco_root, tmp_path_factory):
    """Work dirs of a run without and with the diffusion branch."""
    train = load_tool('train.py')
    folder = tmp_path_factory.mktemp('runs')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for name, weight in (('without', 0), ('with', 1)):
            more = options(shared_seco_root, **THIN, **{'model.lambda_d': weight})
            train.main([CONFIG, '--work-dir', str(folder / name), *more])
    return folder


def test_restorations(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    out = tmp_path / 'restoration.png'
    tool = load_tool('visualization/restoration_picture.py')
    tool.main([str(runs / 'with'), '--out', str(out), '--images', '2'])
    assert Image.open(out).width > 600
    assert capsys.readouterr().out.count('the restoration is off by') == 4
    with pytest.raises(SystemExit, match='no diffusion branch'):
        tool.main([str(runs / 'without')])


def test_detail(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    out = tmp_path / 'detail.png'
    given = [str(runs / 'without'), str(runs / 'with'), '--out', str(out), '--images', '3']
    load_tool('visualization/detail_picture.py').main(given)
    printed = capsys.readouterr().out
    assert Image.open(out).width > 300
    assert printed.index('without diffusion:') < printed.index('with diffusion:')
    assert 'difference over 3 images' in printed
    with pytest.raises(SystemExit, match='expected the logs of a run'):
        load_tool('visualization/detail_picture.py').main([str(tmp_path), *given[1:]])
