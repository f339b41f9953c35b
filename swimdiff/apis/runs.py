"""Opening what pre-training left: the model of a config with the weights of a checkpoint."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import Tensor

from swimdiff.engine.checkpointing.last_checkpoint import find_checkpoint
from swimdiff.errors import CheckpointError, DataError
from swimdiff.models.selfsup.swimdiff import SwiMDiff
from swimdiff.registry import DATASETS, MODELS
from swimdiff.visualization.report.record import read_run
from swimdiff.weights.engine_loading import guard_engine

__all__ = ['build_dataset', 'last_checkpoint', 'open_pretrained', 'open_run', 'read_images']


def last_checkpoint(work_dir: str | Path) -> Path:
    """Return the newest whole checkpoint of a run.

    Raises:
        CheckpointError: If there is none, or only damaged ones.
    """
    search = find_checkpoint(work_dir, optimizer=False)
    if search.good is None:
        raise CheckpointError(
            f'{work_dir}: expected a checkpoint, found none. {search.message} Train first, or name '
            'the checkpoint'
        )
    if search.message:
        print_log(search.message, logger='current', level=logging.WARNING)
    return search.good.path


def open_pretrained(cfg: Config, checkpoint: str | Path) -> SwiMDiff:
    """Build the self-supervisor of a config with a checkpoint, for evaluation.

    Args:
        cfg (Config): A pre-training config.
        checkpoint (str | Path): What ``tools/train.py`` wrote.

    Returns:
        SwiMDiff: In evaluation mode, on the CPU.
    """
    guard_engine()
    init_default_scope(cfg.get('default_scope', 'swimdiff'))
    model = MODELS.build({'data_preprocessor': cfg.get('data_preprocessor'), **cfg.model})
    load_checkpoint(model, str(checkpoint), map_location='cpu', strict=True)
    model.eval()
    return model


def build_dataset(cfg: Config, pipeline: list | None = None) -> BaseDataset:
    """Build the training data set of a config, maybe with another pipeline.

    Args:
        cfg: Of a run, with a training data set.
        pipeline: Transforms in place of those of the config; None keeps them.
    """
    init_default_scope(cfg.get('default_scope', 'swimdiff'))
    dataset = cfg.train_dataloader.dataset
    return DATASETS.build(dataset if pipeline is None else {**dataset, 'pipeline': pipeline})


def open_run(
    work_dir: str | Path, options: Mapping[str, Any] | None = None
) -> tuple[Config, SwiMDiff]:
    """Open the last checkpoint of a pre-training run with the config of the run.

    Args:
        work_dir (str | Path): Of ``tools/train.py``.
        options (Mapping, optional): Options of the config by dotted key, such as where the data is
            now. Defaults to None.

    Raises:
        CheckpointError: There is no whole checkpoint.
        DataError: There is no log, or none with a config.
    """
    cfg = read_run(work_dir).config
    if cfg is None:
        raise DataError(
            f'{work_dir}: expected the config of the run at */vis_data/config.py, found none; give '
            'the work dir of tools/train.py'
        )
    cfg.merge_from_dict(dict(options or {}))
    return cfg, open_pretrained(cfg, last_checkpoint(work_dir))


def read_images(cfg: Config, count: int, size: int) -> Tensor:
    """Read training images of a config, evenly spaced, cut at their centre.

    Args:
        cfg (Config): A pre-training config.
        count (int): Images, or as many as there are.
        size (int): Edge of the cut in pixels; smaller images are taken whole and must be alike.

    Returns:
        Tensor: N x C x H x W uint8.
    """
    dataset = build_dataset(cfg, cfg.train_dataloader.dataset.pipeline[:1])
    sample_numbers = torch.linspace(0, len(dataset) - 1, min(count, len(dataset))).long().tolist()
    images = []
    for number in sample_numbers:
        image = torch.from_numpy(np.ascontiguousarray(dataset[number]['img'])).permute(2, 0, 1)
        top, left = (max(0, (side - size) // 2) for side in image.shape[1:])
        images.append(image[:, top : top + size, left : left + size])
    return torch.stack(images)
