"""Writing a map: rows as they come into a tiled GeoTIFF, then one Cloud-Optimised GeoTIFF.

Both are written in a hidden folder beside the target, and only the finished file takes its name: a
process that is killed leaves no torn file, and the next one takes its folder away.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from xml.etree import ElementTree

import numpy as np

from swimdiff.datasets.geo import GDAL_ERRORS, gdal_modules, spatial_reference
from swimdiff.errors import RasterError
from swimdiff.files import clean_partials, partial_name, replace_file
from swimdiff.inference.grid import Grid

__all__ = ['NODATA', 'PROBABILITY_STEPS', 'CogWriter', 'scale_probabilities']

#: Value of pixels without data in maps of classes, and in probabilities of uint8.
NODATA = 255
#: Value that represents a probability of 1 in uint8.
PROBABILITY_STEPS = 254

_BLOCK = 512
#: Rows of the finished file that are read at once to check it.
_CHECKED = 512


def scale_probabilities(values: np.ndarray, valid: np.ndarray, kind: str) -> np.ndarray:
    """Return probabilities as a file holds them.

    Args:
        values (np.ndarray): C x rows x W, 0 to 1.
        valid (np.ndarray): rows x W bool.
        kind (str): ``uint8``, 254 for a probability of 1 and 255 for no data, or ``float32``, NaN
            for no data.
    """
    if kind == 'float32':
        return np.where(valid, values, np.float32('nan')).astype(np.float32)
    scaled_values = np.floor(values * PROBABILITY_STEPS + 0.5).astype(np.uint8)
    return np.where(valid, scaled_values, np.uint8(NODATA))


class CogWriter:
    """Write one raster of the map; leave nothing behind after a failure.

    It is a context manager.

    Args:
        path (Path): The file; its folder is made.
        grid (Grid): Where it lies.
        dtype (str): ``uint8`` or ``float32``.
        bands (Sequence[str]): Description of each band.
        nodata (float): Declared value of pixels without data.
        classes (Sequence[str]): Names of the values 0, 1, ...; () for probabilities.
        colours (Sequence): Red, green and blue of each.
        metadata (Mapping[str, str]): Written into the file.
        scale (float, optional): What a value is to be multiplied with. Defaults to None.

    Raises:
        RasterError: A file cannot be written; says why (a full disk, a folder that is not there).
    """

    def __init__(
        self,
        path: Path,
        grid: Grid,
        dtype: str,
        bands: Sequence[str],
        nodata: float,
        classes: Sequence[str] = (),
        colours: Sequence[tuple[int, int, int]] = (),
        metadata: Mapping[str, str] | None = None,
        scale: float | None = None,
    ) -> None:
        self.path, self.grid, self.dtype = path, grid, dtype
        self._classes, self._colours = classes, colours
        self._folder = path.with_name(partial_name(path.name))
        self._complaints: list[str] = []
        self._sum = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            clean_partials(path.parent)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
        except OSError as error:
            raise self._failure(str(error)) from error
        self._raw = self._folder / 'rows.tif'
        self._dataset = self._create(bands, nodata, dict(metadata or {}), scale)

    def __enter__(self) -> 'CogWriter':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _close(self) -> None:
        """Close the file; that of one which failed fails once more, in a destructor, unheard."""
        gdal, _ = gdal_modules()
        gdal.PushErrorHandler(self._watch)
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            self._dataset = None
        finally:
            sys.unraisablehook = hook
            gdal.PopErrorHandler()

    def _failure(self, detail: str) -> RasterError:
        free = ''
        if self.path.parent.is_dir():
            free = f' ({shutil.disk_usage(self.path.parent).free >> 20} MiB free there)'
        return RasterError(
            f'{self.path} cannot be written{free}: {detail}. Expected a folder that can be written '
            'to and room for twice the map; nothing is left behind.'
        )

    def _watch(self, level: int, _: int, text: str) -> None:
        """Note what GDAL only prints: not every failed write is an exception."""
        if level >= gdal_modules()[0].CE_Failure:
            self._complaints.append(text)

    def _call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call GDAL; a failure, raised or printed, becomes one error of this file."""
        gdal, _ = gdal_modules()
        gdal.PushErrorHandler(self._watch)
        result = None
        try:
            result = function(*args, **kwargs)
        except GDAL_ERRORS as error:
            self._complaints.append(str(error))
        finally:
            gdal.PopErrorHandler()
        if self._complaints:
            # The error must not keep the file open: its frames would.
            del function, args, kwargs, result
            raise self._failure(self._complaints[0])
        return result

    def _create(
        self, bands: Sequence[str], nodata: float, metadata: dict[str, str], scale: float | None
    ) -> Any:
        gdal, _ = gdal_modules()
        kind = gdal.GetDataTypeByName('Byte' if self.dtype == 'uint8' else 'Float32')
        # Tiles of few rows: a strip of the map fills them, and each is compressed once.
        options = ['TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=64', 'INTERLEAVE=BAND']
        options += ['COMPRESS=LZW', 'BIGTIFF=IF_SAFER']
        size = self.grid.width, self.grid.height, len(bands)
        driver = gdal.GetDriverByName('GTiff')
        dataset = self._call(driver.Create, str(self._raw), *size, kind, options)
        if self.grid.system:
            dataset.SetSpatialRef(spatial_reference(self.grid.system))
            dataset.SetGeoTransform(list(self.grid.transform))
        # Names of classes in the file itself too: GeoTIFF has no place for GDAL's categories.
        class_names = {f'CLASS_{number}': name for number, name in enumerate(self._classes)}
        dataset.SetMetadata({**metadata, **class_names})
        for number, name in enumerate(bands, 1):
            band = dataset.GetRasterBand(number)
            band.SetDescription(name)
            band.SetNoDataValue(nodata)
            if scale is not None:
                band.SetScale(scale)
                band.SetOffset(0.0)
        if self._colours:
            table = gdal.ColorTable()
            for number, colour in enumerate(self._colours):
                table.SetColorEntry(number, (*colour, 255))
            dataset.GetRasterBand(1).SetColorTable(table)
        return dataset

    def write_rows(self, first: int, rows: np.ndarray) -> None:
        """Write whole rows.

        Args:
            first (int): Number of the first row.
            rows (np.ndarray): C x rows x W, or rows x W, of the type of the file.
        """
        planes = np.ascontiguousarray(rows if rows.ndim == 3 else rows[None], self.dtype)
        gdal, _ = gdal_modules()
        kind = gdal.GetDataTypeByName('Byte' if self.dtype == 'uint8' else 'Float32')
        for number, plane in enumerate(planes, 1):
            band = self._dataset.GetRasterBand(number)
            size = plane.shape[1], plane.shape[0]
            self._call(band.WriteRaster, 0, first, *size, plane.data.cast('B'), buf_type=kind)
        self._sum += _add_up(planes)

    def finish(self) -> None:
        """Make the Cloud-Optimised GeoTIFF, check it, and put it into its place."""
        gdal, _ = gdal_modules()
        self._call(self._dataset.FlushCache)
        self._dataset = None
        source = self._call(gdal.OpenEx, str(self._raw), gdal.OF_RASTER)
        predictor = 'NO' if self._classes else 'YES'
        options = ['COMPRESS=DEFLATE', f'PREDICTOR={predictor}', f'BLOCKSIZE={_BLOCK}']
        options += ['BIGTIFF=IF_SAFER', 'NUM_THREADS=2']
        options += [f'OVERVIEW_RESAMPLING={"MODE" if self._classes else "AVERAGE"}']
        cog_path = self._folder / 'cog.tif'
        driver = gdal.GetDriverByName('COG')
        copy = self._call(driver.CreateCopy, str(cog_path), source, 0, options)
        self._call(copy.FlushCache)
        del copy, source
        self._raw.unlink()
        self._check(cog_path)
        if self._classes:
            self._write_categories()
        replace_file(cog_path, self.path)

    def _check(self, path: Path) -> None:
        """Read the file back: what a full disk swallowed is noticed before it takes its name."""
        gdal, _ = gdal_modules()
        dataset = self._call(gdal.OpenEx, str(path), gdal.OF_RASTER)
        checksum, count = 0, dataset.RasterCount
        kind = np.uint8 if self.dtype == 'uint8' else np.float32
        for first in range(0, self.grid.height, _CHECKED):
            rows = min(_CHECKED, self.grid.height - first)
            for number in range(1, count + 1):
                band = dataset.GetRasterBand(number)
                data = self._call(band.ReadRaster, 0, first, self.grid.width, rows)
                checksum += _add_up(np.frombuffer(data, kind))
        if checksum != self._sum:
            raise self._failure('the finished file does not hold what was written into it')

    def _write_categories(self) -> None:
        """Write the names of the classes where GDAL and QGIS look for them, beside the file."""
        root = ElementTree.Element('PAMDataset')
        band = ElementTree.SubElement(root, 'PAMRasterBand', band='1')
        names = ElementTree.SubElement(band, 'CategoryNames')
        for name in self._classes:
            ElementTree.SubElement(names, 'Category').text = name
        names_path = self._folder / 'names.xml'
        try:
            ElementTree.ElementTree(root).write(names_path, encoding='utf-8')
            os.replace(names_path, self.path.with_name(f'{self.path.name}.aux.xml'))
        except OSError as error:
            raise self._failure(str(error)) from error


def _add_up(values: np.ndarray) -> int:
    """Return the sum of the bits of all values, the same in whatever order they are added."""
    whole = values.view(np.uint32) if values.dtype == np.float32 else values
    return int(whole.sum(dtype=np.uint64))
