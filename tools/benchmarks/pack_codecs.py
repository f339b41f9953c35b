"""Weigh lossless codecs for planes of packs: share of the raw size, and time to decode.

    python tools/benchmarks/pack_codecs.py IMAGE.tif ... [--patch 264]

Every file is cut into patches, each compressed by itself. Files that are 8-bit JPEG inside and of
one patch are also kept as JPEG streams. Times are CPU times, best of three passes. Codecs that are
not installed are left out. Checksums are timed on planes of the same size.
"""

import argparse
import importlib
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from swimdiff.datasets.geo import read_channels
from swimdiff.datasets.packs import checksum, decode_jpeg, encode_jpeg

Codec = tuple[Callable[[bytes], bytes], Callable[[bytes], Any]]


def _best(step: Callable[[Any], Any], items: Sequence[Any]) -> float:
    """Microseconds an item."""
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        for item in items:
            step(item)
        best = min(best, (time.process_time() - start) / len(items))
    return best * 1e6


def codecs(dtype: np.dtype) -> dict[str, Codec]:
    """Return the codecs that are installed."""
    installed_codecs: dict[str, Codec] = {}
    with suppress(ImportError):
        zstd = importlib.import_module('zstandard')
        for level in (1, 9):
            unpack = zstd.ZstdDecompressor().decompress
            installed_codecs[f'zstd {level}'] = (zstd.ZstdCompressor(level).compress, unpack)
    with suppress(ImportError):
        blosc = importlib.import_module('blosc2')
        blosc.set_nthreads(1)
        for name in ('LZ4', 'ZSTD'):
            options = dict(
                codec=getattr(blosc.Codec, name),
                filters=[blosc.Filter.BITSHUFFLE],
                typesize=dtype.itemsize,
            )

            def pack(data: bytes, options: dict[str, Any] = options) -> bytes:
                return blosc.compress2(data, **options)

            installed_codecs[f'blosc2 bitshuffle, {name}'] = (pack, blosc.decompress2)
    return installed_codecs


def main(argv: list[str] | None = None) -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('images', nargs='+')
    parser.add_argument('--patch', type=int, default=264, help='side of a patch in pixels')
    parser.add_argument('--dtype', default='uint8', help='type of the pixels (uint8)')
    parser.add_argument('--most', type=int, default=600, help='patches to weigh')
    args = parser.parse_args(argv)
    side = args.patch
    planes, streams = [], []
    for path in args.images:
        image = read_channels(path, [0], dtype=args.dtype)[0]
        for top in range(0, image.shape[0] - side + 1, side):
            for left in range(0, image.shape[1] - side + 1, side):
                planes.append(np.ascontiguousarray(image[top : top + side, left : left + side]))
        if image.shape == (side, side) and image.dtype == np.uint8:
            streams.append(encode_jpeg(path, image))
    planes = planes[: args.most]
    raw = sum(plane.nbytes for plane in planes)
    print(f'{len(planes)} planes of {side} x {side} {args.dtype}')
    print(f'{"codec":28}{"% of raw":>10}{"us a plane":>12}')
    kept_streams = [np.frombuffer(stream, np.uint8) for stream in streams if stream]
    if kept_streams:
        share = 100 * sum(map(len, kept_streams)) / (side * side * len(kept_streams))
        took = _best(lambda blob: decode_jpeg(blob, (side, side)), kept_streams)
        print(
            f'{"JPEG streams":28}{share:10.1f}{took:12.0f}   ({len(kept_streams)} of '
            f'{len(streams)})'
        )
        print(f'  as one JPEG: {sum(blob[0] == 0xFF for blob in kept_streams)}')
    for name, (pack, unpack) in codecs(planes[0].dtype).items():
        blobs = [pack(plane.tobytes()) for plane in planes]
        share, took = 100 * sum(map(len, blobs)) / raw, _best(unpack, blobs)
        print(f'{name:28}{share:10.1f}{took:12.0f}')
    sums: dict[str, Callable[[Any], Any]] = {'xxh3 (ours)': checksum, 'zlib.crc32': zlib.crc32}
    for package, name in (('google_crc32c', 'value'), ('crc32c', 'crc32c')):
        with suppress(ImportError):
            sums[package] = getattr(importlib.import_module(package), name)
    for name, step in sums.items():
        items = [plane.tobytes() for plane in planes]
        print(f'checksum {name:19}{"":10}{_best(step, items):12.1f}')


if __name__ == '__main__':
    main()
