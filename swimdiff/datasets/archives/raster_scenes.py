"""Any folder of GeoTIFF, JPEG 2000, COG or VRT scenes as a data set.

See docs/how-to/rasters.md for the layouts that are recognised.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from swimdiff.datasets.archives.scene_patches import ScenePatches
from swimdiff.datasets.rasters import RasterOptions
from swimdiff.errors import ConfigError
from swimdiff.registry import DATASETS

__all__ = ['RasterScenes']


@DATASETS.register_module()
class RasterScenes(ScenePatches):
    """Cut the rasters in a folder into patches, at all dates that cover them.

    Args:
        data_root: The folder, or a pack made of it.
        bands: Bands by name, in the order of the channels; by default those of the first scene.
        **kwargs: Options of :class:`RasterOptions` and of :class:`ScenePatches`. There is a stretch
            only where ``stats`` are given, as nothing is known of the values.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: No scene in it, or one that is not whole.
        BandError: Bands that are not known.
        ConfigError: Options that do not fit together, or a pack made with others.
        RasterError: A scene that cannot be read, or values that do not fit the unit.

    Examples:
        >>> train_dataloader = dict(
        ...     dataset=dict(type='RasterScenes', data_root='scenes', patch=256, stats='s2_l2a'),
        ... )
    """

    METAINFO = dict(dataset_type='RasterScenes', task_name='pre-training')
    #: Names that ``**kwargs`` takes beside those of the classes above.
    MORE_OPTIONS = tuple(item.name for item in fields(RasterOptions))

    def __init__(self, data_root: str, bands: Sequence[str] | None = None, **kwargs: Any) -> None:
        options = {name: kwargs.pop(name) for name in self.MORE_OPTIONS if name in kwargs}
        if 'stats' not in kwargs and kwargs.setdefault('stretch', False):
            raise ConfigError(
                "RasterScenes(stretch=True) needs stats: 's2_l1c' or 's2_l2a' for Sentinel-2 in "
                'reflectance x 10000, or a file that tools/dataset_converters/compute_stats.py '
                'makes of the scenes.'
            )
        source = dict(type='RasterScenesSource', bands=bands, **options)
        super().__init__(data_root, source, bands=bands, **kwargs)
