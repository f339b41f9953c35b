"""Loading: from the bands on disk to one H x W x C image."""

import os
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from swimdiff.bands import SENTINEL2, get_stats, seco_stem
from swimdiff.datasets.raster import read_bands
from swimdiff.errors import LayoutError
from swimdiff.registry import TRANSFORMS

__all__ = ['LoadSeCo', 'stretch_table']


def stretch_table(low: Sequence[float], high: Sequence[float]) -> np.ndarray:
    """Look-up table of the stretch, one row a band.

    Args:
        low: Value of each band that becomes 0, in uint8 units.
        high: Value of each band that becomes 255.

    Returns:
        C x 256 uint8 table. Fractions are cut off, as in SeCo's own reader.
    """
    value = np.arange(256)[None]
    below, above = np.asarray(low)[:, None], np.asarray(high)[:, None]
    return (np.clip((value - below) / (above - below), 0, 1) * 255).astype(np.uint8)


@TRANSFORMS.register_module()
class LoadSeCo(BaseTransform):
    """Read the bands of one or two product folders of SeCo.

    Required keys: ``img_path`` (a folder, or a list of folders), ``band_names``, ``stretch``.
    Added: ``img`` (H x W x C uint8, or a list of them), ``img_shape``.

    Args:
        patch_size: Side of the 10 m bands in pixels; 20 m and 60 m bands have a half and a sixth.
        size: Side of the grid that all bands are resampled to; by default that of the finest band.
        stats: Name of the statistics that hold the stretch.
    """

    def __init__(self, patch_size: int = 264, size: int | None = None, stats: str = 'seco') -> None:
        self.patch_size = patch_size
        self.size = size
        self.stats = get_stats(stats)
        self._tables: dict[tuple[str, ...], np.ndarray] = {}

    def _table(self, bands: tuple[str, ...]) -> np.ndarray:
        if bands not in self._tables:
            self._tables[bands] = stretch_table(
                self.stats.select('low', bands), self.stats.select('high', bands)
            )
        return self._tables[bands]

    def _read(self, folder: str, bands: tuple[str, ...], stretch: bool) -> np.ndarray:
        sides = [self.patch_size * 10 // SENTINEL2[band].resolution_m for band in bands]
        shapes = [(side, side) for side in sides]
        tables = list(self._table(bands)) if stretch else None
        paths = [os.path.join(folder, f'{seco_stem(band)}.tif') for band in bands]
        try:
            return read_bands(paths, self.size, shapes, tables=tables)
        except LayoutError as error:
            present = sorted(os.listdir(folder)) if os.path.isdir(folder) else 'no such folder'
            raise LayoutError(f'{error} The product folder {folder} holds: {present}.') from error

    def transform(self, results: dict) -> dict:
        """Read the folder or folders of ``results['img_path']``."""
        bands, stretch = tuple(results['band_names']), results['stretch']
        path = results['img_path']
        if isinstance(path, str):
            image = self._read(path, bands, stretch)
            results.update(img=image, img_shape=image.shape[:2])
        else:
            images = [self._read(folder, bands, stretch) for folder in path]
            results.update(img=images, img_shape=images[0].shape[:2])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(patch_size={self.patch_size}, size={self.size})'
