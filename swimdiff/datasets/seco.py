"""SeCo (Manas et al., ICCV 2021): Sentinel-2 patches of places worldwide at several dates."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from swimdiff.bands import RGB, SECO_BANDS, SENTINEL2, seco_stem
from swimdiff.datasets.gdal_access import require_gdal
from swimdiff.datasets.patch_index import PatchIndex, Strings
from swimdiff.datasets.patch_source import PatchSource
from swimdiff.datasets.raster import read_planes
from swimdiff.datasets.scene_patches import ScenePatches
from swimdiff.datasets.seco_layout import find_root, list_locations, list_products
from swimdiff.errors import LayoutError
from swimdiff.registry import DATASETS
from swimdiff.utils.progress import track

__all__ = ['SeCo', 'SeCoSource']

#: Listing folders waits for the disk, most of all for one behind a network.
_THREADS = 16


class SeCoSource(PatchSource):
    """A tree in SeCo's layout: a folder a location, in it a folder a date, in it a file a band.

    Args:
        data_root: Folder with the six-digit location folders, or the folder above it.
        patch_size: Side of the 10 m bands in pixels; 20 m and 60 m bands have a half and a sixth.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: No location in it.
        GdalMissingError: Rasters cannot be read.
    """

    bands = SECO_BANDS
    dtype = 'uint8'
    unit = 'reflectance x 255'

    def __init__(self, data_root: str, patch_size: int = 264) -> None:
        self.root = find_root(data_root)
        self.patch_size = patch_size
        require_gdal()

    def key(self) -> dict[str, Any]:
        """The layout alone: nothing else decides what the tree holds."""
        return dict(layout='SeCo')

    def build(self) -> PatchIndex:
        """Index the tree: sorted, so that a number means the same patch everywhere."""
        time = os.stat(self.root).st_mtime_ns
        names = list_locations(self.root)
        with ThreadPoolExecutor(_THREADS) as pool:
            jobs = pool.map(self._location, names, chunksize=64)
            found = list(track(jobs, len(names), f'Indexing {self.root}'))
        kept = [
            (name, products)
            for name, (_, products, _) in zip(names, found, strict=True)
            if products
        ]
        counts = [len(products) for _, products in kept]
        return PatchIndex(
            locations=Strings.of(name for name, _ in kept),
            paths=Strings.of(
                f'{name}/{product}' for name, products in kept for product in products
            ),
            first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            watched=Strings.of(['', *names]),
            times=np.array([time, *(stamp for stamp, _, _ in found)], np.int64),
            about=dict(left_out=[error for _, _, error in found if error]),
        )

    def _location(self, name: str) -> tuple[int, tuple[str, ...], str]:
        stamp = os.stat(self.root / name).st_mtime_ns
        try:
            return stamp, list_products(self.root, name), ''
        except LayoutError as error:
            return stamp, (), str(error)

    def read(
        self, index: PatchIndex, rows: Sequence[int], bands: Sequence[str]
    ) -> list[list[np.ndarray]]:
        """Planes of some rows, uint8, each at the size of its band."""
        return [self._read(os.path.join(self.root, index.paths[row]), bands) for row in rows]

    def _read(self, folder: str, bands: Sequence[str]) -> list[np.ndarray]:
        sides = [self.patch_size * 10 // SENTINEL2[band].resolution_m for band in bands]
        paths = [os.path.join(folder, f'{seco_stem(band)}.tif') for band in bands]
        try:
            return read_planes(paths, [(side, side) for side in sides])
        except LayoutError as error:
            present = sorted(os.listdir(folder)) if os.path.isdir(folder) else 'no such folder'
            raise LayoutError(f'{error} The product folder {folder} holds: {present}.') from error

    def rasters(self, index: PatchIndex, row: int, bands: Sequence[str]) -> list[str]:
        """One file a band."""
        folder = self.path(index, row)
        return [os.path.join(folder, f'{seco_stem(band)}.tif') for band in bands]


@DATASETS.register_module()
class SeCo(ScenePatches):
    """The SeCo data set in its released layout, 100k and 1M alike.

    Args:
        data_root: Folder with the six-digit location folders, or the folder above it, or a pack.
        bands: Bands by name, in the order of the channels.
        patch_size: Side of the 10 m bands in pixels.
        **kwargs: Options of :class:`ScenePatches`.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree is not as released.
        BandError: A band that SeCo does not have.
        ConfigError: An unknown choice.
    """

    METAINFO = dict(dataset_type='SeCo', task_name='pre-training')

    def __init__(
        self,
        data_root: str,
        bands: Sequence[str] = RGB,
        patch_size: int = 264,
        **kwargs: Any,
    ) -> None:
        source = partial(SeCoSource, data_root, patch_size)
        super().__init__(data_root, source, bands=bands, **kwargs)
