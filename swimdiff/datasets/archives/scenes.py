"""Definitions of "the same scene", see docs/concepts/scenes.md.

A definition turns the samples of a data set into integers once, when they are indexed. A sample
is a mapping with ``location`` (str, one piece of ground), ``group`` (str, the file or region that
the location is cut from; the location itself where there is none), ``products`` (tuple of product
ids), and for :class:`DistanceScene` and :class:`BlockScene` either ``centre`` (longitude and
latitude in degrees) or ``raster`` (path of one raster of the location) and perhaps ``others`` (a
function that gives the paths of more, for a raster that cannot be read).
All samples of one location always get the same scene, whatever the definition.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from mmengine.logging import print_log

from swimdiff.datasets.geo import BlockGrid, centre_lonlat, earth_centred
from swimdiff.errors import ConfigError, DataError, LayoutError, RasterError
from swimdiff.registry import TASK_UTILS

__all__ = [
    'BlockScene',
    'DistanceScene',
    'FileScene',
    'LocationScene',
    'SceneDefinition',
    'TileScene',
    'earth_centred',
]

Sample = Mapping[str, Any]


class SceneDefinition(Protocol):
    """Define the interface of a scene definition."""

    def assign(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the scene id of each sample, int64, from 0 without gaps.

        -1 leaves a sample out.

        Where some are left out, ``unreadable`` holds the error of each location.
        """
        ...


def _number(keys: Sequence[Hashable]) -> np.ndarray:
    """Integers for keys, in the sort order of the keys."""
    order = {key: i for i, key in enumerate(sorted(set(keys)))}  # type: ignore[type-var]
    return np.fromiter((order[key] for key in keys), np.int64, len(keys))


