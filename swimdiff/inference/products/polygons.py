"""A map as polygons with class, area and mean probability."""

import math
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swimdiff.datasets.geo import GDAL_ERRORS, gdal_modules, ogr_module, open_raster
from swimdiff.errors import ConfigError, RasterError
from swimdiff.files import clean_partials, partial_name, replace_file
from swimdiff.inference.products.patches import Patches, find_patches
from swimdiff.inference.products.polygon_files import check_polygon_file, open_polygon_file
from swimdiff.inference.products.written_map import WrittenMap, choose_classes

__all__ = ['write_polygons']


@contextmanager
def _partial_folder(final: Path) -> Iterator[Path]:
    """Make a folder beside a file to be; a kill leaves a name that is cleaned up later."""
    final.parent.mkdir(parents=True, exist_ok=True)
    clean_partials(final.parent)
    folder = final.with_name(partial_name(final.name))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_polygons(
    made: WrittenMap,
    out: str | Path,
    classes: Sequence[str] | None = None,
    minimum_area: float = 0.0,
) -> Mapping[str, int]:
    """Write the outlines of the patches of a map.

    A polygon follows the edges of the pixels of one class that share an edge. Areas are measured on
    the ellipsoid, the probability is the mean over the pixels of the polygon. Memory holds a strip
    of the map, a few numbers per patch and the outlines under work.

    Args:
        made: The map; see :func:`swimdiff.inference.products.read_map`.
        out: File; ``.gpkg``, ``.geojson`` or ``.parquet`` chooses the format.
        classes: Names or values of classes. Defaults to None, all.
        minimum_area: Smaller polygons are left out, square metres. Defaults to 0.

    Returns:
        Number of polygons by name of the class.

    Raises:
        ConfigError: Another ending, a class that the map has not, or a missing package.
        RasterError: The map has no coordinate system, or the file cannot be written.
    """
    out = Path(out)
    check_polygon_file(out)
    if not minimum_area >= 0:
        raise ConfigError(f'minimum area {minimum_area}: expected 0 or more square metres.')
    chosen_classes = choose_classes(made, classes)
    names = {one.value: one.name for one in made.classes}
    with _partial_folder(out) as folder:
        patches = find_patches(made, chosen_classes, minimum_area, folder / 'patches.tif')
        outlines_path = folder / 'outlines.gpkg'
        polygons_path = folder / f'polygons{out.suffix.lower()}'
        try:
            _draw_outlines(patches, outlines_path)
            counts = _copy(outlines_path, patches, names, polygons_path)
        except GDAL_ERRORS as error:
            raise RasterError(
                f'{out} cannot be written: {error}. Expected room for the polygons and a copy of '
                'the map in its folder; nothing is left behind.'
            ) from error
        replace_file(polygons_path, out)
    return {one.name: counts[one.name] for one in chosen_classes}


def _draw_outlines(patches: Patches, path: Path) -> None:
    """Draw the outline of each patch; its number is the attribute ``patch``."""
    gdal, _ = gdal_modules()
    ogr = ogr_module()
    raster = open_raster(str(patches.path))
    file = gdal.GetDriverByName('GPKG').Create(str(path), 0, 0, 0, gdal.GDT_Unknown)
    layer = file.CreateLayer(
        'outlines', raster.GetSpatialRef(), ogr.wkbPolygon, ['SPATIAL_INDEX=NO']
    )
    layer.CreateField(ogr.FieldDefn('patch', ogr.OFTInteger))
    band = raster.GetRasterBand(1)
    file.StartTransaction()
    gdal.Polygonize(band, band, layer, 0)  # masked by itself: 0 is left out
    file.CommitTransaction()
    file.FlushCache()


def _copy(drawn: Path, patches: Patches, names: Mapping[int, str], out: Path) -> Counter[str]:
    gdal, _ = gdal_modules()
    source = gdal.OpenEx(os.fspath(drawn), gdal.OF_VECTOR)
    layer = source.GetLayer(0)
    file = open_polygon_file(out, layer.GetSpatialRef())
    counts: Counter[str] = Counter()
    for feature in layer:
        patch = feature.GetField('patch') - 1
        attributes = _describe(patches, patch, names)
        file.add(feature.GetGeometryRef(), attributes)
        counts[attributes['class']] += 1
    file.close()
    return counts


def _describe(patches: Patches, patch: int, names: Mapping[int, str]) -> dict[str, Any]:
    value, probability = int(patches.values[patch]), float(patches.probabilities[patch])
    return {
        'class': names[value],
        'value': value,
        'area_m2': round(float(patches.areas[patch]), 2),
        'probability': None if math.isnan(probability) else round(probability, 4),
        'pixels': int(patches.pixels[patch]),
    }
