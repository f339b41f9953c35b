"""The report of true runs: written at the end, when a guard stops one, and by the tool later."""

import json
import runpy

import pytest
from fixtures.runs import ROOT, THIN, TRAIN, options
from fixtures.tools import load_tool

from swimdiff.visualization import report


@pytest.fixture(scope='module')
def train():
    """``main`` of tools/train.py, in this process: the imports are paid once."""
    return runpy.run_path(str(TRAIN))['main']


def start(train, root, work_dir, **more):
    values = {**THIN, 'default_hooks.report.enable': True, **more}
    train(['configs/swimdiff_r18_seco.py', '--work-dir', str(work_dir), *options(root, **values)])
    return (work_dir / 'report.html').read_text()


def test_a_run_ends_with_its_report(train, shared_seco_root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    page = start(train, shared_seco_root, tmp_path, **{'default_hooks.collapse.interval': 1})
    assert page.count('src="data:image/jpeg;base64,') == 2 * 6 + 1 + 3 * 5  # views, strip
    assert 'could not be made' not in page
    assert '>finished<' in page
    for word in ('Contrastive loss', 'Effective rank', 'Denoising', 'scene 0', 'torchvision'):
        assert word in page
    (facts,) = tmp_path.glob('*/run.json')
    assert json.loads(facts.read_text())['stack']['swimdiff'] in page

    tool, out = load_tool('analysis_tools/report.py'), tmp_path / 'again.html'
    tool.main([str(tmp_path), '-o', str(out)])
    again = out.read_text()
    assert again.count('src="data:image/jpeg;base64,') == 28
    gone = 'train_dataloader.dataset.data_root=' + str(tmp_path / 'gone')
    tool.main([str(tmp_path), '-o', str(out), '--cfg-options', gone])
    assert 'no pictures: DatasetNotFoundError' in capsys.readouterr().err
    assert 'base64' not in out.read_text()


def test_a_stopped_run_says_why(train, shared_seco_root, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    more = {'optim_wrapper.optimizer.lr': 1e30, 'train_cfg.max_epochs': 3}
    with pytest.raises(SystemExit, match='DivergedError') as stopped:
        start(train, shared_seco_root, tmp_path, **more)
    assert stopped.value.code != 0
    page = (tmp_path / 'report.html').read_text()
    assert 'stopped by a guard' in page
    assert 'Nothing was saved since' in page
    (facts,) = tmp_path.glob('*/run.json')
    assert json.loads(facts.read_text())['state'] == 'stopped'


def test_a_report_that_fails_is_a_warning(train, shared_seco_root, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(report, 'write_report', lambda *_, **__: 1 / 0)
    more = {**THIN, 'default_hooks.report.enable': True, 'model.lambda_d': 0}
    arguments = ['configs/swimdiff_r18_seco.py', '--work-dir', str(tmp_path)]
    train([*arguments, *options(shared_seco_root, **more)])
    assert (tmp_path / 'epoch_1.pth').is_file()
    (log,) = tmp_path.glob('*/*.log')
    assert 'No report was written: ZeroDivisionError' in log.read_text()


def test_no_run(tmp_path):
    with pytest.raises(SystemExit, match='DataError'):
        load_tool('analysis_tools/report.py').main([str(tmp_path)])