@TASK_UTILS.register_module()
class LocationScene:
    """Make each location a scene (the default for SeCo).

    Examples:
        >>> train_dataloader = dict(dataset=dict(scene=dict(type='LocationScene')))
    """

    def assign(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the scene id of each sample, int64, by location."""
        # An index hands out its names without the rest of each sample.
        names = getattr(samples, 'names', None)
        return _number([sample['location'] for sample in samples] if names is None else names)


@TASK_UTILS.register_module()
class TileScene:
    """Make each Sentinel-2 (MGRS) tile a scene.

    The tile is taken from the product id: ``..._T36QZH``.

    Where the dates of one location lie in different tiles (tiles overlap), the most frequent tile
    stands for the location, the first in the alphabet on a tie: the same ground is one scene.

    Args:
        pattern: Regular expression with one group, the tile.

    Examples:
        >>> train_dataloader = dict(dataset=dict(scene=dict(type='TileScene')))
    """

    def __init__(self, pattern: str = r'(?:^|_)T(\d{2}[A-Z]{3})(?:_|$)') -> None:
        self.pattern = re.compile(pattern)

    def tile(self, product: str) -> str:
        """Tile of a product id.

        Raises:
            LayoutError: The id names no tile.
        """
        match = self.pattern.search(product)
        if match is None:
            raise LayoutError(
                f'Product id {product!r} names no Sentinel-2 tile. Expected one like '
                "20200713T075609_20200713T081050_T36QZH. Choose scene=dict(type='LocationScene') "
                'or give TileScene the pattern of your ids.'
            )
        return match.group(1)

    def assign(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the scene id of each sample, int64, by tile."""
        votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for sample in samples:
            votes[sample['location']].update(self.tile(product) for product in sample['products'])
        tiles = {
            location: min(votes[location], key=lambda tile: (-votes[location][tile], tile))
            for location in votes
        }
        return _number([tiles[sample['location']] for sample in samples])


@TASK_UTILS.register_module()
class FileScene:
    """Make each file, or group of files of one place at several dates, a scene.

    Locations are of one scene where the part of their names before the last slash is the same: in
    a folder of scenes the place they are cut from. In SeCo each location is such a group by itself.

    Examples:
        >>> train_dataloader = dict(dataset=dict(scene=dict(type='FileScene')))
    """

    def assign(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the scene id of each sample, int64, by group."""
        return _number([sample['group'] for sample in samples])


class _PlaceReader:
    """Centres of locations, known or read from their rasters.

    Args:
        centre: Reads longitude and latitude in degrees from a raster.
    """

    def __init__(self, centre: Callable[[str], tuple[float, float]] = centre_lonlat) -> None:
        self.centre = centre
        self.unreadable: dict[str, DataError] = {}

    def _place(self, sample: Sample) -> tuple[float, float] | None:
        """Centre of a location, known or by the first readable raster; None where none is."""
        if 'centre' in sample:
            return sample['centre']
        try:
            return self.centre(sample['raster'])
        except (LayoutError, RasterError) as error:
            first = error
        for path in sample['others']() if 'others' in sample else ():
            try:
                return self.centre(path)
            except (LayoutError, RasterError):
                continue
        self.unreadable[sample['location']] = first
        return None

    def _centres(self, samples: Sequence[Sample]) -> tuple[list[str], np.ndarray]:
        """Locations whose place is known, sorted, and their longitudes and latitudes, N x 2."""
        one = {sample['location']: sample for sample in reversed(samples)}
        names = sorted(one)
        if len(names) > 1000 and 'centre' not in one[names[0]]:
            print_log(f'Reading the georeference of {len(names)} locations', logger='current')
        self.unreadable = {}
        places = {name: self._place(one[name]) for name in names}
        placed_names = [name for name in names if places[name] is not None]
        return placed_names, np.array([places[name] for name in placed_names], float).reshape(-1, 2)

    def _spread(
        self, samples: Sequence[Sample], names: list[str], scenes: np.ndarray
    ) -> np.ndarray:
        """Scenes of the samples by those of the locations, -1 where the place is not known."""
        scene = dict(zip(names, scenes.tolist(), strict=True))
        return np.fromiter((scene.get(s['location'], -1) for s in samples), np.int64, len(samples))


@TASK_UTILS.register_module()
class DistanceScene(_PlaceReader):
    """Make one scene of locations whose centres are some metres apart at most.

    Being near is made transitive: scenes are the connected components of the graph that joins all
    centres within the distance. Distances are straight lines between points on the WGS 84
    ellipsoid, hence right at any latitude and across the date line (short of the ground distance by
    less than one part in 100,000 up to 100 km).

    Args:
        metres: Largest distance between the centres of two neighbours, in metres.
        centre: Reads longitude and latitude in degrees from a raster.

    Examples:
        >>> train_dataloader = dict(dataset=dict(scene=dict(type='DistanceScene', metres=5000)))
    """

    def __init__(
        self, metres: float, centre: Callable[[str], tuple[float, float]] = centre_lonlat
    ) -> None:
        if not metres > 0:
            raise ConfigError(f'DistanceScene(metres={metres}): expected a distance above 0.')
        super().__init__(centre)
        self.metres = float(metres)

    def assign(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the scene id of each sample, int64, by distance.

        It opens one raster per location.

        Locations without a readable raster get -1 and an entry in ``unreadable``.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components
        from scipy.spatial import cKDTree

        locations, centres = self._centres(samples)
        if not locations:
            return np.full(len(samples), -1, np.int64)
        a, b = cKDTree(earth_centred(centres)).query_pairs(self.metres, output_type='ndarray').T
        shape = (len(locations), len(locations))
        graph = coo_array((np.ones(len(a), bool), (a, b)), shape=shape)
        _, labels = connected_components(graph, directed=False)
        return self._spread(samples, locations, labels)


@TASK_UTILS.register_module()
class BlockScene(_PlaceReader):
    """Make one scene of locations in one block of a world-wide grid.

    Unlike :class:`DistanceScene` nothing chains: a scene is never larger than its block, and a
    location's scene does not depend on which others there are. Two near locations on either side
    of an edge are two scenes.

    A block is about as large everywhere and knows nothing of UTM zones or tiles, see
    :class:`~swimdiff.datasets.geo.block_grid.BlockGrid`.

    Args:
        metres: Side of a block.
        centre: Reads longitude and latitude in degrees from a raster.

    Examples:
        >>> train_dataloader = dict(dataset=dict(scene=dict(type='BlockScene', metres=10_000)))
    """

    def __init__(
        self, metres: float, centre: Callable[[str], tuple[float, float]] = centre_lonlat
    ) -> None:
        if not metres > 0:
            raise ConfigError(f'BlockScene(metres={metres}): expected a side above 0.')
        super().__init__(centre)
        self.grid = BlockGrid(float(metres))

    def blocks(self, lonlat: np.ndarray) -> np.ndarray:
        """Return row and column of the blocks of places, see :class:`BlockGrid`.

        Args:
            lonlat: N x 2 longitudes and latitudes in degrees.

        Returns:
            N x 2 int64.
        """
        return self.grid.find_blocks(lonlat)

    def assign(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the scene id of each sample, int64, by block.

        -1 where the place cannot be read.
        """
        locations, centres = self._centres(samples)
        if not locations:
            return np.full(len(samples), -1, np.int64)
        _, labels = np.unique(self.blocks(centres), axis=0, return_inverse=True)
        return self._spread(samples, locations, labels.reshape(-1))
