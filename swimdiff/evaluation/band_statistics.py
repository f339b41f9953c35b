"""Statistics of the bands of an archive from one histogram a band, hence exact and in one pass."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from swimdiff.datasets.planes import stretch_table
from swimdiff.errors import DataError

__all__ = ['BandHistogram']


class BandHistogram:
    """Counts of every value of every band.

    Quantiles, mean and deviation follow exactly, also those after the stretch, which is a table.

    Args:
        bands: Names of the bands.
        dtype: ``uint8``, ``uint16`` or ``int16``.
        ignore: Value that counts as no data, or None.
    """

    def __init__(self, bands: Sequence[str], dtype: str, ignore: int | None = 0) -> None:
        self.bands, self.dtype, self.ignore = tuple(bands), np.dtype(dtype), ignore
        self.counts = np.zeros((len(self.bands), 1 << 8 * self.dtype.itemsize), np.int64)

    def add(self, planes: Sequence[np.ndarray]) -> None:
        """Count the pixels of one patch, one plane a band."""
        bits = np.uint8 if self.dtype.itemsize == 1 else np.uint16
        for counts, plane in zip(self.counts, planes, strict=True):
            counts += np.bincount(plane.view(bits).ravel(), minlength=counts.size)

    def _values(self) -> np.ndarray:
        """Value that each count is of, float64."""
        bits = np.uint8 if self.dtype.itemsize == 1 else np.uint16
        return np.arange(self.counts.shape[1]).astype(bits).view(self.dtype).astype(np.float64)

    def summary(self, quantiles: Sequence[float], stretch: Sequence[float]) -> dict[str, dict]:
        """Statistics by band, as :func:`swimdiff.bands.stats_from_mapping` reads them.

        Args:
            quantiles: Which quantiles are told besides, 0..1.
            stretch: The two quantiles that the stretch maps to 0 and 255.

        Returns:
            For each band ``low`` and ``high`` (the quantiles of the stretch), ``mean`` and ``std``
            after the stretch on the 0..255 scale, ``raw_mean``, ``raw_std``, ``quantiles``,
            ``pixels``, and ``no_data`` (their share).

        Raises:
            DataError: A band without data or of one value.
        """
        found = {}
        for band, counts in zip(self.bands, self.counts, strict=True):
            found[band] = self._band(band, counts, quantiles, stretch)
        return found

    def _band(
        self, band: str, counts: np.ndarray, quantiles: Sequence[float], stretch: Sequence[float]
    ) -> dict[str, Any]:
        values, every = self._values(), int(counts.sum())
        weights = counts * (values != self.ignore) if self.ignore is not None else counts
        total = int(weights.sum())
        order = np.argsort(values, kind='stable')
        below = np.cumsum(weights[order])

        def quantile(share: float) -> float:
            # The smallest value that at least this share does not exceed.
            return float(values[order][np.searchsorted(below, max(share * total, 1))])

        if not total or quantile(stretch[0]) >= quantile(stretch[1]):
            raise DataError(
                f'Band {band} has no spread: {total} of {every} pixels are not {self.ignore}. '
                'Leave it out (--bands), or name another value of no data (--ignore).'
            )
        low, high = quantile(stretch[0]), quantile(stretch[1])
        stretched = stretch_table([low], [high], self.dtype.name)[0].astype(np.float64)
        mean, std = _moments(stretched, weights, total)
        raw_mean, raw_std = _moments(values, weights, total)
        told = {f'{share:g}': quantile(share) for share in quantiles}
        return dict(
            low=low,
            high=high,
            mean=mean,
            std=std,
            raw_mean=raw_mean,
            raw_std=raw_std,
            quantiles=told,
            pixels=total,
            no_data=1 - total / every,
        )


def _moments(values: np.ndarray, weights: np.ndarray, total: int) -> tuple[float, float]:
    mean = float(values @ weights / total)
    return mean, float(np.sqrt((values - mean) ** 2 @ weights / total))
