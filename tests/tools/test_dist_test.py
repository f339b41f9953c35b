"""tools/dist_test.sh: two processes give the scores of one, on a split that two do not divide."""

import json
import socket
import subprocess

import pytest
import torch
from fixtures.change import write_levir
from fixtures.eurosat import write_rgb
from fixtures.processes import find_python
from fixtures.runs import ROOT, THIN_CHANGE, environment
from mmengine.config import Config
from mmengine.registry import init_default_scope

from swimdiff.registry import MODELS


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])


def checkpoint(config, path, head, thin):
    """Random weights whose scores are neither 0 nor 100 %."""
    cfg = Config.fromfile(ROOT / 'configs' / config)
    cfg.merge_from_dict(thin)
    init_default_scope('swimdiff')
    torch.manual_seed(3)
    model = MODELS.build({**cfg.model, 'data_preprocessor': cfg.data_preprocessor})
    model.init_weights()
    state = model.state_dict()
    state[head].normal_(std=0.5)
    torch.save(dict(state_dict=state, meta={}), path)
    return path


def scores(config, path, work_dir, processes, options, **variables):
    command = ['bash', 'tools/dist_test.sh', config, path, processes, '--work-dir', work_dir]
    values = {
        'test_dataloader.num_workers': 0,
        'test_dataloader.persistent_workers': False,
        'test_dataloader.batch_size': 2,
        **options,
    }
    command += ['--cfg-options', *(f'{key}={value}' for key, value in values.items())]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**environment(), 'PYTHON': find_python(), 'PORT': free_port(), **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (found,) = work_dir.glob('*/*.json')
    row = json.loads(found.read_text())  # whole: one process writes it
    return {key: value for key, value in row.items() if '/' in key and '/seco/' not in key}


def test_change_scores_are_those_of_one_process(tmp_path):
    config = 'configs/change_detection/levir-cd/change-unet_r18_frozen-random_levir-cd.py'
    thin = {**THIN_CHANGE, 'model.decode_head.in_channels': [16, 16, 32, 64, 128]}
    weights = checkpoint(config[8:], tmp_path / 'x.pth', 'decode_head.conv_seg.weight', thin)
    data = {
        **THIN_CHANGE,
        'test_dataloader.dataset.data_root': write_levir(tmp_path / 'levir', count=3, size=64),
        'test_dataloader.dataset.tile': 64,
    }
    one, two = (scores(config, weights, tmp_path / f'{n}', n, data) for n in (1, 2))
    assert one == two
    assert one['change/strict/test/samples'] == 3
    assert 0 < one['change/strict/test/F1'] < 100


@pytest.mark.slow
def test_classification_scores_are_those_of_one_process(tmp_path):
    config = 'configs/classification/eurosat/linear_r18-random_eurosat-rgb.py'
    weights = checkpoint(config[8:], tmp_path / 'x.pth', 'head.fc.weight', {})
    root = write_rgb(tmp_path / 'eurosat')
    data = {'test_dataloader.dataset.limit': 9}
    one, two = (
        scores(config, weights, tmp_path / f'{n}', n, data, EUROSAT_ROOT=str(root)) for n in (1, 2)
    )
    assert one == two
    assert one['accuracy/samples'] == 9
    assert 0 < one['accuracy/top1'] < 100
