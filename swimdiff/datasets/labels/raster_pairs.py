"""Change detection on whole rasters with labels as people have them: polygons or mask rasters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from mmengine.logging import print_log

from swimdiff.datasets.change import IGNORE
from swimdiff.datasets.change.mask_coding import MaskCoding, MaskLook, decide_coding
from swimdiff.datasets.labels.classes import ClassTable
from swimdiff.datasets.labels.labelled_ground import LabelledGround
from swimdiff.datasets.labels.layers import Layer
from swimdiff.datasets.labels.lists import ListedRasters
from swimdiff.datasets.labels.polygons import is_vector
from swimdiff.datasets.labels.raster_windows import RasterWindows
from swimdiff.datasets.labels.sources import open_mask
from swimdiff.errors import ConfigError, LayoutError, RasterError
from swimdiff.registry import DATASETS

__all__ = ['RasterPairs']

_CHANGED = 1


@DATASETS.register_module()
class RasterPairs(RasterWindows):
    """Serve pairs of GeoTIFFs with a mask raster or polygons of change.

    The files have any bands and depth.

    The second date, and a mask on another grid, are warped onto the pixels of the first. Windows
    are cut on the fly. Pixels without data, without a label, or of another split are 255 and left
    out by loss and metric.

    Args:
        list_file: CSV or JSON file with the columns ``before``, ``after`` and ``labels`` and, if
            wanted, ``split`` and ``name``; paths relative to it. Or such rows in the config.
        classes: Of polygons: ``attribute``, ``change`` and, if wanted, ``unchanged``, ``ignore``
            and ``rest``, see :meth:`swimdiff.datasets.labels.classes.ClassTable.for_change`. None:
            every polygon is change, all other ground unchanged.
        mask_values: Of mask rasters: values of ``unchanged``, ``changed`` and, if wanted,
            ``ignore``. By default decided from all masks of the list: 0 and 1 with 255 unlabelled,
            or 0 and 255.
        changed_share: Share of the samples of an epoch that have a changed pixel, above 0 and below
            1; windows with change are repeated, the others drawn. None: every window once.
        **kwargs: See :class:`swimdiff.datasets.labels.raster_windows.RasterWindows`: ``split``,
            ``blocks``, ``bands``, ``file_bands``, ``tile``, ``stride``, ``stats``, ``unit``,
            ``layer``, ``zeros_are_nodata``, ``pipeline``.

    Raises:
        DatasetNotFoundError: The list is not there.
        LayoutError: A column or file is missing, the split is empty or without change, or polygons
            lie elsewhere.
        RasterError: A file is damaged, has no coordinate system, holds another unit, or the dates
            do not overlap.
        ConfigError: Options that do not fit together, or a value that no label has.

    Examples:
        >>> dataset = dict(
        ...     type='RasterPairs',
        ...     list_file='data/pairs.csv',
        ...     classes=dict(attribute='class', change=['new building'], ignore=['unsure']),
        ...     split='train',
        ...     blocks=2000,
        ...     tile=128,
        ...     stride=64,
        ...     changed_share=0.5,
        ...     pipeline=[dict(type='mmseg.PackSegInputs')],
        ... )
    """

    METAINFO = dict(dataset_type='RasterPairs', palette=[[0, 0, 0], [255, 255, 255]])

    def __init__(
        self,
        list_file: str | Sequence[Mapping[str, Any]],
        classes: Mapping[str, Any] | None = None,
        mask_values: Mapping[str, Any] | None = None,
        changed_share: float | None = None,
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if changed_share is not None and (test_mode or not 0 < changed_share < 1):
            raise ConfigError(
                f'RasterPairs: changed_share={changed_share}'
                f'{" in a test" if test_mode else ""}: expected a share above 0 and below 1, and '
                'in training only; scores need every window once.'
            )
        self.changed_share = changed_share
        self.mask_coding = MaskCoding.from_config(mask_values) if mask_values else None
        #: Windows with change and without; planned when the first sample is asked for, as the
        #: engine may cut the data list until then.
        self._plan: tuple[np.ndarray, np.ndarray] | None = None
        super().__init__(
            list_file,
            ClassTable.for_change(classes),
            ('before', 'after'),
            test_mode=test_mode,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Look at all windows once; training needs change in at least one."""
        masks = [row.labels for row in self.rows if not is_vector(row.labels)]
        if masks:
            self._read_coding(masks)
        data_list = super().load_data_list()
        if not self.test_mode and not any(item['counts'][_CHANGED] for item in data_list):
            raise LayoutError(
                f'RasterPairs: no changed window: none of the {len(data_list)} windows of the '
                f'split {self.split!r} has a changed pixel with data. Check the values that mean '
                'change (classes.change, mask_values.changed), or divide the ground by another '
                'seed.'
            )
        return data_list

    def _read_coding(self, masks: Sequence[str]) -> None:
        """Settle what the values of the masks mean, and put it into the table of the classes."""
        if self.mask_coding is None:
            self.mask_coding = decide_coding([_look(path) for path in dict.fromkeys(masks)])
            print_log(
                f'RasterPairs {self.split}: {len(masks)} masks, {self.mask_coding}',
                logger='current',
            )
        coding = self.mask_coding
        parts = [(coding.unchanged, 0), (coding.changed, _CHANGED), (coding.ignore, IGNORE)]
        numbers = {str(value): number for values, number in parts for value in values}
        self.mask_classes = ClassTable(self.classes.names, None, numbers)

    def _open(self, row: ListedRasters) -> LabelledGround:
        """Open a row; masks have a table of classes of their own."""
        ground = super()._open(row)
        is_mask = isinstance(ground.labels, Layer)
        return replace(ground, classes=self.mask_classes) if is_mask else ground

    def prepare_data(self, idx: int) -> Any:
        """Cut both dates and the mask and run the pipeline."""
        info = self.get_data_info(self._choose(idx))
        dates, mask = self.read(info)
        image = np.concatenate(dates, axis=2)
        return self.pipeline(dict(self._pack(info, image, mask), sample_idx=idx))

    def _choose(self, idx: int) -> int:
        """Return the window of a sample: itself, or as the share of changed windows has it.

        The first samples are windows with change, each as often as the others; the rest are drawn
        from the windows without, by NumPy's generator, which the engine seeds.
        """
        if self.changed_share is None:
            return idx
        if self._plan is None:
            has_change = [self.get_data_info(i)['counts'][_CHANGED] > 0 for i in range(len(self))]
            self._plan = np.flatnonzero(has_change), np.flatnonzero(np.logical_not(has_change))
        changed_windows, unchanged_windows = self._plan
        if not len(changed_windows) or not len(unchanged_windows):
            return idx
        count = max(1, round(self.changed_share * len(self)))
        if idx < count:
            return int(changed_windows[idx % len(changed_windows)])
        return int(unchanged_windows[np.random.randint(len(unchanged_windows))])


def _look(path: str) -> MaskLook:
    """Count the values of a mask raster, in strips; declared no-data is left out."""
    layer = open_mask(path)
    counts = np.zeros(256, np.int64)
    for row in range(0, layer.grid.height, 1024):
        height = min(1024, layer.grid.height - row)
        planes, valid = layer.read((row, 0, height, layer.grid.width))
        values = planes[0][valid].astype(np.int64)
        if values.size and not 0 <= values.min() <= values.max() <= 255:
            raise RasterError(
                f'{path} holds values from {values.min()} to {values.max()}. Expected a change '
                'mask with values from 0 to 255; say what they mean: mask_values=dict(...).'
            )
        counts += np.bincount(values, minlength=256)
    return MaskLook(path, {int(i): int(counts[i]) for i in np.flatnonzero(counts)})
