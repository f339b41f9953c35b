"""What a pack consists of: its manifest, its shards, its checksums.

    pack.json          the manifest: what was packed, how, and whether it is finished
    index/             columns of the index in NumPy's file format, see PatchIndex
    shard-00000.npy    records one after another, a one-dimensional uint8 array
    parts/             what each shard holds; lets an interrupted run go on

A record is one patch at one date: the planes of all packed bands in the order of the archive, each
at its own size. A plane as long as its pixels is the pixels themselves (little-endian, row by row);
a shorter one is encoded, see :mod:`swimdiff.datasets.packs.codecs`.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from swimdiff.errors import LayoutError
from swimdiff.files import replace_text

__all__ = [
    'CODECS',
    'COLUMNS',
    'HEADER',
    'MANIFEST',
    'Manifest',
    'checksum',
    'file_checksum',
    'npy_header',
    'read_manifest',
    'shard_name',
]

#: Raised when older readers would read the pack wrongly.
FORMAT = 1
MANIFEST = 'pack.json'

#: ``raw``: pixels as they are. ``jpeg``: files that are JPEG inside keep their own streams.
CODECS = ('raw', 'jpeg')

#: Columns of the index that a pack adds: number of the shard and first byte of the record in it;
#: length and checksum of each plane (N x C uint32); six numbers of the affine transform of the
#: finest band and number of its coordinate system (-1: none); date (bytes).
COLUMNS = ('shard', 'start', 'lengths', 'checksums', 'transforms', 'systems', 'dates')

#: Bytes before the first record: the header that makes a shard a .npy file.
HEADER = 128


@dataclass(frozen=True)
class Manifest:
    """Describe what a pack holds and how it was made.

    Args:
        kind: Data set that the archive was read as, by its name in the registry.
        source: Options of the source that decide the content.
        fingerprint: Checksum of the index of the archive: its paths and their order.
        bands: Bands, in the order of the planes of a record.
        shapes: Height and width of the plane of each band.
        dtype: Type of the pixels in the pack.
        unit: What a pixel of the archive says.
        codec: One of :data:`CODECS`.
        stretch: None; in packs of earlier versions perhaps ``stats`` (a name), ``low`` and ``high``
            (by band) of a stretch to uint8 that was applied.
        rows: Rows of the archive.
        shard_rows: Rows of the archive that go into one shard.
        complete: Whether the pack is finished. What follows is known only then.
        shard_bytes: Length of each shard.
        systems: Coordinate systems, WKT.
        unreadable: Rows of the archive that could not be read and were left out, one message each.
        index: Checksum of each file of the index.
    """

    kind: str
    source: Mapping[str, Any]
    fingerprint: str
    bands: Sequence[str]
    shapes: Sequence[Sequence[int]]
    dtype: str
    unit: str | None
    codec: str
    stretch: Mapping[str, Any] | None
    rows: int
    shard_rows: int
    complete: bool = False
    shard_bytes: Sequence[int] = ()
    systems: Sequence[str] = ()
    unreadable: Sequence[str] = ()
    index: Mapping[str, str] = field(default_factory=dict)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.rows // self.shard_rows)

    @property
    def plane_bytes(self) -> list[int]:
        """Return the bytes of the pixels of each plane."""
        size = np.dtype(self.dtype).itemsize
        return [height * width * size for height, width in self.shapes]

    def rows_of(self, shard: int) -> range:
        """Return the rows of the archive that a shard holds."""
        return range(shard * self.shard_rows, min((shard + 1) * self.shard_rows, self.rows))

    def recipe(self) -> dict[str, Any]:
        """Return what has to be the same for a run to go on where another stopped."""
        fields = dict(vars(self))
        for name in ('complete', 'shard_bytes', 'systems', 'unreadable', 'index'):
            del fields[name]
        return json.loads(json.dumps(fields))

    def write(self, root: Path) -> None:
        """Write the manifest, whole or not at all."""
        text = dict(format=FORMAT, **asdict(self))
        text['checksum'] = _text_checksum(text)
        replace_text(root / MANIFEST, json.dumps(text, indent=1))

    def digest(self) -> str:
        """Return a short name of the content of a finished pack."""
        return _text_checksum(asdict(self))


def read_manifest(root: str | Path) -> Manifest:
    """Read the manifest of a pack and check it.

    Raises:
        LayoutError: It is damaged, or written by another version of the format.
    """
    path = Path(root) / MANIFEST
    try:
        text = json.loads(path.read_text())
        if not isinstance(text, dict) or 'format' not in text:
            raise ValueError('no manifest of a pack')
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if text['format'] != FORMAT:
        raise LayoutError(
            f'{path} is of format {text["format"]!r}; this version reads {FORMAT}. Pack the '
            'archive again, or use the version of the toolkit that wrote it.'
        )
    expected_checksum = text.pop('checksum', None)
    if expected_checksum != _text_checksum(text):
        raise _damaged(path, f'content with another checksum than {expected_checksum}')
    del text['format']
    return Manifest(**text)


def _damaged(path: Path, found: str) -> LayoutError:
    return LayoutError(
        f'{path} is damaged. Expected the manifest of a pack; found {found}. Copy the pack again, '
        'or delete it and pack the archive again.'
    )


def shard_name(number: int) -> str:
    """Return the file name of a shard."""
    return f'shard-{number:05d}.npy'


def npy_header(length: int) -> bytes:
    """Return the header of a one-dimensional uint8 array, of a fixed length.

    The length is in bytes.
    """
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, dict(descr='|u1', fortran_order=False, shape=(length,))
    )
    text = buffer.getvalue()
    assert len(text) == HEADER, len(text)
    return text


def checksum(plane: Any) -> int:
    """Return the checksum of the pixels of a plane (a contiguous array), 32 bits."""
    return xxhash.xxh3_64_intdigest(plane) & 0xFFFFFFFF


def file_checksum(path: str | Path) -> str:
    """Return the checksum of a file, 16 hexadecimal digits."""
    hasher = xxhash.xxh3_64()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def _text_checksum(text: Mapping[str, Any]) -> str:
    return xxhash.xxh3_64_hexdigest(json.dumps(text, sort_keys=True).encode())
