"""Writing one shard of a pack: what each worker of ``pack.py`` does."""

import errno
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xxhash

from swimdiff.datasets.geo import open_raster
from swimdiff.datasets.index import Georeference, PatchSource
from swimdiff.datasets.packs.codecs import encode_jpeg
from swimdiff.datasets.packs.format import HEADER, Manifest, checksum, npy_header, shard_name
from swimdiff.datasets.packs.parts import Part, part_path, read_part
from swimdiff.errors import DataError, LayoutError, RasterError
from swimdiff.files import open_whole

__all__ = ['DiskFull', 'Packer']

_FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(DataError):
    """Report that there is no room for a shard."""


def find_georeference(
    source: PatchSource, row: int, band: str, shape: tuple[int, int]
) -> Georeference | None:
    """Return where the plane of a band lies, None where nothing tells.

    Asked of the source; where it does not know, read from the file of the band, if that file is
    the patch and not something larger.

    Args:
        source: The archive.
        row: Row of its index.
        band: The band.
        shape: Height and width of its plane in pixels.
    """
    georeference = source.georeference(row, band)
    if georeference is not None:
        return georeference
    try:
        dataset = open_raster(source.rasters(row, [band])[0])
    except (OSError, RuntimeError):
        return None
    transform, system = dataset.GetGeoTransform(can_return_null=True), dataset.GetSpatialRef()
    if transform is None or system is None or (dataset.RasterYSize, dataset.RasterXSize) != shape:
        return None
    return tuple(transform), system.ExportToWkt(['FORMAT=WKT2_2019'])


class Packer:
    """Write shards of one pack.

    Args:
        root: The pack.
        manifest: What goes into it.
        source: The archive.
        skip_unreadable: Leave out rows that cannot be read, instead of stopping.
    """

    def __init__(
        self, root: Path, manifest: Manifest, source: PatchSource, skip_unreadable: bool = False
    ) -> None:
        self.root, self.manifest, self.source = root, manifest, source
        self.skip_unreadable = skip_unreadable
        self._shapes = [(height, width) for height, width in manifest.shapes]
        self._finest = self._shapes.index(max(self._shapes))

    def write(self, number: int) -> Part:
        """Write a shard, unless it is there already.

        Args:
            number: Number of the shard.

        Raises:
            LayoutError: A file is missing, or changed since the shard was written.
            RasterError: A file is damaged.
            DiskFull: No room.
        """
        rows = self.manifest.rows_of(number)
        files = self._files_checksum(rows)
        finished_part = self._finished(number, files)
        if finished_part is not None:
            return finished_part
        path = self.root / shard_name(number)
        try:
            with open_whole(path) as file:
                part = self._write_rows(file, rows, files)
            part.save(part_path(self.root, number))
        except OSError as error:
            if error.errno in _FULL:
                raise DiskFull(f'{path} does not fit on the disk: {error}.') from error
            raise
        return part

    def check(self, number: int) -> None:
        """Compare the archive with what a shard was made of.

        One without its part is not judged.

        Raises:
            LayoutError: Files changed since the shard was written.
        """
        self._finished(number, self._files_checksum(self.manifest.rows_of(number)))

    def _finished(self, number: int, files: str) -> Part | None:
        """Return what a finished shard holds, if it is made of the files that are there now."""
        part = read_part(self.root, number)
        if part is not None and part.files != files:
            rows, paths = self.manifest.rows_of(number), self.source.index.paths
            raise LayoutError(
                f'{self.source.root} changed since {self.root / shard_name(number)} was '
                f'packed from it: files of {paths[rows[0]]} to '
                f'{paths[rows[-1]]} have other sizes or times. Delete that shard '
                'to pack these again, or begin again in another folder.'
            )
        return part

    def _files_checksum(self, rows: range) -> str:
        hasher = xxhash.xxh3_64()
        for row in rows:
            for name in dict.fromkeys(self.source.rasters(row, self.manifest.bands)):
                try:
                    file_state = os.stat(name)
                    state = f'{file_state.st_size} {file_state.st_mtime_ns}'
                except OSError:
                    state = 'missing'
                hasher.update(os.fsencode(f'{os.path.relpath(name, self.source.root)} {state}\n'))
        return hasher.hexdigest()

    def _write_rows(self, file: BinaryIO, rows: range, files: str) -> Part:
        file.write(bytes(HEADER))
        start, kept_rows = HEADER, []
        systems: dict[str, int] = {}
        columns: dict[str, list[Any]] = {name: [] for name in _PER_ROW}
        unreadable: list[str] = []
        for row in rows:
            try:
                planes = self._planes(row)
            except (LayoutError, RasterError) as error:
                if not self.skip_unreadable:
                    raise
                unreadable.append(str(error))
                continue
            blobs = self._encode(row, planes)
            for blob in blobs:
                file.write(blob)
            finest = self.manifest.bands[self._finest]
            place = find_georeference(self.source, row, finest, self._shapes[self._finest])
            transform, system = place or ((np.nan,) * 6, None)
            kept_rows.append(row)
            lengths = [_length(blob) for blob in blobs]
            columns['start'].append(start)
            columns['lengths'].append(lengths)
            columns['checksums'].append([checksum(plane) for plane in planes])
            columns['transforms'].append(transform)
            columns['systems'].append(
                -1 if system is None else systems.setdefault(system, len(systems))
            )
            columns['dates'].append(self.source.row_date(row).encode())
            start += sum(lengths)
        file.seek(0)
        file.write(npy_header(start - HEADER))
        arrays = {'rows': np.array(kept_rows, np.int64)}
        for name, (kind, shape) in _PER_ROW.items():
            full_shape = (len(kept_rows), *(len(self._shapes) if n < 0 else n for n in shape))
            values = np.array(columns[name], kind)
            arrays[name] = values.reshape(full_shape)
        return Part(arrays, list(systems), unreadable, start, files)

    def _planes(self, row: int) -> list[np.ndarray]:
        manifest = self.manifest
        planes = self.source.read([row], manifest.bands)[0]
        for band, plane, shape in zip(manifest.bands, planes, self._shapes, strict=True):
            if plane.shape != shape or plane.dtype.name != self.source.dtype:
                raise RasterError(
                    f'{self.source.path(row)}: band {band} has {plane.shape[1]} x '
                    f'{plane.shape[0]} pixels of {plane.dtype.name}. Expected {shape[1]} x '
                    f'{shape[0]} of {self.source.dtype}, as in the first patch: a pack holds '
                    'patches of one size.'
                )
        return [np.ascontiguousarray(plane) for plane in planes]

    def lengths(self, row: int) -> list[int]:
        """Return the bytes of each plane of a row as it would be written."""
        return [_length(blob) for blob in self._encode(row, self._planes(row))]

    def _encode(self, row: int, planes: list[np.ndarray]) -> list[Any]:
        if self.manifest.codec == 'raw':
            return list(planes)
        files = self.source.rasters(row, self.manifest.bands)
        if len(files) != len(planes):
            return list(planes)
        pairs = zip(files, planes, strict=True)
        return [encode_jpeg(file, plane) or plane for file, plane in pairs]


def _length(blob: bytes | np.ndarray) -> int:
    return len(blob) if isinstance(blob, bytes) else blob.nbytes


#: Type and shape after the first axis of each column; -1: one entry per band.
_PER_ROW: dict[str, tuple[str, tuple[int, ...]]] = {
    'start': ('<i8', ()),
    'lengths': ('<u4', (-1,)),
    'checksums': ('<u4', (-1,)),
    'transforms': ('<f8', (6,)),
    'systems': ('<i2', ()),
    'dates': ('S', ()),
}
