"""What makes two samples "of the same scene": the definitions of method.md section 2.

A definition turns the samples of a data set into integers once, when they are indexed. A sample
is a mapping with ``location`` (str, the group that is one place on the ground), ``products`` (tuple
of product ids), and for :class:`DistanceScene` either ``centre`` (longitude and latitude in
degrees) or ``raster`` (path of one raster of the location) and perhaps ``others`` (a function that
gives the paths of more, for a raster that cannot be read).
All samples of one location always get the same scene, whatever the definition.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from mmengine.logging import print_log

from swimdiff.datasets.georeference import centre_lonlat
from swimdiff.errors import ConfigError, DataError, LayoutError, RasterError
from swimdiff.registry import TASK_UTILS

__all__ = ['DistanceScene', 'LocationScene', 'SceneDefinition', 'TileScene']

Sample = Mapping[str, Any]


class SceneDefinition(Protocol):
    """Interface of a scene definition."""

    def assign(self, samples: Sequence[Sample]) -> np.ndarray:
        """Scene id of each sample, int64, from 0 on without gaps; -1 for one to be left out.

        Where some are left out, ``unreadable`` holds the error of each location.
        """
        ...


def _number(keys: Sequence[Hashable]) -> np.ndarray:
    """Integers for keys, in the sort order of the keys."""
    order = {key: i for i, key in enumerate(sorted(set(keys)))}  # type: ignore[type-var]
    return np.fromiter((order[key] for key in keys), np.int64, len(keys))


@TASK_UTILS.register_module()
class LocationScene:
    """Each location is a scene (the default for SeCo)."""

    def assign(self, samples: Sequence[Sample]) -> np.ndarray:
        """Scene id of each sample, int64, by location."""
        # An index hands out its names without the rest of each sample.
        names = getattr(samples, 'names', None)
        return _number([sample['location'] for sample in samples] if names is None else names)


@TASK_UTILS.register_module()
class TileScene:
    """Each Sentinel-2 (MGRS) tile is a scene, taken from the product id: ``..._T36QZH``.

    Where the dates of one location lie in different tiles (tiles overlap), the most frequent tile
    stands for the location, the first in the alphabet on a tie: the same ground is one scene.

    Args:
        pattern: Regular expression with one group, the tile.
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
        """Scene id of each sample, int64, by tile."""
        votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for sample in samples:
            votes[sample['location']].update(self.tile(product) for product in sample['products'])
        tiles = {
            location: min(votes[location], key=lambda tile: (-votes[location][tile], tile))
            for location in votes
        }
        return _number([tiles[sample['location']] for sample in samples])


@TASK_UTILS.register_module()
class DistanceScene:
    """Locations whose centres are within some metres of each other are one scene.

    Being near is made transitive: scenes are the connected components of the graph that joins all
    centres within the distance. Distances are straight lines between points on the WGS 84
    ellipsoid, hence right at any latitude and across the date line (short of the ground distance by
    less than one part in 100,000 up to 100 km).

    Args:
        metres: Largest distance between the centres of two neighbours, in metres.
        centre: Reads longitude and latitude in degrees from a raster.
    """

    def __init__(
        self, metres: float, centre: Callable[[str], tuple[float, float]] = centre_lonlat
    ) -> None:
        if not metres > 0:
            raise ConfigError(f'DistanceScene(metres={metres}): expected a distance above 0.')
        self.metres = float(metres)
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

    def assign(self, samples: Sequence[Sample]) -> np.ndarray:
        """Scene id of each sample, int64, by distance; opens one raster a location.

        Locations without a readable raster get -1 and an entry in ``unreadable``.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components
        from scipy.spatial import cKDTree

        one = {sample['location']: sample for sample in reversed(samples)}
        locations = sorted(one)
        if len(locations) > 1000:
            print_log(f'Reading the georeference of {len(locations)} locations', logger='current')
        self.unreadable = {}
        places = {location: self._place(one[location]) for location in locations}
        locations = [location for location in locations if places[location] is not None]
        if not locations:
            return np.full(len(samples), -1, np.int64)
        tree = cKDTree(earth_centred(np.array([places[location] for location in locations])))
        a, b = tree.query_pairs(self.metres, output_type='ndarray').T
        shape = (len(locations), len(locations))
        graph = coo_array((np.ones(len(a), bool), (a, b)), shape=shape)
        _, labels = connected_components(graph, directed=False)
        scene = dict(zip(locations, labels.tolist(), strict=True))
        return np.fromiter((scene.get(s['location'], -1) for s in samples), np.int64, len(samples))


def earth_centred(lonlat: np.ndarray) -> np.ndarray:
    """Earth-centred Cartesian coordinates of points on the WGS 84 ellipsoid.

    Args:
        lonlat: N x 2 longitudes and latitudes in degrees.

    Returns:
        N x 3 coordinates in metres.
    """
    axis, e2 = 6_378_137.0, 6.694_379_990_14e-3
    lon, lat = np.radians(lonlat).T
    normal = axis / np.sqrt(1 - e2 * np.sin(lat) ** 2)
    return np.stack(
        [
            normal * np.cos(lat) * np.cos(lon),
            normal * np.cos(lat) * np.sin(lon),
            normal * (1 - e2) * np.sin(lat),
        ],
        axis=1,
    )
