"""From the planes of single bands to one image: stretch, resample, stack.

Every source of patches, raw or packed, hands over the bands at their own sizes and ends here, so
that all of them give the same image to the last bit.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from swimdiff.errors import ConfigError

__all__ = ['stack_planes', 'stretch_table']


def stretch_table(low: Sequence[float], high: Sequence[float], dtype: str = 'uint8') -> np.ndarray:
    """Return the look-up table of the stretch, one row per band.

    Args:
        low: Value of each band that becomes 0, in units of the pixels.
        high: Value of each band that becomes 255, above ``low``.
        dtype: Type of the pixels, ``uint8``, ``uint16``, ``int16`` or ``float32``.

    Returns:
        C x 256 or C x 65,536 uint8 table (for int16 indexed by the bits of the pixel). Fractions
        are cut off, as in SeCo's own reader. For float32 there is nothing to look up: C x 2
        float32, ``low`` and ``high``, and the stretch is computed.

    Raises:
        ConfigError: Pixels of another type.
    """
    kind = np.dtype(dtype)
    if kind.name == 'float32':
        return np.stack([low, high], axis=1).astype(np.float32)
    if kind.name not in ('uint8', 'uint16', 'int16'):
        raise ConfigError(
            f'A stretch is known for uint8, uint16, int16 and float32 pixels, not {dtype}.'
        )
    value = np.arange(1 << 8 * kind.itemsize).astype(kind).astype(np.float64)[None]
    below, above = np.asarray(low, float)[:, None], np.asarray(high, float)[:, None]
    return (np.clip((value - below) / (above - below), 0, 1) * 255).astype(np.uint8)


def _look_up(plane: np.ndarray, table: np.ndarray) -> np.ndarray:
    if plane.dtype.kind == 'f':
        low, high = table
        stretched_plane = np.clip((plane - low) / (high - low), 0, 1) * np.float32(255)
        return np.nan_to_num(stretched_plane, nan=0.0).astype(np.uint8)
    if plane.dtype.itemsize == 1:
        return cv2.LUT(plane, table)
    return table.take(plane.view(np.uint16))


def _find_data(plane: np.ndarray, planes: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return where a plane has data, None where it has everywhere."""
    gaps = plane == 0
    for other in planes:
        if not gaps.any():
            return None
        if other.shape == plane.shape:
            gaps &= other == 0
    return ~gaps if gaps.any() else None


def _resize(plane: np.ndarray, shape: tuple[int, int], valid: np.ndarray | None) -> np.ndarray:
    """Return a plane at another size, bilinearly; pixels that are not valid have no weight."""

    def resize(values: np.ndarray) -> np.ndarray:
        # OpenCV puts pixel centres where GDAL's bilinear RasterIO does, many times faster.
        return cv2.resize(values, shape[::-1], interpolation=cv2.INTER_LINEAR)

    if valid is None:
        return resize(plane)
    weights = resize(valid.astype(np.float32))
    values = resize(np.where(valid, plane, 0).astype(np.float32))
    # With less than half of its weight on data a pixel has none.
    values = np.where(weights >= 0.5, values / np.maximum(weights, 0.5), 0)
    whole = plane.dtype.kind != 'f'
    return (np.floor(values + 0.5) if whole else values).astype(plane.dtype)


def stack_planes(
    planes: Sequence[np.ndarray],
    size: int | tuple[int, int] | None = None,
    tables: Sequence[np.ndarray] | None = None,
    zeros_are_nodata: bool = False,
) -> np.ndarray:
    """Bring the planes of several bands onto one grid.

    Args:
        planes: One H x W array a band, all covering the same ground, each at its own size.
        size: Height and width of the result in pixels; by default those of the largest plane.
            Other sizes are resampled bilinearly.
        tables: Rows of :func:`stretch_table`. They are looked up before resampling: fewer pixels,
            and no steps where a table stretches a narrow range.
        zeros_are_nodata: Whether pixels that are 0 in all planes of one size have no data: they
            then have no weight where planes are resampled.

    Returns:
        H x W x C array, uint8 with ``tables``, else of the type of the planes.
    """
    ready = list(planes)
    if tables is not None:
        ready = [_look_up(plane, table) for plane, table in zip(ready, tables, strict=True)]
    if size is None:
        target = max(plane.shape for plane in ready)
    else:
        target = (size, size) if isinstance(size, int) else size
    for i, plane in enumerate(ready):
        if plane.shape != target:
            valid = _find_data(planes[i], planes) if zeros_are_nodata else None
            ready[i] = _resize(plane, target, valid)
    return cv2.merge(ready) if len(ready) > 1 else ready[0][..., None]
