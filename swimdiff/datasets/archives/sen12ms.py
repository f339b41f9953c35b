"""SEN12MS (Schmitt et al., ISPRS Annals 2019): Sentinel-2 level-1C patches cut from 252 scenes."""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.bands import RGB, SENTINEL2
from swimdiff.datasets.archives.scene_patches import ScenePatches
from swimdiff.datasets.geo import read_channels, require_gdal
from swimdiff.datasets.index import PatchIndex, PatchSource, Strings
from swimdiff.errors import DatasetNotFoundError, LayoutError
from swimdiff.progress import track
from swimdiff.registry import DATASETS, SOURCES, TASK_UTILS

__all__ = ['SEN12MS', 'SEN12MSScene', 'SEN12MSSource']

_TREE = """\
Expected tree:
  {root}/
    ROIs1158_spring/
      s2_1/
        ROIs1158_spring_s2_1_p30.tif ...   (13 bands, 256 x 256 pixels, uint16)
      ... (s1_* and lc_* beside them are not read)
    ROIs1868_summer/  ROIs1970_fall/  ROIs2017_winter/
SEN12MS is at https://mediatum.ub.tum.de/1474000. Unpack the s2 archives (all seasons or some), or
let python tools/download.py sen12ms --to DIR do it, and name the folder with data_root:
--cfg-options train_dataloader.dataset.data_root=DIR"""

_SEASON = re.compile(r'ROIs\d{4}_(?:spring|summer|fall|winter)(?:_s2)?')
_SCENE = re.compile(r's2_\d+')
_PATCH = re.compile(r'(ROIs\d{4}_\w+_s2_\d+)_p(\d+)\.tif')
_SIDE = 256


@SOURCES.register_module()
class SEN12MSSource(PatchSource):
    """Read the Sentinel-2 part of SEN12MS as released.

    It has one file of 13 bands per patch.

    Args:
        data_root: Folder with the season folders.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: No scene of Sentinel-2 in it.
        GdalMissingError: Rasters cannot be read.

    Examples:
        >>> source = dict(type='SEN12MSSource')
    """

    bands = tuple(SENTINEL2)
    dtype = 'uint16'
    unit = 'reflectance x 10000'

    def __init__(self, data_root: str) -> None:
        self.root = Path(data_root).expanduser()
        if not self.root.is_dir():
            what = 'is a file, not a folder' if self.root.exists() else 'does not exist'
            raise DatasetNotFoundError(
                f'data_root {self.root.absolute()} {what}.\n{_TREE.format(root=self.root)}'
            )
        self._scenes()
        require_gdal()

    def key(self) -> dict[str, Any]:
        """Return the layout alone: nothing else decides what the tree holds."""
        return dict(layout='SEN12MS')

    def _scenes(self) -> tuple[list[str], list[str]]:
        """Season folders and scene folders, relative to the root."""
        seasons = sorted(name for name in os.listdir(self.root) if _SEASON.fullmatch(name))
        scenes = [
            f'{season}/{name}'
            for season in seasons
            for name in sorted(os.listdir(self.root / season))
            if _SCENE.fullmatch(name)
        ]
        if not scenes:
            entries = sorted(n for n in os.listdir(self.root) if n != '.swimdiff')[:5]
            raise LayoutError(
                f'data_root {self.root.absolute()} has no scene like ROIs1158_spring/s2_146; found '
                f'{", ".join(entries) or "an empty folder"}.\n{_TREE.format(root=self.root)}'
            )
        return seasons, scenes

    def build(self) -> PatchIndex:
        """Index the tree, sorted by season, scene and patch number."""
        root_time = os.stat(self.root).st_mtime_ns
        seasons, scenes = self._scenes()
        season_times = [os.stat(self.root / season).st_mtime_ns for season in seasons]
        with ThreadPoolExecutor(16) as pool:
            scene_records = list(
                track(pool.map(self._scene, scenes), len(scenes), f'Indexing {self.root}')
            )
        paths = [path for _, patches, _ in scene_records for path in patches]
        return PatchIndex(
            locations=Strings.of(os.path.splitext(os.path.basename(path))[0] for path in paths),
            paths=Strings.of(paths),
            first=np.arange(len(paths) + 1, dtype=np.int64),
            watched=Strings.of(['', *seasons, *scenes]),
            times=np.array(
                [root_time, *season_times, *(time for time, _, _ in scene_records)], np.int64
            ),
            about=dict(
                left_out=[error for _, _, error in scene_records if error],
                asked=len(scenes),
                asked_for='scenes',
            ),
        )

    def _scene(self, scene: str) -> tuple[int, list[str], str]:
        folder = self.root / scene
        time = os.stat(folder).st_mtime_ns
        matches = [match for name in os.listdir(folder) if (match := _PATCH.fullmatch(name))]
        if not matches:
            return (
                time,
                [],
                f'Scene {folder} has no patch like {folder.name}_p30.tif. Unpack it again.',
            )
        matches.sort(key=lambda match: int(match.group(2)))
        return time, [f'{scene}/{match.group(0)}' for match in matches], ''

    def read(self, rows: Sequence[int], bands: Sequence[str]) -> list[list[np.ndarray]]:
        """Read planes of some rows, uint16, 256 x 256."""
        channels = [self.bands.index(band) for band in bands]
        side, count = (_SIDE, _SIDE), len(self.bands)
        return [
            list(read_channels(self.path(row), channels, count, side, self.dtype)) for row in rows
        ]

    def date(self, path: str) -> str:
        """Return the season: the release names no dates."""
        return path.rsplit('/', 1)[-1].split('_s2_')[0]


