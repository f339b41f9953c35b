"""A small labelled set that many networks are scored on, its images read once and kept."""

from collections.abc import Callable, Iterator

import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import get_rank, get_world_size
from torch import Tensor

from swimdiff.errors import ConfigError
from swimdiff.evaluation.features import targets_of
from swimdiff.evaluation.knn import gather_rows
from swimdiff.registry import DATASETS

__all__ = ['LabelledImages']


class LabelledImages:
    """Hold one part of a labelled set; the processes share the images.

    Args:
        config (dict): A data set of single labels without ``split``, such as ``EuroSAT``, whose
            pipeline ends in ``mmpretrain.PackInputs``.
        split (str): The part.
        limit (int, optional): Images to use, a stratified subset. Defaults to None, all.
        batch_size (int): Images at once. Defaults to 64.
        keep (int): Bytes of images that a process keeps in memory; the rest is read again each
            time. Defaults to 512 MiB.

    Raises:
        ConfigError: Samples have several labels.
    """

    def __init__(
        self,
        config: dict,
        split: str,
        limit: int | None = None,
        batch_size: int = 64,
        keep: int = 512 * 2**20,
    ) -> None:
        dataset: BaseDataset = DATASETS.build(dict(config, split=split))
        if limit is not None and limit < len(dataset):
            dataset = DATASETS.build(dict(config, split=split, limit=limit))
        self.dataset, self.batch_size = dataset, batch_size
        self.labels = targets_of(dataset)
        if self.labels.ndim != 1:
            raise ConfigError(
                f'Probe while training: {config["type"]} has several labels a sample. Expected a '
                'data set with one, such as EuroSAT.'
            )
        # A process without an image embeds one that another has, and drops it after the gathering.
        self._mine = list(range(get_rank(), len(dataset), get_world_size())) or [0]
        self._room = keep
        self._kept: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.dataset.metainfo['classes'])

    @property
    def split(self) -> str:
        """Return which split, in words."""
        return self.dataset.metainfo['split']

    def features(self, extract: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the features of all images, the same on every process.

        Args:
            extract (Callable): From N x C x H x W uint8 images to N x D features.

        Returns:
            Tensor: M x D in the order of the data set, on the device of the features.
        """
        rows = torch.cat([extract(images) for images in self._batches()])
        return gather_rows(rows, torch.tensor(self._mine, device=rows.device))[0]

    def _batches(self) -> Iterator[Tensor]:
        for start in range(0, len(self._mine), self.batch_size):
            if start not in self._kept:
                sample_numbers = self._mine[start : start + self.batch_size]
                images = torch.stack([self.dataset[i]['inputs'] for i in sample_numbers])
                if images.nbytes > self._room:
                    yield images
                    continue
                self._kept[start] = images
                self._room -= images.nbytes
            yield self._kept[start]
