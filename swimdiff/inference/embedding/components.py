"""Principal components of a table of vectors, from one pass over it."""

from dataclasses import dataclass

import numpy as np

from swimdiff.errors import ConfigError
from swimdiff.inference.embedding.table import EmbeddingTable

__all__ = ['Components']


@dataclass(frozen=True)
class Components:
    """Hold the directions in which the vectors of a table differ most.

    Args:
        mean: D, mean of the vectors.
        axes: K x D, of length 1, the strongest first. The largest number of each is above 0, so
            that the same table gives the same signs.
        shares: K shares of the variance, 0 to 1.
    """

    mean: np.ndarray
    axes: np.ndarray
    shares: np.ndarray

    @classmethod
    def fit(cls, table: EmbeddingTable, count: int) -> 'Components':
        """Compute the components of all vectors of a table.

        Args:
            table: The table.
            count: K, how many are wanted.

        Raises:
            ConfigError: More than the vectors have.
        """
        if not 1 <= count <= min(table.dims, len(table)):
            raise ConfigError(
                f'components={count}: expected 1 to {min(table.dims, len(table))}, as '
                f'{table.path} has {len(table)} vectors of {table.dims} numbers.'
            )
        total, products = np.zeros(table.dims), np.zeros((table.dims, table.dims))
        shift: np.ndarray | None = None
        for _, vectors in table.stream_vectors():
            # Taken around a point among them: sums of squares far from 0 lose digits.
            shift = vectors[0].astype(float) if shift is None else shift
            centred_vectors = vectors - shift
            total += centred_vectors.sum(axis=0)
            products += centred_vectors.T @ centred_vectors
        assert shift is not None
        mean = total / len(table)
        values, axes = np.linalg.eigh(products / len(table) - np.outer(mean, mean))
        values, axes = np.maximum(values[::-1], 0), axes[:, ::-1].T[:count]
        signs = np.sign(axes[np.arange(count), np.abs(axes).argmax(axis=1)])
        shares = values[:count] / max(values.sum(), np.finfo(float).tiny)
        return cls(mean + shift, axes * signs[:, None], shares)

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Return the components of N x D vectors, N x K float32."""
        return ((vectors - self.mean) @ self.axes.T).astype(np.float32)
