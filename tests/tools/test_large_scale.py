"""The configs for large runs through the true tools/train.py, with a ResNet-18."""

import runpy

import pytest
import torch
from fixtures.runs import ROOT, THIN, TRAIN, options, scalars
from mmengine.config import Config

from swimdiff.errors import ConfigError
from swimdiff.launch.launch import match_accumulation, set_precision

FOLDER = ROOT / 'configs/large_scale'


@pytest.mark.parametrize('name', ['swimdiff_r50_lars_seco', 'swimdiff_r50_accumulated_seco'])
def test_two_iterations(name, shared_seco_root, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    more = options(shared_seco_root, **{'model.backbone.depth': 18, **THIN})
    config = str(FOLDER / f'{name}.py')
    runpy.run_path(str(TRAIN))['main']([config, '--work-dir', str(tmp_path), *more])
    rows = scalars(tmp_path)
    assert len(rows) == 2 and all(0 < row['loss'] < 20 for row in rows)
    assert ('grad_norm' in rows[-1]) is ('accumulated' in name)  # one optimiser step, at the end
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']
    assert state['queue.pointer'] == 6 and state['queue.keys'].dtype == torch.float32


def test_precision_and_accumulation_of_a_config(monkeypatch):
    cfg = Config.fromfile(ROOT / 'configs/swimdiff_r18_seco.py')
    match_accumulation(cfg)
    assert 'interval' not in cfg.model.momentum_encoder
    cfg.optim_wrapper.accumulative_counts = 4
    match_accumulation(cfg)
    assert cfg.model.momentum_encoder.interval == 4
    cfg.model.momentum_encoder.interval = 2
    match_accumulation(cfg)
    assert cfg.model.momentum_encoder.interval == 2  # stated, so kept
    cfg.optim_wrapper.loss_scale = 'dynamic'
    set_precision(cfg, 'bfloat16')
    assert cfg.optim_wrapper.type == 'swimdiff.AutocastOptimWrapper'
    assert 'loss_scale' not in cfg.optim_wrapper
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    set_precision(cfg, 'float16')
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.optim_wrapper.loss_scale == 'dynamic'
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ConfigError, match='--amp bfloat16'):
        set_precision(cfg, 'float16')


@pytest.mark.parametrize('config', sorted(path.name for path in FOLDER.glob('*.py')))
def test_every_large_config_is_listed_and_short(config):
    assert config in (FOLDER / 'README.md').read_text()
    assert len((FOLDER / config).read_text().splitlines()) <= 20


def test_the_momentum_of_a_large_batch_keeps_its_pace_in_epochs():
    """The rule of docs/how-to/scaling.md, from the reference run to 32 processes."""
    reference = Config.fromfile(ROOT / 'configs/swimdiff_r50_seco.py')
    large = Config.fromfile(FOLDER / 'swimdiff_r50_lars_seco.py')
    growth = large.auto_scale_lr.base_batch_size / reference.auto_scale_lr.base_batch_size
    assert (
        growth == 16
        and large.auto_scale_lr.base_batch_size == 32 * large.train_dataloader.batch_size
    )
    expected = reference.model.momentum_encoder.momentum**growth
    assert large.model.momentum_encoder.momentum == pytest.approx(expected, abs=5e-4)
