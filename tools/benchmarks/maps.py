r"""Measure maps of whole rasters: their rate beside the bare network's, and peak memory.

Pairs of square rasters of four bands (uint16, tiled, compressed) are written into a folder, and a
change model with random weights maps them. For each size, in a process of its own:

- ``network``: windows per second of the network alone, on as many windows of the same sizes,
  measured before and after the map;
- ``map``: windows per second of the whole map, reading and writing included;
- ``processor``: the same two in processor seconds per window, of all threads: on a machine that has
  other work these are steadier than the clock;
- ``memory``: most memory of the process beyond what it had after one pass of the network.

With ``--data-rows N`` only N rows of windows in the middle hold data. Windows without any cost
no network but are read and written: memory is that of a full raster, and the time is not.

Examples:
    python tools/benchmarks/maps.py /tmp/maps --sizes 1000
    python tools/benchmarks/maps.py /tmp/maps --sizes 10980 --data-rows 2
    python tools/benchmarks/maps.py /tmp/maps --sizes 1000 5000 10980 --base-channels 8
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from swimdiff.bands import get_stats, stats_to_mapping
from swimdiff.datasets.geo import gdal_modules
from swimdiff.inference import MapJob, MapPredictor, build_predictor, write_map
from swimdiff.inference.windows import WindowPlan
from swimdiff.launch.config_reading import read_config_file
from swimdiff.registry import MODELS

_CONFIG = 'swimdiff::change_detection/oscd/change-unet_r18_frozen-random_oscd.py'
_BANDS = ('B02', 'B03', 'B04', 'B08')
#: Side of the block of noise that rasters repeat.
_BLOCK = 1024

_OPTIONS = ('base_channels', 'window', 'margin', 'batch_size', 'mode', 'data_rows')
_ROW = (
    '| {side} | {windows} | {network:.2f} | {map:.2f} | {share:.0%} | {network_work:.2f} | '
    '{map_work:.2f} | {seconds:.0f} | {memory:.0f} |'
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path, help='for rasters and maps; 0.5 GB for 10,980 pixels')
    parser.add_argument('--sizes', type=int, nargs='+', default=[1000], help='pixels of a side')
    parser.add_argument(
        '--base-channels', type=int, default=64, help='width of the ResNet-18 (default: 64)'
    )
    parser.add_argument('--window', type=int, default=512, help='(default: 512)')
    parser.add_argument('--margin', type=int, default=64, help='(default: 64)')
    parser.add_argument('--batch-size', type=int, default=4, help='(default: 4)')
    parser.add_argument('--mode', default='blend', help='crop or blend (default: blend)')
    parser.add_argument('--data-rows', type=int, default=0, help='with data (default: 0, all)')
    parser.add_argument('--one', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def choose_data(args: argparse.Namespace, side: int) -> tuple[int, int]:
    """Return the first row of pixels with data, and the one behind the last."""
    if not args.data_rows:
        return 0, side
    step = args.window - 2 * args.margin
    row = side // step // 2
    # Ground that no other row of windows sees.
    return row * step + 2 * args.margin, min(side, (row + args.data_rows) * step)


def write_raster(path: Path, side: int, seed: int, rows: tuple[int, int]) -> None:
    """Write smooth noise, reflectance x 10000, as products are stored; 0 in the other rows."""
    gdal, osr = gdal_modules()
    rng = np.random.default_rng(seed)
    steps = rng.integers(-8, 9, (len(_BANDS), _BLOCK, _BLOCK)).cumsum(axis=2)
    block = (1500 + steps % 1500).astype(np.uint16)
    options = ['TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=512', 'COMPRESS=DEFLATE', 'ZLEVEL=1']
    options += ['PREDICTOR=2', 'INTERLEAVE=BAND', 'NUM_THREADS=ALL_CPUS']
    target = gdal.GetDriverByName('GTiff').Create(
        str(path), side, side, len(_BANDS), gdal.GDT_UInt16, options
    )
    system = osr.SpatialReference()
    system.ImportFromEPSG(32633)
    target.SetSpatialRef(system)
    target.SetGeoTransform([600_000, 10, 0, 5_700_000, 0, -10])
    row = np.tile(block, (1, 1, -(-side // _BLOCK)))[:, :, :side]
    for number, name in enumerate(_BANDS, 1):
        band = target.GetRasterBand(number)
        band.SetDescription(name)
        plane = np.ascontiguousarray(row[number - 1])
        for top in range(rows[0], rows[1], _BLOCK):
            height = min(_BLOCK, rows[1] - top)
            band.WriteRaster(0, top, side, height, plane[:height].tobytes())
    target.FlushCache()


def list_rasters(args: argparse.Namespace, side: int) -> list[Path]:
    """Return the files of both dates."""
    part = f'-{args.data_rows}rows' if args.data_rows else ''
    return [args.folder / f'{side}{part}-{date}.tif' for date in (1, 2)]


def write_model(folder: Path, width: int) -> tuple[Path, Path]:
    """Write config and checkpoint of the OSCD protocol's network for four bands."""
    config, checkpoint = folder / f'change-{width}.py', folder / f'change-{width}.pth'
    channels = (width, width, 2 * width, 4 * width, 8 * width)
    config.write_text(
        f'_base_ = {_CONFIG!r}\nbands = {_BANDS!r}\n'
        f'sizes = dict(in_channels=4, base_channels={width}, stem_channels={width})\n'
        f'model = dict(backbone=dict(backbone=sizes), decode_head=dict(in_channels={channels}))\n'
        "data_preprocessor = dict(bands=bands, stats='s2_l1c')\n"
    )
    cfg = read_config_file(config)
    init_default_scope('swimdiff')
    model_config = dict(cfg.model, data_preprocessor=cfg.data_preprocessor)
    model = MODELS.build(Config(dict(model=model_config)).model)
    meta = dict(input_statistics=stats_to_mapping(get_stats('s2_l1c'), _BANDS))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), checkpoint)
    return config, checkpoint


