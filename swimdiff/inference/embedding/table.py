"""Reading tables of embeddings piece by piece: never more than a few row groups in memory."""

import functools
import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.environment.cores import count_cores
from swimdiff.errors import DatasetNotFoundError, LayoutError
from swimdiff.inference.embedding.arrow import import_arrow
from swimdiff.inference.embedding.writing import META_KEY, SceneEntry

__all__ = ['EmbeddingTable']

#: Row groups that are read at once, 32 MB each.
_READERS = 8


class EmbeddingTable:
    """Read a table of embeddings on disk.

    Args:
        path: GeoParquet of ``tools/embed.py``, also one that another program has filtered or
            joined; the maps need the metadata of ours.

    Attributes:
        dims: Length of a vector.
        about: Our metadata: checkpoint, patch, stride, scenes; empty where they are lost.
        scenes: Scenes in the order of the rows.
        system: Coordinate system of the geometry, as PROJJSON text.

    Raises:
        DatasetNotFoundError: The file is not there.
        LayoutError: It is damaged, or has no vectors.
    """

    def __init__(self, path: str | Path) -> None:
        pa, parquet = import_arrow()
        self.path = Path(path).expanduser()
        if not self.path.is_file():
            raise DatasetNotFoundError(
                f'{self.path.absolute()} does not exist. Expected a table of embeddings that '
                'tools/embed.py has written.'
            )
        try:
            self._file = parquet.ParquetFile(self.path)
            self._of_thread = threading.local()
            geo = json.loads((self._file.schema_arrow.metadata or {}).get(b'geo', b'{}'))
            self.about: Mapping[str, Any] = json.loads(self._find_metadata(META_KEY) or '{}')
            geo = geo or json.loads(self._find_metadata('geo') or '{}')
        except (pa.ArrowException, OSError, ValueError) as error:
            raise LayoutError(
                f'{self.path} ({self.path.stat().st_size} bytes) cannot be read as Parquet: '
                f'{error}. The file is damaged or only partly copied; write it again.'
            ) from error
        schema = self._file.schema_arrow
        kind = schema.field('vector').type if 'vector' in schema.names else None
        if kind is None or not (pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind)):
            raise LayoutError(
                f'{self.path} has the columns {", ".join(schema.names)}. Expected a column '
                '`vector` of lists of one length, as tools/embed.py writes it.'
            )
        counts = [self._file.metadata.row_group(i).num_rows for i in range(self.num_groups)]
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(int)
        self.scenes = [SceneEntry.from_json(text) for text in self.about.get('scenes', ())]
        column = geo.get('columns', {}).get(geo.get('primary_column', 'geometry'), {})
        self.system = json.dumps(column['crs']) if column.get('crs') else 'EPSG:4326'
        self.dims = self._measure(kind)

    def _find_metadata(self, key: str) -> str | None:
        text = (self._file.metadata.metadata or {}).get(key.encode())
        return text.decode() if text else None

    def _measure(self, kind: Any) -> int:
        size = getattr(kind, 'list_size', None)
        if size is None and len(self):
            size = len(self._file.read_row_group(0, ['vector']).column('vector')[0])
        return int(size or 0)

    def __len__(self) -> int:
        return self._file.metadata.num_rows

    @property
    def num_groups(self) -> int:
        """Number of row groups."""
        return self._file.metadata.num_row_groups

    @functools.cached_property
    def columns(self) -> Sequence[str]:
        """Return the names of the columns."""
        return tuple(self._file.schema_arrow.names)

    def _reader(self) -> Any:
        """The open file of this thread: pyarrow promises nothing for one shared by several."""
        if threading.current_thread() is threading.main_thread():
            return self._file
        if not hasattr(self._of_thread, 'file'):
            _, parquet = import_arrow()
            self._of_thread.file = parquet.ParquetFile(self.path, metadata=self._file.metadata)
        return self._of_thread.file

    def read_group(self, group: int, columns: Sequence[str] | None = None) -> Any:
        """Read one row group as a ``pyarrow.Table``.

        Args:
            group: Its number.
            columns: Names; all by default.

        Raises:
            LayoutError: The file is damaged there.
        """
        pa, _ = import_arrow()
        try:
            return self._reader().read_row_group(group, columns, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise LayoutError(
                f'{self.path}: row group {group} cannot be read: {error}. The file is damaged; '
                'write it again.'
            ) from error

    def read_vectors(self, group: int) -> np.ndarray:
        """Read the vectors of a row group, N x D float32.

        Raises:
            LayoutError: Vectors of another length, or missing ones.
        """
        column = self.read_group(group, ['vector']).column('vector').combine_chunks()
        numbers = column.flatten().to_numpy(zero_copy_only=False)
        if len(numbers) != len(column) * self.dims:
            raise LayoutError(
                f'{self.path}: vectors of row group {group} are missing or have other lengths '
                f'than {self.dims}. Expected all of one length.'
            )
        return numbers.reshape(len(column), self.dims).astype(np.float32, copy=False)

    def stream_vectors(
        self, groups: Sequence[int] | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the vectors of one row group after the other, read ahead.

        Args:
            groups: Numbers of row groups; all by default.

        Yields:
            Number of the first row, and N x D float32 vectors.
        """
        wanted_groups = list(range(self.num_groups) if groups is None else groups)
        # Lists cost more to decode than to compare, on as many cores as there are.
        readers = max(1, min(_READERS, count_cores(), len(wanted_groups)))
        with ThreadPoolExecutor(readers) as pool:
            ahead = deque(
                pool.submit(self.read_vectors, group) for group in wanted_groups[:readers]
            )
            rest = iter(wanted_groups[readers:])
            for group in wanted_groups:
                vectors = ahead.popleft().result()
                next_group = next(rest, None)
                if next_group is not None:
                    ahead.append(pool.submit(self.read_vectors, next_group))
                yield int(self.starts[group]), vectors

    def take(self, rows: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Read some rows.

        Args:
            rows: Numbers of rows, in any order.
            columns: Names of the columns.

        Returns:
            One dictionary by column per row, in the order asked for.
        """
        groups = np.searchsorted(self.starts, rows, side='right') - 1
        record_by_row: dict[int, dict[str, Any]] = {}
        for group in sorted(set(groups.tolist())):
            here = [int(row) for row, own in zip(rows, groups, strict=True) if own == group]
            places = [row - int(self.starts[group]) for row in here]
            part = self.read_group(group, list(columns)).take(places).to_pylist()
            record_by_row.update(zip(here, part, strict=True))
        return [record_by_row[int(row)] for row in rows]

    def scene_rows(self, scene: SceneEntry) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield rows, columns and vectors of a scene, row group by row group."""
        first, count = scene.groups
        for group in range(first, first + count):
            cells = self.read_group(group, ['row', 'col'])
            rows, columns = (cells.column(name).to_numpy() for name in ('row', 'col'))
            yield rows, columns, self.read_vectors(group)
