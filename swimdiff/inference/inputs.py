"""Reading the dates of a map onto its grid, row by row, stretched as in training.

A date on another grid is warped by GDAL (a warped VRT, bilinear) while it is read. Pixels without
data are 0 for the network, as in training, and known apart.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from swimdiff.bands import ProductStats
from swimdiff.datasets.geo import (
    GDAL_ERRORS,
    call_again,
    gdal_modules,
    is_retry_note,
    open_raster,
    raster_failure,
)
from swimdiff.datasets.rasters.opening import BandFile
from swimdiff.datasets.rasters.reading import nodata_as
from swimdiff.errors import ConfigError, RasterError
from swimdiff.inference.grid import Grid, check_overlap, read_grid
from swimdiff.inference.opening import OpenedDate, stretch_date

__all__ = ['CloudRows', 'DateRows', 'RasterDate', 'stretch_plane']


class DateRows(Protocol):
    """Hold one date on the grid of the map, whatever it comes from."""

    @property
    def channels(self) -> int:
        """Number of its bands."""

    def read_rows(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Read whole rows.

        Args:
            first (int): Number of the first row.
            count (int): Number of rows.

        Returns:
            tuple[np.ndarray, np.ndarray]: C x rows x W uint8, stretched, 0 without data; and
            rows x W bool, which pixels have data.
        """


