"""Dates and maps that are arrays in memory, with coordinates (xarray) or without."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from swimdiff.bands import ProductStats, canonical_bands
from swimdiff.bands.units import UNITS, convert_pixels
from swimdiff.datasets.index import check_pixels
from swimdiff.errors import BandError, ConfigError, RasterError
from swimdiff.inference.inputs import stretch_plane
from swimdiff.inference.pipeline import FinishedRows
from swimdiff.inference.predictor import MapPredictor
from swimdiff.inference.writer import NODATA

__all__ = ['ArrayDate', 'ArrayMap', 'open_array']

#: Type that pixels of other types are handed on as.
_TYPES = {'uint8': 'uint8', 'uint16': 'uint16', 'int16': 'int16'}


class ArrayDate:
    """Hold one date from an array.

    Args:
        planes (np.ndarray): C x H x W, uint8, uint16, int16 or float32; NaN has no data.
        bands (Sequence[str]): Name of each plane.
        predictor (MapPredictor): Which bands it takes, and their statistics.
        unit (str, optional): Unit of the pixels. Defaults to None, that of the statistics; for
            uint8 and 16 bits by the type.
        nodata (float, optional): Value of pixels without data. Defaults to None.

    Raises:
        BandError: A band is missing.
        RasterError: Pixels of another depth or unit than the model was trained on.
    """

    def __init__(
        self,
        planes: np.ndarray,
        bands: Sequence[str],
        predictor: MapPredictor,
        unit: str | None = None,
        nodata: float | None = None,
    ) -> None:
        names = canonical_bands(bands, predictor.stats.low)
        missing_bands = [band for band in predictor.bands if band not in names]
        if missing_bands:
            raise BandError(
                f'The array has the bands {", ".join(names)}; the model also takes '
                f'{", ".join(missing_bands)}. Give all of {", ".join(predictor.bands)}.'
            )
        if planes.ndim != 3 or len(planes) != len(names):
            raise BandError(
                f'The array is {" x ".join(map(str, planes.shape))}. Expected C x H x W with '
                f'{len(names)} bands: {", ".join(names)}.'
            )
        model_planes = planes[[names.index(band) for band in predictor.bands]]
        self._planes = model_planes.astype(
            _TYPES.get(model_planes.dtype.name, 'float32'), copy=False
        )
        self._nodata = nodata
        self._stats, self._bands = predictor.stats, predictor.bands
        self._unit = _settle_unit(self._planes.dtype, self._stats, unit)
        if self._unit is not None and self._planes.dtype != np.uint8:
            is_declared = unit is not None
            check_pixels(self._planes, self._unit, 'The array', 'unit=', is_declared, nodata)

    @property
    def channels(self) -> int:
        """Number of its bands."""
        return len(self._planes)

    @property
    def shape(self) -> tuple[int, int]:
        """Return height and width."""
        return self._planes.shape[1], self._planes.shape[2]

    def read_rows(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Read whole rows; see :class:`swimdiff.inference.inputs.DateRows`."""
        rows = self._planes[:, first : first + count]
        valid = np.ones(rows.shape[1:], bool)
        if rows.dtype.kind == 'f':
            valid &= np.isfinite(rows).all(axis=0)
        if self._nodata is not None:
            valid &= (rows != rows.dtype.type(self._nodata)).all(axis=0)
        if rows.dtype != np.uint8:
            valid &= (rows != 0).any(axis=0)
        images = self._stretch(rows)
        images[:, ~valid] = 0
        return images, valid

    def _stretch(self, rows: np.ndarray) -> np.ndarray:
        if self._unit is None:
            return rows.astype(np.uint8)
        low, high = (self._stats.select(name, self._bands) for name in ('low', 'high'))
        values = convert_pixels(np.nan_to_num(rows).astype(np.float64), self._unit, self._stats)
        pairs = zip(values, low, high, strict=True)
        return np.stack(
            [stretch_plane(plane, np.array([below, above])) for plane, below, above in pairs]
        )


