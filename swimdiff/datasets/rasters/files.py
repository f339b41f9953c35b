"""Finding scenes below a folder by the names of files alone; nothing is opened.

A scene is a Sentinel-2 granule (any folder ``IMG_DATA``, in a SAFE or not), a set of files that
differ by the band in their name, or one file with all bands.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from swimdiff.bands import SENTINEL2, canonical
from swimdiff.bands.sensors import Sensor, find_sensor
from swimdiff.datasets.rasters.options import RasterOptions
from swimdiff.errors import BandError, DatasetNotFoundError

__all__ = [
    'SUFFIXES',
    'BandNames',
    'FoundScene',
    'RasterTree',
    'find_scenes',
    'group_files',
    'layouts',
    'raster_root',
]

SUFFIXES = ('.tif', '.tiff', '.jp2', '.vrt')

_LAYOUTS = """\
Expected rasters ({suffixes}) in it or in folders below:
  one file per scene, its bands described in the file or named by file_bands=[...];
  one file per band: scene_B04.tif scene_B03.tif ..., or B04.tif B03.tif ... in a folder;
  Sentinel-2 products: *.SAFE/GRANULE/*/IMG_DATA."""

#: Folders of Sentinel-2 products that hold masks and metadata, some named like bands.
_BESIDE_SCENES = ('QI_DATA', 'AUX_DATA', 'DATASTRIP', 'HTML', 'rep_info')


@dataclass(frozen=True)
class FoundScene:
    """Describe a scene by its files, relative to the root.

    Args:
        path: What represents the scene: its file, its product, its folder, or folder and stem.
        folder: The folder it lies in.
        stem: Its name without suffix and band.
        bands: File of each band; empty for a file with the bands inside, which is ``path``.
        doubled: Bands that two files claim.
        beside: Whether it lies beside files that name their bands: a file that may hold all bands,
            or a preview or a mask.
    """

    path: str
    folder: str
    stem: str
    bands: dict[str, str] = field(default_factory=dict)
    doubled: tuple[str, ...] = ()
    beside: bool = False


class BandNames:
    """Recognise bands in the names of files and in descriptions.

    Args:
        names: Names beside Sentinel-2's.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._spelled = {name.lower(): name for name in names if name not in SENTINEL2}
        name_patterns = sorted(map(re.escape, self._spelled), key=len, reverse=True)
        band = '|'.join([*name_patterns, r'b(?:0?[1-9]|1[0-2]|8a)'])
        self._in_file = re.compile(
            rf'(?P<stem>.*?)(?:^|[-_. ])(?P<band>{band})(?:[-_](?P<metres>\d+)m)?', re.I
        )

    def of_text(self, text: str, sensor: Sensor | None = None) -> str:
        """Return the canonical name of a description.

        For example of ``B4, central wavelength 665 nm``.

        Args:
            text: The description.
            sensor: The sensor that the bands are of; None: Sentinel-2.
        """
        name = re.split(r'[,(]', text)[0].strip()
        spelled_name = self._spelled.get(name.lower())
        if spelled_name or sensor is not None:
            return spelled_name or (sensor.name_band(name) if sensor else '') or name
        try:
            return canonical(name)
        except BandError:
            return name

    def of_file(self, stem: str, sensor: Sensor | None = None) -> tuple[str, str, int] | None:
        """Return the scene, band and resolution in metres that a file name states.

        The resolution is 0 where it is not said.

        Args:
            stem: Name of a file without its ending.
            sensor: Of the file; None for Sentinel-2.
        """
        match = self._in_file.fullmatch(stem)
        if match is None:
            return None
        text = match['band']
        own = sensor.name_band(text) if sensor else ''
        name = self._spelled.get(text.lower()) or (own if sensor else canonical(text))
        return (match['stem'], name, int(match['metres'] or 0)) if name else None


@dataclass(frozen=True)
class RasterTree:
    """Describe a folder of rasters and how it is read.

    Args:
        root: The folder.
        names: Recognises bands.
        options: How scenes are found, cut and judged.
    """

    root: Path
    names: BandNames
    options: RasterOptions


def raster_root(data_root: str | Path) -> Path:
    """Return the folder of scenes, checked to be one.

    Raises:
        DatasetNotFoundError: It is not there.
    """
    root = Path(data_root).expanduser()
    if not root.is_dir():
        what = 'is a file, not a folder' if root.exists() else 'does not exist'
        raise DatasetNotFoundError(f'data_root {root.absolute()} {what}.\n{layouts()}')
    return root


def layouts() -> str:
    """Return the layouts that are recognised, for messages."""
    return _LAYOUTS.format(suffixes=' '.join(SUFFIXES))


def _walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Folders below the root with their sub-folders and files, sorted, hidden ones left out.

    Links to folders are followed, each folder is visited once.
    """
    seen_folders: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen_folders:
            folders.clear()
            continue
        seen_folders.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        here = os.path.relpath(folder, root)
        yield '' if here == '.' else here, folders, sorted(files)


def find_scenes(tree: RasterTree, visited: list[str] | None = None) -> Iterator[FoundScene]:
    """Yield scenes in the order of their folders, found while they are asked for.

    Args:
        tree: The folder; ``file_bands``, ``include``, ``exclude`` and ``clouds`` of its options are
            used.
        visited: Gets the folders that were looked into, relative to the root.
    """
    root, options = tree.root, tree.options
    for folder, folders, files in _walk(root):
        if visited is not None:
            visited.append(folder)
        if os.path.basename(folder) == 'IMG_DATA':
            files += [
                os.path.join(name, file)
                for name in folders
                if re.fullmatch(r'R\d+m', name)
                for file in sorted(os.listdir(root / folder / name))
            ]
            folders.clear()
            granules, _ = _grouped(tree, folder, _rasters(folder, files, options))
            yield from [_product(root, folder, granules[0])] if len(granules) == 1 else granules
        else:
            folders[:] = [name for name in folders if name not in _BESIDE_SCENES]
            yield from _in_folder(tree, folder, _rasters(folder, files, options))


def _rasters(folder: str, files: Sequence[str], options: RasterOptions) -> list[str]:
    """Paths of the rasters of a folder that may be scenes or their bands."""
    paths = [
        os.path.join(folder, file)
        for file in files
        if os.path.splitext(file)[1].lower() in SUFFIXES
        and not os.path.basename(file).startswith('.')
    ]
    mask = options.clouds.file if options.clouds and options.clouds.file else ''
    masks = '*/' + re.sub(r'^(\.{1,2}/)+', '', mask).replace('{stem}', '*')
    return [
        path
        for path in paths
        if (not options.include or any(fnmatch(path, word) for word in options.include))
        and not any(fnmatch(path, word) for word in options.exclude)
        and not (mask and fnmatch(f'/{path}', masks))
    ]


