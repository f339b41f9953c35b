"""Loading: from the bands of an archive to one H x W x C image."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from mmcv.transforms import BaseTransform

from swimdiff.datasets.index import Patch
from swimdiff.datasets.kept_arrays import KeptArrays
from swimdiff.errors import ConfigError
from swimdiff.registry import TRANSFORMS

__all__ = ['LoadPatch']


@TRANSFORMS.register_module(name=['LoadPatch', 'LoadSeCo'])
class LoadPatch(BaseTransform):
    """Read the bands of a patch at one date or two, from its archive or pack.

    Required keys: ``patch`` and ``band_names``, as the data sets that are :class:`ScenePatches`
    give them. Added: ``img`` (H x W x C, uint8 where stretched; or a list of them) and
    ``img_shape``. Removed: ``patch``, so that what goes on holds arrays and names alone.

    Args:
        size: Side of the grid that all bands are resampled to; by default that of the finest band.
        keep: Bytes of patches that a process keeps in memory once they are read; 0 keeps none.
            Every worker of the loader has its own, and loses them at the end of an epoch without
            ``persistent_workers``. Windows that are drawn at random are never kept.

    Raises:
        ConfigError: ``keep`` is negative.

    Examples:
        >>> pipeline = [dict(type='LoadPatch'), dict(type='PackViews')]
    """

    def __init__(self, size: int | None = None, keep: int = 0) -> None:
        if keep < 0:
            raise ConfigError(f'LoadPatch: keep={keep}: expected bytes, 0 or more.')
        self.size, self.keep = size, keep
        self._kept = KeptArrays(keep, replaces=False)

    def transform(self, results: dict) -> dict:
        """Read the patch of ``results``, all its dates together."""
        images = self._load(results.pop('patch'), tuple(results['band_names']))
        results['img'] = images[0] if len(images) == 1 else images
        results['img_shape'] = images[0].shape[:2]
        return results

    def _load(self, patch: Patch, bands: Sequence[str]) -> list[np.ndarray]:
        if not self.keep or patch.source.draws_windows:
            return patch.read_images(bands, self.size)
        keys = {row: (patch.source, row, bands) for row in patch.rows}
        images = {
            row: image for row, key in keys.items() if (image := self._kept.get(key)) is not None
        }
        missing_rows = tuple(row for row in keys if row not in images)
        if missing_rows:
            new_images = replace(patch, rows=missing_rows).read_images(bands, self.size)
            for row, image in zip(missing_rows, new_images, strict=True):
                self._kept.put(keys[row], image)
                images[row] = image
        # Copies: a transform that writes in place must not change what is kept.
        return [images[row].copy() for row in patch.rows]

    def __repr__(self) -> str:
        keep = f', keep={self.keep}' if self.keep else ''
        return f'{type(self).__name__}(size={self.size}{keep})'
