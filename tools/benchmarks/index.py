"""What a million samples cost before the first pixel: opening, memory, and the way to a sample.

    python tools/benchmarks/index.py [--entries 1000000] [--tree DIR] [--json FILE]

Writes a tree in the layout of SeCo with empty product folders (five dates per location; a million
take minutes and some GB) and opens it twice: in a process of its own without, then with the cached
index. Memory is the proportional set size of the main process and four workers together, less the
same with an archive of ten samples.
"""

import argparse
import json
import os
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from swimdiff.datasets import SeCo
from swimdiff.progress import track
from swimdiff.randomness import SeededIndex

DATES = [f'2020{month:02d}13T075609_2020{month:02d}13T081050_T36QZH' for month in range(1, 6)]
WORKERS = 4


def write_tree(root: Path, entries: int) -> None:
    """Write locations of five dates; what is there already stays."""
    locations = max(entries // len(DATES), 1)
    for number in track(range(locations), locations, f'Writing {root}'):
        for date in DATES:
            (root / f'{number:06d}' / date).mkdir(parents=True, exist_ok=True)


def opened_elsewhere(root: str, options: dict) -> float:
    """Measure the seconds to open an archive in a process of its own."""
    fork = get_context('fork')
    receive, send = fork.Pipe(duplex=False)

    def work() -> None:
        start = time.perf_counter()
        SeCo(root, **options)
        send.send(time.perf_counter() - start)

    process = fork.Process(target=work)
    process.start()
    process.join()
    return receive.recv()


def passing_rows(results: dict) -> int:
    """Read nothing, as a pipeline."""
    return results['patch'].rows[0]


def memory(dataset: SeCo) -> float:
    """Measure the proportional set size of process and workers after a walk, MiB."""
    loader = DataLoader(
        dataset, batch_size=100, num_workers=WORKERS, shuffle=True, persistent_workers=True
    )
    walk = iter(loader)
    for _ in range(min(2000, len(loader))):
        next(walk)
    total = 0
    for process in [os.getpid(), *(worker.pid for worker in walk._workers)]:
        lines = Path(f'/proc/{process}/smaps_rollup').read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith('Pss:'))
    return total / 1024


def overhead(dataset: SeCo, seeded: bool, count: int = 20_000) -> float:
    """Measure CPU microseconds per unread sample in a worker, least of five rounds."""
    numbers = np.random.default_rng(0).integers(0, len(dataset), count).tolist()
    items = [SeededIndex(i, i * 7919) for i in numbers] if seeded else numbers
    best = float('inf')
    for part in range(5):
        start = time.process_time()
        for item in items[part::5]:
            dataset[item]
        best = min(best, (time.process_time() - start) / len(items[part::5]))
    return best * 1e6


class Timed(torch.utils.data.Dataset):
    """Measures inside a true worker."""

    def __init__(self, dataset: SeCo) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> tuple[float, float]:
        return overhead(self.dataset, seeded=False), overhead(self.dataset, seeded=True)


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--entries', type=int, default=1_000_000)
    parser.add_argument('--tree', help='write the tree here and keep it')
    parser.add_argument('--json', help='write the numbers to this file')
    args = parser.parse_args(argv)
    init_default_scope('swimdiff')
    with tempfile.TemporaryDirectory() as folder:
        root = Path(args.tree or folder) / 'seco'
        cache = Path(folder) / 'cache'
        write_tree(root, args.entries)
        write_tree(Path(folder) / 'ten', 10)
        few = SeCo(str(Path(folder) / 'ten'), pipeline=[passing_rows])
        floor = memory(few)
        options = dict(scene=dict(type='TileScene'), index_cache=str(cache))
        first = opened_elsewhere(str(root), options)
        start = time.perf_counter()
        dataset = SeCo(str(root), pipeline=[passing_rows], **options)
        warm = time.perf_counter() - start
        plain_us, seeded_us = next(iter(DataLoader(Timed(dataset), batch_size=None, num_workers=1)))
        results = dict(
            entries=len(dataset),
            first_open_s=first,
            warm_open_s=warm,
            memory_mib=memory(dataset) - floor,
            getitem_us=plain_us,
            seeded_getitem_us=seeded_us,
        )
    for name, value in results.items():
        print(f'{name:20s}{value:14,.2f}')
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1))


if __name__ == '__main__':
    main()