@TASK_UTILS.register_module()
class SEN12MSScene:
    """Make a scene of what one season and scene number name.

    ``ROIs1158_spring_s2_146`` is the scene that a patch was cut from.

    Examples:
        >>> train_dataloader = dict(dataset=dict(scene=dict(type='SEN12MSScene')))
    """

    def assign(self, samples: Sequence[Any]) -> np.ndarray:
        """Return the scene id of each sample, int64.

        Raises:
            LayoutError: A location is not named as SEN12MS names patches.
        """
        names = getattr(samples, 'names', None)
        if names is None:
            names = [sample['location'] for sample in samples]
        matches = [(_PATCH.fullmatch(f'{name}.tif'), name) for name in names]
        for match, name in matches:
            if match is None:
                raise LayoutError(
                    f'Location {name!r} is no patch of SEN12MS (ROIs1158_spring_s2_146_p202). '
                    'Choose another scene definition for other data.'
                )
        scenes = [match.group(1) for match, _ in matches if match is not None]
        order = {scene: i for i, scene in enumerate(sorted(set(scenes)))}
        return np.fromiter((order[scene] for scene in scenes), np.int64, len(scenes))


@DATASETS.register_module()
class SEN12MS(ScenePatches):
    """Serve the Sentinel-2 part of SEN12MS in its released layout.

    The scene is season and scene number.

    Args:
        data_root: Folder with the season folders, or a pack.
        bands: Bands by name, in the order of the channels.
        **kwargs: Options of :class:`ScenePatches`. Each patch is there at one date.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: The tree is not as released.
        BandError: A band that it does not have.
        ConfigError: An unknown choice.
        RasterError: The values are not reflectance x 10000.

    Examples:
        >>> train_dataloader = dict(dataset=dict(type='SEN12MS', data_root='data/sen12ms'))
    """

    METAINFO = dict(dataset_type='SEN12MS', task_name='pre-training')

    def __init__(self, data_root: str, bands: Sequence[str] = RGB, **kwargs: Any) -> None:
        options = {'stats': 's2_l1c', 'scene': dict(type='SEN12MSScene'), **kwargs}
        super().__init__(data_root, dict(type='SEN12MSSource'), bands=bands, **options)
