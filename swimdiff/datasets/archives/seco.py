"""SeCo (Manas et al., ICCV 2021): Sentinel-2 patches of places worldwide at several dates."""

from collections.abc import Sequence
from typing import Any

from swimdiff.bands import RGB, SECO_BANDS
from swimdiff.datasets.archives.band_folders import BandFolders, Pixels
from swimdiff.datasets.archives.location_layout import LocationLayout
from swimdiff.datasets.archives.scene_patches import ScenePatches
from swimdiff.registry import DATASETS, SOURCES

__all__ = ['SECO_LAYOUT', 'SeCo', 'SeCoSource']

SECO_LAYOUT = LocationLayout(
    name='SeCo',
    digits=6,
    product='20200713T075609_20200713T081050_T36QZH',
    tree="""\
Expected tree:
  {root}/
    000000/
      20200713T075609_20200713T081050_T36QZH/
        B1.tif B2.tif ... B8.tif B8A.tif B9.tif B11.tif B12.tif  metadata.json
      ... (one folder per date)
    000001/
    ...
SeCo is at https://zenodo.org/records/4728033: 100k version 7.3 GB, 1M version 36.3 GB.
python tools/download.py seco-100k --to DIR downloads, verifies and unpacks it (or seco-1m).
Name the folder with data_root, in the config or on the command line:
--cfg-options train_dataloader.dataset.data_root=DIR
To try without it: bash tools/quickstart.sh, which trains on a scene that comes with pip""",
)


@SOURCES.register_module()
class SeCoSource(BandFolders):
    """Read SeCo's tree through GDAL.

    Args:
        data_root: Folder with the six-digit location folders, or the folder above it.
        patch_size: Side of the 10 m bands in pixels, 264 by default.

    Examples:
        >>> source = dict(type='SeCoSource', patch_size=264)
    """

    def __init__(self, data_root: str, patch_size: int | None = None) -> None:
        pixels = Pixels(SECO_BANDS, 'uint8', 'reflectance x 255')
        super().__init__(data_root, SECO_LAYOUT, pixels, patch_size)


@DATASETS.register_module()
class SeCo(ScenePatches):
    """Serve the SeCo data set in its released layout, 100k and 1M alike.

    Args:
        data_root: Folder with the six-digit location folders, or the folder above it, or a pack.
        bands: Bands by name, in the order of the channels.
        patch_size: Side of the 10 m bands in pixels; by default 264, or what a pack holds.
        **kwargs: Options of :class:`ScenePatches`.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree is not as released.
        BandError: A band that SeCo does not have.
        ConfigError: An unknown choice, or a pack of patches of another size.

    Examples:
        >>> train_dataloader = dict(dataset=dict(type='SeCo', data_root='data/seco_100k'))
    """

    METAINFO = dict(dataset_type='SeCo', task_name='pre-training')

    def __init__(
        self,
        data_root: str,
        bands: Sequence[str] = RGB,
        patch_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        source = dict(type='SeCoSource', patch_size=patch_size)
        super().__init__(data_root, source, bands=bands, **kwargs)
