"""Lengths on the WGS 84 ellipsoid and points carried from one coordinate system to another."""

import functools
import math
import threading
from typing import Any

import numpy as np
import pyproj

from swimdiff.datasets.geo.access import gdal_modules

__all__ = [
    'AXIS',
    'E2',
    'carry',
    'earth_centred',
    'is_geographic',
    'join_longitudes',
    'meridian_metres',
    'metres_per_unit',
    'same_system',
    'spatial_reference',
    'to_lonlat',
]

_WGS84 = pyproj.Geod(ellps='WGS84')
#: Semi-major axis in metres and squared eccentricity of WGS 84.
AXIS, E2 = _WGS84.a, _WGS84.es

_LONLAT = 'EPSG:4326'
_thread = threading.local()


def earth_centred(lonlat: np.ndarray) -> np.ndarray:
    """Return Cartesian coordinates of points on the WGS 84 ellipsoid.

    Args:
        lonlat: N x 2 longitudes and latitudes in degrees.

    Returns:
        N x 3 coordinates in metres.
    """
    lon, lat = np.asarray(lonlat, float).T
    return np.stack(_to_centred().transform(lon, lat, np.zeros(len(lon))), axis=1)


@functools.lru_cache(maxsize=1)
def _to_centred() -> pyproj.Transformer:
    return pyproj.Transformer.from_crs('EPSG:4979', 'EPSG:4978', always_xy=True)


def meridian_metres(lat: np.ndarray) -> np.ndarray:
    """Return the length of the meridian from the equator to some latitudes.

    Latitudes are in degrees; the length is negative in the south.

    The elliptic integral of the second kind in closed form (Snyder 1987, equation 3-21).
    """
    from scipy.special import ellipeinc

    phi = np.radians(lat)
    sine, cosine = np.sin(phi), np.cos(phi)
    return AXIS * (ellipeinc(phi, E2) - E2 * sine * cosine / np.sqrt(1 - E2 * sine**2))


@functools.lru_cache(maxsize=256)
def _system(text: str) -> Any:
    _, osr = gdal_modules()
    system = osr.SpatialReference()
    system.SetFromUserInput(text)
    system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return system


def spatial_reference(system: str) -> Any:
    """Return a coordinate system as GDAL's object, longitude or easting first.

    Of many systems (EPSG:4326, EPSG:3035) GDAL's own order is latitude or northing first, which
    turns what is drawn or warped with a system that was set as it was read.

    Args:
        system: WKT or a name such as ``EPSG:32633``.

    Raises:
        RuntimeError: GDAL does not know it.
    """
    return _system(system).Clone()


def is_geographic(system: str) -> bool:
    """Return whether coordinates of a system are degrees of longitude and latitude."""
    return bool(_system(system).IsGeographic())


@functools.lru_cache(maxsize=1024)
def same_system(one: str, other: str) -> bool:
    """Return whether two systems give the same coordinates, however they are written.

    Args:
        one: A coordinate system, as WKT or a name such as ``EPSG:32633``.
        other: Another one.
    """
    return one == other or bool(_system(one).IsSame(_system(other)))


def carry(points: np.ndarray, source: str, target: str) -> np.ndarray:
    """Convert points of one coordinate system to another.

    Args:
        points: ... x 2 coordinates, longitude or easting first.
        source: System of the points, as WKT or ``EPSG:...``.
        target: System wanted.

    Returns:
        ... x 2 float64, infinite where a point has no place in the target.
    """
    if source == target:
        return np.asarray(points, float)
    # A transformation may not be used by two threads at once.
    transformations = _thread.__dict__.setdefault('known', {})
    if (source, target) not in transformations:
        _, osr = gdal_modules()
        transformations[source, target] = osr.CoordinateTransformation(
            _system(source), _system(target)
        )
    flat = np.asarray(points, float).reshape(-1, 2)
    gdal, _ = gdal_modules()
    gdal.PushErrorHandler('CPLQuietErrorHandler')
    try:
        moved_points = transformations[source, target].TransformPoints(flat.tolist())
    except RuntimeError:  # raised for all of them where one has no place there
        if len(flat) < 2:
            return np.full(np.shape(points), np.inf)
        moved_points = np.concatenate(
            [carry(part, source, target) for part in np.array_split(flat, 2)]
        )
    finally:
        gdal.PopErrorHandler()
    return np.array(moved_points, float)[:, :2].reshape(np.shape(points))


def to_lonlat(points: np.ndarray, system: str) -> np.ndarray:
    """Return longitudes (-180 to 180) and latitudes of some points, in degrees.

    Args:
        points: N x 2 coordinates.
        system: Their system, as WKT or a name such as ``EPSG:32633``.
    """
    lonlat = (
        carry(points, system, _LONLAT) if not is_geographic(system) else np.array(points, float)
    )
    with np.errstate(invalid='ignore'):  # infinite where a point is not on Earth
        lonlat[..., 0] = (lonlat[..., 0] + 180) % 360 - 180
    return lonlat


def join_longitudes(points: np.ndarray, near: float, carried: bool) -> np.ndarray:
    """Move figures by whole turns to one side of the date line, each in one piece.

    A figure whose points were moved one by one would be torn where it crosses the seam.

    Args:
        points: N x ... x 2 longitudes and latitudes in degrees; each of the N figures is a path, or
            a mesh, with less than half a turn between neighbours.
        near: Longitude that the middle of each figure is to be closest to.
        carried: Whether the points come from another system: neighbours may then be on two sides
            of the date line.

    Returns:
        N x ... x 2.
    """
    moved_points = np.array(points, float)
    longitudes = moved_points[..., 0]
    if not np.isfinite(longitudes).all():  # partly not on Earth: no figure
        with np.errstate(invalid='ignore'):
            longitudes += 360 * np.round((near - longitudes) / 360)
        return moved_points
    if carried:
        for axis in range(1, longitudes.ndim):
            longitudes[:] = np.unwrap(longitudes, period=360, axis=axis)
    flat = longitudes.reshape(len(moved_points), -1)
    turns = np.round((near - (flat.min(axis=1) + flat.max(axis=1)) / 2) / 360)
    longitudes += 360 * turns.reshape(-1, *[1] * (longitudes.ndim - 1))
    return moved_points


def metres_per_unit(x: float, y: float, system: str) -> tuple[float, float]:
    """Return the metres that one unit of a system measures at a point, by axis.

    A projected system whose scale is true to 1 % (UTM) is taken by its own unit.

    Args:
        x: First coordinate of the point.
        y: Second coordinate.
        system: Their system, as WKT or a name such as ``EPSG:32633``.
    """
    unit = 1e-4 if is_geographic(system) else 1.0
    points = np.array([[x, y], [x + unit, y], [x, y + unit]])
    middle, east, north = earth_centred(to_lonlat(points, system))
    metres = [float(np.linalg.norm(end - middle)) / unit for end in (east, north)]
    if not is_geographic(system):
        own = float(_system(system).GetLinearUnits())
        metres = [own if math.isclose(own, value, rel_tol=0.01) else value for value in metres]
    return metres[0], metres[1]