def _settle_unit(dtype: np.dtype, stats: ProductStats, given: str | None) -> str | None:
    """Return the unit of the pixels of an array, or refuse their depth."""
    if given is not None:
        if given not in UNITS:
            raise ConfigError(f'unit={given!r}: expected one of {", ".join(map(repr, UNITS))}.')
        return given
    if stats.unit not in UNITS:
        if dtype == np.uint8:
            return None
        raise RasterError(
            f'The array holds {dtype.name}; the model was trained on uint8 ({stats.unit}). Stretch '
            'it as its training data.'
        )
    if dtype == np.uint8 and stats.unit != 'reflectance x 255':
        raise RasterError(
            f'The array holds uint8; the model was trained on {stats.unit!r}. Give the pixels as '
            "the product has them, or say unit='reflectance x 255'."
        )
    if dtype == np.uint8:
        return 'reflectance x 255'
    if dtype.kind == 'f':
        return stats.unit if stats.unit != 'reflectance x 255' else 'reflectance'
    return 'reflectance x 10000'


class ArrayMap:
    """Hold a map in memory, filled row by row.

    Args:
        predictor (MapPredictor): The model.
        shape (tuple[int, int]): Height and width.
        threshold (float, optional): Of change. Defaults to None, that of the model.
    """

    def __init__(
        self, predictor: MapPredictor, shape: tuple[int, int], threshold: float | None = None
    ) -> None:
        self._predictor, self._threshold = predictor, threshold
        #: H x W uint8, :data:`swimdiff.inference.writer.NODATA` without data.
        self.labels = np.full(shape, NODATA, np.uint8)
        #: C x H x W float32, NaN without data.
        self.probabilities = np.full((predictor.channels, *shape), np.nan, np.float32)

    def add(self, rows: FinishedRows) -> None:
        """Take over finished rows."""
        labels = self._predictor.decide(rows.probabilities, self._threshold)
        part = slice(rows.first, rows.first + len(labels))
        self.labels[part] = np.where(rows.valid, labels, NODATA)
        self.probabilities[:, part] = np.where(rows.valid, rows.probabilities, np.nan)


def open_array(
    data: Any,
    predictor: MapPredictor,
    bands: Sequence[str] | None = None,
    unit: str | None = None,
) -> ArrayDate:
    """Open an array or an ``xarray.DataArray`` as a date.

    Args:
        data (Any): ``numpy`` C x H x W, or a DataArray with the dimensions ``y`` and ``x`` and one
            more, the bands, in any order.
        predictor (MapPredictor): The model.
        bands (Sequence[str], optional): Name of each band. Defaults to None: as the DataArray says
            (the coordinate of the bands, or the attribute ``long_name``), else those of the model.
        unit (str, optional): Unit of the pixels.

    Raises:
        BandError: The bands are not known, or one is missing.
        ConfigError: Other dimensions.
    """
    if isinstance(data, np.ndarray):
        return ArrayDate(data, bands or predictor.bands, predictor, unit)
    spatial = [name for name in ('y', 'x') if name in data.dims]
    others = [name for name in data.dims if name not in ('y', 'x')]
    if len(spatial) != 2 or len(others) != 1:
        raise ConfigError(
            f'The DataArray has the dimensions {data.dims}; expected y, x and one of bands.'
        )
    (axis,) = others
    band_names = bands
    if band_names is None and axis in data.coords and data.coords[axis].dtype.kind in 'UO':
        band_names = [str(name) for name in data.coords[axis].values]
    if band_names is None and isinstance(data.attrs.get('long_name'), list | tuple):
        band_names = [str(name) for name in data.attrs['long_name']]
    if band_names is None and data.sizes[axis] != len(predictor.bands):
        raise BandError(
            f'The DataArray does not name its {data.sizes[axis]} bands; the model takes '
            f'{", ".join(predictor.bands)}. Name them with bands=[...].'
        )
    planes = data.transpose(axis, 'y', 'x').values
    nodata = data.attrs.get('_FillValue', data.encoding.get('_FillValue'))
    nodata = None if nodata is None or nodata != nodata else float(nodata)
    return ArrayDate(planes, band_names or predictor.bands, predictor, unit, nodata)
