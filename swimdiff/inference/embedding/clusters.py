"""Groups of like vectors: k-means over a table of any size, the same for the same seed."""

import logging
import warnings
from dataclasses import dataclass

import numpy as np
from mmengine.logging import print_log
from scipy.cluster.vq import kmeans2

from swimdiff.errors import ConfigError
from swimdiff.inference.embedding.table import EmbeddingTable

__all__ = ['MOST_CLUSTERS', 'Clusters']

#: A map of clusters is uint8, 0 is no data.
MOST_CLUSTERS = 255
#: Vectors that the centres are first found on.
_SAMPLE = 50_000
#: Starts of which the best counts, steps of each, and passes over the whole of a larger table.
_STARTS, _STEPS, _PASSES = 4, 50, 5


@dataclass(frozen=True)
class Clusters:
    """Hold centres of clusters of vectors, by their direction.

    Args:
        centres: K x D, of length 1, the cluster with the most members first.
        sizes: K numbers of members.
    """

    centres: np.ndarray
    sizes: np.ndarray

    @classmethod
    def fit(cls, table: EmbeddingTable, count: int, seed: int = 0) -> 'Clusters':
        """Find clusters by k-means++ and k-means on a sample, then on all vectors.

        The latter goes in blocks.

        Args:
            table: The table.
            count: K.
            seed: Of the sample and of the first centres.

        Raises:
            ConfigError: Fewer vectors than clusters, or more clusters than a map can hold.
        """
        if not 2 <= count <= MOST_CLUSTERS or count > len(table):
            raise ConfigError(
                f'clusters={count}: expected 2 to {min(MOST_CLUSTERS, len(table))}, as '
                f'{table.path} has {len(table)} vectors.'
            )
        generator = np.random.default_rng(seed)
        centres = _find_centres(_draw_sample(table, generator), count, generator)
        passes = _PASSES if len(table) > _SAMPLE else 1
        for _ in range(passes):
            sums, sizes = _sum_members(table, centres)
            moved_centres = np.where(sizes[:, None] > 0, sums, centres)
            centres = _to_unit(moved_centres).astype(np.float32)
        _, sizes = _sum_members(table, centres)
        if not sizes.all():
            print_log(
                f'{int((sizes == 0).sum())} of {count} clusters are empty: the vectors are more '
                'alike than that. Take fewer clusters.',
                logger='current',
                level=logging.WARNING,
            )
        order = np.argsort(-sizes, kind='stable')
        return cls(centres[order], sizes[order])

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """Return the number of the cluster of each of N vectors, from 0."""
        return _nearest(_to_unit(vectors), self.centres)


def _to_unit(vectors: np.ndarray) -> np.ndarray:
    length = np.sqrt(np.einsum('ij,ij->i', vectors, vectors))
    return vectors / np.maximum(length, np.finfo(vectors.dtype).tiny)[:, None]


def _nearest(directions: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return (directions @ centres.T).argmax(axis=1)


def _draw_sample(table: EmbeddingTable, generator: np.random.Generator) -> np.ndarray:
    """Directions of some vectors, drawn over the whole table."""
    row_numbers = np.arange(len(table))
    if len(table) > _SAMPLE:
        row_numbers = np.sort(generator.choice(len(table), _SAMPLE, replace=False))
    parts = []
    for first, vectors in table.stream_vectors():
        low, high = np.searchsorted(row_numbers, [first, first + len(vectors)])
        parts.append(vectors[row_numbers[low:high] - first])
    return _to_unit(np.concatenate(parts))


def _find_centres(sample: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Best of some runs of k-means, each from its own first centres."""
    best: tuple[float, np.ndarray] | None = None
    for seed in generator.integers(2**31, size=_STARTS).tolist():
        with warnings.catch_warnings():
            # Of vectors that are all alike: empty clusters are counted at the end.
            warnings.simplefilter('ignore')
            centres, labels = kmeans2(sample, count, _STEPS, minit='++', seed=seed)
        spread = float(((sample - centres[labels]) ** 2).sum())
        if best is None or spread < best[0]:
            best = spread, centres
    assert best is not None
    return _to_unit(best[1]).astype(np.float32)


def _sum_members(table: EmbeddingTable, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the directions of the members of each cluster, and their number."""
    sums, sizes = np.zeros(centres.shape), np.zeros(len(centres), np.int64)
    for _, vectors in table.stream_vectors():
        directions = _to_unit(vectors)
        labels = _nearest(directions, centres)
        members = np.zeros((len(centres), len(labels)), np.float32)
        members[labels, np.arange(len(labels))] = 1
        sums += members @ directions
        sizes += np.bincount(labels, minlength=len(centres))
    return sums, sizes
