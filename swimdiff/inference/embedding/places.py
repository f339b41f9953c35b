"""Rows of a table by where they lie on the ground."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
import shapely

from swimdiff.datasets.geo import carry, same_system
from swimdiff.errors import ConfigError
from swimdiff.inference.embedding.cells import LONLAT
from swimdiff.inference.embedding.table import EmbeddingTable

__all__ = ['find_overlapping', 'find_patch', 'read_outlines']

#: Share of a patch that must lie in another for the two to be the same place.
_OVERLAP = 0.01


def find_patch(table: EmbeddingTable, lon: float, lat: float, day: str | None = None) -> int:
    """Find the row of the patch that lies around a point.

    Args:
        table: The table.
        lon: Longitude in degrees, WGS 84.
        lat: Latitude in degrees.
        day: Date of the patch, YYYY-MM-DD; by default the last one.

    Returns:
        Number of the row; of several the one whose middle is closest to the point.

    Raises:
        ConfigError: No patch lies there; says where the patches lie.
    """
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise ConfigError(
            f'--like {lon:g} {lat:g}: expected a longitude from -180 to 180, then a latitude '
            'from -90 to 90, in degrees.'
        )
    lonlat = same_system(table.system, LONLAT)
    point = (
        np.array([lon, lat]) if lonlat else carry(np.array([[lon, lat]]), LONLAT, table.system)[0]
    )
    # A patch across the date line has longitudes beyond 180 on one side.
    points = [point + np.array([turn, 0]) for turn in (-360, 0, 360)] if lonlat else [point]
    candidates: list[tuple[Any, float, int]] = []
    for x, y in points:
        for rows, outlines in _near(table, (x, y, x, y)):
            inside = shapely.intersects(outlines, shapely.Point(x, y))
            middles = shapely.distance(shapely.centroid(outlines), shapely.Point(x, y))
            candidates += [
                (None, distance, row)
                for row, distance in zip(rows[inside], middles[inside], strict=True)
            ]
    dates = [record['date'] for record in table.take([row for *_, row in candidates], ['date'])]
    dated_patches = [
        (own, distance, row) for own, (_, distance, row) in zip(dates, candidates, strict=True)
    ]
    if day is not None:
        dated_patches = [item for item in dated_patches if str(item[0]) == day]
    if not dated_patches:
        others = ', '.join(sorted({str(own) for own in dates}))
        raise ConfigError(_explain_none(table, lon, lat, day, others))
    dated_patches.sort(key=lambda item: (-(item[0] or date.min).toordinal(), item[1], item[2]))
    return int(dated_patches[0][2])


def _explain_none(
    table: EmbeddingTable, lon: float, lat: float, day: str | None, others: str
) -> str:
    if others:
        return f'The patches around {lon:g} {lat:g} are of {others}; none is of {day}. Name one.'
    boxes = [box for _, box in _boxes(table) if len(box)]
    if not boxes:
        return f'{table.path} holds no patch. Embed scenes that have data.'
    bounds = np.concatenate(boxes)
    corners = np.array([bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)])
    if not same_system(table.system, LONLAT):
        corners = carry(corners, table.system, LONLAT)
    (west, south), (east, north) = corners.tolist()
    return (
        f'No patch of {table.path} lies around longitude {lon:g}, latitude {lat:g}. Its patches '
        f'lie within longitude {west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f} '
        '(with gaps where there is no scene or no data).'
    )


def find_overlapping(table: EmbeddingTable, row: int) -> list[int]:
    """Find the rows whose ground overlaps with that of a row.

    They are other dates, and neighbours that overlap.

    Args:
        table: The table.
        row: Number of the row, which is among the result.

    Returns:
        Numbers of rows.
    """
    outline = read_outlines(table, [row])[0]
    least = _OVERLAP * outline.area
    overlapping_rows = []
    for rows, outlines in _near(table, outline.bounds):
        shared_areas = shapely.area(shapely.intersection(outlines, outline))
        overlapping_rows += rows[shared_areas >= least].tolist()
    return overlapping_rows


def read_outlines(table: EmbeddingTable, rows: Sequence[int]) -> np.ndarray:
    """Return outlines of some rows as shapely polygons, in the table's system.

    Args:
        table: The table.
        rows: Numbers of N rows.
    """
    records = table.take(rows, ['geometry'])
    return shapely.from_wkb(np.array([record['geometry'] for record in records], object))


def _boxes(table: EmbeddingTable) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the bounds of the patches of each row group, N x 4."""
    for group in range(table.num_groups):
        if 'bbox' in table.columns:
            box = table.read_group(group, ['bbox']).column('bbox').combine_chunks()
            names = ('xmin', 'ymin', 'xmax', 'ymax')
            sides = [box.field(name).to_numpy(zero_copy_only=False) for name in names]
            yield group, np.stack(sides, axis=1)
        else:
            column = table.read_group(group, ['geometry']).column('geometry')
            yield group, shapely.bounds(shapely.from_wkb(column.to_numpy()))


def _near(
    table: EmbeddingTable, extent: tuple[float, float, float, float]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows whose bounds meet an extent, and their outlines."""
    xmin, ymin, xmax, ymax = extent
    for group, box in _boxes(table):
        is_meeting = (box[:, 0] <= xmax) & (box[:, 2] >= xmin)
        is_meeting &= (box[:, 1] <= ymax) & (box[:, 3] >= ymin)
        places = np.flatnonzero(is_meeting)
        if len(places):
            column = table.read_group(group, ['geometry']).column('geometry').take(places)
            yield places + int(table.starts[group]), shapely.from_wkb(column.to_numpy())
