"""Measure exact search in tables of millions of vectors: time, rate and peak memory.

The vectors are made up: unit vectors of random direction, written through our own writer, and for
each query as many neighbours of known similarity as are searched for, in random rows. All of them
have to be found, in their order. Rate and memory are the result; what a network would put beside
what is not measured. A table of a million vectors of 512 float32 takes 2 GB.

Examples:
    python tools/benchmarks/search.py --vectors 10000000 --dims 128
    python tools/benchmarks/search.py --vectors 1000000 --half --queries 1 32
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from swimdiff.inference.embedding import CellGrid, EmbeddingTable, Match, search_vectors
from swimdiff.inference.embedding.writing import SceneEntry, TableWriter, rows_of_group

#: Neighbours that are planted for each query, and searched for.
FOUND = 20


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


def draw_directions(generator: np.random.Generator, count: int, dims: int) -> np.ndarray:
    """Return count x dims float32, unit vectors of random direction."""
    vectors = generator.standard_normal((count, dims), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Planted:
    """Neighbours of known similarity in random rows, FOUND for each query.

    Args:
        queries: Q x dims float32, unit vectors.
        vectors: Rows of the table.
    """

    def __init__(self, queries: np.ndarray, vectors: int) -> None:
        generator = np.random.default_rng(2)
        self.queries = queries
        rows = generator.choice(vectors, len(queries) * FOUND, replace=False)
        #: Q x FOUND rows, the most similar first.
        self.rows = rows.reshape(len(queries), FOUND)
        self.scores = np.linspace(0.97, 0.78, FOUND)

    def plant(self, first: int, vectors: np.ndarray) -> None:
        """Replace those rows of a block, which begins at row ``first``, that are neighbours."""
        here = (self.rows >= first) & (self.rows < first + len(vectors))
        for query, rank in zip(*np.nonzero(here), strict=True):
            place = self.rows[query, rank] - first
            direction, score = self.queries[query], self.scores[rank]
            aside = vectors[place] - (vectors[place] @ direction) * direction
            aside /= np.linalg.norm(aside)
            vectors[place] = score * direction + np.sqrt(1 - score**2) * aside

    def check(self, query: int, matches: Sequence[Match], tolerance: float) -> None:
        """Stop with a message where a search found others, or other similarities."""
        rows = [match.row for match in matches]
        if rows != self.rows[query].tolist():
            sys.exit(f'Query {query}: found the rows {rows}, planted {self.rows[query].tolist()}.')
        scores = [match.score for match in matches]
        if not np.allclose(scores, self.scores, atol=tolerance):
            sys.exit(f'Query {query}: found the scores {scores}, planted {self.scores.tolist()}.')


def write_table(path: Path, args: argparse.Namespace, planted: Planted) -> None:
    """Write a table of one scene, a row of the grid of 1,000 cells after the other."""
    generator = np.random.default_rng(0)
    grid = CellGrid(
        300_000, 5_000_000, 10, 10, 64, 64, -(-args.vectors // 1000), 1000, 'EPSG:32633'
    )
    entry = SceneEntry('synthetic', '20240101', 'key', grid, args.vectors)
    most, groups = rows_of_group(args.dims), 0
    with TableWriter(path, args.dims, args.half, 'EPSG:32633', {}) as writer:
        for first in range(0, args.vectors, most):
            cells = np.arange(first, min(first + most, args.vectors))
            vectors = draw_directions(generator, len(cells), args.dims)
            planted.plant(first, vectors)
            writer.write_patches(entry, *np.divmod(cells, 1000), vectors)
            groups += 1
        writer.end_scene(entry, groups)


def main(argv: list[str] | None = None) -> None:
    """Write the table, search it, print a line for each number of queries."""
    args = parse_args(argv)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / 'synthetic.parquet'
        start = time.perf_counter()
        queries = draw_directions(np.random.default_rng(1), max(args.queries), args.dims)
        planted_neighbours = Planted(queries, args.vectors)
        write_table(path, args, planted_neighbours)
        size = path.stat().st_size
        print(
            f'{args.vectors:,} made-up vectors of {args.dims} numbers, {size / 1e9:.2f} GB, '
            f'written in {time.perf_counter() - start:.0f} s; {os.cpu_count()} cores, load '
            f'{os.getloadavg()[0]:.1f}',
            flush=True,
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        table = EmbeddingTable(path)
        for number in args.queries:
            seconds, work_seconds = [], time.process_time()
            for _ in range(args.repeats):
                start = time.perf_counter()
                results = search_vectors(table, queries[:number], FOUND)
                seconds.append(time.perf_counter() - start)
                for query, matches in enumerate(results):
                    planted_neighbours.check(query, matches, 2e-3 if args.half else 1e-5)
            median = float(np.median(seconds))
            work_seconds = (time.process_time() - work_seconds) / args.repeats
            each = ', '.join(f'{second:.2f}' for second in seconds)
            print(
                f'{number:4d} queries: {median:7.2f} s (of {each})'
                f', {args.vectors / median / 1e6:.2f} M vectors/s, {size / median / 1e9:.2f} GB/s, '
                f'processor '
                f'{work_seconds:.2f} s',
                flush=True,
            )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f'Peak memory {peak / 1e6:.2f} GB ({before / 1e6:.2f} GB before the first search)')
        print(f'All {FOUND} planted neighbours of each query found in their order.')


if __name__ == '__main__':
    main()
