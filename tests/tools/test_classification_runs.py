"""Short true runs of the classification configs."""

import os
import subprocess

import pytest
import torch
from fixtures.bigearthnet import write_tree
from fixtures.eurosat import write_rgb
from fixtures.processes import find_python
from fixtures.runs import ROOT, THIN, TRAIN, environment

CONFIGS = ROOT / 'configs' / 'classification'


def train(config, work_dir, root_variable, root, **options):
    loaders = {
        f'{part}_dataloader.{key}': value
        for part in ('train', 'val')
        for key, value in (('num_workers', 0), ('batch_size', 8))
    }
    values = {
        **loaders,
        'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1,
        'default_hooks.checkpoint.interval': 1,
        'default_hooks.report.enable': False,
        **THIN,
        'model.head.in_channels': 128,
        **options,
    }
    command = [find_python(), str(TRAIN), str(CONFIGS / config), '--work-dir', str(work_dir)]
    command += ['--cfg-options', *(f'{key}={value}' for key, value in values.items())]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**environment(), root_variable: str(root), 'HOME': os.environ.get('HOME', '/')},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_linear_probe_leaves_the_backbone_as_it_was(tmp_path):
    root = write_rgb(tmp_path / 'eurosat')
    floor = 'eurosat/linear_r18-random_eurosat-rgb.py'
    done = train(floor, tmp_path / 'first', 'EUROSAT_ROOT', root)
    assert done.returncode == 0, done.stdout[-3000:]
    first = torch.load(tmp_path / 'first' / 'epoch_1.pth', weights_only=False)['state_dict']
    checkpoint = {'model.backbone.init_cfg.checkpoint': tmp_path / 'first' / 'epoch_1.pth'}
    probe = 'eurosat/linear_r18_eurosat-rgb.py'
    done = train(probe, tmp_path / 'second', 'EUROSAT_ROOT', root, **checkpoint)
    assert done.returncode == 0, done.stdout[-3000:]
    assert 'ResNet: loaded 120 of 120 tensors from' in done.stdout
    assert 'accuracy/split: eurosat_60-20-20_seed0@' in done.stdout
    assert 'accuracy/samples: 10' in done.stdout
    second = torch.load(tmp_path / 'second' / 'epoch_1.pth', weights_only=False)['state_dict']
    backbone = [name for name in first if name.startswith('backbone.')]
    assert len(backbone) == 120
    assert all(torch.equal(first[name], second[name]) for name in backbone)


@pytest.mark.slow
def test_bigearthnet_scores_whole_split(tmp_path):
    root = write_tree(tmp_path / 'ben', patches=20)
    config = 'bigearthnet/finetune_r18_bigearthnet-rgb.py'
    # Five epochs of warm-up do not fit into one.
    options = {'model.backbone.init_cfg': None, 'param_scheduler': None}
    done = train(config, tmp_path / 'run', 'BIGEARTHNET_ROOT', root, **options)
    assert done.returncode == 0, done.stdout[-3000:]
    assert 'multi-label/mAP_micro: ' in done.stdout
    assert 'multi-label/split: bigearthnet19_60-20-20_seed0@' in done.stdout


def test_missing_checkpoint_is_one_message(tmp_path):
    root = write_rgb(tmp_path / 'eurosat')
    probe = 'eurosat/linear_r18_eurosat-rgb.py'
    checkpoint = {'model.backbone.init_cfg.checkpoint': tmp_path / 'epoch_9.pth'}
    done = train(probe, tmp_path / 'run', 'EUROSAT_ROOT', root, **checkpoint)
    assert done.returncode == 1
    assert 'epoch_9.pth does not exist' in done.stdout
    assert 'Traceback' not in done.stdout
