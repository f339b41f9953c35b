"""One thread a loader worker: the workers are the parallelism, more threads only fight."""

import os

import cv2
import torch

from swimdiff.registry import FUNCTIONS

__all__ = ['single_threaded_worker']


@FUNCTIONS.register_module()
def single_threaded_worker(worker_id: int) -> None:
    """Start a worker (``worker_init_fn``) of one thread, forked or spawned.

    A forked worker has OpenCV's setting from the engine's ``env_cfg``; a spawned one knows nothing
    of it and OpenCV would take all cores. Torch limits itself in workers; it gets the setting, too.
    NumPy's products of the transforms are below the size from which OpenBLAS starts threads.

    Seeds are left as the DataLoader sets them: from the run's seed, another one for each worker.

    Args:
        worker_id: Number of the worker; unused.

    Examples:
        >>> train_dataloader = dict(worker_init_fn=dict(type='swimdiff.single_threaded_worker'))
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    os.environ.setdefault('GDAL_NUM_THREADS', '1')
