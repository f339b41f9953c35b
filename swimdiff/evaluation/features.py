"""Features of whole data sets, extracted once: from a network, or from the image alone."""

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from swimdiff.errors import ConfigError
from swimdiff.files import open_whole
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.models.selfsup.utils import run_unmasked
from swimdiff.progress import track

__all__ = [
    'POOLS',
    'FeatureBank',
    'NetworkFeatures',
    'check_pool',
    'choose_stage',
    'image_statistics',
    'targets_of',
]


def _pool_moments(features: Tensor) -> Tensor:
    deviation, mean = torch.std_mean(features, dim=(2, 3), correction=0)
    return torch.cat([mean, deviation], dim=1)


#: Ways from a feature map, N x C x H x W, to vectors by name: the mean over the positions, or mean
#: and deviation of each channel. The deviation tells how a channel varies within the image.
POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    'mean': lambda features: features.mean(dim=(2, 3)),
    'mean-std': _pool_moments,
}


def check_pool(pool: str) -> str:
    """Return the name of a way to pool, one of :data:`POOLS`.

    Raises:
        ConfigError: There is none of that name.
    """
    if pool not in POOLS:
        raise ConfigError(f'pool={pool!r}; expected one of {", ".join(POOLS)}.')
    return pool


def choose_stage(backbone: Mapping[str, Any], stage: int | None) -> dict[str, Any]:
    """Return the config of a backbone that gives one of its stages.

    Args:
        backbone (Mapping): Config of the backbone.
        stage (int, optional): The stage, counted as its ``out_indices`` does (ResNet: 0 to 3). None
            leaves the config as it is.

    Raises:
        ConfigError: The stage is negative.
    """
    if stage is not None and stage < 0:
        raise ConfigError(f'stage={stage}; expected 0 or more, a ResNet has 0 to 3.')
    return dict(backbone) if stage is None else {**backbone, 'out_indices': (stage,)}


def image_statistics(images: Tensor) -> Tensor:
    """Return the floor without a network.

    It is mean, deviation and five quantiles of each band.

    Args:
        images: N x C x H x W uint8.

    Returns:
        N x 7C float32, 0..1.
    """
    pixels = images.flatten(2).float() / 255.0  # N x C x HW
    levels = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], device=pixels.device)
    quantiles = torch.quantile(pixels, levels, dim=2)  # 5 x N x C
    moments = torch.stack([pixels.mean(dim=2), pixels.std(dim=2)])  # 2 x N x C
    return torch.cat([moments, quantiles]).permute(1, 0, 2).flatten(1)


class NetworkFeatures:
    """Pool the last feature map of a backbone in evaluation mode.

    Args:
        backbone: Any backbone that returns a feature map or a tuple of them.
        preprocessor: Standardises uint8 images.
        device: Where to compute.
        pool: One of :data:`POOLS`; vectors that a backbone gives are taken as they are.

    Raises:
        ConfigError: No such way to pool.
    """

    def __init__(
        self,
        backbone: nn.Module,
        preprocessor: MultiBandPreprocessor,
        device: str = 'cpu',
        pool: str = 'mean',
    ) -> None:
        self.pool = check_pool(pool)
        # Convolutions on a CPU are a quarter faster with the channels last.
        self.backbone = backbone.to(device)
        self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.backbone.eval()  # not chained: the engine's ResNet returns None here
        self.preprocessor = preprocessor.to(device)

    @property
    def key(self) -> str:
        """Hash everything that decides the features of an image."""
        digest = hashlib.sha256()
        for name, value in sorted(self.backbone.state_dict().items()):
            digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
        for buffer in (self.preprocessor.mean, self.preprocessor.std):
            digest.update(buffer.cpu().numpy().tobytes())
        if self.pool != 'mean':  # keys of earlier tables stay
            digest.update(self.pool.encode())
        return digest.hexdigest()[:16]

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """N x C x H x W uint8 to N x D float32."""
        inputs = self.preprocessor.standardise(images)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        feats = run_unmasked(self.backbone, inputs)
        last = feats if isinstance(feats, Tensor) else feats[-1]
        return POOLS[self.pool](last.float()) if last.ndim == 4 else last.float()


def targets_of(dataset: BaseDataset) -> Tensor:
    """Return labels of a data set: N int64, or N x C of 0 and 1 for several."""
    labels = [dataset.get_data_info(i)['gt_label'] for i in range(len(dataset))]
    if labels and isinstance(labels[0], int):
        return torch.tensor(labels)
    targets = torch.zeros(len(labels), len(dataset.metainfo['classes']), dtype=torch.uint8)
    for row, several in zip(targets, labels, strict=True):
        row[several] = 1
    return targets


class _Images(Dataset):
    """Pixels of some samples of a data set, without the rest of the sample."""

    def __init__(self, dataset: BaseDataset, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: int) -> Tensor:
        return self.dataset[self.indices[item]]['inputs']


class FeatureBank:
    """Keep features by image path: no image goes through a network twice.

    Args:
        extract: Function from N x C x H x W uint8 images to N x D features.
        title: Shown beside the progress.
        cache: File that keeps the features between runs; None keeps them in memory only.
        batch_size: Images a batch.
        workers: Loading processes.
        quiet: Show no progress.
    """

    def __init__(
        self,
        extract: Any,
        title: str,
        cache: Path | None = None,
        batch_size: int = 256,
        workers: int = 2,
        quiet: bool = False,
    ) -> None:
        self.extract, self.title, self.cache = extract, title, cache
        self.batch_size, self.workers, self.quiet = batch_size, workers, quiet
        self._rows: dict[str, np.ndarray] = {}
        if cache is not None and cache.is_file():
            with np.load(cache) as cached_arrays:
                self._rows = dict(
                    zip(cached_arrays['paths'].tolist(), cached_arrays['features'], strict=True)
                )

    def __call__(self, dataset: BaseDataset) -> Tensor:
        """N x D features of a data set whose pipeline ends in ``inputs``, on the CPU."""
        paths = [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]
        new = [i for i, path in enumerate(paths) if path not in self._rows]
        if new:
            self._extract(dataset, new, paths)
            self._save()
        return torch.from_numpy(np.stack([self._rows[path] for path in paths]))

    def _extract(self, dataset: BaseDataset, new: list[int], paths: list[str]) -> None:
        loader = DataLoader(
            _Images(dataset, new), batch_size=self.batch_size, num_workers=self.workers
        )
        if not self.quiet:
            part = dataset.metainfo.get('split', '').rsplit('/', 1)[-1]
            print(f'{self.title}: {len(new)} images of {part}', file=sys.stderr)
        batches = loader if self.quiet else track(loader, len(loader), self.title)
        rows_done = 0
        for images in batches:
            for row in self.extract(images).cpu().numpy():
                self._rows[paths[new[rows_done]]] = row
                rows_done += 1

    def _save(self) -> None:
        if self.cache is None:
            return
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        paths, features = np.array(list(self._rows)), np.stack(list(self._rows.values()))
        with open_whole(self.cache) as file:
            np.savez(file, paths=paths, features=features)
