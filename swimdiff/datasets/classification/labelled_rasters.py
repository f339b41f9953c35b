"""Own tiles of any bands in one folder per class: ``Class/name.tif``."""

from collections.abc import Sequence
from typing import Any

from swimdiff.bands import spell_bands
from swimdiff.datasets.classification.labelled_pictures import LabelledPictures
from swimdiff.registry import DATASETS

__all__ = ['LabelledRasters']


@DATASETS.register_module()
class LabelledRasters(LabelledPictures):
    """Serve GeoTIFFs of any bands in one folder per class, or without labels.

    As :class:`LabelledPictures`, with the bands of the files by name; ``LoadLabelledRaster`` reads
    the pixels. Files of all classes have the same bands in the same order.

    Args:
        data_root: Folder with the class folders, or one above it; with ``labels='none'`` any folder
            of tiles.
        file_bands: Names of the bands of a file, in their order.
        bands: Bands to read by name, in the order of the channels. By default all.
        **kwargs: Further options of :class:`LabelledPictures`.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree, or a list, is not as expected.
        BandError: A band that the files do not have.
        ConfigError: Options that do not fit together.

    Examples:
        >>> dataset = dict(
        ...     type='LabelledRasters',
        ...     data_root='data/crops',
        ...     split='train',
        ...     file_bands=('B02', 'B03', 'B04', 'B08'),
        ...     bands=('B04', 'B03', 'B02'),
        ...     pipeline=[
        ...         dict(type='LoadLabelledRaster', stats='s2_l2a'),
        ...         dict(type='mmcv.Resize', scale=(64, 64)),
        ...         dict(type='mmpretrain.PackInputs'),
        ...     ],
        ... )
    """

    METAINFO = dict(dataset_type='LabelledRasters', task_name='classification')

    def __init__(
        self,
        data_root: str,
        file_bands: Sequence[str],
        bands: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.file_bands = spell_bands(file_bands)
        super().__init__(data_root, bands=self.file_bands if bands is None else bands, **kwargs)

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on the path."""
        return self.pipeline(dict(self.get_data_info(idx), file_bands=self.file_bands))
