"""Opening what pre-training left: the model of a config with the weights of a checkpoint."""

import logging
from pathlib import Path

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint

from swimdiff.errors import CheckpointError
from swimdiff.models.swimdiff import SwiMDiff
from swimdiff.registry import DATASETS, MODELS
from swimdiff.utils.last_checkpoint import find_checkpoint

__all__ = ['build_dataset', 'last_checkpoint', 'open_pretrained']


def last_checkpoint(work_dir: str | Path) -> Path:
    """The newest whole checkpoint of a run.

    Raises:
        CheckpointError: If there is none, or only damaged ones.
    """
    found = find_checkpoint(work_dir, optimizer=False)
    if found.good is None:
        raise CheckpointError(
            f'{work_dir}: expected a checkpoint, found none. {found.message} Train first, or name '
            'the checkpoint'
        )
    if found.message:
        print_log(found.message, logger='current', level=logging.WARNING)
    return found.good.path


def open_pretrained(cfg: Config, checkpoint: str | Path) -> SwiMDiff:
    """Build the self-supervisor of a config and load a checkpoint of it, for evaluation.

    Args:
        cfg (Config): A pre-training config.
        checkpoint (str | Path): What ``tools/train.py`` wrote.

    Returns:
        SwiMDiff: In evaluation mode, on the CPU.
    """
    init_default_scope(cfg.get('default_scope', 'swimdiff'))
    model = MODELS.build({'data_preprocessor': cfg.get('data_preprocessor'), **cfg.model})
    load_checkpoint(model, str(checkpoint), map_location='cpu', strict=True)
    model.eval()
    return model


def build_dataset(cfg: Config, pipeline: list | None = None) -> BaseDataset:
    """Build the training data set of a config, with another pipeline where one is given."""
    init_default_scope(cfg.get('default_scope', 'swimdiff'))
    dataset = cfg.train_dataloader.dataset
    return DATASETS.build(dataset if pipeline is None else {**dataset, 'pipeline': pipeline})
