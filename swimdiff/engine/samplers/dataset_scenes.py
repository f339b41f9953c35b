"""Scene ids of a data set that may be wrapped."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import ClassBalancedDataset, RepeatDataset
from mmengine.logging import print_log
from mmengine.runner.runner import _SlicedDataset
from torch.utils.data import ConcatDataset, Subset

from swimdiff.errors import ConfigError

__all__ = ['dataset_scenes']


def dataset_scenes(dataset: Any) -> np.ndarray:
    """Return the scene id of every sample, in the order of the data set.

    Args:
        dataset: A data set with ``scene_ids()``, or wrappers of mmengine and torch around such.

    Returns:
        N int64 scene ids.

    Raises:
        ConfigError: The data set knows no scenes, or not one per sample.
    """
    ids = np.asarray(_scenes(dataset), np.int64)
    if ids.shape != (len(dataset),) or ids.min(initial=0) < 0:
        raise ConfigError(
            f'SceneSampler: {type(dataset).__name__} has {len(dataset)} samples, but its scene_ids '
            f'are of shape {ids.shape}, the least of them {ids.min(initial=0)}; expected one id a '
            'sample, none negative.'
        )
    return ids


def _scenes(dataset: Any) -> np.ndarray:
    # The wrappers first: some pass on the methods of what they wrap.
    if isinstance(dataset, _SlicedDataset):
        return _scenes(dataset._dataset)[: len(dataset)]
    if isinstance(dataset, ConcatDataset):
        return _joined([_scenes(part) for part in dataset.datasets])
    if isinstance(dataset, RepeatDataset):
        return np.tile(_scenes(dataset.dataset), dataset.times)
    if isinstance(dataset, ClassBalancedDataset):
        return _scenes(dataset.dataset)[np.asarray(dataset.repeat_indices)]
    if isinstance(dataset, Subset):
        return _scenes(dataset.dataset)[np.asarray(dataset.indices)]
    if not callable(getattr(dataset, 'scene_ids', None)):
        raise ConfigError(
            f'SceneSampler: {type(dataset).__name__} knows no scenes. Give it a method scene_ids() '
            'that returns one int64 a sample, as the pre-training data sets have, or set '
            'train_dataloader.sampler.mates=None.'
        )
    return dataset.scene_ids()


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    distinct = [np.unique(part) for part in parts]
    together = np.concatenate([*distinct, np.zeros(0, np.int64)])
    if len(np.unique(together)) < len(together):
        print_log(
            'SceneSampler: data sets that are joined share scene ids; images of one id are taken '
            'for the same scene, by the loss too. Where they are not, define scenes by place '
            "(scene=dict(type='DistanceScene', ...)) or join the folders into one data set.",
            logger='current',
            level=logging.WARNING,
        )
    return np.concatenate([*parts, np.zeros(0, np.int64)])
