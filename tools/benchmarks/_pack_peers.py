"""Formats that pack_formats.py compares: how each writes records and reads them."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.bands import SECO_BANDS
from swimdiff.datasets import SeCo
from swimdiff.datasets.index import PatchIndex, Strings
from swimdiff.datasets.packs import PackOptions, PackSource, make_pack

__all__ = ['ALL', 'FORMATS', 'RGB', 'Reader', 'Records']

Planes = list[np.ndarray]
Reader = Callable[[int, Sequence[int]], Planes]
RGB = tuple(SECO_BANDS.index(band) for band in ('B02', 'B03', 'B04'))
ALL = tuple(range(len(SECO_BANDS)))
#: Bands by resolution, as formats of whole arrays need them.
GROUPS: dict[int, list[int]] = {side: [] for side in (264, 132, 44)}


class Records:
    """Planes of real patches, as many as wanted.

    Args:
        root: A tree in SeCo's layout with all bands.
        count: Number of records.
    """

    def __init__(self, root: str, count: int) -> None:
        dataset = SeCo(root, bands=None, index_cache=None)
        dataset.full_init()
        self.dataset, self.count = dataset, count
        real = range(len(dataset))
        self.real = [dataset.source.read([row], SECO_BANDS)[0] for row in real]
        self.shapes = [plane.shape for plane in self.real[0]]
        for band, (side, _) in enumerate(self.shapes):
            GROUPS[side].append(band)
        self.ends = np.cumsum([0, *(h * w for h, w in self.shapes)]).tolist()

    def __getitem__(self, i: int) -> Planes:
        if not 0 <= i < self.count:
            raise IndexError(i)
        planes, shift = self.real[i % len(self.real)], i // len(self.real)
        return [np.roll(plane, (shift, 3 * shift), (0, 1)) for plane in planes]

    def bytes(self, i: int) -> bytes:
        """Read a record end to end."""
        return b''.join(plane.tobytes() for plane in self[i])

    def cut(self, record: Any, bands: Sequence[int], start: int = 0) -> Planes:
        """Copy the planes of some bands out of the bytes of a record."""
        data = np.frombuffer(record, np.uint8)
        pieces = (data[self.ends[b] - start : self.ends[b + 1] - start] for b in bands)
        return [p.reshape(self.shapes[b]).copy() for p, b in zip(pieces, bands, strict=True)]


# Each format: a function that writes the records and one that opens them.


def _write_pack(records: Records, folder: Path) -> None:
    """Our own pack of the rolled patches: the archive's reader is replaced."""
    source = records.dataset.source
    index = source.index
    record_count = records.count
    copies = -(-record_count // len(index))
    names = [f'{i:06d}' for i in range(copies * len(index))][:record_count]
    source.index = PatchIndex(
        locations=Strings.of(names),
        paths=Strings.of(f'{name}/20200101T000000' for name in names),
        first=np.arange(record_count + 1),
    )
    source.read = lambda rows, bands: [records[row] for row in rows]
    make_pack(source, 'SeCo', folder / 'pack', PackOptions())


def _open_pack(records: Records, folder: Path) -> Reader:
    source = PackSource(folder / 'pack')
    return lambda i, bands: source.read([i], [SECO_BANDS[b] for b in bands])[0]


def _write_npy(records: Records, folder: Path) -> None:
    shape = (records.count, records.ends[-1])
    array = np.lib.format.open_memmap(folder / 'all.npy', 'w+', np.uint8, shape)
    for i in range(records.count):
        array[i] = np.frombuffer(records.bytes(i), np.uint8)
    array.flush()


def _open_npy(records: Records, folder: Path) -> Reader:
    array = np.load(folder / 'all.npy', mmap_mode='r')
    return lambda i, bands: records.cut(array[i], bands)


def _write_lmdb(records: Records, folder: Path) -> None:
    lmdb = importlib.import_module('lmdb')
    size = 2 * records.count * (records.ends[-1] + 8192)
    with lmdb.open(str(folder), map_size=size) as file, file.begin(write=True) as change:
        for i in range(records.count):
            change.put(b'%08d' % i, records.bytes(i))


def _open_lmdb(records: Records, folder: Path) -> Reader:
    lmdb = importlib.import_module('lmdb')
    file = lmdb.open(str(folder), readonly=True, lock=False)
    view = file.begin(buffers=True)
    return lambda i, bands: records.cut(view.get(b'%08d' % i), bands)


def _write_zarrs(records: Records, folder: Path, compressors: Any) -> None:
    zarr = importlib.import_module('zarr')
    group = zarr.open_group(str(folder), mode='w')
    arrays = {}
    for side, bands in GROUPS.items():
        rows = min(256, records.count)
        arrays[side] = group.create_array(
            f'side{side}',
            shape=(-(-records.count // rows) * rows, len(bands), side, side),
            shards=(rows, len(bands), side, side),
            chunks=(1, 1, side, side),
            dtype='uint8',
            compressors=compressors,
        )
    for start in range(0, records.count, 256):
        block = [records[i] for i in range(start, min(start + 256, records.count))]
        for side, bands in GROUPS.items():
            arrays[side][start : start + len(block)] = [[r[b] for b in bands] for r in block]


def _write_zarr(records: Records, folder: Path) -> None:
    _write_zarrs(records, folder, None)


def _write_zarr_zstd(records: Records, folder: Path) -> None:
    _write_zarrs(records, folder, 'auto')


def _open_zarr(records: Records, folder: Path) -> Reader:
    zarr = importlib.import_module('zarr')
    group = zarr.open_group(str(folder), mode='r')
    arrays = {side: group[f'side{side}'] for side in GROUPS}
    first = GROUPS[264].index(RGB[0])

    def read(i: int, bands: Sequence[int]) -> Planes:
        if len(bands) == 3:
            return list(arrays[264][i, first : first + 3])
        planes = {
            b: p for side in GROUPS for b, p in zip(GROUPS[side], arrays[side][i], strict=True)
        }
        return [planes[b] for b in bands]

    return read


def _write_litdata(records: Records, folder: Path) -> None:
    writer = importlib.import_module('litdata.streaming.writer').BinaryWriter(
        str(folder), chunk_bytes='64MB'
    )
    for i in range(records.count):
        writer[i] = records.bytes(i)
    writer.done()
    writer.merge()


def _open_litdata(records: Records, folder: Path) -> Reader:
    dataset = importlib.import_module('litdata').StreamingDataset(str(folder))
    return lambda i, bands: records.cut(dataset[i], bands)


def _write_webdataset(records: Records, folder: Path) -> None:
    wds = importlib.import_module('webdataset')
    with wds.ShardWriter(str(folder / '%05d.tar'), maxcount=256, verbose=0) as writer:
        for i in range(records.count):
            writer.write({'__key__': f'{i:08d}', 'bin': records.bytes(i)})


def _open_webdataset(records: Records, folder: Path) -> Reader:
    wds = importlib.import_module('webdataset')
    urls = sorted(str(path) for path in folder.glob('*.tar'))
    stream = iter(wds.WebDataset(urls, shardshuffle=False, empty_check=False).repeat())
    return lambda i, bands: records.cut(next(stream)['bin'], bands)


FORMATS: dict[str, tuple[str, Callable[..., None], Callable[..., Reader]]] = {
    'pack (ours)': ('numpy', _write_pack, _open_pack),
    '.npy, mapped': ('numpy', _write_npy, _open_npy),
    'LMDB': ('lmdb', _write_lmdb, _open_lmdb),
    'Zarr v3': ('zarr', _write_zarr, _open_zarr),
    'Zarr v3, zstd': ('zarr', _write_zarr_zstd, _open_zarr),
    'litdata': ('litdata', _write_litdata, _open_litdata),
    'WebDataset *': ('webdataset', _write_webdataset, _open_webdataset),
}