def list_batches(
    plan: WindowPlan, batch_size: int, data: tuple[int, int]
) -> list[tuple[int, int, int]]:
    """Return number, height and width of the windows of every pass of a map."""
    batches = []
    for row in plan.rows:
        if row.last <= data[0] or row.first >= data[1]:
            continue
        widths = [column.length for column in plan.columns]
        for width in dict.fromkeys(widths):
            count = widths.count(width)
            for first in range(0, count, batch_size):
                batches.append((min(batch_size, count - first), row.length, width))
    return batches


def time_network(predictor: MapPredictor, batches: list[tuple[int, int, int]]) -> np.ndarray:
    """Return the seconds, by the clock and of the processor, of the network alone."""
    rng = np.random.default_rng(0)
    images = {
        shape: rng.integers(0, 256, (shape[0], 2 * len(_BANDS), *shape[1:]), dtype=np.uint8)
        for shape in set(batches)
    }
    begin = _read_clocks()
    for shape in batches:
        predictor.predict(images[shape])
    return _read_clocks() - begin


def _read_clocks() -> np.ndarray:
    return np.array([time.monotonic(), time.process_time()])


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Map one size and return what was measured."""
    (side,) = args.sizes
    MMLogger.get_current_instance().setLevel('WARNING')
    paths = list_rasters(args, side)
    predictor = build_predictor(*write_model(args.folder, args.base_channels), device='cpu')
    plan = WindowPlan(side, side, args.window, args.margin)
    batches = list_batches(plan, args.batch_size, choose_data(args, side))
    windows = sum(count for count, _, _ in batches)
    time_network(predictor, sorted(set(batches))[-1:])
    before = _peak_megabytes()
    # Long maps are compared with a part of their windows, or the network would run three times.
    part = batches[: max(4, len(batches) // 16)]
    share = sum(count for count, _, _ in part)
    bare = time_network(predictor, part)
    inputs = tuple(str(path) for path in paths)
    options = dict(size=args.window, margin=args.margin, mode=args.mode, batch_size=args.batch_size)
    job = MapJob('change', inputs, args.folder / f'{side}-map.tif', overwrite=True, **options)
    begin = _read_clocks()
    write_map(job, predictor)
    seconds, work = _read_clocks() - begin
    peak = _peak_megabytes() - before
    alone, alone_work = (bare + time_network(predictor, part)) / 2
    rates = share / alone, windows / seconds
    return dict(
        side=side, windows=windows, network=rates[0], map=rates[1], share=rates[1] / rates[0],
        network_work=alone_work / share, map_work=work / windows,
        seconds=seconds, memory=peak,
    )  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Measure every size and print a table."""
    args = parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.one:
        print(json.dumps(measure(args)))
        return
    print(f'{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, '
          f'load {os.getloadavg()[0]:.1f}, torch {torch.__version__}', flush=True)  # fmt: skip
    print(
        '| pixels | windows | network, windows/s | map, windows/s | share '
        '| network, processor s/window | map, processor s/window | map, s | memory, MiB |'
    )
    print('|---|---|---|---|---|---|---|---|---|', flush=True)
    for side in args.sizes:
        for date, path in enumerate(list_rasters(args, side), 1):
            if not path.exists():
                write_raster(path, side, date, choose_data(args, side))
        options = [f'--{name.replace("_", "-")}={getattr(args, name)}' for name in _OPTIONS]
        command = [sys.executable, __file__, str(args.folder), '--one', *options]
        process = subprocess.run(
            [*command, '--sizes', str(side)], stdout=subprocess.PIPE, check=True
        )
        row = json.loads(process.stdout.decode().splitlines()[-1])
        print(_ROW.format(**row), flush=True)


if __name__ == '__main__':
    main()