def _in_folder(tree: RasterTree, folder: str, paths: list[str]) -> list[FoundScene]:
    """Return the scenes of an ordinary folder; beside files that name bands lie the others."""
    grouped_scenes: list[FoundScene] = []
    others = paths
    if not tree.options.file_bands:
        grouped_scenes, others = _grouped(tree, folder, paths)
    stems = [os.path.splitext(os.path.basename(path))[0] for path in others]
    files = zip(others, stems, strict=True)
    beside = bool(grouped_scenes)
    return grouped_scenes + [FoundScene(path, folder, stem, beside=beside) for path, stem in files]


def group_files(tree: RasterTree, files: Sequence[str]) -> list[FoundScene]:
    """Group files of one folder into scenes, as :func:`find_scenes` does.

    Args:
        tree: The folder; ``file_bands``, ``include``, ``exclude`` and ``clouds`` of its options are
            used.
        files: Names of the files.
    """
    return _in_folder(tree, '', _rasters('', sorted(files), tree.options))


def _grouped(tree: RasterTree, folder: str, paths: list[str]) -> tuple[list[FoundScene], list[str]]:
    """Return the scenes of files that each hold one band, and the other files."""
    scenes: dict[str, dict[str, list[tuple[int, str]]]] = {}
    others = []
    for path in paths:
        sensor = find_sensor(str(tree.root.absolute() / path), tree.options.sensor)
        parts = tree.names.of_file(os.path.splitext(os.path.basename(path))[0], sensor)
        if parts is None:
            others.append(path)
        else:
            stem, band, metres = parts
            scenes.setdefault(stem, {}).setdefault(band, []).append((metres, path))
    result = []
    for stem, files in scenes.items():
        bands, doubled_bands = {}, []
        for band, there in files.items():
            metres, bands[band] = _finest(band, there)
            if sum(other == metres for other, _ in there) > 1:
                doubled_bands.append(band)
        own_folder = stem in ('', os.path.basename(folder))
        path = folder if own_folder else os.path.join(folder, stem)
        result.append(FoundScene(path or '.', folder, stem, bands, tuple(doubled_bands)))
    return result, others


def _finest(band: str, files: Sequence[tuple[int, str]]) -> tuple[int, str]:
    """Of the files of a band the one at its own resolution, or else the finest.

    Level 2A also holds coarser copies of the 10 m bands and a resampled B01 of 20 m.
    """
    own = SENTINEL2[band].resolution_m if band in SENTINEL2 else 0
    return min(files, key=lambda file: (file[0] != own, file[0], file[1]))


def _product(root: Path, folder: str, granule: FoundScene) -> FoundScene:
    """The scene of a folder IMG_DATA, named by its product, or its granule where there are more."""
    parts = folder.split(os.sep)
    above = os.sep.join(parts[:-1])
    path = above or granule.path
    if (
        len(parts) >= 4
        and parts[-4].endswith('.SAFE')
        and len(os.listdir(root / above / '..')) == 1
    ):
        path = os.sep.join(parts[:-3])
    return FoundScene(path, folder, granule.stem, granule.bands, granule.doubled)
