"""Exact search for the most similar vectors, in blocks that stream through a table."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from swimdiff.errors import ConfigError
from swimdiff.inference.embedding.table import EmbeddingTable

__all__ = ['Match', 'search_vectors']


class Match(NamedTuple):
    """Describe a row of a table that is similar to what was asked for.

    Args:
        row: Number of the row in the table.
        score: Cosine similarity, -1 to 1.
    """

    row: int
    score: float


def search_vectors(
    table: EmbeddingTable,
    queries: np.ndarray,
    count: int = 20,
    leave_out: Collection[int] = (),
) -> list[list[Match]]:
    """Find the rows whose vectors have the most similar direction.

    Every vector is compared: the result is exact. One row group is held at a time, and the next is
    read meanwhile, whatever the size of the table.

    Args:
        table: The table.
        queries: Q x D, or D for one.
        count: Rows wanted for each query.
        leave_out: Numbers of rows that do not count.

    Returns:
        The rows of each query, the best first; of equal scores the earlier row.

    Raises:
        ConfigError: Vectors of another length than those of the table, or of length 0.
    """
    query_vectors = np.atleast_2d(np.asarray(queries, np.float32))
    lengths = np.linalg.norm(query_vectors, axis=1, keepdims=True)
    if query_vectors.shape[1] != table.dims or not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ConfigError(
            f'The vector to search for has {query_vectors.shape[1]} numbers and the length '
            f'{lengths.max():g}. Expected {table.dims} numbers, as {table.path} has, of a length '
            'above 0: take the checkpoint that the table was made with.'
        )
    if count < 1:
        raise ConfigError(f'n={count}: expected 1 or more rows.')
    query_vectors = np.ascontiguousarray((query_vectors / lengths).T)  # D x Q
    hidden_rows = np.unique(np.fromiter(leave_out, np.int64, len(leave_out)))
    best = _Best(query_vectors.shape[1], count)
    for first, vectors in table.stream_vectors():
        norms = np.sqrt(np.einsum('ij,ij->i', vectors, vectors))
        scores = (vectors @ query_vectors) / np.maximum(norms, np.finfo(np.float32).tiny)[:, None]
        low, high = np.searchsorted(hidden_rows, [first, first + len(vectors)])
        scores[hidden_rows[low:high] - first] = -np.inf
        scores[np.isnan(scores)] = -np.inf  # of a vector that is none: sorts behind all others
        best.add(first, scores)
    return best.list()


class _Best:
    """The best rows so far, for each query."""

    def __init__(self, queries: int, count: int) -> None:
        self.count = count
        self.scores = np.zeros((0, queries), np.float32)
        self.rows = np.zeros((0, queries), np.int64)

    def add(self, first: int, scores: np.ndarray) -> None:
        """Take in the scores of rows from ``first`` on, N x Q."""
        best = scores
        rows = np.broadcast_to(np.arange(first, first + len(scores))[:, None], scores.shape)
        if len(scores) > self.count:
            # Every row that ties with the last one: which of them counts is decided by order.
            least = np.partition(scores, len(scores) - self.count, axis=0)[-self.count]
            if len(self.scores) == self.count:
                least = np.maximum(least, self.scores.min(axis=0))
            some = np.flatnonzero((scores >= least).any(axis=1))
            best, rows = scores[some], rows[some]
        scores, rows = np.concatenate([self.scores, best]), np.concatenate([self.rows, rows])
        order = np.argsort(-scores, axis=0, kind='stable')[: self.count]
        self.scores = np.take_along_axis(scores, order, axis=0)
        self.rows = np.take_along_axis(rows, order, axis=0)

    def list(self) -> list[list[Match]]:
        """Return the rows of each query that count."""
        matches_by_query: list[list[Match]] = []
        pairs: Sequence[tuple[np.ndarray, np.ndarray]] = list(
            zip(self.rows.T, self.scores.T, strict=True)
        )
        for rows, scores in pairs:
            is_match = np.isfinite(scores)
            matches = zip(rows[is_match].tolist(), scores[is_match].tolist(), strict=True)
            matches_by_query.append([Match(row, score) for row, score in matches])
        return matches_by_query
