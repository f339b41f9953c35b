"""Finishing a pack: the index put together from what each shard holds, then the manifest."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from swimdiff.datasets.geo import to_lonlat
from swimdiff.datasets.index import PatchIndex
from swimdiff.datasets.packs.format import COLUMNS, Manifest, file_checksum
from swimdiff.datasets.packs.parts import Part

__all__ = ['finish']


def finish(root: Path, plan: Manifest, index: PatchIndex, parts: Sequence[Part]) -> Manifest:
    """Write the index, and the manifest that says that the pack is complete last.

    Args:
        root: The pack.
        plan: Its manifest so far.
        index: Index of the archive.
        parts: What each shard holds.

    Returns:
        The manifest of the finished pack.
    """
    columns, systems = _columns(parts)
    rows = columns.pop('rows')
    kept_columns = {
        name: array[rows] for name, array in index.columns.items() if name not in COLUMNS
    }
    counts = np.bincount(index.location_of_rows()[rows], minlength=len(index.locations))
    there = np.flatnonzero(counts)
    first = np.concatenate([[0], np.cumsum(counts[there])]).astype(np.int64)
    whole = len(rows) == len(index) and len(there) == len(index.locations)
    centres = _centres(columns, systems, first, max(tuple(shape) for shape in plan.shapes))
    if index.centres is not None:
        known_centres = index.centres[there]
        centres = np.where(np.isfinite(known_centres).all(1, keepdims=True), known_centres, centres)
    packed_index = PatchIndex(
        locations=index.locations if whole else index.locations.take(there),
        paths=index.paths if whole else index.paths.take(rows),
        first=first,
        centres=centres,
        columns=kept_columns | columns,
        # What is left out is named in the manifest; here it would be a fault of the pack.
        about={k: value for k, value in index.about.items() if k not in ('left_out', 'notes')},
    )
    packed_index.save(root / 'index')
    for path in sorted((root / 'index').iterdir()):
        _on_disk(path)
    manifest = dataclasses.replace(
        plan,
        complete=True,
        shard_bytes=[part.size for part in parts],
        systems=systems,
        unreadable=[
            *index.about.get('left_out', ()),
            *(m for part in parts for m in part.unreadable),
        ],
        index={path.name: file_checksum(path) for path in sorted((root / 'index').iterdir())},
    )
    manifest.write(root)
    _on_disk(root)
    return manifest


def _on_disk(path: Path) -> None:
    """Wait until a file or folder has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _columns(parts: Sequence[Part]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Columns of all shards together, and the coordinate systems that they count."""
    systems: dict[str, int] = {}
    numbers = []
    for part in parts:
        table = [systems.setdefault(system, len(systems)) for system in part.systems]
        # The last entry means -1, no system.
        numbers.append(np.array([*table, -1], '<i2')[part.arrays['systems']])
    names = parts[0].arrays
    columns = {name: np.concatenate([part.arrays[name] for part in parts]) for name in names}
    columns['systems'] = np.concatenate(numbers)
    counts = [len(part.arrays['rows']) for part in parts]
    columns['shard'] = np.repeat(np.arange(len(parts), dtype='<i4'), counts)
    return columns, list(systems)


def _centres(
    columns: dict[str, np.ndarray], systems: list[str], first: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Longitude and latitude of the middle of the first row of each location, NaN without."""
    height, width = shape
    rows = first[:-1]
    x, dx, rx, y, ry, dy = columns['transforms'][rows].T
    points = np.stack(
        [x + dx * width / 2 + rx * height / 2, y + ry * width / 2 + dy * height / 2], axis=1
    )
    centres = np.full_like(points, np.nan)
    numbers = columns['systems'][rows]
    for number, system in enumerate(systems):
        here = numbers == number
        if here.any():
            centres[here] = to_lonlat(points[here], system)
    return centres
