"""Which scenes are dates of one place, and the grid of windows over a place.

Scenes whose footprints share more than a part of the smaller one are one place, whatever tile, UTM
zone or grid they come in. Being one place is made transitive.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely

from swimdiff.datasets.geo import (
    AXIS,
    carry,
    earth_centred,
    is_geographic,
    join_longitudes,
    metres_per_unit,
    same_system,
    to_lonlat,
)
from swimdiff.datasets.rasters.opening import Extent, SceneRasters

__all__ = ['Place', 'group_scenes', 'lay_grid', 'outline']


class Place(NamedTuple):
    """Describe a place and the lattice its windows lie on.

    Args:
        name: The scene whose grid is the reference.
        system: Coordinate system, WKT.
        west: West edge of the first window.
        dx: Width of a pixel of the finest band, in units of the system.
        north: North edge of the first window.
        dy: Height of a pixel, above 0.
    """

    name: str
    system: str
    west: float
    dx: float
    north: float
    dy: float


def outline(extent: Extent, points: int = 8) -> np.ndarray:
    """Return points along the edge of a rectangle, counter-clockwise.

    They begin in its south-west corner.

    Args:
        extent: The rectangle.
        points: Points a side.

    Returns:
        4 * points x 2.
    """
    west, south, east, north = extent
    t = np.arange(points) / points
    x = np.concatenate([west + t * (east - west), np.full(points, east)])
    x = np.concatenate([x, west + east - x])
    y = np.concatenate([np.full(points, south), south + t * (north - south)])
    return np.stack([x, np.concatenate([y, south + north - y])], axis=1)


def outline_in(scene: SceneRasters, system: str, near: float) -> np.ndarray:
    """Return the outline of a scene in another system, in one piece.

    Its middle is as close to ``near`` as can be.

    Args:
        scene: The scene.
        system: The other system, as WKT.
        near: Coordinate on whose side of the date line the outline should be.
    """
    points = outline(scene.extent)
    is_carried = not same_system(scene.system, system)
    if is_carried:
        points = carry(points, scene.system, system)
    return join_longitudes(points[None], near, is_carried)[0] if is_geographic(system) else points


def overlap(one: SceneRasters, other: SceneRasters) -> float:
    """Return the share of the smaller of two footprints in the other, 0 to 1.

    Args:
        one: A scene.
        other: Another one, in any system.
    """
    west, south, east, north = one.extent
    if same_system(one.system, other.system) and not is_geographic(one.system):
        polygon = outline(other.extent, points=1)
    else:
        polygon = outline_in(other, one.system, (west + east) / 2)
    if not np.isfinite(polygon).all():
        return 0.0
    footprint, frame = shapely.Polygon(polygon).buffer(0), shapely.box(west, south, east, north)
    smaller = min(frame.area, footprint.area)
    return footprint.intersection(frame).area / smaller if smaller else 0.0


def _neighbours(scenes: Sequence[SceneRasters]) -> set[tuple[int, int]]:
    """Pairs of footprints that may touch, by the spheres around them."""
    from scipy.spatial import cKDTree

    edges = np.stack([to_lonlat(outline(scene.extent), scene.system) for scene in scenes])
    whole = np.isfinite(edges).all(axis=(1, 2))
    # A full disk of a geostationary satellite has corners in space: it may touch any other.
    centres, radii = np.zeros((len(scenes), 3)), np.full(len(scenes), 1.01 * AXIS)
    on_earth = np.array([earth_centred(edge) for edge in edges[whole]]).reshape(
        -1, edges.shape[1], 3
    )
    centres[whole] = on_earth.mean(axis=1)
    radii[whole] = np.linalg.norm(on_earth - centres[whole, None], axis=2).max(axis=1)
    # By classes of size, so that one large scene does not make every small one its neighbour.
    classes = np.floor(np.log2(radii)).astype(int)
    pairs = set()
    for size in np.unique(classes):
        large, rest = np.flatnonzero(classes == size), np.flatnonzero(classes <= size)
        reach = radii[rest] + radii[large].max()
        near = cKDTree(centres[large]).query_ball_point(centres[rest], reach)
        for i, neighbours in zip(rest.tolist(), near, strict=True):
            for j in large[neighbours].tolist():
                if i != j and np.linalg.norm(centres[i] - centres[j]) < radii[i] + radii[j]:
                    pairs.add((min(i, j), max(i, j)))
    return pairs


def group_scenes(scenes: Sequence[SceneRasters], same_place: float) -> list[list[int]]:
    """Return the numbers of the scenes of each place, the reference first.

    The reference is the finest, then the largest.

    Args:
        scenes: Scenes, sorted by path.
        same_place: Two scenes are one place where they share more than this.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first: dict[tuple, int] = {}
    same = [first.setdefault((scene.system, scene.extent), i) for i, scene in enumerate(scenes)]
    unique = sorted(set(same))
    pairs = [
        (unique[a], unique[b])
        for a, b in sorted(_neighbours([scenes[i] for i in unique]))
        if overlap(scenes[unique[a]], scenes[unique[b]]) > same_place
    ]
    links = np.array([*pairs, *enumerate(same)])
    graph = coo_array((np.ones(len(links), bool), links.T), shape=(len(scenes),) * 2)
    _, labels = connected_components(graph, directed=False)
    groups: dict[int, list[int]] = {}
    for i, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(i)
    return sorted(sorted(group, key=lambda i: _rank(scenes[i])) for group in groups.values())


