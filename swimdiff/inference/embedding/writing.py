"""Writing tables of embeddings: GeoParquet 1.1, a row per patch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from swimdiff.files import partial_name, replace_file
from swimdiff.inference.embedding.arrow import import_arrow
from swimdiff.inference.embedding.cells import CellGrid

__all__ = ['META_KEY', 'SceneEntry', 'TableWriter', 'rows_of_group']

#: Key of our own metadata in the Parquet file.
META_KEY = 'swimdiff'
#: Bounds of a patch, and the columns that get smaller by packing; numbers of a network do not.
_BOX = ('xmin', 'ymin', 'xmax', 'ymax')
_PACKED = ('geometry', 'file', 'date', 'row', 'col', *(f'bbox.{name}' for name in _BOX))
#: One page for the vectors of a row group: lists are decoded a fifth faster.
_PAGE = 64 << 20
#: Numbers of the vectors of a row group: 32 MB of float32.
_GROUP = 8 << 20


def rows_of_group(dims: int) -> int:
    """Return how many rows a row group has at most: what a search holds at once."""
    return max(1, _GROUP // dims)


@dataclass(frozen=True)
class SceneEntry:
    """Describe what the metadata of a table say of a scene.

    Args:
        file: Its name in the column ``file``.
        date: YYYYMMDD, or ''.
        key: Hash of its files and of everything that decides its vectors.
        grid: Where its patches lie.
        patches: Rows of the table.
        skipped: Patches that have too little data.
        groups: Number of the first row group, and how many there are.
    """

    file: str
    date: str
    key: str
    grid: CellGrid
    patches: int = 0
    skipped: int = 0
    groups: tuple[int, int] = (0, 0)

    @classmethod
    def from_json(cls, text: Mapping[str, Any]) -> 'SceneEntry':
        """Return an entry from the metadata of a table."""
        groups = tuple(text['groups'])
        return cls(**{**text, 'grid': CellGrid(**text['grid']), 'groups': groups})


@dataclass
class TableWriter:
    """Write a table, whole or not at all; use it in a ``with``.

    Args:
        path: The file.
        dims: Length of a vector.
        half: Whether vectors are float16.
        system: Coordinate system of the geometry.
        about: What the metadata say of all scenes together.
    """

    path: Path
    dims: int
    half: bool
    system: str
    about: Mapping[str, Any]
    _groups: int = 0
    _bounds: list[tuple[float, ...]] = field(default_factory=list)
    _entries: list[SceneEntry] = field(default_factory=list)

    def __enter__(self) -> 'TableWriter':
        pa, parquet = import_arrow()
        kind = pa.float16() if self.half else pa.float32()
        corner = [(name, pa.float64()) for name in _BOX]
        self._vector = pa.list_(pa.field('element', kind, nullable=False), self.dims)
        self.schema = pa.schema(
            [
                pa.field('geometry', pa.binary(), nullable=False),
                pa.field('bbox', pa.struct(corner), nullable=False),
                pa.field('file', pa.string(), nullable=False),
                pa.field('date', pa.date32()),
                pa.field('row', pa.int32(), nullable=False),
                pa.field('col', pa.int32(), nullable=False),
                pa.field('vector', self._vector, nullable=False),
            ]
        )
        self._partial = self.path.with_name(partial_name(self.path.name))
        self._writer = parquet.ParquetWriter(
            self._partial,
            self.schema,
            compression=dict.fromkeys(_PACKED, 'zstd'),
            use_dictionary=['file', 'date'],
            data_page_size=_PAGE,
        )
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None:
                self._writer.add_key_value_metadata(self._metadata())
            self._writer.close()
            if kind is None:
                replace_file(self._partial, self.path)
        finally:
            self._partial.unlink(missing_ok=True)

    def write_patches(
        self, entry: SceneEntry, rows: np.ndarray, columns: np.ndarray, vectors: np.ndarray
    ) -> None:
        """Write one row group of a scene.

        Args:
            entry: The scene.
            rows: N numbers of rows.
            columns: N numbers of columns.
            vectors: N x D.
        """
        pa, _ = import_arrow()
        outlines = entry.grid.footprints(rows, columns, self.system)
        low, high = outlines.min(axis=1), outlines.max(axis=1)
        corners = np.concatenate([low, high], axis=1).astype(float)
        kind = np.float16 if self.half else np.float32
        numbers = pa.array(np.ascontiguousarray(vectors, kind).ravel())
        day = datetime.strptime(entry.date, '%Y%m%d').date() if entry.date else None
        count, box = len(rows), self.schema.field('bbox').type
        columns_made = [
            pa.array(shapely.to_wkb(shapely.polygons(outlines)), pa.binary()),
            pa.StructArray.from_arrays([pa.array(side) for side in corners.T], fields=list(box)),
            pa.array([entry.file] * count, pa.string()),
            pa.array([day] * count, pa.date32()),
            pa.array(rows, pa.int32()),
            pa.array(columns, pa.int32()),
            pa.FixedSizeListArray.from_arrays(numbers, type=self._vector),
        ]
        self.write_group(pa.Table.from_arrays(columns_made, schema=self.schema))

    def write_group(self, table: Any) -> None:
        """Write a ``pyarrow.Table`` of our columns as one row group."""
        if not len(table):
            return
        box = table.column('bbox').combine_chunks()
        lows = [float(np.min(box.field(name))) for name in ('xmin', 'ymin')]
        highs = [float(np.max(box.field(name))) for name in ('xmax', 'ymax')]
        self._bounds.append((*lows, *highs))
        self._writer.write_table(table, row_group_size=len(table))
        self._groups += 1

    def end_scene(self, entry: SceneEntry, groups: int) -> None:
        """Note a scene in the metadata: the last row groups written are its own.

        Args:
            entry: The scene.
            groups: Number of its row groups.
        """
        self._entries.append(
            SceneEntry(**{**vars(entry), 'groups': (self._groups - groups, groups)})
        )

    def _metadata(self) -> dict[str, str]:
        column: dict[str, Any] = dict(
            encoding='WKB',
            geometry_types=['Polygon'],
            crs=_projjson(self.system),
            orientation='counterclockwise',
            edges='planar',
            covering=dict(bbox={name: ['bbox', name] for name in ('xmin', 'ymin', 'xmax', 'ymax')}),
        )
        if self._bounds:
            bounds = np.array(self._bounds)
            column['bbox'] = [*bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0)]
        geo = dict(version='1.1.0', primary_column='geometry', columns=dict(geometry=column))
        scenes = [asdict(entry) for entry in self._entries]
        return {'geo': json.dumps(geo), META_KEY: json.dumps({**self.about, 'scenes': scenes})}


def _projjson(system: str) -> Mapping[str, Any]:
    from pyproj import CRS

    return CRS(system).to_json_dict()
