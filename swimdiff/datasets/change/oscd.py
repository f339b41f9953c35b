"""OSCD: Sentinel-2 level-1C pairs of 24 cities with masks of urban change.

Read from the files, against what is written about them: the two dates differ by a few pixels in
size, yet cover the same ground to the last digit of their georeference, so the second date is
resampled to the grid of the first (cutting off at the corner, as older readers do, shifts the far
corner of saclay_e by nine pixels). The GeoTIFF masks hold 1 and 2, not 0 and 1. Bands of 20 m and
60 m are resampled to 10 m.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.bands import RGB, ProductStats, canonical_bands, get_stats
from swimdiff.bands.units import convert_pixels
from swimdiff.datasets.change.images import read_mask
from swimdiff.datasets.change.oscd_layout import (
    band_file,
    choose_cities,
    find_images,
    find_mask,
    grid_file,
    name_split,
)
from swimdiff.datasets.change.tiles import IGNORE, check_tiling, cut, tile_windows
from swimdiff.datasets.cuts import CutAwareDataset
from swimdiff.datasets.geo import raster_size, read_bands
from swimdiff.errors import ConfigError, LayoutError, RasterError
from swimdiff.registry import DATASETS

__all__ = ['OSCD', 'read_oscd_mask', 'stretch']


def stretch(image: np.ndarray, stats: ProductStats, bands: Sequence[str]) -> np.ndarray:
    """Stretch each band between its low and high to 0..255; fractions are cut off.

    Args:
        image: H x W x C, reflectance x 10000.
        stats: Where low and high come from, in any unit of reflectance.
        bands: Names of the C channels.

    Returns:
        H x W x C uint8.
    """
    low = np.array(stats.select('low', bands), np.float32)
    high = np.array(stats.select('high', bands), np.float32)
    image = convert_pixels(image, 'reflectance x 10000', stats)
    return (np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def read_oscd_mask(path: Path) -> np.ndarray:
    """Read a mask of OSCD: the GeoTIFF, or ``cm.png``.

    The GeoTIFF has 1 and 2, or 0 and 1 as its README says.

    Returns:
        H x W uint8: 0 no change, 1 change.

    Raises:
        RasterError: The file is damaged, or its values are of no known coding.
    """
    if path.suffix != '.tif':
        return read_mask(path)
    mask = read_bands([path])[..., 0]
    values = set(np.unique(mask).tolist())
    if values <= {1, 2}:
        return mask - 1
    if values <= {0, 1}:
        return mask
    raise RasterError(
        f'{path} holds the values {sorted(values)[:8]}. Expected 1 (no change) and 2 (change), or '
        '0 and 1. Use the masks as released.'
    )


@DATASETS.register_module()
class OSCD(CutAwareDataset):
    """Serve pairs, or tiles of pairs, of OSCD.

    The cities are read once, when the data set is built.

    An item before the pipeline: ``img`` (H x W x 2C uint8, the bands of the first date before
    those of the second), ``gt_seg_map`` (H x W uint8: 0, 1, or 255 where nothing is known), what
    the engine's transforms need, ``band_names``, ``image_id`` (the city), ``window`` and
    ``full_shape``.

    Args:
        data_root: Folder that holds the images' and the labels' folders.
        split: Name of the split, printed with every score; ``train`` and ``test`` are the official
            ones, and a score over other cities than theirs is printed under another name.
        cities: The cities of the split, or a file that lists them; None for the official file.
        bands: Bands by name, in the order of the channels.
        tile: Side of the tiles in pixels; None for whole cities. Tiles at the lower and right edge
            are filled up.
        stride: Distance of two tiles; None for tiles side by side.
        pad_label: Mask value of what is filled up: 255 leaves it out, 0 counts it as no change
            (SeCo's code does).
        stats: Statistics that hold the stretch to uint8, see :func:`swimdiff.bands.get_stats`.
        rect: Read the resampled ``imgs_*_rect`` instead of the original bands.
        masks: ``required``, or ``optional`` for cities without labels (pictures, no scores).
        pipeline: Transforms.
        **kwargs: Further options of ``mmengine.dataset.BaseDataset``.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree is not as released, or a mask is missing.
        RasterError: A file is damaged, or a mask has another size than its image.
        ConfigError: An unknown city or a wrong option.

    Examples:
        >>> dataset = dict(
        ...     type='OSCD',
        ...     data_root='data/oscd',
        ...     split='train',
        ...     tile=96,
        ...     pipeline=[dict(type='mmseg.PackSegInputs')],
        ... )
    """

    METAINFO = dict(
        dataset_type='OSCD', classes=('unchanged', 'changed'), palette=[[0, 0, 0], [255, 255, 255]]
    )

    carries_statistics = True

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        cities: Sequence[str] | str | None = None,
        bands: Sequence[str] = RGB,
        tile: int | None = 96,
        stride: int | None = None,
        pad_label: int = IGNORE,
        stats: str | Mapping[str, Any] = 'oscd',
        rect: bool = False,
        masks: str = 'required',
        pipeline: Sequence[Any] = (),
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if masks not in ('required', 'optional'):
            raise ConfigError(f"masks={masks!r}: expected 'required' or 'optional'.")
        check_tiling(tile, stride, test_mode)
        self.bands = canonical_bands(bands)
        self.tile, self.stride, self.pad_label = tile, stride, pad_label
        self.stats = get_stats(stats)
        self.folders = ('imgs_1_rect', 'imgs_2_rect') if rect else ('imgs_1', 'imgs_2')
        self.masks = masks
        self.images = find_images(data_root)
        self.split, self.cities = split, choose_cities(self.images, split, cities)
        self._pixels: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
        super().__init__(
            data_root=str(Path(data_root).expanduser()),
            pipeline=list(pipeline),
            test_mode=test_mode,
            **kwargs,
        )

    def _read_city(self, city: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Both dates, H x W x 2C, and the mask of a city."""
        folders = [self.images / city / name for name in self.folders]
        grid = raster_size(grid_file(folders[0]))
        dates = [
            stretch(
                read_bands([band_file(folder, band) for band in self.bands], grid, dtype='uint16'),
                self.stats,
                self.bands,
            )
            for folder in folders
        ]
        return np.concatenate(dates, axis=2), self._read_mask(city, grid)

    def _read_mask(self, city: str, grid: tuple[int, int]) -> np.ndarray | None:
        path = find_mask(self.data_root, city)
        if path is None:
            if self.masks == 'optional':
                return None
            raise LayoutError(
                f'OSCD: no mask of {city}: neither {city}-cm.tif nor cm.png in '
                f'"... - Train Labels/{city}/cm", "... - Test Labels/{city}/cm" or {city}/cm below '
                f'{Path(self.data_root).absolute()}. Labels of the test cities come in an archive '
                'of their own; without them choose labelled cities (cities=[...]), or '
                "masks='optional' for pictures without scores."
            )
        mask = read_oscd_mask(path)
        if mask.shape != grid:
            raise RasterError(
                f'{path} is {mask.shape[1]} x {mask.shape[0]} pixels. Expected {grid[1]} x '
                f'{grid[0]}, the size of {grid_file(self.images / city / self.folders[0])}. '
                'Use images and masks of one release.'
            )
        return mask

    def load_data_list(self) -> list[dict]:
        """Read the cities, in their order; the tiles of one city stay together."""
        # Not through the option `metainfo`: the engine takes a string there for a file to read.
        self._metainfo.update(
            split=name_split(self.images, self.split, self.cities),
            image_ids=self.cities,
            pad_label=self.pad_label,
        )
        data_list = []
        for city in self.cities:
            self._pixels[city] = self._read_city(city)
            shape = self._pixels[city][0].shape[:2]
            data_list += [
                dict(image_id=city, full_shape=shape, window=window)
                for window in tile_windows(shape, self.tile, self.stride)
            ]
        return data_list

    def prepare_data(self, idx: int) -> Any:
        """Cut the tile and run the pipeline."""
        info = self.get_data_info(idx)
        image, mask = self._pixels[info['image_id']]
        tile = cut(image, info['window'], fill=0)
        folder = self.images / info['image_id']
        results = dict(
            info,
            img=tile,
            img_path=[str(folder / name) for name in self.folders],
            img_shape=tile.shape[:2],
            ori_shape=tile.shape[:2],
            band_names=self.bands,
            seg_fields=[],
        )
        if mask is not None:
            results.update(
                gt_seg_map=cut(mask, info['window'], self.pad_label), seg_fields=['gt_seg_map']
            )
        return self.pipeline(results)
