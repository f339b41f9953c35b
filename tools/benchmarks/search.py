"""Measure exact search in tables of millions of vectors: time, rate and peak memory.

The vectors are synthetic (normal noise, written through our own writer): this measures speed, and
says nothing of what is found. A table of a million vectors of 512 float32 takes 2 GB; the time of
ten million is the same rate over ten times as many bytes.

Examples:
    python tools/benchmarks/search.py --vectors 1000000 --dims 512
    python tools/benchmarks/search.py --vectors 1000000 --half --queries 1 32
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from swimdiff.inference.embedding import CellGrid, EmbeddingTable, search_vectors
from swimdiff.inference.embedding.writing import SceneEntry, TableWriter, rows_of_group


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--vectors', type=int, default=1_000_000, help='rows (default: %(default)s)')
    add('--dims', type=int, default=512, help='length of a vector (default: %(default)s)')
    add('--half', action='store_true', help='vectors as float16')
    add('--queries', type=int, nargs='+', default=[1, 32], help='searched for at once')
    add('--repeats', type=int, default=3, help='searches of which the median counts')
    add('--folder', help='where the table is written (default: a temporary folder)')
    return parser.parse_args(argv)


def write_table(path: Path, args: argparse.Namespace) -> None:
    """Write noise as a table of one scene, a row of the grid of 1,000 cells after the other."""
    generator = np.random.default_rng(0)
    grid = CellGrid(
        300_000, 5_000_000, 10, 10, 64, 64, -(-args.vectors // 1000), 1000, 'EPSG:32633'
    )
    entry = SceneEntry('synthetic', '20240101', 'key', grid, args.vectors)
    most, groups = rows_of_group(args.dims), 0
    with TableWriter(path, args.dims, args.half, 'EPSG:32633', {}) as writer:
        for first in range(0, args.vectors, most):
            cells = np.arange(first, min(first + most, args.vectors))
            vectors = generator.standard_normal((len(cells), args.dims), np.float32)
            writer.write_patches(entry, *np.divmod(cells, 1000), vectors)
            groups += 1
        writer.end_scene(entry, groups)


def check_against_numpy(table: EmbeddingTable, queries: np.ndarray, count: int) -> bool:
    """Compare with a plain search of the first row groups, whole in memory."""
    groups = range(min(4, table.num_groups))
    vectors = np.concatenate([table.read_vectors(group) for group in groups]).astype(float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = vectors @ (queries[0] / np.linalg.norm(queries[0]))
    wanted = np.argsort(-scores, kind='stable')[:count].tolist()
    hidden = range(int(table.starts[len(groups)]), len(table))
    (found,) = search_vectors(table, queries[0], count, hidden)
    return [match.row for match in found] == wanted


def main(argv: list[str] | None = None) -> None:
    """Write the table, search it, print a line for each number of queries."""
    args = parse_args(argv)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / 'synthetic.parquet'
        begun = time.perf_counter()
        write_table(path, args)
        size = path.stat().st_size
        print(
            f'{args.vectors:,} synthetic vectors of {args.dims} numbers, {size / 1e9:.2f} GB, '
            f'written in {time.perf_counter() - begun:.0f} s; {os.cpu_count()} cores, load '
            f'{os.getloadavg()[0]:.1f}',
            flush=True,
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        table = EmbeddingTable(path)
        queries = np.random.default_rng(1).standard_normal((max(args.queries), args.dims))
        for number in args.queries:
            seconds, worked = [], time.process_time()
            for _ in range(args.repeats):
                begun = time.perf_counter()
                search_vectors(table, queries[:number], 20)
                seconds.append(time.perf_counter() - begun)
            median = float(np.median(seconds))
            worked = (time.process_time() - worked) / args.repeats
            each = ', '.join(f'{second:.2f}' for second in seconds)
            print(
                f'{number:4d} queries: {median:7.2f} s (of {each})'
                f', {args.vectors / median / 1e6:.2f} M vectors/s, {size / median / 1e9:.2f} GB/s, '
                f'ten million in {10_000_000 / args.vectors * median:.0f} s; processor '
                f'{worked:.2f} s',
                flush=True,
            )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f'Peak memory {peak / 1e6:.2f} GB ({before / 1e6:.2f} GB before the first search)')
        if not check_against_numpy(table, queries, 20):
            sys.exit('The search and a plain one differ.')
        print('Equal to a plain search of the first row groups.')


if __name__ == '__main__':
    main()
