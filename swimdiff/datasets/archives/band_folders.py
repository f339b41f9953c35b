"""Archives of one folder per location, one per date and one file per band: SeCo, SSL4EO-S12."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from swimdiff.bands import SENTINEL2, seco_stem
from swimdiff.datasets.archives.location_layout import LocationLayout
from swimdiff.datasets.geo import read_planes, require_gdal
from swimdiff.datasets.index import PatchIndex, PatchSource, Strings
from swimdiff.errors import LayoutError
from swimdiff.progress import track

__all__ = ['BandFolders', 'Pixels']

#: Listing folders waits for the disk, most of all for one behind a network.
_THREADS = 16

#: Side of the 10 m bands in pixels, as released.
SIDE = 264

_OTHER_SIZE = (
    'Use the files as released, or set the side of the 10 m bands in pixels: patch_size=...'
)


@dataclass(frozen=True)
class Pixels:
    """Describe what the files of an archive hold.

    Args:
        bands: Its bands, in its order.
        dtype: Type of the pixels.
        unit: What a pixel says.
    """

    bands: tuple[str, ...]
    dtype: str
    unit: str


class BandFolders(PatchSource):
    """Read a tree of locations, dates and one file per band, at the band's size.

    Args:
        data_root: Folder with the location folders, or the folder above it.
        layout: How its folders are named.
        pixels: What its files hold.
        patch_size: Side of the 10 m bands in pixels, 264 by default; 20 m and 60 m bands have a
            half and a sixth.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: No location in it.
        GdalMissingError: Rasters cannot be read.
    """

    def __init__(
        self, data_root: str, layout: LocationLayout, pixels: Pixels, patch_size: int | None = None
    ) -> None:
        self.layout = layout
        self.bands, self.dtype, self.unit = pixels.bands, pixels.dtype, pixels.unit
        self.root = layout.find_root(data_root)
        self.patch_size = SIDE if patch_size is None else patch_size
        require_gdal()

    @classmethod
    def list_packed_options(cls, **options: Any) -> dict[str, Any]:
        """Return the size of the patches, where one is given."""
        size = options.get('patch_size')
        return {} if size is None else dict(patch_size=size)

    def key(self) -> dict[str, Any]:
        """Return the layout alone: nothing else decides what the tree holds."""
        return dict(layout=self.layout.name)

    def build(self) -> PatchIndex:
        """Index the tree: sorted, so that a number means the same patch everywhere."""
        time = os.stat(self.root).st_mtime_ns
        names = self.layout.list_locations(self.root)
        with ThreadPoolExecutor(_THREADS) as pool:
            jobs = pool.map(self._location, names, chunksize=64)
            location_records = list(track(jobs, len(names), f'Indexing {self.root}'))
        location_products = [
            (name, products)
            for name, (_, products, _) in zip(names, location_records, strict=True)
            if products
        ]
        counts = [len(products) for _, products in location_products]
        return PatchIndex(
            locations=Strings.of(name for name, _ in location_products),
            paths=Strings.of(
                f'{name}/{product}' for name, products in location_products for product in products
            ),
            first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            watched=Strings.of(['', *names]),
            times=np.array([time, *(stamp for stamp, _, _ in location_records)], np.int64),
            about=dict(left_out=[error for _, _, error in location_records if error]),
        )

    def _location(self, name: str) -> tuple[int, tuple[str, ...], str]:
        stamp = os.stat(self.root / name).st_mtime_ns
        try:
            return stamp, self.layout.list_products(self.root, name), ''
        except LayoutError as error:
            return stamp, (), str(error)

    def read(self, rows: Sequence[int], bands: Sequence[str]) -> list[list[np.ndarray]]:
        """Read planes of some rows, each at the size of its band."""
        paths = self.index.paths
        return [self._read(os.path.join(self.root, paths[row]), bands) for row in rows]

    def _read(self, folder: str, bands: Sequence[str]) -> list[np.ndarray]:
        sides = [self.patch_size * 10 // SENTINEL2[band].resolution_m for band in bands]
        paths = [os.path.join(folder, f'{seco_stem(band)}.tif') for band in bands]
        try:
            shapes = [(side, side) for side in sides]
            return read_planes(paths, shapes, self.dtype, _OTHER_SIZE)
        except LayoutError as error:
            present = sorted(os.listdir(folder)) if os.path.isdir(folder) else 'no such folder'
            raise LayoutError(f'{error} The product folder {folder} holds: {present}.') from error

    def rasters(self, row: int, bands: Sequence[str]) -> list[str]:
        """Return one file per band."""
        folder = self.path(row)
        return [os.path.join(folder, f'{seco_stem(band)}.tif') for band in bands]
