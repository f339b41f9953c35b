"""GDAL, set up once per process: the only module of the package that imports ``osgeo``.

GDAL is asked directly: the driver is named, the folder is not listed and no side-car files are
looked for. Nothing is held open between calls, so DataLoader workers may be forked at any time.
"""

import functools
import os
from types import ModuleType
from typing import Any

from swimdiff.errors import GdalMissingError, LayoutError, RasterError

__all__ = [
    'GDAL_ERRORS',
    'gdal_modules',
    'ogr_module',
    'open_raster',
    'raster_failure',
    'require_gdal',
]

_DRIVERS = {'.tif': 'GTiff', '.tiff': 'GTiff', '.jp2': 'JP2OpenJPEG', '.vrt': 'VRT'}

#: What GDAL raises: an error of its own, or that its message with a file's name is no UTF-8.
GDAL_ERRORS = (RuntimeError, UnicodeDecodeError, SystemError)

#: Bytes of decoded blocks that a process keeps. GDAL's own 5 % of the memory is too much for each
#: of many workers, which hardly ever meet a block twice.
_BLOCK_CACHE = 64 << 20


@functools.cache
def gdal_modules() -> tuple[ModuleType, ModuleType]:
    """Return ``gdal`` and ``osr``, set up once per process."""
    try:
        from osgeo import gdal, osr
    except ImportError as error:
        raise GdalMissingError(
            f'Rasters are read through GDAL, and its Python bindings do not load ({error}).\n'
            '  apt:   sudo apt-get install -y gdal-bin libgdal-dev && '
            'pip install --no-build-isolation "gdal==$(gdal-config --version)"\n'
            '  conda: conda install -c conda-forge gdal\n'
            '  brew:  brew install gdal && '
            'pip install --no-build-isolation "gdal==$(gdal-config --version)"\n'
            'Then check the whole stack with: python -m swimdiff.doctor'
        ) from error
    gdal.UseExceptions()
    osr.UseExceptions()
    gdal.SetConfigOption('GDAL_DISABLE_READDIR_ON_OPEN', 'EMPTY_DIR')
    gdal.SetConfigOption('GDAL_PAM_ENABLED', 'NO')
    if gdal.GetConfigOption('GDAL_CACHEMAX') is None:
        gdal.SetCacheMax(_BLOCK_CACHE)
    if gdal.GetConfigOption('GDAL_NUM_THREADS') is None:
        # Workers run side by side already; JPEG 2000 would take all cores in each of them.
        gdal.SetConfigOption('GDAL_NUM_THREADS', '1')
    return gdal, osr


@functools.cache
def ogr_module() -> ModuleType:
    """Return ``ogr``, GDAL's half for polygons, set up once per process.

    Raises:
        GdalMissingError: The bindings of GDAL do not load.
    """
    gdal_modules()
    from osgeo import ogr

    ogr.UseExceptions()
    return ogr


def require_gdal() -> None:
    """Check that rasters can be read at all.

    Raises:
        GdalMissingError: The bindings of GDAL do not load.
    """
    gdal_modules()


def raster_failure(path: str, detail: str, expected: str) -> RasterError | LayoutError:
    """Return the most telling error for a file that could not be read.

    Args:
        path: The file.
        detail: Message of GDAL.
        expected: Raster that should be there, in words.
    """
    if not os.path.exists(path):
        return LayoutError(
            f'{path} is missing. Expected {expected}. Check the name; of an archive, unpack it '
            'again, or leave out the band or the sample the file belongs to.'
        )
    size = os.path.getsize(path)
    problem = (
        f'{size} bytes that fail with: {detail.rstrip(" .")}' if size else 'an empty file (0 bytes)'
    )
    return RasterError(
        f'{path} cannot be read. Expected {expected}; found {problem}. The file is damaged or only '
        'partly written: unpack or download it again.'
    )


def open_raster(path: str) -> Any:
    """Open a raster for reading by the driver its suffix names."""
    gdal, _ = gdal_modules()
    driver = _DRIVERS.get(os.path.splitext(path)[1].lower())
    try:
        # Bytes, as a name that is not UTF-8 is no text that GDAL could be given.
        return gdal.OpenEx(
            os.fsencode(path),
            gdal.OF_READONLY | gdal.OF_RASTER,
            allowed_drivers=[driver] if driver else [],
        )
    except UnicodeDecodeError as error:  # of GDAL's message, which names the file
        raise RuntimeError(bytes(error.object).decode('utf-8', 'backslashreplace')) from error
