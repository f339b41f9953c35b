"""Statistics of the bands of an archive from one histogram a band, hence exact and in one pass."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from swimdiff.datasets.index import stack_planes, stretch_table
from swimdiff.errors import ConfigError, DataError

__all__ = ['BandHistogram']


#: Floats are counted in as many bins over this range of reflectance; beyond it in the last ones.
_FLOAT_BINS, _FLOAT_RANGE = 1 << 16, (-0.1, 2.1)


class BandHistogram:
    """Count every value of every band.

    For integers quantiles, mean and deviation follow exactly, also those after the stretch, which
    is a table; for floats to a bin, a 30,000th of reflectance 1.

    Args:
        bands: Names of the bands.
        dtype: ``uint8``, ``uint16``, ``int16`` or ``float32``.
        ignore: Value that counts as no data, or None; NaN always does.
        scale: For floats, the value of reflectance 1.

    Raises:
        ConfigError: Pixels of another type, or floats without a scale.
    """

    def __init__(
        self,
        bands: Sequence[str],
        dtype: str,
        ignore: float | None = 0,
        scale: float | None = None,
    ) -> None:
        self.bands, self.dtype, self.ignore = tuple(bands), np.dtype(dtype), ignore
        if self.dtype.name == 'float32':
            if scale is None:
                raise ConfigError(
                    'The pixels are floats of no declared unit, whose range is not known. Declare '
                    "one (--dataset-options unit='reflectance')."
                )
            self.edges = np.linspace(*_FLOAT_RANGE, _FLOAT_BINS + 1) * scale
            self.values = (self.edges[:-1] + self.edges[1:]) / 2
        elif self.dtype.name in ('uint8', 'uint16', 'int16'):
            self._bits = np.uint8 if self.dtype.itemsize == 1 else np.uint16
            size = 1 << 8 * self.dtype.itemsize
            self.values = np.arange(size).astype(self._bits).view(self.dtype).astype(np.float64)
        else:
            raise ConfigError(
                f'Statistics are known for uint8, uint16, int16 and float32 pixels, not {dtype}.'
            )
        self.counts = np.zeros((len(self.bands), len(self.values)), np.int64)
        self.missing = np.zeros(len(self.bands), np.int64)

    def add(self, planes: Sequence[np.ndarray]) -> None:
        """Count the pixels of one patch, one plane a band."""
        for i, plane in enumerate(planes):
            if self.dtype.kind != 'f':
                values = plane.view(self._bits).ravel()
            else:
                is_known = np.isfinite(plane) & (plane != self.ignore)
                self.missing[i] += plane.size - np.count_nonzero(is_known)
                at = np.searchsorted(self.edges, plane[is_known], side='right') - 1
                values = np.clip(at, 0, _FLOAT_BINS - 1)
            self.counts[i] += np.bincount(values, minlength=self.counts.shape[1])

    def summary(self, quantiles: Sequence[float], stretch: Sequence[float]) -> dict[str, dict]:
        """Return statistics by band for :func:`swimdiff.bands.stats_from_mapping`.

        Args:
            quantiles: Quantiles that the summary has as well, 0..1.
            stretch: The two quantiles that the stretch maps to 0 and 255.

        Returns:
            For each band ``low`` and ``high`` (the quantiles of the stretch), ``mean`` and ``std``
            after the stretch on the 0..255 scale, ``raw_mean``, ``raw_std``, ``quantiles``,
            ``pixels``, and ``no_data`` (their share).

        Raises:
            DataError: A band without data or of one value.
        """
        return {band: self._band(band, i, quantiles, stretch) for i, band in enumerate(self.bands)}

    def _band(
        self, band: str, number: int, quantiles: Sequence[float], stretch: Sequence[float]
    ) -> dict[str, Any]:
        values, weights = self.values, self.counts[number]
        every = int(weights.sum() + self.missing[number])
        if self.ignore is not None and self.dtype.kind != 'f':
            weights = weights * (values != self.ignore)
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
        pixels = values.astype(self.dtype)[None]
        table = stretch_table([low], [high], self.dtype.name)
        stretched_values = stack_planes([pixels], tables=list(table)).ravel().astype(np.float64)
        mean, std = _moments(stretched_values, weights, total)
        raw_mean, raw_std = _moments(values, weights, total)
        chosen_quantiles = {f'{share:g}': quantile(share) for share in quantiles}
        return dict(
            low=low,
            high=high,
            mean=mean,
            std=std,
            raw_mean=raw_mean,
            raw_std=raw_std,
            quantiles=chosen_quantiles,
            pixels=total,
            no_data=1 - total / every,
        )


def _moments(values: np.ndarray, weights: np.ndarray, total: int) -> tuple[float, float]:
    mean = float(values @ weights / total)
    return mean, float(np.sqrt((values - mean) ** 2 @ weights / total))
