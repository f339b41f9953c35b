"""Which of the rasters found are scenes to be used, and what is said of the others."""

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from swimdiff.datasets.rasters.files import FoundScene, RasterTree
from swimdiff.datasets.rasters.opening import SceneRasters, open_scene
from swimdiff.datasets.rasters.reading import read_block
from swimdiff.errors import BandError, DataError, LayoutError, RasterError

__all__ = ['Opener', 'drop_links', 'drop_unused']

#: GDAL's names of the types, for advice.
_GDAL_TYPES = dict(uint8='Byte', uint16='UInt16', int16='Int16', float32='Float32')
#: Pixels along a side of the piece by which a copy is known.
_PIECE = 64


@dataclass(frozen=True)
class Opener:
    """Open scenes and check that they are like the others.

    Args:
        tree: The folder of scenes.
        bands: Bands that a scene must have.
        dtype: Type of the pixels that it must have.
        typical: A scene of that type.
    """

    tree: RasterTree
    bands: Sequence[str]
    dtype: str
    typical: str

    def open(self, scene: FoundScene) -> SceneRasters | str:
        """Return a scene, or the message of why it cannot be used."""
        try:
            rasters = open_scene(self.tree, scene, self.bands)
            if rasters.dtype == self.dtype:
                return rasters
            root = self.tree.root
            # What a folder of band files begins with, or the file itself.
            pattern = glob.escape(scene.path) + ('[-_. /]*' if scene.bands else '')
            raise RasterError(
                f'{root / scene.path} holds {rasters.dtype} pixels. Expected {self.dtype}, as '
                f'most of the first scenes hold, {root / self.typical} among them. Convert it '
                f'(gdal_translate -ot {_GDAL_TYPES[self.dtype]}), or leave it out: '
                f'exclude=[{pattern!r}].'
            )
        except DataError as error:
            if not scene.beside:
                return str(error)
            if isinstance(error, BandError | LayoutError):
                return f'its bands are not described as {", ".join(self.bands)} (see gdalinfo)'
            return str(error)


def drop_links(root: Path, scenes: Sequence[FoundScene]) -> tuple[list[FoundScene], list[str]]:
    """Return the scenes that are no links to files of another, and a note.

    Args:
        root: Folder of the scenes.
        scenes: All that were found.
    """
    scene_by_identity: dict[tuple, FoundScene] = {}
    links = []
    for scene in scenes:
        files = scene.bands or {'': scene.path}
        stats = [os.stat(root / file) for file in files.values() if (root / file).exists()]
        identity = (tuple(files), *((about.st_dev, about.st_ino) for about in stats))
        first = scene_by_identity.setdefault(identity, scene) if stats else scene
        if first is not scene:
            links.append((scene, first))
    if not links:
        return list(scenes), []
    link_ids = {id(scene) for scene, _ in links}
    (scene, first), text = links[0], 'scenes are links' if len(links) > 1 else 'scene is a link'
    note = (
        f'{len(links)} {text} to files of another and no date of its own, for example '
        f'{root / scene.path} to {root / first.path}: not used'
    )
    return [scene for scene in scenes if id(scene) not in link_ids], [note]


@dataclass
class _Unused:
    """Rasters that are not used, and why."""

    reasons: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, root: Path) -> list[str]:
        if not self.reasons:
            return []
        path, reason = self.reasons[0]
        count = len(self.reasons)
        return [
            f'{count} {"rasters are" if count > 1 else "raster is"} not used, as files beside '
            f'{"them" if count > 1 else "it"} name their bands, for example {root / path}: '
            f'{reason}. If that is meant, exclude=[{glob.escape(path)!r}] keeps this one from '
            'being looked at; else describe its bands, or move it into a folder of its own.'
        ]


def drop_unused(
    opener: Opener, found: Iterable[tuple[FoundScene, SceneRasters | str]]
) -> tuple[list[SceneRasters], list[str], list[str]]:
    """Divide what was opened.

    Args:
        opener: Opened the scenes.
        found: Scenes as found and as opened, or the message of why they cannot be.

    Returns:
        Scenes to be used, messages on scenes that cannot be read, and notes on rasters that lie
        beside band files and are not scenes of their own.
    """
    pairs = list(found)
    scenes = [
        scene_or_error
        for scene, scene_or_error in pairs
        if not (scene.beside or isinstance(scene_or_error, str))
    ]
    errors = [
        scene_or_error
        for scene, scene_or_error in pairs
        if isinstance(scene_or_error, str) and not scene.beside
    ]
    by_folder: dict[str, list[SceneRasters]] = {}
    for scene, scene_or_error in pairs:
        if not (scene.beside or isinstance(scene_or_error, str)):
            by_folder.setdefault(scene.folder, []).append(scene_or_error)
    unused_scenes = _Unused()
    for scene, scene_or_error in pairs:
        if not scene.beside:
            continue
        if isinstance(scene_or_error, str):
            unused_scenes.reasons.append((scene.path, scene_or_error))
            continue
        others = by_folder.get(scene.folder, [])
        twin = next(
            (other for other in others if _same_pixels(opener, scene_or_error, other)), None
        )
        if twin is None:
            scenes.append(scene_or_error)
        else:
            unused_scenes.reasons.append((scene.path, f'it holds the same pixels as {twin.path}'))
    return scenes, errors, unused_scenes.tell(opener.tree.root)


def _same_pixels(opener: Opener, one: SceneRasters, other: SceneRasters) -> bool:
    """Return whether two scenes of one extent hold the same picture: a stack of band files."""
    if one.extent != other.extent:
        return False
    name = opener.bands[0]
    pieces = []
    for scene in (one, other):
        band = scene.bands[name]
        width, height = min(_PIECE, band.width), min(_PIECE, band.height)
        window = (band.width - width) // 2, (band.height - height) // 2, width, height
        try:
            path = os.path.join(opener.tree.root, band.file)
            pieces.append(read_block(path, [band], window, (height, width), scene.dtype))
        except DataError:  # left out when its windows are judged, and said so
            return False
    first, second = pieces
    return np.array_equal(first, second)
