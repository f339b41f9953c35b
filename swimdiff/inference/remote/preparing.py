"""Inputs behind addresses and items of catalogues as small local files that any reader opens.

The file is a VRT: it names the remote files and their bands, and holds no pixels.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from swimdiff.datasets.geo import GDAL_ERRORS, gdal_modules
from swimdiff.errors import RasterError
from swimdiff.inference.remote.addresses import explain_failure, is_remote, open_remote, shown_name
from swimdiff.inference.remote.stac import ItemBand, choose_assets, is_item, read_item

__all__ = ['prepare_input']


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
    """Write a VRT of one band per file, the finest pixels for all; it keeps each band's name."""
    gdal, _ = gdal_modules()
    alone = []
    for band, found in chosen.items():
        source = open_remote(found.file) if is_remote(found.file) else _open_local(found.file)
        file = out.with_name(f'{out.stem}_{band}.vrt')
        one = gdal.Translate(str(file), source, format='VRT', bandList=[found.number])
        one.GetRasterBand(1).SetDescription(band)
        one.FlushCache()
        alone.append(str(file))
        del one
    try:
        joined = gdal.BuildVRT(
            str(out), alone, separate=True, resolution='highest', resampleAlg='bilinear'
        )
    except GDAL_ERRORS as error:
        raise RasterError(f'{name}: its files do not fit together: {error}.') from error
    _require_vrt(joined, name)
    for number, band in enumerate(chosen, 1):
        joined.GetRasterBand(number).SetDescription(band)
    joined.FlushCache()
    return str(out)


def _open_local(file: str) -> object:
    gdal, _ = gdal_modules()
    try:
        return gdal.OpenEx(file, gdal.OF_READONLY | gdal.OF_RASTER)
    except GDAL_ERRORS as error:
        raise explain_failure(file, str(error)) from error
