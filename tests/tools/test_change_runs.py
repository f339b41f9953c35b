"""True runs of ``tools/train.py`` and ``tools/test.py`` on change sets in their true layout."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from fixtures.change import write_levir, write_oscd
from fixtures.processes import find_python
from fixtures.runs import ROOT, THIN_CHANGE, environment
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from swimdiff.errors import DatasetNotFoundError
from swimdiff.registry import DATASETS, MODELS

CONFIGS = ROOT / 'configs' / 'change_detection'
ALL = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob('*.py'))


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess:
    command = [find_python(), str(ROOT / 'tools' / f'{name}.py'), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)


def options(root: Path, *splits: str, **more: object) -> list[str]:
    """Two small steps, loaded in the main process."""
    values = {
        'train_cfg.max_epochs': 1,
        'train_dataloader.batch_size': 4,
        'default_hooks.report.enable': False,
        **THIN_CHANGE,
    }
    for split in splits:
        values[f'{split}_dataloader.dataset.data_root'] = root
        values[f'{split}_dataloader.dataset.tile'] = 64
        values[f'{split}_dataloader.num_workers'] = 0
        values[f'{split}_dataloader.persistent_workers'] = False
    values.update(more)
    return ['--cfg-options', *(f'{key}={value}' for key, value in values.items())]


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
    """A checkpoint as pre-training writes it: backbone, momentum encoder, neck."""
    init_default_scope('swimdiff')
    torch.manual_seed(5)
    thin = dict(stem_channels=16, base_channels=16)
    net = MODELS.build(dict(type='mmpretrain.ResNet', depth=18, out_indices=(0, 1, 2, 3), **thin))
    state = {f'backbone.{name}': value for name, value in net.state_dict().items()}
    state |= {f'momentum_encoder.{name}': value + 1 for name, value in state.items()}
    state['neck.fc.weight'] = torch.zeros(2, 2)
    path = tmp_path_factory.mktemp('pretrained') / 'epoch_1.pth'
    torch.save(dict(state_dict=state, meta={}), path)
    return path


def scores(output: str) -> dict[str, float]:
    line = next(line for line in output.splitlines() if 'Epoch(test)' in line)
    return {name: float(value) for name, value in re.findall(r'(change/\S+): ([\d.]+)', line)}


def test_oscd_from_pretraining_to_pictures(tmp_path, pretrained):
    root = write_oscd(tmp_path / 'oscd')
    config = CONFIGS / 'oscd' / 'change-unet_r18_frozen_oscd.py'
    chosen = options(
        root,
        *('train', 'test'),
        **{
            'model.backbone.backbone.init_cfg.checkpoint': pretrained,
            'test_dataloader.dataset.split': 'held',
            'test_dataloader.dataset.cities': '[saclay_e,aguasclaras]',
        },
    )
    done = tool('train', config, '--work-dir', tmp_path / 'run', *chosen)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'loaded 120 of 120 tensors' in done.stdout + done.stderr
    checkpoint = tmp_path / 'run' / 'epoch_1.pth'
    trained = torch.load(checkpoint, weights_only=False)['state_dict']
    start = torch.load(pretrained, weights_only=True)['state_dict']
    for name, value in start.items():
        if name.startswith('backbone.'):
            assert torch.equal(trained[f'backbone.{name}'], value)

    done = tool('test', config, checkpoint, '--show-dir', tmp_path / 'pictures', *chosen)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-2000:]
    pictures = sorted(path.name for path in (tmp_path / 'pictures').iterdir())
    assert pictures == ['aguasclaras.png', 'saclay_e.png']
    found = scores(output)
    assert found['change/strict/held/samples'] == found['change/seco/held/samples'] == 3 * 2 + 2
    assert 'preset strict (one count over the split), split held, 8 samples' in output


def test_levir_is_validated_and_tested(tmp_path):
    root = write_levir(tmp_path / 'levir')
    config = CONFIGS / 'levir-cd' / 'change-unet_r18_frozen-random_levir-cd.py'
    more = {
        'model.backbone.frozen': False,
        'train_cfg.val_interval': 1,
        'train_cfg.max_epochs': 2,
        'default_hooks.checkpoint.interval': 2,
    }
    chosen = options(root, 'train', 'val', 'test', **more)
    done = tool('train', config, '--work-dir', tmp_path / 'run', *chosen)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'split val, 12 samples' in done.stdout + done.stderr
    rows = [
        json.loads(line)
        for path in (tmp_path / 'run').glob('*/vis_data/scalars.json')
        for line in path.read_text().splitlines()
    ]
    assert any('change/strict/val/F1' in row for row in rows)
    checkpoint = tmp_path / 'run' / 'epoch_2.pth'
    place = ('--work-dir', tmp_path / 'test', '--out', tmp_path / 'out')
    done = tool('test', config, checkpoint, *place, *chosen)
    assert done.returncode == 0, done.stderr[-2000:]
    assert scores(done.stdout + done.stderr)['change/strict/test/samples'] == 12
    with (tmp_path / 'out' / 'scores.csv').open(newline='') as file:
        assert [row['image'] for row in csv.DictReader(file)] == ['test_1', 'test_2', 'test_3']
    assert len(list((tmp_path / 'out' / 'masks').iterdir())) == 3

    # Without labels: what the error advises, taken.
    shutil.rmtree(root / 'test' / 'label')
    unlabelled = [*chosen, 'test_dataloader.dataset.masks=optional']
    place = ('--work-dir', tmp_path / 'test', '--out', tmp_path / 'unlabelled')
    done = tool('test', config, checkpoint, *place, *unlabelled)
    assert done.returncode == 1 and 'test_evaluator=[]' in done.stderr
    done = tool('test', config, checkpoint, *place, *unlabelled, 'test_evaluator=[]')
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list((tmp_path / 'unlabelled' / 'probabilities').iterdir())) == 3


def test_wrong_checkpoint_and_missing_data_are_one_message(tmp_path, pretrained):
    config = CONFIGS / 'oscd' / 'change-unet_r18_frozen-random_oscd.py'
    done = tool('test', config, pretrained, *options(write_oscd(tmp_path / 'oscd'), 'test'))
    assert done.returncode == 1
    assert 'CheckpointError' in done.stderr
    assert str(pretrained) in done.stderr
    done = tool('train', config, '--work-dir', tmp_path, *options(tmp_path / 'none', 'train'))
    assert done.returncode == 1
    assert 'DatasetNotFoundError: OSCD: no folder' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('name', ALL)
def test_every_config_builds_and_runs_its_model(name):
    cfg = Config.fromfile(CONFIGS / name)
    init_default_scope('swimdiff')
    preprocessor = cfg.data_preprocessor
    bands = preprocessor.bands
    for loader in ('train_dataloader', 'test_dataloader'):
        assert tuple(cfg[loader].dataset.get('bands', bands)) == tuple(bands)
    model = MODELS.build({**cfg.model, 'data_preprocessor': preprocessor}).train()
    inputs = [torch.zeros(2 * len(bands), 64, 64, dtype=torch.uint8)] * 2
    images = model.data_preprocessor(dict(inputs=inputs))['inputs']
    mask = PixelData(data=torch.zeros(1, 64, 64, dtype=torch.long))
    samples = [SegDataSample(gt_sem_seg=mask)] * 2
    losses = model(images, samples, mode='loss')
    assert torch.isfinite(losses['decode.loss_ce'])
    assert set(losses) == {'decode.loss_ce'}  # no accuracy, which means nothing for one logit
    assert losses['decode.loss_ce'].requires_grad
    assert model(images).shape[:2] == (2, 1)
    assert model.decode_head.threshold == 0.5
    trainable = any(p.requires_grad for p in model.backbone.parameters())
    assert trainable == ('finetune' in name)
    if 'linear' in name:
        assert [n for n, _ in model.decode_head.named_parameters()] == [
            'conv_seg.weight',
            'conv_seg.bias',
        ]


def test_learning_rates_are_for_the_batch_of_the_loader():
    root = CONFIGS.parent
    for path in [*CONFIGS.rglob('*.py'), *(root / 'classification').rglob('*.py')]:
        cfg = Config.fromfile(path)
        assert cfg.auto_scale_lr.base_batch_size == cfg.train_dataloader.batch_size, path


def test_13_bands_from_a_checkpoint_of_12(tmp_path):
    """B10 gets the mean kernel, the others keep theirs by name."""
    cfg = Config.fromfile(CONFIGS / 'oscd' / 'change-unet_r50_frozen_oscd-13band.py')
    twelve = Config.fromfile(CONFIGS / 'oscd' / 'change-unet_r50_frozen_oscd-12band.py')
    init_default_scope('swimdiff')
    backbone = cfg.model.backbone.backbone
    assert backbone.init_cfg.checkpoint == twelve.model.backbone.backbone.init_cfg.checkpoint
    net = MODELS.build({**backbone, 'in_channels': 12, 'init_cfg': None})
    state = {f'backbone.{name}': value for name, value in net.state_dict().items()}
    bands = twelve.data_preprocessor.bands
    torch.save(dict(state_dict=state, meta=dict(bands=','.join(bands))), tmp_path / 'x.pth')
    backbone.init_cfg.checkpoint = str(tmp_path / 'x.pth')
    adapted = MODELS.build(backbone)
    adapted.init_weights()
    for i, band in enumerate(cfg.data_preprocessor.bands):
        old = net.conv1.weight[:, bands.index(band)] if band in bands else net.conv1.weight.mean(1)
        assert torch.allclose(adapted.conv1.weight[:, i], old), band


@pytest.mark.parametrize(
    'name', [name for name in ALL if 'oscd' not in name and 'raster-pairs' not in name]
)
def test_the_root_of_all_splits_is_named_once(name, monkeypatch):
    variable = 'LEVIR_CD_ROOT' if 'levir' in name else 'CHANGE_PAIRS_ROOT'
    monkeypatch.setenv(variable, '/my/pairs')
    cfg = Config.fromfile(CONFIGS / name)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert cfg[loader].dataset.data_root == '/my/pairs'
    dataset = DATASETS.get(cfg.train_dataloader.dataset.type)
    with pytest.raises(DatasetNotFoundError, match=f'{variable}=DIR'):
        dataset('/my/pairs')


def test_held_out_cities_are_not_trained_on():
    cfg = Config.fromfile(CONFIGS / 'oscd' / 'change-unet_r18_frozen_oscd-holdout.py')
    train, test = (set(cfg[f'{part}_dataloader'].dataset.cities) for part in ('train', 'test'))
    assert not train & test
    assert len(train) == 10
    assert len(test) == 4


@pytest.mark.parametrize('backbone', ['r50', 'swin-t', 'convnext-t'])
def test_a_child_that_swaps_the_backbone_is_short(backbone):
    path = CONFIGS / 'oscd' / f'change-unet_{backbone}_frozen_oscd.py'
    assert len(path.read_text().splitlines()) <= 10


def test_every_checkpoint_named_is_of_a_pretraining_config():
    root = CONFIGS.parent
    for path in [*CONFIGS.rglob('*.py'), *(root / 'classification').rglob('*.py')]:
        init = Config.fromfile(path).model.backbone
        init = init.get('backbone', init).init_cfg
        if isinstance(init, dict):
            assert (root / f'{Path(init.checkpoint).parent.name}.py').is_file(), path
            assert init.bands, path  # else the right number in the wrong order would go unseen


@pytest.mark.parametrize('name', [name for name in ALL if 'random' in name])
def test_the_floor_is_random_but_alive(name):
    """No zeroed residual branches, and no features that fade with depth."""
    init_default_scope('swimdiff')
    net = MODELS.build(Config.fromfile(CONFIGS / name).model.backbone.backbone)
    net.init_weights()
    net.eval()
    assert net.layer2[0].bn2.weight.abs().sum() > 0
    spread = [level.std() for level in net(torch.randn(2, 3, 64, 64))]
    assert spread[-1] > 0.5 * spread[0]
