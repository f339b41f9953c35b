"""A folder of GeoTIFF, JPEG 2000, COG or VRT rasters, cut into patches when they are read.

A location is a window of the ground; its rows are the dates, that is the scenes, that cover it.
See docs/how-to/rasters.md for the layouts that are recognised.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from swimdiff.bands import spell_bands
from swimdiff.datasets.geo import require_gdal
from swimdiff.datasets.index import Georeference, PatchIndex, PatchSource
from swimdiff.datasets.rasters.building import build_index
from swimdiff.datasets.rasters.cutting import cut
from swimdiff.datasets.rasters.dates import find_date
from swimdiff.datasets.rasters.files import (
    BandNames,
    FoundScene,
    RasterTree,
    find_scenes,
    layouts,
    raster_root,
)
from swimdiff.datasets.rasters.opening import Extent, SceneRasters, open_scene
from swimdiff.datasets.rasters.options import RasterOptions
from swimdiff.datasets.rasters.places import Place
from swimdiff.datasets.rasters.quality import is_judged, look
from swimdiff.datasets.rasters.windows import bounds_in, measure, window_at
from swimdiff.errors import DataError, LayoutError, RasterError
from swimdiff.registry import SOURCES

__all__ = ['RasterScenesSource']

#: Windows drawn at random before the best of them is taken.
_DRAWS = 10
#: Scenes of which the most tell the type of the pixels.
_VOTERS = 7


@SOURCES.register_module()
class RasterScenesSource(PatchSource):
    """Read a folder of scenes.

    Args:
        data_root: The folder.
        bands: Bands wanted by name, in the order of the channels; by default those of the first
            scene. A scene that lacks one is left out.
        **options: See :class:`RasterOptions`.

    Raises:
        DatasetNotFoundError: The folder is not there.
        LayoutError: No scene in it.
        RasterError: No scene can be used.
        ConfigError: Options that do not fit together.
        GdalMissingError: Rasters cannot be read.

    Examples:
        >>> source = dict(type='RasterScenesSource', bands=('B04', 'B03', 'B02'), patch=256)
    """

    unit_is_declared = True

    def __init__(self, data_root: str, bands: Sequence[str] | None = None, **options: Any) -> None:
        require_gdal()
        self.root = raster_root(data_root)
        self.options = RasterOptions(**options)
        self.draws_windows = self.options.windows == 'random'
        file_bands = self.options.file_bands or ()
        others = [name for name in file_bands if name]
        band_names = None
        if bands is not None:
            band_names = spell_bands(bands)
            others = [*band_names, *others]
        names = BandNames([*others, *self.options.mask_names])
        self.tree = RasterTree(self.root, names, self.options)
        first = self._first(band_names)
        self.bands, self.dtype, self.unit = tuple(first.bands), first.dtype, self.options.unit
        self._typical = first.path
        self.zeros_are_nodata = self.options.zeros_are_nodata
        if self.dtype == 'uint8' and self.unit not in (None, 'reflectance x 255'):
            raise RasterError(
                f'{self.root / first.path} holds uint8 pixels, 0 to 255, which cannot be '
                f"{self.unit!r}. Declare unit='reflectance x 255', or none."
            )
        self.sizes = measure(first, self.options)
        self._scenes: dict[int, SceneRasters] = {}

    def _first(self, wanted: Sequence[str] | None) -> SceneRasters:
        """The first scene that can be used, of the type of most, tells the resolution of all."""
        failure: DataError | None = None
        usable: list[SceneRasters] = []
        beside: list[FoundScene] = []

        def look_into(scene: FoundScene) -> None:
            nonlocal failure
            bands, whole = tuple(usable[0].bands) if usable else wanted, not usable
            try:
                usable.append(open_scene(self.tree, scene, bands, whole))
            except DataError as error:
                failure = failure or error

        for scene in find_scenes(self.tree):
            if scene.beside:
                beside.append(scene)
            else:
                look_into(scene)
            if len(usable) == _VOTERS:
                break
        while wanted and beside and not usable:
            look_into(beside.pop(0))
        if usable:
            (kind, _), *_ = Counter(scene.dtype for scene in usable).most_common()
            return next(scene for scene in usable if scene.dtype == kind)
        if failure is not None:
            raise failure
        there = sorted(path.name for path in self.root.iterdir())
        entries = ', '.join(there[:5]) or 'an empty folder'
        raise LayoutError(
            f'data_root {self.root.absolute()} holds no scene; found {entries}.\n{layouts()}'
        )

    def key(self) -> dict[str, Any]:
        """Return all options; the sizes too, which the first scene has a say in."""
        options = dict(self.options.key(), bands=self.bands, dtype=self.dtype)
        return dict(layout='RasterScenes', version=3, options=options, sizes=asdict(self.sizes))

    @classmethod
    def list_packed_options(cls, **options: Any) -> dict[str, Any]:
        """Return the options that are given, as :class:`RasterOptions` understands them."""
        given_options = {name: value for name, value in options.items() if name != 'bands'}
        key = RasterOptions(**given_options).key()
        return {name: key[name] for name, value in given_options.items() if value is not None}

    def build(self) -> PatchIndex:
        """Look into every scene, find the dates of each place, and judge every window."""
        pixels = (self.dtype, self._typical)
        return build_index(self.tree, self.bands, pixels, self.sizes, self.date)

    def read(self, rows: Sequence[int], bands: Sequence[str]) -> list[list[np.ndarray]]:
        """Read planes of some rows of one location, all of the same ground.

        Windows at random are drawn from NumPy's global generator, at each call again.
        """
        place = self._place(rows[0])
        scenes = [self._scene(row) for row in rows]
        left, top = (float(self.index.columns[name][rows[0]]) for name in ('left', 'top'))
        ground = window_at(left, top, place, self.sizes.patch)
        if self.draws_windows:
            ground = self._drawn(left, top, place, scenes)
        side = {band: self.sizes.side[band] for band in bands}
        root = str(self.root)
        gaps = self.options.zeros_are_nodata
        return [cut(root, scene, bands, ground, place.system, side, gaps) for scene in scenes]

    def georeference(self, row: int, band: str) -> Georeference | None:
        """Return where the pixels of a band of a row lie; None for random windows."""
        if self.draws_windows:
            return None
        place = self._place(row)
        left, top = (float(self.index.columns[name][row]) for name in ('left', 'top'))
        west, south, east, north = window_at(left, top, place, self.sizes.patch)
        side = self.sizes.side[band]
        return (west, (east - west) / side, 0.0, north, 0.0, (south - north) / side), place.system

    def _drawn(
        self, left: float, top: float, place: Place, scenes: Sequence[SceneRasters]
    ) -> Extent:
        """A window at random in a cell, with data and clear sky enough at all dates if there is."""
        judged_scenes = [scene for scene in scenes if is_judged(scene, self.options)]
        steps = (self.sizes.stride - self.sizes.patch) // self.sizes.step + 1
        best: tuple[float, Extent] | None = None
        for _ in range(_DRAWS):
            x, y = np.random.randint(steps, size=2) * self.sizes.step
            corner = left + x * place.dx, top - y * place.dy
            ground = window_at(*corner, place, self.sizes.patch)
            fitness = min(
                (self._fitness(scene, place, ground) for scene in judged_scenes), default=1.0
            )
            if best is None or fitness > best[0]:
                best = fitness, ground
            if fitness >= 1:
                break
        assert best is not None
        return best[1]

    def _fitness(self, scene: SceneRasters, place: Place, ground: Extent) -> float:
        """Share of what is asked for that a window has, 1 where it is fit."""
        bounds = bounds_in(np.array([ground]), place, scene)
        west, south, east, north = bounds[0].tolist()
        size = (east - west, north - south)
        quality = look(self.tree, scene, (west, south, east, north), size)
        least = self.options.min_valid, self.options.min_clear
        shares = (float(share[0]) for share in quality.shares(bounds))
        pairs = zip(shares, least, strict=True)
        return min(1.0 if share >= limit else share / limit for share, limit in pairs)

    def _place(self, row: int) -> Place:
        index = self.index
        name, system, *lattice = index.about['places'][int(index.columns['place'][row])]
        return Place(name, index.about['systems'][system], *lattice)

    def _scene(self, row: int) -> SceneRasters:
        index = self.index
        number = int(index.columns['scene'][row])
        if number not in self._scenes:
            text = index.about['scenes'][number]
            system = index.about['systems'][text['system']]
            self._scenes[number] = SceneRasters.of(dict(text, system=system))
        return self._scenes[number]

    def rasters(self, row: int, bands: Sequence[str]) -> list[str]:
        """Return one file per band."""
        scene = self._scene(row)
        return [str(self.root / scene.bands[band].file) for band in bands]

    def date(self, path: str) -> str:
        """Return the date (YYYYMMDD) in the name of a scene or its folders, or ''."""
        parts = path.removeprefix(str(self.root)).split('/')
        return next((day for day in map(find_date, reversed(parts)) if day), '')
