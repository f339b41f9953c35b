"""SSL4EO-S12 (Wang et al., IEEE GRSM 2023): Sentinel-2 patches around cities, four seasons."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swimdiff.bands import RGB, SECO_BANDS, SENTINEL2
from swimdiff.datasets.archives.band_folders import BandFolders, Pixels
from swimdiff.datasets.archives.location_layout import LocationLayout
from swimdiff.datasets.archives.scene_patches import ScenePatches
from swimdiff.errors import ConfigError, LayoutError
from swimdiff.registry import DATASETS, SOURCES

__all__ = ['SSL4EO', 'SSL4EOSource']

#: Folder, bands and table of statistics of each product level, as released.
_LEVELS: dict[str, tuple[str, tuple[str, ...], str]] = {
    'L1C': ('s2c', tuple(SENTINEL2), 's2_l1c'),
    'L2A': ('s2a', SECO_BANDS, 's2_l2a'),
}

_TREE = """\
Expected tree:
  {{root}}/          (the folder {folder}, or the one above it)
    0000000/
      20200713T075609_20200713T081050_T36QZH/
        B1.tif B2.tif ... B12.tif  metadata.json
      ... (one folder a season)
    0000001/
    ...
SSL4EO-S12 is at https://mediatum.ub.tum.de/1660427 (over 500 GB a product level).
python tools/download.py ssl4eo-l2a --to DIR downloads and unpacks it (or ssl4eo-l1c). Name the
folder with data_root: --cfg-options train_dataloader.dataset.data_root=DIR"""


def _layout(level: str) -> LocationLayout:
    folder = _LEVELS[level][0]
    return LocationLayout(
        name=f'SSL4EO-S12 {level}',
        digits=7,
        product='20200713T075609_20200713T081050_T36QZH',
        tree=_TREE.format(folder=folder),
    )


def _refuse_other_level(root: Path, level: str) -> None:
    """Folders of the two levels look alike: only their names tell, so these are looked at.

    Raises:
        LayoutError: The folder, or the only one in it, is that of the other level.
    """
    for other, (folder, _, _) in _LEVELS.items():
        if other != level and (root.resolve().name == folder or (root / folder).is_dir()):
            raise LayoutError(
                f'{root} holds {folder}, level {other}, and level={level!r} was asked for. Set '
                f'level={other!r}, or name the folder {_LEVELS[level][0]} (data_root).'
            )


@SOURCES.register_module()
class SSL4EOSource(BandFolders):
    """Read the tree of one product level of SSL4EO-S12 through GDAL.

    Args:
        data_root: Folder with ``s2c`` and ``s2a``, or one of these.
        level: ``L1C`` or ``L2A``.
        patch_size: Side of the 10 m bands in pixels, 264 by default.

    Raises:
        LayoutError: The folder is that of the other level.

    Examples:
        >>> source = dict(type='SSL4EOSource', level='L1C')
    """

    def __init__(self, data_root: str, level: str, patch_size: int | None = None) -> None:
        folder, level_bands, _ = _LEVELS[level]
        # Both levels may lie side by side: the folder of the level is meant, not the other one.
        below = Path(data_root) / folder
        root = str(below) if below.is_dir() else data_root
        _refuse_other_level(Path(root), level)
        pixels = Pixels(level_bands, 'uint16', 'reflectance x 10000')
        super().__init__(root, _layout(level), pixels, patch_size)

    @classmethod
    def list_packed_options(cls, **options: Any) -> dict[str, Any]:
        """Return the layout of the level, and the size of the patches where one is given."""
        return dict(super().list_packed_options(**options), layout=_layout(options['level']).name)


@DATASETS.register_module()
class SSL4EO(ScenePatches):
    """Serve SSL4EO-S12 in its released layout, level 1C or 2A.

    The scene is the location by default.

    Args:
        data_root: Folder with ``s2c`` and ``s2a``, one of these, or a pack.
        level: ``L1C`` (13 bands) or ``L2A`` (12 bands, no B10).
        bands: Bands by name, in the order of the channels.
        patch_size: Side of the 10 m bands in pixels; 264, or what a pack holds, by default.
        **kwargs: Options of :class:`ScenePatches`; ``stats`` is that of the level by default.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree is not as released.
        BandError: A band that the level does not have.
        ConfigError: An unknown choice.
        RasterError: The values are not reflectance x 10000.

    Examples:
        >>> train_dataloader = dict(
        ...     dataset=dict(type='SSL4EO', data_root='data/ssl4eo', level='L1C'),
        ... )
    """

    METAINFO = dict(dataset_type='SSL4EO', task_name='pre-training')

    def __init__(
        self,
        data_root: str,
        level: str = 'L2A',
        bands: Sequence[str] = RGB,
        patch_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        if level not in _LEVELS:
            raise ConfigError(f'level={level!r}: expected one of {tuple(_LEVELS)}.')
        source = dict(type='SSL4EOSource', level=level, patch_size=patch_size)
        options = {'stats': _LEVELS[level][2], **kwargs}
        super().__init__(data_root, source, bands=bands, **options)
