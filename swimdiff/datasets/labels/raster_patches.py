"""Patch classification from polygons or masks: one class per window."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from swimdiff.datasets.change import IGNORE
from swimdiff.datasets.labels.classes import ClassTable
from swimdiff.datasets.labels.labelled_ground import LabelledGround
from swimdiff.datasets.labels.raster_windows import RasterWindows
from swimdiff.datasets.labels.windows import LabelledWindow
from swimdiff.errors import ConfigError
from swimdiff.registry import DATASETS

__all__ = ['RasterPatches']


@DATASETS.register_module()
class RasterPatches(RasterWindows):
    """Serve windows of GeoTIFFs with one class each, for ``mmpretrain``.

    Args:
        list_file: As for :class:`swimdiff.datasets.labels.raster_labels.RasterLabels`.
        classes: Likewise.
        rule: ``centre``: the class of the polygon that covers the centre of the window.
            ``majority``: the class with most of the window's pixels, if it has at least ``share``
            of all of them.
        share: Smallest share of the window for ``majority``, above 0 and at most 1.
        **kwargs: See :class:`swimdiff.datasets.labels.raster_windows.RasterWindows`.

    Raises:
        DatasetNotFoundError: The list is not there.
        LayoutError: A column or file is missing, the split is empty, or a class has no window.
        RasterError: A file is damaged, has no coordinate system, or holds another unit.
        ConfigError: Options that do not fit together, or a value that no label has.

    Examples:
        >>> dataset = dict(
        ...     type='RasterPatches',
        ...     list_file='data/landcover.csv',
        ...     classes=dict(attribute='fclass', names=['forest', 'meadow', 'water']),
        ...     rule='majority',
        ...     share=0.6,
        ...     blocks=2000,
        ...     tile=32,
        ...     pipeline=[dict(type='mmpretrain.PackInputs')],
        ... )
    """

    METAINFO = dict(dataset_type='RasterPatches', task_name='classification')

    def __init__(
        self,
        list_file: str | Sequence[Mapping[str, Any]],
        classes: Mapping[str, Any],
        rule: str = 'centre',
        share: float = 0.5,
        **kwargs: Any,
    ) -> None:
        if rule not in ('centre', 'majority') or not 0 < share <= 1:
            raise ConfigError(
                f"RasterPatches: rule={rule!r}, share={share}: expected 'centre' or 'majority', "
                'and a share above 0 and at most 1.'
            )
        self.rule, self.share = rule, share
        super().__init__(list_file, ClassTable.for_cover(classes), ('image',), **kwargs)

    def _judge(self, seen: LabelledWindow) -> int:
        """Return the class of a window; 255 for none."""
        if self.rule == 'centre':
            return seen.centre
        best = int(np.argmax(seen.counts))
        return best if seen.counts[best] >= self.share * self.tile**2 else IGNORE

    def _keeps(self, ground: LabelledGround, seen: LabelledWindow) -> bool:
        row, column, height, width = seen.window
        inside = row + height <= ground.shape[0] and column + width <= ground.shape[1]
        return inside and self._judge(seen) != IGNORE

    def _wanted(self) -> str:
        if self.rule == 'centre':
            return 'a labelled centre and lies inside the raster'
        return f'a class over {100 * self.share:g} % of it and lies inside the raster'

    def _describe(self, number: int, seen: LabelledWindow) -> dict[str, Any]:
        description = super()._describe(number, seen)
        row, column = seen.window[:2]
        # Names the window: probes keep features by it.
        path = f'{self.grounds[number].row.images[0]}#{row},{column}'
        return dict(
            description, img_path=path, gt_label=self._judge(seen), counts=self._count(seen)
        )

    def _count(self, seen: LabelledWindow) -> list[int]:
        """Return the window as one of its class, for the counts of the split."""
        return np.eye(len(self.classes.names), dtype=int)[self._judge(seen)].tolist()

    def load_data_list(self) -> list[dict]:
        """Look at all windows once; every class must be met in training."""
        data_list = super().load_data_list()
        self._refuse_absent(data_list)
        return data_list

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the class of a window, for samplers and wrappers that balance classes."""
        return [int(self.get_data_info(idx)['gt_label'])]

    def prepare_data(self, idx: int) -> Any:
        """Cut the window and run the pipeline."""
        info = self.get_data_info(idx)
        (image,), _ = self.read(info)
        return self.pipeline(
            dict(
                img=image,
                img_path=info['img_path'],
                img_shape=image.shape[:2],
                ori_shape=image.shape[:2],
                band_names=self.bands,
                gt_label=info['gt_label'],
                sample_idx=info['sample_idx'],
            )
        )
