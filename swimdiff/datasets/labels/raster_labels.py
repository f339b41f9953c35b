"""Land cover: rasters of one date with labels per pixel."""

from collections.abc import Mapping, Sequence
from typing import Any

from swimdiff.datasets.labels.classes import ClassTable
from swimdiff.datasets.labels.palette import make_palette
from swimdiff.datasets.labels.raster_windows import RasterWindows
from swimdiff.errors import ConfigError
from swimdiff.registry import DATASETS

__all__ = ['RasterLabels']


@DATASETS.register_module()
class RasterLabels(RasterWindows):
    """Serve windows of GeoTIFFs with a class per pixel, from polygons or masks.

    The files have any bands and depth.

    Pixels without a label, without data, or of another split are 255 and left out by loss and
    metric. Where polygons overlap, the smaller one counts.

    Args:
        list_file: CSV or JSON file with the columns ``image`` and ``labels`` and, if wanted,
            ``split`` and ``name``; paths relative to it. Or such rows in the config.
        classes: ``attribute`` (for polygons), ``names``, and if wanted ``ignore`` and ``rest``, see
            :meth:`swimdiff.datasets.labels.classes.ClassTable.for_cover`.
        palette: Colour of each class by name, three numbers from 0 to 255; others are chosen.
        **kwargs: See :class:`swimdiff.datasets.labels.raster_windows.RasterWindows`: ``split``,
            ``blocks``, ``bands``, ``file_bands``, ``tile``, ``stride``, ``stats``, ``unit``,
            ``layer``, ``zeros_are_nodata``, ``pipeline``.

    Raises:
        DatasetNotFoundError: The list is not there.
        LayoutError: A column or file is missing, the split is empty, a class has no pixel, or the
            polygons lie elsewhere.
        RasterError: A file is damaged, has no coordinate system, or holds another unit.
        ConfigError: Options that do not fit together, or a value that no label has.

    Examples:
        >>> dataset = dict(
        ...     type='RasterLabels',
        ...     list_file='data/landcover.csv',
        ...     classes=dict(attribute='fclass', names=['forest', 'meadow', 'water']),
        ...     split='train',
        ...     blocks=2000,
        ...     tile=128,
        ...     pipeline=[dict(type='mmseg.PackSegInputs')],
        ... )
    """

    METAINFO = dict(dataset_type='RasterLabels')

    def __init__(
        self,
        list_file: str | Sequence[Mapping[str, Any]],
        classes: Mapping[str, Any],
        palette: Mapping[str, Sequence[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        self._colours = dict(palette or {})
        super().__init__(list_file, ClassTable.for_cover(classes), ('image',), **kwargs)

    def load_data_list(self) -> list[dict]:
        """Look at all windows once; every class must be met in training."""
        unknown_names = set(self._colours) - set(self.classes.names)
        if unknown_names:
            raise ConfigError(
                f'palette: {", ".join(sorted(unknown_names))}; expected names of classes: '
                f'{", ".join(self.classes.names)}.'
            )
        self._metainfo.update(palette=make_palette(self.classes.names, self._colours))
        data_list = super().load_data_list()
        self._refuse_absent(data_list)
        return data_list

    def prepare_data(self, idx: int) -> Any:
        """Cut the window and run the pipeline."""
        info = self.get_data_info(idx)
        (image,), mask = self.read(info)
        return self.pipeline(dict(self._pack(info, image, mask), reduce_zero_label=False))
