"""Any folder of GeoTIFF, JPEG 2000, COG or VRT scenes, cut into patches when they are read.

A location is a window of the ground; its rows are the dates, that is the scenes, that cover it.
See docs/how-to/rasters.md for the layouts that are recognised.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from functools import partial
from typing import Any

import numpy as np

from swimdiff.bands import canonical_bands, declare_bands
from swimdiff.datasets.archives.scene_patches import ScenePatches
from swimdiff.datasets.geo.access import require_gdal
from swimdiff.datasets.index.patch_index import PatchIndex
from swimdiff.datasets.index.source import PatchSource
from swimdiff.datasets.packs.source import PackSource
from swimdiff.datasets.rasters.building import build_index
from swimdiff.datasets.rasters.cutting import cut
from swimdiff.datasets.rasters.dates import find_date
from swimdiff.datasets.rasters.files import (
    BandNames,
    FoundScene,
    find_scenes,
    layouts,
    raster_root,
)
from swimdiff.datasets.rasters.opening import Extent, SceneRasters, open_scene
from swimdiff.datasets.rasters.options import RasterOptions
from swimdiff.datasets.rasters.places import Place
from swimdiff.datasets.rasters.quality import is_judged, look
from swimdiff.datasets.rasters.windows import bounds_in, measure, window_at
from swimdiff.errors import ConfigError, DataError, LayoutError, RasterError
from swimdiff.registry import DATASETS

__all__ = ['RasterScenes', 'RasterScenesSource']

#: Windows drawn at random before the best of them is taken.
_DRAWS = 10
#: Scenes of which the most tell the type of the pixels.
_VOTERS = 7


class RasterScenesSource(PatchSource):
    """A folder of scenes.

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
    """

    unit_is_declared = True

    def __init__(self, data_root: str, bands: Sequence[str] | None = None, **options: Any) -> None:
        require_gdal()
        self.root = raster_root(data_root)
        self.options = RasterOptions(**options)
        given = self.options.file_bands or ()
        others = [name for name in given if name]
        wanted = None
        if bands is not None:
            declare_bands([bands] if isinstance(bands, str) else bands)
            wanted = canonical_bands(bands)
            others = [*wanted, *others]
        self.band_names = BandNames([*others, *self.options.mask_names])
        first = self._first(wanted)
        self.bands, self.dtype, self.unit = tuple(first.bands), first.dtype, self.options.unit
        self._typical = first.path
        self.zeros_are_nodata = self.options.zeros_are_nodata
        declare_bands(self.bands)
        if self.dtype == 'uint8' and self.unit not in (None, 'reflectance x 255'):
            raise RasterError(
                f'{self.root / first.path} holds uint8 pixels, 0 to 255, which cannot be '
                f"{self.unit!r}. Declare unit='reflectance x 255', or none."
            )
        self.sizes = measure(first, self.options)
        self._scenes: dict[int, SceneRasters] = {}
        self._about: Mapping[str, Any] | None = None

    def _first(self, wanted: Sequence[str] | None) -> SceneRasters:
        """The first scene that can be used, of the type of most, tells the resolution of all."""
        failure: DataError | None = None
        usable: list[SceneRasters] = []
        beside: list[FoundScene] = []

        def look_into(scene: FoundScene) -> None:
            nonlocal failure
            bands, whole = tuple(usable[0].bands) if usable else wanted, not usable
            options = self.options
            try:
                made = open_scene(self.root, scene, bands, self.band_names, options, whole)
                usable.append(made)
            except DataError as error:
                failure = failure or error

        for scene in find_scenes(self.root, self.band_names, self.options):
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
        found = ', '.join(there[:5]) or 'an empty folder'
        raise LayoutError(
            f'data_root {self.root.absolute()} holds no scene; found {found}.\n{layouts()}'
        )

    def key(self) -> dict[str, Any]:
        """All options; the sizes too, which the first scene has a say in."""
        options = dict(self.options.key(), bands=self.bands, dtype=self.dtype)
        return dict(layout='RasterScenes', version=3, options=options, sizes=asdict(self.sizes))

    def build(self) -> PatchIndex:
        """Look into every scene, find the dates of each place, and judge every window."""
        return build_index(
            self.root,
            self.bands,
            (self.dtype, self._typical),
            self.band_names,
            self.options,
            self.sizes,
            self.date,
        )

    def read(
        self, index: PatchIndex, rows: Sequence[int], bands: Sequence[str]
    ) -> list[list[np.ndarray]]:
        """Planes of some rows of one location, all of the same ground.

        Windows at random are drawn from NumPy's global generator, at each call anew.
        """
        place = self._place(index, rows[0])
        scenes = [self._scene(index, row) for row in rows]
        left, top = (float(index.columns[name][rows[0]]) for name in ('left', 'top'))
        ground = window_at(left, top, place, self.sizes.patch)
        if self.options.windows == 'random':
            ground = self._drawn(left, top, place, scenes)
        side = {band: self.sizes.side[band] for band in bands}
        root = str(self.root)
        gaps = self.options.zeros_are_nodata
        return [cut(root, scene, bands, ground, place.system, side, gaps) for scene in scenes]

    def georeference(
        self, index: PatchIndex, row: int, band: str
    ) -> tuple[tuple[float, ...], str] | None:
        """Affine transform and coordinate system (WKT) of a band of a row, for packs.

        None for windows drawn at random.
        """
        if self.options.windows == 'random':
            return None
        place = self._place(index, row)
        left, top = (float(index.columns[name][row]) for name in ('left', 'top'))
        west, south, east, north = window_at(left, top, place, self.sizes.patch)
        side = self.sizes.side[band]
        return (west, (east - west) / side, 0.0, north, 0.0, (south - north) / side), place.system

    def _drawn(
        self, left: float, top: float, place: Place, scenes: Sequence[SceneRasters]
    ) -> Extent:
        """A window at random in a cell, with data and clear sky enough at all dates if there is."""
        judged = [scene for scene in scenes if is_judged(scene, self.options)]
        steps = (self.sizes.stride - self.sizes.patch) // self.sizes.step + 1
        best: tuple[float, Extent] | None = None
        for _ in range(_DRAWS):
            x, y = np.random.randint(steps, size=2) * self.sizes.step
            corner = left + x * place.dx, top - y * place.dy
            ground = window_at(*corner, place, self.sizes.patch)
            fitness = min((self._fitness(scene, place, ground) for scene in judged), default=1.0)
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
        quality = look(self.root, scene, self.options, (west, south, east, north), size)
        least = self.options.min_valid, self.options.min_clear
        shares = (float(share[0]) for share in quality.shares(bounds))
        pairs = zip(shares, least, strict=True)
        return min(1.0 if share >= wanted else share / wanted for share, wanted in pairs)

    def _place(self, index: PatchIndex, row: int) -> Place:
        name, system, *lattice = index.about['places'][int(index.columns['place'][row])]
        return Place(name, index.about['systems'][system], *lattice)

    def _scene(self, index: PatchIndex, row: int) -> SceneRasters:
        if self._about is not index.about:
            self._about, self._scenes = index.about, {}
        number = int(index.columns['scene'][row])
        if number not in self._scenes:
            text = index.about['scenes'][number]
            system = index.about['systems'][text['system']]
            self._scenes[number] = SceneRasters.of(dict(text, system=system))
        return self._scenes[number]

    def rasters(self, index: PatchIndex, row: int, bands: Sequence[str]) -> list[str]:
        """One file a band."""
        scene = self._scene(index, row)
        return [str(self.root / scene.bands[band].file) for band in bands]

    def date(self, path: str) -> str:
        """The date, YYYYMMDD, in the name of a scene or else of its folders; '' without one."""
        parts = path.removeprefix(str(self.root)).split('/')
        return next((day for day in map(find_date, reversed(parts)) if day), '')


@DATASETS.register_module()
class RasterScenes(ScenePatches):
    """Patches of the scenes in a folder, at all dates that cover them.

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
    """

    METAINFO = dict(dataset_type='RasterScenes', task_name='pre-training')

    def __init__(self, data_root: str, bands: Sequence[str] | None = None, **kwargs: Any) -> None:
        names = {item.name for item in fields(RasterOptions)}
        options = {name: kwargs.pop(name) for name in names & set(kwargs)}
        if 'stats' not in kwargs and kwargs.setdefault('stretch', False):
            raise ConfigError(
                "RasterScenes(stretch=True) needs stats: 's2_l1c' or 's2_l2a' for Sentinel-2 in "
                'reflectance x 10000, or a file that tools/dataset_converters/compute_stats.py '
                'makes of the scenes.'
            )
        source = partial(RasterScenesSource, data_root, bands, **options)
        super().__init__(data_root, source, bands=bands, **kwargs)
        if isinstance(self.source, PackSource):
            key = RasterOptions(**options).key()
            given = {name: key[name] for name in options if options[name] is not None}
            self.source.check_options(given)