def stretch_plane(plane: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Stretch the pixels of one band to uint8.

    Args:
        plane (np.ndarray): rows x W uint8, uint16, int16 or float32.
        table (np.ndarray): Its row of :func:`swimdiff.inference.opening.stretch_date`.
    """
    if plane.dtype.kind == 'f':
        low, high = table
        stretched_plane = np.clip((plane - low) / (high - low), 0, 1) * np.float32(255)
        return np.nan_to_num(stretched_plane, nan=0.0).astype(np.uint8)
    return table.take(plane.view(np.uint8 if plane.dtype.itemsize == 1 else np.uint16))


def _gdal_type(dtype: str) -> int:
    return gdal_modules()[0].GetDataTypeByName('Byte' if dtype == 'uint8' else dtype)


class _DirectBand:
    """A band whose file has the pixels of the map.

    Args:
        path (str): The file.
        band (BandFile): The band.
        dtype (str): Type of the pixels as handed on.
        place (tuple[int, int]): Column and row of the map's first pixel in the file.
        width (int): Columns of the map.
    """

    def __init__(
        self, path: str, band: BandFile, dtype: str, place: tuple[int, int], width: int
    ) -> None:
        self._path, self._about, self._dtype = path, band, dtype
        self._place, self._width = place, width
        self.zeros_are_gaps = False
        self._dataset = _open(path)
        self._band = self._dataset.GetRasterBand(band.channel)

    def read_rows(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return rows and which pixels have data; None: all."""
        window = (self._place[0], self._place[1] + first, self._width, count)
        plane = _read(self._path, self._band, window, self._dtype)
        valid = None
        if self._about.nodata is not None:
            valid = plane != nodata_as(self._about.nodata, plane.dtype)
        if plane.dtype.kind == 'f':
            finite = np.isfinite(plane)
            valid = finite if valid is None else valid & finite
        if self._about.masked:
            mask = _read(self._path, self._band.GetMaskBand(), window, 'uint8') != 0
            valid = mask if valid is None else valid & mask
        return plane, valid


class _WarpedBand:
    """A band that GDAL warps onto the grid of the map while it is read.

    Args:
        path (str): The file.
        band (BandFile): The band.
        dtype (str): Type of the pixels as handed on.
        grid (Grid): The grid of the map.
        method (str): GDAL's name of the resampling.
        zeros (bool): True: 0 has no weight where nothing declares no data.
    """

    def __init__(
        self, path: str, band: BandFile, dtype: str, grid: Grid, method: str, zeros: bool = False
    ) -> None:
        gdal, _ = gdal_modules()
        self._path, self._dtype, self._width = path, dtype, grid.width
        #: True where pixels without data are only those that are 0.
        self.zeros_are_gaps = zeros and band.nodata is None and not band.masked
        nodata = 0 if self.zeros_are_gaps else band.nodata
        west, south, east, north = grid.bounds
        mask = f'mask,{band.channel}' if band.masked else 'none'
        try:
            self._source = gdal.Translate(
                '', _open(path), format='VRT', bandList=[band.channel], maskBand=mask
            )
            # The last of four bands is often marked as transparency: here it is a band like any.
            self._source.GetRasterBand(1).SetColorInterpretation(gdal.GCI_GrayIndex)
            self._dataset = gdal.Warp(
                '',
                self._source,
                format='VRT',
                dstSRS=grid.system,
                outputBounds=(west, south, east, north),
                width=grid.width,
                height=grid.height,
                resampleAlg=method,
                srcNodata=None if nodata is None else repr(nodata),
                dstAlpha=True,
            )
        except GDAL_ERRORS as error:
            raise raster_failure(path, str(error), 'a raster that can be warped') from error

    def read_rows(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and which pixels have data."""
        window = (0, first, self._width, count)
        plane, alpha = (
            _read(self._path, self._dataset.GetRasterBand(number), window, dtype)
            for number, dtype in ((1, self._dtype), (2, 'float32'))
        )
        valid = alpha > 0
        if plane.dtype.kind == 'f':
            valid &= np.isfinite(plane)
        return plane, valid


def _open(path: str) -> Any:
    try:
        return open_raster(path)
    except GDAL_ERRORS as error:
        raise raster_failure(path, str(error), 'a raster') from error


def _read(path: str, band: Any, window: tuple[int, int, int, int], dtype: str) -> np.ndarray:
    """Read part of a band; damage of the file is an error that names it."""
    gdal, _ = gdal_modules()
    complaints: list[str] = []
    # libjpeg only *warns* when the data of a block ends early, and fills the rest with grey.
    gdal.PushErrorHandler(
        lambda level, _, text: complaints.append(text) if level >= gdal.CE_Warning else None
    )
    plane = np.empty((window[3], window[2]), dtype)

    def read() -> None:
        complaints.clear()
        band.ReadRaster(*window, buf_type=_gdal_type(dtype), buf_obj=plane.data.cast('B'))

    try:
        call_again(read)
    except GDAL_ERRORS as error:
        raise raster_failure(path, [*complaints, str(error)][0], 'a whole raster') from error
    finally:
        gdal.PopErrorHandler()
    complaints = [text for text in complaints if not is_retry_note(text)]
    if complaints:
        raise raster_failure(path, complaints[0], 'a whole raster')
    return plane


class RasterDate:
    """Hold one date from its files.

    Args:
        date (OpenedDate): The date.
        grid (Grid): The grid of the map.
        stats (ProductStats): Statistics of the training.

    Raises:
        RasterError: The date shares no ground with the grid.
    """

    def __init__(self, date: OpenedDate, grid: Grid, stats: ProductStats) -> None:
        check_overlap(grid, date.grid, date.path)
        self._tables = stretch_date(date, stats)
        # Sentinel-2 declares nothing at its edges, where all bands are 0; in pictures 0 is black.
        self._zeros = date.scene.dtype != 'uint8'
        self._bands = [self._open_band(date, name, grid) for name in date.bands]

    def _open_band(self, date: OpenedDate, name: str, grid: Grid) -> _DirectBand | _WarpedBand:
        band, dtype = date.scene.bands[name], date.scene.dtype
        path = str(date.root / band.file)
        own = Grid(
            date.scene.system, band.west, band.dx, band.north, band.dy, band.width, band.height
        )
        place = grid.find_place(own)
        if place is not None:
            return _DirectBand(path, band, dtype, place, grid.width)
        return _WarpedBand(path, band, dtype, grid, 'bilinear', self._zeros)

    @property
    def channels(self) -> int:
        """Number of its bands."""
        return len(self._bands)

    def read_rows(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Read whole rows; see :class:`DateRows`."""
        images, is_lit, is_whole = [], None, None
        for band, table in zip(self._bands, self._tables, strict=True):
            plane, valid = band.read_rows(first, count)
            images.append(stretch_plane(plane, table))
            if self._zeros:
                is_nonzero = plane != 0 if valid is None else (plane != 0) & valid
                is_lit = is_nonzero if is_lit is None else is_lit | is_nonzero
            # Gaps that only zeros tell of are gaps of all bands, or none.
            if valid is not None and not band.zeros_are_gaps:
                is_whole = valid if is_whole is None else is_whole & valid
        is_valid = np.ones(images[0].shape, bool)
        for marks in (is_lit, is_whole):
            if marks is not None:
                is_valid &= marks
        stacked_images = np.stack(images)
        stacked_images[:, ~is_valid] = 0
        return stacked_images, is_valid


class CloudRows:
    """Read where a mask on any grid says cloud.

    Args:
        path (str): The mask.
        values (Sequence[int]): Its values that are cloud.
        grid (Grid): The grid of the map.

    Raises:
        ConfigError: No value is given.
        RasterError: The mask cannot be read, or shares no ground with the grid.
    """

    def __init__(self, path: str, values: Sequence[int], grid: Grid) -> None:
        if not values:
            raise ConfigError(f'{path}: expected the values that are cloud (--cloud-values).')
        own = read_grid(path)
        check_overlap(grid, own, path)
        dataset = _open(path)
        if dataset.RasterCount != 1:
            raise RasterError(
                f'{path} has {dataset.RasterCount} bands. Expected a cloud mask of one band.'
            )
        band = BandFile(
            path, 1, own.west, own.dx, own.north, own.dy, own.width, own.height, None, False
        )
        self._values = np.asarray(values)
        self._band = _WarpedBand(path, band, 'float32', grid, 'near')

    def read_rows(self, first: int, count: int) -> np.ndarray:
        """Return rows x W bool, where it is cloudy."""
        plane, is_covered = self._band.read_rows(first, count)
        return np.isin(plane, self._values) & is_covered
