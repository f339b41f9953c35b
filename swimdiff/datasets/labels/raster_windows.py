"""What data sets of labelled rasters share: from a list to windows cut on the fly."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from swimdiff.bands import RGB, canonical_bands, get_stats
from swimdiff.datasets.change import IGNORE, Window, check_tiling, cut
from swimdiff.datasets.cuts import CutAwareDataset
from swimdiff.datasets.geo import require_gdal
from swimdiff.datasets.labels.blocks import BlockOptions, GroundSplit, split_ground
from swimdiff.datasets.labels.classes import ClassTable
from swimdiff.datasets.labels.labelled_ground import LabelledGround, open_ground
from swimdiff.datasets.labels.lists import ListedRasters, choose_rows, read_list
from swimdiff.datasets.labels.polygons import count_values, is_vector
from swimdiff.datasets.labels.sources import check_unit, stretch_pixels
from swimdiff.datasets.labels.windows import LabelledWindow, mask_labels, survey_windows
from swimdiff.errors import ConfigError, LayoutError

__all__ = ['RasterWindows']


class RasterWindows(CutAwareDataset):
    """Serve windows of rasters with labels as a mask raster or as polygons.

    Nothing is cut or written beforehand: windows are read from the files, dates laid onto the grid
    of the first, polygons drawn, and pixels that are without data, unlabelled or of another split
    are 255 in the mask, which loss and metric leave out. A window without a labelled pixel is
    no sample.

    Args:
        list_file: CSV or JSON file with a row per raster, or such rows in the config; see
            :func:`swimdiff.datasets.labels.lists.read_list`.
        classes: What the labels mean.
        columns: Columns of the list that hold the images, one per date.
        split: Name of the split, printed with every score; ``all`` is everything.
        blocks: Side in metres of the blocks of ground that are divided into splits, or all of
            :class:`swimdiff.datasets.labels.blocks.BlockOptions`; None: the list says the splits.
        bands: Bands by name, in the order of the channels.
        file_bands: Names of the bands of every file in their order; None: by their descriptions.
        tile: Side of a window in pixels of the first date.
        stride: Distance of two windows; None for windows side by side.
        stats: Statistics that hold the stretch to uint8, see :func:`swimdiff.bands.get_stats`.
        unit: What the files hold: ``reflectance x 10000``, another one of
            :data:`swimdiff.bands.units.UNITS`, or the unit of ``stats``.
        offset: What is taken off the numbers of all files, 0 or above; None: as the files, the
            product's metadata or its name say.
        layer: Layer of vector files that have several.
        zeros_are_nodata: Whether a pixel that is zero in every band is without data.
        pipeline: Transforms.
        **kwargs: Further options of ``mmengine.dataset.BaseDataset``.
    """

    carries_statistics = True

    def __init__(
        self,
        list_file: str | Sequence[Mapping[str, Any]],
        classes: ClassTable,
        columns: Sequence[str],
        split: str = 'train',
        blocks: float | Mapping[str, Any] | None = None,
        bands: Sequence[str] = RGB,
        file_bands: Sequence[str] | None = None,
        tile: int = 256,
        stride: int | None = None,
        stats: str | Mapping[str, Any] = 's2_l2a',
        unit: str = 'reflectance x 10000',
        offset: int | None = None,
        layer: str | None = None,
        zeros_are_nodata: bool = True,
        pipeline: Sequence[Any] = (),
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        require_gdal()
        self.stats, self.unit, self.offset = get_stats(stats), unit, offset
        stats_bands = self.stats.low
        self.file_bands = None if file_bands is None else canonical_bands(file_bands, stats_bands)
        self.bands = canonical_bands(bands, stats_bands)
        if tile is None:
            raise ConfigError(f'{type(self).__name__}: tile=None. Expected pixels, e.g. tile=256.')
        check_tiling(tile, stride, test_mode)
        self.tile, self.stride, self.classes = tile, stride, classes
        self.split, self.layer, self.zeros_are_nodata = split, layer, zeros_are_nodata
        self.blocks = None if blocks is None or split == 'all' else BlockOptions.from_config(blocks)
        self.rows = read_list(list_file, columns, type(self).__name__)
        self.grounds: list[LabelledGround] = []
        self.part: GroundSplit | None = None
        super().__init__(pipeline=list(pipeline), test_mode=test_mode, **kwargs)

    def _open(self, row: ListedRasters) -> LabelledGround:
        try:
            return open_ground(
                row,
                self.bands,
                self.file_bands,
                self.classes,
                self.layer,
                self.zeros_are_nodata,
                self.unit,
                self.offset,
            )
        except (LayoutError, ConfigError) as error:
            raise type(error)(f'{row.place}: {error}') from error

    def load_data_list(self) -> list[dict]:
        """Open the rasters, divide the ground, and look at all windows once."""
        owner = type(self).__name__
        # Not through the option `metainfo`: the engine takes a string there for a file to read.
        self._metainfo.update(split=self.split, classes=self.classes.names)
        by_ground = self.blocks is not None
        rows = choose_rows(self.rows, self.split, by_ground, owner)
        self._check_values([row for row in self.rows if is_vector(row.labels)])
        self.grounds = [self._open(row) for row in rows]
        for ground in self.grounds:
            for date in ground.dates:
                check_unit(date, self.unit, self.stats, owner)
        self.part = None
        if self.blocks is not None:
            self.part = split_ground(self.grounds, self.blocks, self.split, self.tile, owner)
        data_list = [
            self._describe(number, labelled_window)
            for number, ground in enumerate(self.grounds)
            for labelled_window in survey_windows(ground, self.tile, self.stride, self.part)
            if self._keeps(ground, labelled_window)
        ]
        if not data_list:
            raise LayoutError(
                f'{owner}: the split {self.split!r} is empty: no window of {self.tile} pixels in '
                f'{len(rows)} rows of the list has {self._wanted()}. Take larger blocks or a '
                'smaller margin, smaller windows, or more labels.'
            )
        self._report(data_list)
        return data_list

    def _check_values(self, rows: Sequence[ListedRasters]) -> None:
        """Compare the values of the config with those of all vector files of the list."""
        if self.classes.attribute is None or not rows:
            return
        value_counts: Counter[str] = Counter()
        for path in dict.fromkeys(row.labels for row in rows):
            value_counts += count_values(path, self.classes.attribute, self.layer)
        if len(rows) == len(self.rows):
            where = rows[0].labels if len(rows) == 1 else f'the labels of {len(rows)} rows'
            self.classes.refuse_unmet(value_counts, where)
        unlisted_values = {
            value: n for value, n in value_counts.items() if value not in self.classes.numbers
        }
        if unlisted_values:
            values_text = ', '.join(
                f'{value} ({n})' for value, n in sorted(unlisted_values.items())
            )
            print_log(
                f'{type(self).__name__}: polygons of classes that the config does not list are '
                f'left out: {values_text}',
                logger='current',
            )

    def _keeps(self, ground: LabelledGround, seen: LabelledWindow) -> bool:
        """Whether a window is a sample."""
        return True

    def _wanted(self) -> str:
        """What a window needs to be a sample, for messages."""
        return 'a labelled pixel with data'

    def _describe(self, number: int, seen: LabelledWindow) -> dict[str, Any]:
        """Return one item of the data list."""
        ground = self.grounds[number]
        return dict(
            ground=number,
            image_id=ground.row.name,
            full_shape=ground.shape,
            window=seen.window,
            counts=seen.counts.tolist(),
            centre=seen.centre,
            whole=seen.whole,
        )

    def _report(self, data_list: Sequence[Mapping[str, Any]]) -> None:
        """Say what the split holds."""
        totals = np.sum([item['counts'] for item in data_list], axis=0)
        shares = totals / max(totals.sum(), 1)
        parts = [
            f'{name} {100 * share:.3g} %'
            for name, share in zip(self.classes.names, shares, strict=True)
        ]
        line = (
            f'{type(self).__name__} {self.split}: {len(data_list)} windows of {self.tile} pixels '
            f'from {len(self.grounds)} rows, {int(totals.sum())} labelled pixels: '
            f'{", ".join(parts)}'
        )
        print_log(line, logger='current')

    def _refuse_absent(self, data_list: Sequence[Mapping[str, Any]]) -> None:
        """Refuse a training split in which a class has no pixel: it cannot be learned."""
        totals = np.sum([item['counts'] for item in data_list], axis=0)
        absent = [name for name, total in zip(self.classes.names, totals, strict=True) if not total]
        if absent and not self.test_mode:
            raise LayoutError(
                f'{type(self).__name__}: the class {", ".join(absent)} has no pixel in the split '
                f'{self.split!r} of {len(data_list)} windows. Expected every class in training: '
                'check the values in classes=, divide the ground by another seed, or leave the '
                'class out.'
            )

    def read(self, info: Mapping[str, Any]) -> tuple[list[np.ndarray], np.ndarray]:
        """Read the dates and the mask of an item.

        Args:
            info: An item of the data list.

        Returns:
            H x W x C uint8 of each date, 0 without data; and the mask, H x W uint8, 255 where it
            is neither trained on nor scored. Both reach over the edge as the window does.
        """
        ground, window = self.grounds[info['ground']], tuple(info['window'])
        inside = ground.clip(window)
        images, valid = ground.read_images(inside)
        mask = ground.read_labels(inside)
        if not info['whole']:
            mask_labels(mask, ground, inside, self.part)
        mask[~valid] = IGNORE
        frame: Window = (0, 0, window[2], window[3])
        dates = [
            cut(stretch_pixels(planes, self.bands, self.stats, self.unit), frame, fill=0)
            for planes in images
        ]
        return dates, cut(mask, frame, fill=IGNORE)

    def _pack(self, info: Mapping[str, Any], image: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
        """Return what the pipeline starts with."""
        ground = self.grounds[info['ground']]
        window_info = {key: info[key] for key in ('image_id', 'full_shape', 'window', 'sample_idx')}
        return dict(
            window_info,
            img=image,
            img_path=list(ground.row.images),
            seg_map_path=ground.row.labels,
            img_shape=image.shape[:2],
            ori_shape=image.shape[:2],
            band_names=self.bands,
            gt_seg_map=mask,
            seg_fields=['gt_seg_map'],
        )
