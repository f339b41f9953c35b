"""The rasters named on a command line, as scenes: files, folders, products and patterns."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from swimdiff.bands import spell_bands
from swimdiff.datasets.geo import require_gdal
from swimdiff.datasets.rasters import (
    SUFFIXES,
    BandNames,
    FoundScene,
    RasterOptions,
    RasterTree,
    SceneRasters,
    find_date,
    find_scenes,
    group_files,
    layouts,
    open_scene,
)
from swimdiff.errors import DatasetNotFoundError, LayoutError
from swimdiff.inference.remote import is_item, is_remote, shown_name

__all__ = ['SceneFiles', 'find_scene', 'list_scenes', 'name_bands', 'open_files']


@dataclass(frozen=True)
class SceneFiles:
    """Describe a raster on disk by its files, not opened yet.

    Args:
        name: What the table of embeddings calls it: its file, its product (``*.SAFE``), its folder,
            or folder and stem of files that hold one band each.
        root: Folder that the paths of ``found`` are relative to.
        found: Its files by band.
    """

    name: str
    root: Path
    found: FoundScene

    @property
    def date(self) -> str:
        """Return the date (YYYYMMDD) in the name or its folders; '' without one."""
        parts = (*Path(self.name).parts, Path(self.found.path).name)
        return next((day for day in map(find_date, reversed(parts)) if day), '')

    def stamps(self) -> list[tuple[str, int, int]]:
        """Return name, size and time of each file, which show whether it changed.

        Raises:
            LayoutError: A file is gone.
        """
        files = sorted(set(self.found.bands.values())) or [self.found.path]
        stamps = []
        for file in files:
            try:
                about = os.stat(self.root / file)
            except OSError as error:
                raise LayoutError(
                    f'{self.root / file} cannot be read: {error.strerror}. Expected a file of the '
                    f'scene {self.name}; put it back, or leave the scene out.'
                ) from error
            stamps.append((file, about.st_size, about.st_mtime_ns))
        return stamps


def name_bands(bands: Sequence[str], options: RasterOptions) -> BandNames:
    """Return a recogniser of a network's bands, in names of files and inside them.

    Args:
        bands: Names that the network takes.
        options: How scenes are read.
    """
    given_names = [name for name in options.file_bands or () if name]
    return BandNames([*bands, *given_names, *options.mask_names])


def list_scenes(
    given: Iterable[str], bands: Sequence[str], options: RasterOptions
) -> list[SceneFiles]:
    """Find the scenes that files, folders, Sentinel-2 products or patterns name.

    Args:
        given: GeoTIFF, JPEG 2000 or VRT files, folders, ``*.SAFE``, or patterns with ``*`` and
            ``**``. Files that differ by the band in their name alone are one scene.
        bands: Bands that the network takes.
        options: How bands are recognised.

    Returns:
        The scenes, each once, in the order given.

    Raises:
        DatasetNotFoundError: Nothing is there by a name.
        LayoutError: A folder holds no scene, or a scene is behind an address.
    """
    require_gdal()
    names = name_bands(spell_bands(bands), options)
    # Files of all arguments together: a shell has made many of one pattern, and the bands of a
    # scene may be among them.
    paths = [path for text in given for path in _expand(text)]
    siblings: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        if not os.path.isdir(path):
            siblings.setdefault(os.path.dirname(path), []).append(os.path.basename(path))
    scenes: dict[str, SceneFiles] = {}
    for path in paths:
        folder = path if os.path.isdir(path) else os.path.dirname(path)
        if folder == path:
            scene_files = list(_in_folder(folder, names, options))
        else:
            scene_files = list(_among(folder, siblings.pop(folder, ()), names, options))
        for scene in scene_files:
            scenes.setdefault(scene.name, scene)
    return list(scenes.values())


def find_scene(name: str, bands: Sequence[str], options: RasterOptions) -> SceneFiles:
    """Find one scene again by the name that the table of embeddings has.

    Args:
        name: Of the scene, as in the table.
        bands: Names that the network takes.
        options: How scenes are read.

    Raises:
        DatasetNotFoundError: It is not there any more.
    """
    path = Path(name)
    candidates: list[SceneFiles] = []
    if path.exists():
        candidates = list_scenes([name], bands, options)
    elif path.parent.is_dir():
        # A stem of files that each hold one band.
        files = glob.glob(f'{glob.escape(name)}[-_. ]*')
        candidates = list_scenes(files, bands, options) if files else []
    for scene in candidates:
        if scene.name == name:
            return scene
    if len(candidates) == 1:
        return candidates[0]
    raise DatasetNotFoundError(
        f'{name} is not there any more, seen from {Path.cwd()}. Expected the scene that the table '
        'names; go to the folder that embed.py was started in, or give the one that its names '
        'are relative to: --root FOLDER.'
    )


def open_files(
    scene: SceneFiles, bands: Sequence[str], options: RasterOptions, whole: bool = True
) -> SceneRasters:
    """Look into the files of a scene.

    Args:
        scene: The scene.
        bands: Bands wanted.
        options: Names in the files, and the cloud mask.
        whole: Whether to look for files that end early.

    Raises:
        LayoutError: A file or a band is missing.
        RasterError: A file is damaged or has no usable georeference.
        BandError: The bands inside a file are not known.
    """
    names = name_bands(bands, options)
    return open_scene(RasterTree(scene.root, names, options), scene.found, bands, whole)


def _expand(text: str) -> list[str]:
    """Paths of one argument."""
    if is_remote(text) or is_item(text):
        raise LayoutError(
            f'{shown_name(text)}: addresses and items of a catalogue are read for maps, not for '
            f'embeddings. Expected a raster on a disk ({" ".join(SUFFIXES)}), a folder of them, a '
            '*.SAFE product or a pattern in quotes; get the files first, for example with '
            'gdal_translate.'
        )
    place = os.path.expanduser(text)
    # Each spelling of a path is one path.
    paths = [place] if os.path.exists(place) else sorted(glob.glob(place, recursive=True))
    if not paths:
        pattern = 'no file fits this pattern' if glob.has_magic(place) else 'it does not exist'
        raise DatasetNotFoundError(
            f'{text}: {pattern}, seen from {Path.cwd()}. Expected a raster '
            f'({" ".join(SUFFIXES)}), a folder of them, a *.SAFE product or a pattern in quotes.'
        )
    return [os.path.normpath(path) for path in paths]


def _among(
    folder: str, files: Sequence[str], names: BandNames, options: RasterOptions
) -> Iterator[SceneFiles]:
    """Scenes of some files of a folder."""
    root = Path(folder or '.')
    scenes = [s for s in group_files(RasterTree(root, names, options), files) if not s.beside]
    if files and not scenes:
        raise LayoutError(
            f'{os.path.join(folder, files[0])} is no raster that is read here. Expected files that '
            f'end in {", ".join(SUFFIXES)}.'
        )
    for scene in scenes:
        yield SceneFiles(os.path.normpath(os.path.join(folder, scene.path)), root, scene)


def _in_folder(folder: str, names: BandNames, options: RasterOptions) -> Iterator[SceneFiles]:
    """Scenes below a folder, previews and masks beside band files left out."""
    root = Path(folder)
    if root.absolute().name == 'IMG_DATA':  # which only its place above R10m, R20m tells
        root = root.absolute().parent
    tree = RasterTree(root, names, options)
    scenes = [scene for scene in find_scenes(tree) if not scene.beside]
    if not scenes:
        raise LayoutError(f'{folder} holds no scene.\n{layouts()}')
    for scene in scenes:
        name = os.path.normpath(os.path.join(folder, scene.path))
        if len(scenes) == 1 and (folder.endswith('.SAFE') or root != Path(folder)):
            name = folder
        yield SceneFiles(name, root, scene)
