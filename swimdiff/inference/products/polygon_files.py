"""Files of polygons, written one polygon after another: GeoPackage, GeoJSON, GeoParquet."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from swimdiff.datasets.geo import gdal_modules, ogr_module
from swimdiff.errors import ConfigError

__all__ = ['FIELDS', 'PolygonFile', 'check_polygon_file', 'open_polygon_file']

#: Attributes of a polygon and their types.
FIELDS: Mapping[str, type] = {
    'class': str,
    'value': int,
    'area_m2': float,
    'probability': float,
    'pixels': int,
}

_DRIVERS = {'.gpkg': 'GPKG', '.geojson': 'GeoJSON', '.json': 'GeoJSON'}
_PARQUET = ('.parquet', '.geoparquet')
#: Polygons between two writes to the disk.
_BATCH = 20_000


class PolygonFile(Protocol):
    """Take polygons; the file is whole once it is closed."""

    def add(self, outline: Any, attributes: Mapping[str, Any]) -> None:
        """Add one polygon.

        Args:
            outline: Geometry of OGR in the coordinates of the map.
            attributes: One value per name of ``FIELDS``; None where it has none.
        """

    def close(self) -> None:
        """Write what is left."""


def check_polygon_file(path: str | Path) -> None:
    """Check that polygons can be written to a file of this name.

    Raises:
        ConfigError: The ending names no format, or its package is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix in _PARQUET:
        _import_pyarrow()
    elif suffix not in _DRIVERS:
        raise ConfigError(
            f'{path}: polygons are written as {", ".join([*_DRIVERS, *_PARQUET])}; found '
            f'{suffix or "no ending"!r}. Choose one of these endings.'
        )


def open_polygon_file(path: Path, system: Any) -> PolygonFile:
    """Begin a file of polygons; its ending chooses the format.

    Args:
        path: A file that is not there yet.
        system: OGR's spatial reference of the map. GeoJSON is written in longitude and latitude,
            as its standard (RFC 7946) asks for.

    Raises:
        ConfigError: The ending names no format, or its package is not installed.
    """
    check_polygon_file(path)
    if path.suffix.lower() in _PARQUET:
        return _ParquetFile(path, system)
    return _OgrFile(path, system)


def _import_pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(
            "GeoParquet is written by pyarrow, which is not installed: pip install 'swimdiff[maps]'"
        ) from error
    return pyarrow


class _OgrFile:
    """GeoPackage or GeoJSON, by GDAL."""

    def __init__(self, path: Path, system: Any) -> None:
        gdal, _ = gdal_modules()
        ogr = ogr_module()
        driver = _DRIVERS[path.suffix.lower()]
        self._geojson = driver == 'GeoJSON'
        self._file = gdal.GetDriverByName(driver).Create(str(path), 0, 0, 0, gdal.GDT_Unknown)
        options = ['RFC7946=YES'] if self._geojson else []
        self._layer = self._file.CreateLayer('polygons', system, ogr.wkbPolygon, options)
        types = {str: ogr.OFTString, int: ogr.OFTInteger64, float: ogr.OFTReal}
        for name, kind in FIELDS.items():
            self._layer.CreateField(ogr.FieldDefn(name, types[kind]))
        self._feature = ogr.Feature
        self._waiting = 0
        self._begin()

    def _begin(self) -> None:
        if not self._geojson:
            self._file.StartTransaction()

    def add(self, outline: Any, attributes: Mapping[str, Any]) -> None:
        feature = self._feature(self._layer.GetLayerDefn())
        feature.SetGeometry(outline)
        for name in FIELDS:
            if attributes[name] is None:
                feature.SetFieldNull(name)
            else:
                feature.SetField(name, attributes[name])
        self._layer.CreateFeature(feature)
        self._waiting += 1
        if self._waiting == _BATCH and not self._geojson:
            self._file.CommitTransaction()
            self._waiting = 0
            self._begin()

    def close(self) -> None:
        if not self._geojson:
            self._file.CommitTransaction()
        self._layer = None
        self._file.FlushCache()
        self._file = None


class _ParquetFile:
    """GeoParquet 1.1 (geoparquet.org): WKB in a column, its meaning in the metadata."""

    def __init__(self, path: Path, system: Any) -> None:
        from pyproj import CRS

        self._arrow = pyarrow = _import_pyarrow()
        types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
        fields = [(name, types[kind]) for name, kind in FIELDS.items()]
        self._schema = pyarrow.schema([*fields, ('geometry', pyarrow.binary())])
        self._writer = pyarrow.parquet.ParquetWriter(str(path), self._schema, compression='zstd')
        self._crs = CRS.from_wkt(system.ExportToWkt()).to_json_dict()
        self._bounds: list[float] | None = None
        self._rows: list[dict[str, Any]] = []

    def add(self, outline: Any, attributes: Mapping[str, Any]) -> None:
        west, east, south, north = outline.GetEnvelope()
        known_bounds = self._bounds or [west, south, east, north]
        self._bounds = [
            *map(min, known_bounds[:2], (west, south)),
            *map(max, known_bounds[2:], (east, north)),
        ]
        self._rows.append({**attributes, 'geometry': bytes(outline.ExportToIsoWkb())})
        if len(self._rows) == _BATCH:
            self._write()

    def _write(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, self._schema))
        self._rows = []

    def close(self) -> None:
        self._write()
        column: dict[str, Any] = dict(
            encoding='WKB', geometry_types=['Polygon'], crs=self._crs, edges='planar'
        )
        if self._bounds is not None:
            column['bbox'] = self._bounds
        about = dict(version='1.1.0', primary_column='geometry', columns={'geometry': column})
        self._writer.add_key_value_metadata({'geo': json.dumps(about)})
        self._writer.close()