def _rank(scene: SceneRasters) -> tuple[float, float, str]:
    west, south, east, north = scene.extent
    x_metres, y_metres = metres_per_unit((west + east) / 2, (south + north) / 2, scene.system)
    metres = min(math.sqrt(b.dx * b.dy * x_metres * y_metres) for b in scene.bands.values())
    # Rounded, or the same pixels would differ a little with the place of the scene on the globe.
    return round(math.log(metres), 2), -(east - west) * (north - south), scene.path


def lay_grid(
    name: str, scenes: Sequence[SceneRasters], pixel_metres: float | None, step: int, patch: int
) -> Place:
    """Return the lattice of a place: that of its reference, begun with the dates.

    Args:
        name: Name of the place.
        scenes: Scenes of the place, the reference first.
        pixel_metres: Ground size of a pixel; None takes the pixels of the reference.
        step: Pixels that a window may be moved by, so that the coarser bands' pixels divide it.
        patch: Side of a window in pixels.
    """
    reference = scenes[0]
    bands = reference.bands.values()
    fine, coarse = min(bands, key=lambda b: b.dx), max(bands, key=lambda b: b.dx)
    dx, dy = fine.dx, fine.dy
    west, south, east, north = reference.extent
    if pixel_metres is not None:
        metres = metres_per_unit((west + east) / 2, (south + north) / 2, reference.system)
        own = (fine.dx * metres[0], fine.dy * metres[1])
        # Pixels as good as those wanted are taken as they are.
        dx = dx if math.isclose(own[0], pixel_metres, rel_tol=0.01) else pixel_metres / metres[0]
        dy = dy if math.isclose(own[1], pixel_metres, rel_tol=0.01) else pixel_metres / metres[1]
    for scene in scenes[1:]:
        points = outline_in(scene, reference.system, (west + east) / 2)
        side = len(points) // 4
        # Dates that begin a little further in: the first window is the first that they share.
        left = float(points[[*range(3 * side, 4 * side), 0], 0].max())
        top = float(points[2 * side : 3 * side + 1, 1].min())
        west = left if west < left < west + patch * dx / 2 else west
        north = top if north > top > north - patch * dy / 2 else north
    columns = math.ceil((west - coarse.west) / (step * dx) - 1e-3)
    rows = math.ceil((coarse.north - north) / (step * dy) - 1e-3)
    west, north = coarse.west + columns * step * dx, coarse.north - rows * step * dy
    return Place(name, reference.system, west, dx, north, dy)
