"""What a loader worker really has, asked in a worker of each kind."""

import os

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import Dataset, get_worker_info

from swimdiff.launch.paths import config_root


class Threads(Dataset):
    """Tells the threads of the process that reads it, and a random number."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        assert get_worker_info() is not None
        gdal = os.environ.get('GDAL_NUM_THREADS')
        try:
            from osgeo import gdal as module
        except ImportError:
            pass
        else:
            gdal = module.GetConfigOption('GDAL_NUM_THREADS')
        return cv2.getNumThreads(), torch.get_num_threads(), gdal, torch.rand(()).item()


@pytest.fixture
def _main_process_with_many_threads(monkeypatch):
    before = cv2.getNumThreads()
    monkeypatch.delenv('GDAL_NUM_THREADS', raising=False)
    cv2.setNumThreads(4)
    yield
    cv2.setNumThreads(before)


@pytest.mark.parametrize(('method', 'workers'), [('fork', 2), ('spawn', 1)])
@pytest.mark.usefixtures('_main_process_with_many_threads')
def test_a_worker_of_the_shipped_config_runs_one_thread(method, workers):
    init_default_scope('swimdiff')
    shipped = Config.fromfile(config_root() / '_base_/datasets/seco_rgb.py').train_dataloader
    loader = dict(
        dataset=Threads(),
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=list,
        worker_init_fn=shipped.worker_init_fn.to_dict(),
        batch_size=1,
        num_workers=workers,
        multiprocessing_context=method,
    )
    found = [item for batch in Runner.build_dataloader(loader, seed=0) for item in batch]
    assert [row[:3] for row in found] == [(1, 1, '1')] * 2
    assert found[0][3] != found[1][3]  # the workers have seeds of their own
    assert cv2.getNumThreads() == 4 and 'GDAL_NUM_THREADS' not in os.environ
