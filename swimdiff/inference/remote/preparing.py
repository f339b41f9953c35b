"""Inputs behind addresses and items of catalogues as small local files that any reader opens.

The file is a VRT: it names the remote files and their bands, and holds no pixels.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from swimdiff.datasets.geo import GDAL_ERRORS, gdal_modules, same_system, spatial_reference
from swimdiff.errors import RasterError
from swimdiff.inference.remote.addresses import explain_failure, is_remote, open_remote, shown_name
from swimdiff.inference.remote.stac import ItemBand, choose_assets, is_item, read_item

__all__ = ['prepare_input']

#: Numbers of a transform that say something; STAC may add those of a matrix.
_NUMBERS = 6


def prepare_input(name: str, bands: Sequence[str], folder: Path) -> str:
    """Make an input readable as a local raster.

    Args:
        name: A file or folder; an address (``http(s)://``, ``s3://``, ``gs://``, ``az://``,
            ``/vsi...``) of a raster; or a STAC item, a file or an address that ends in ``.json``.
        bands: Bands that are wanted of an item, canonical.
        folder: Takes the VRT; it has to be there as long as the input is read.

    Returns:
        The input as it is, where it is local; otherwise the VRT, named like the product.

    Raises:
        BandError: The item lacks a band.
        ConfigError: It is no item, or ``pystac`` is missing.
        LayoutError: A local item is missing.
        RasterError: A server does not deliver; the message says why.
    """
    if is_item(name):
        item = read_item(name)
        return _join_bands(
            choose_assets(item, bands, shown_name(name)), folder / f'{_clean(item.id)}.vrt', name
        )
    if not is_remote(name):
        return name
    gdal, _ = gdal_modules()
    source = open_remote(name)
    path = urlsplit(name).path if '://' in name else name
    out = folder / f'{_clean(Path(path).stem)}.vrt'
    _require_vrt(gdal.Translate(str(out), source, format='VRT'), name)
    return str(out)


def _clean(name: str) -> str:
    return re.sub(r'[^\w.-]+', '_', name) or 'raster'


def _require_vrt(made: object, name: str) -> None:
    if made is None:
        gdal, _ = gdal_modules()
        raise RasterError(f'{name} cannot be prepared: {gdal.GetLastErrorMsg()}.')


def _join_bands(chosen: dict[str, ItemBand], out: Path, name: str) -> str:
    """Write a VRT of one band per file, the finest pixels for all.

    It keeps each band's name, and declares scale and offset as GDAL has them.
    """
    gdal, _ = gdal_modules()
    alone = {
        band: _write_alone(band_source, band, out, name) for band, band_source in chosen.items()
    }
    _require_one_system(list(alone.values()), name)
    files = [one.GetDescription() for one in alone.values()]
    try:
        joined_raster = gdal.BuildVRT(
            str(out), files, separate=True, resolution='highest', resampleAlg='bilinear'
        )
    except GDAL_ERRORS as error:
        raise RasterError(f'{name}: its files do not fit together: {error}.') from error
    _require_vrt(joined_raster, name)
    for number, (band, one) in enumerate(alone.items(), 1):
        target_band, source = joined_raster.GetRasterBand(number), one.GetRasterBand(1)
        target_band.SetDescription(band)
        target_band.SetScale(source.GetScale())
        target_band.SetOffset(source.GetOffset())
    joined_raster.FlushCache()
    return str(out)


def _write_alone(found: ItemBand, band: str, out: Path, name: str) -> Any:
    """Write the VRT of one band, as its file and the item together describe it."""
    gdal, _ = gdal_modules()
    source = open_remote(found.file) if is_remote(found.file) else _open_local(found.file)
    file = out.with_name(f'{out.stem}_{band}.vrt')
    one = gdal.Translate(str(file), source, format='VRT', bandList=[found.number])
    pixels = one.GetRasterBand(1)
    pixels.SetDescription(band)
    if found.scale is not None or found.offset is not None:
        pixels.SetScale(1.0 if found.scale is None else float(found.scale))
        pixels.SetOffset(float(found.offset or 0))
    _place(one, found, f'{name}: {shown_name(found.file)}')
    one.FlushCache()
    return one


def _place(one: Any, found: ItemBand, name: str) -> None:
    """Give a file without a georeference that of its item; refuse one that contradicts it."""
    own = one.GetSpatialRef()
    if not found.system:
        return
    try:
        stated_system = spatial_reference(found.system)
    except GDAL_ERRORS as error:
        raise RasterError(
            f'{name}: the item states the coordinate system {found.system!r}: {error}. '
            'Expected an authority and a code, such as EPSG:32633.'
        ) from error
    if own is None and len(found.transform) >= _NUMBERS:
        width, turn, west, tilt, height, north = found.transform[:_NUMBERS]
        one.SetSpatialRef(stated_system)
        one.SetGeoTransform((west, width, turn, north, tilt, height))
    elif own is not None and not same_system(own.ExportToWkt(), stated_system.ExportToWkt()):
        raise RasterError(
            f'{name} is in the coordinate system {own.GetName()}, and the item states '
            f'{found.system}. Expected the same. One of the two is wrong: correct proj:code of '
            'the item, or get the file again.'
        )


def _require_one_system(files: list[Any], name: str) -> None:
    """Refuse files of several coordinate systems, of which GDAL would leave out some."""
    systems = [file.GetSpatialRef() for file in files]
    known_systems = [system for system in systems if system is not None]
    if not all(
        same_system(known_systems[0].ExportToWkt(), other.ExportToWkt()) for other in known_systems
    ):
        texts = ', '.join(sorted({system.GetName() for system in known_systems}))
        raise RasterError(
            f'{name}: its bands lie in several coordinate systems: {texts}. Expected one; warp '
            'the files onto one grid beforehand (gdalwarp), and give the rasters.'
        )


def _open_local(file: str) -> Any:
    gdal, _ = gdal_modules()
    try:
        return gdal.OpenEx(file, gdal.OF_READONLY | gdal.OF_RASTER)
    except GDAL_ERRORS as error:
        raise explain_failure(file, str(error)) from error
