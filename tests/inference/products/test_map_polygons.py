"""Polygons against scipy's labels of the whole map, shapely's areas and pyproj's ellipsoid."""

import json

import duckdb
import geopandas
import numpy as np
import pytest
from fixtures.maps import write_class_map
from fixtures.rasters import NORTH, WEST, write
from pyproj import Geod
from scipy import ndimage
from shapely import segmentize

from swimdiff.errors import ConfigError, LayoutError, RasterError
from swimdiff.inference.products import read_map, write_polygons, written_map

NAMES = ('water', 'forest', 'town')
ENDINGS = ('.gpkg', '.geojson', '.parquet')


@pytest.fixture(autouse=True)
def _short_strips(monkeypatch):
    """Strips of a few rows, so that patches reach over several."""
    monkeypatch.setattr(written_map, '_STRIP', 300)


def _values(seed=0, shape=(57, 61)):
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0)
    values = np.digitize(smooth, np.quantile(smooth, [0.3, 0.7])).astype(np.uint8)
    values[:5, :7] = 255
    return values


def _read(path):
    return geopandas.read_parquet(path) if path.suffix == '.parquet' else geopandas.read_file(path)


def _components(values):
    """Each patch as a mask, by the whole map at once."""
    for value in range(len(NAMES)):
        labels, count = ndimage.label(values == value)
        for number in range(1, count + 1):
            yield value, labels == number


@pytest.mark.parametrize('ending', ENDINGS)
def test_each_patch_is_one_polygon_with_area_and_probability(tmp_path, ending):
    values = _values()
    chances = np.random.default_rng(1).random(values.shape).astype(np.float32)
    chances[values == 255] = np.nan
    path = write_class_map(tmp_path / 'map.tif', values, NAMES)
    probability = write(tmp_path / 'p.tif', chances, nodata=float('nan'))
    out = tmp_path / f'polygons{ending}'
    counts = write_polygons(read_map(path, probability), out)
    table = _read(out)
    assert counts == table['class'].value_counts().to_dict()
    expected = sorted(
        (NAMES[value], int(mask.sum()), round(float(chances[mask].mean(dtype=float)), 4))
        for value, mask in _components(values)
    )
    rows = zip(table['class'], table['pixels'], table['probability'], strict=True)
    for one, other in zip(sorted(rows), expected, strict=True):
        assert one[:2] == other[:2]
        assert one[2] == pytest.approx(other[2], abs=1e-4)
    assert table.crs.to_epsg() == (4326 if ending == '.geojson' else 32633)
    if ending != '.geojson':
        assert np.allclose(table.area, table['pixels'] * 100)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ['map.tif', 'p.tif', out.name]
    )


@pytest.mark.parametrize(
    ('epsg', 'transform'),
    [
        (32633, (WEST, 10, 0, NORTH, 0, -10)),
        (3857, (1_500_000, 500, 0, 6_400_000, 0, -500)),
        (4326, (10, 0.01, 0, 60, 0, -0.01)),
        (32633, (WEST, 8, 3, NORTH, 3, -8)),  # turned
    ],
)
def test_areas_are_those_on_the_ellipsoid(tmp_path, epsg, transform):
    path = write_class_map(tmp_path / 'map.tif', _values(), NAMES, epsg=epsg, transform=transform)
    write_polygons(read_map(path), tmp_path / 'out.gpkg')
    table = geopandas.read_file(tmp_path / 'out.gpkg')
    finely = segmentize(table.geometry, abs(transform[1]) / 2)
    lonlat = geopandas.GeoSeries(finely, crs=table.crs).to_crs(4326)
    ellipsoid = Geod(ellps='WGS84')
    expected = [abs(ellipsoid.geometry_area_perimeter(shape)[0]) for shape in lonlat]
    assert np.allclose(table['area_m2'], expected, rtol=2e-5, atol=0.02)


def test_small_polygons_and_other_classes_are_left_out(tmp_path):
    values = np.zeros((30, 30))
    values[2:4, 2:4], values[10:20, 10:20], values[25, 25] = 1, 1, 2
    path = write_class_map(tmp_path / 'map.tif', values, NAMES)
    out = tmp_path / 'out.geojson'
    counts = write_polygons(read_map(path), out, ['forest', '2'], minimum_area=500)
    assert counts == {'forest': 1, 'town': 0}
    (feature,) = json.loads(out.read_text())['features']
    assert feature['properties']['pixels'] == 100
    assert feature['properties']['probability'] is None


def test_probabilities_per_class_as_scaled_bytes(tmp_path):
    values = np.zeros((8, 40))
    values[:, 20:] = 1
    stored = np.stack([np.full((8, 40), 200), np.full((8, 40), 50)]).astype(np.uint8)
    stored[1, :, 25:30] = 255
    path = write_class_map(tmp_path / 'map.tif', values, NAMES[:2])
    probability = write(tmp_path / 'p.tif', stored, nodata=255)
    _set_scale(probability, 1 / 250)
    write_polygons(read_map(path, probability), tmp_path / 'out.parquet')
    rows = duckdb.sql(
        f"""select "class", probability from '{tmp_path / 'out.parquet'}' order by "value" """
    ).fetchall()
    assert rows == [('water', pytest.approx(0.8)), ('forest', pytest.approx(0.2))]


def _set_scale(path, scale):
    from osgeo import gdal

    file = gdal.Open(str(path), gdal.GA_Update)
    for number in range(1, file.RasterCount + 1):
        file.GetRasterBand(number).SetScale(scale)


def test_a_map_without_any_class_makes_an_empty_file(tmp_path):
    path = write_class_map(tmp_path / 'map.tif', np.full((9, 9), 255), NAMES)
    for ending in ENDINGS:
        out = tmp_path / f'out{ending}'
        write_polygons(read_map(path), out)
        assert len(_read(out)) == 0


def test_bad_calls_say_what_to_do(tmp_path):
    values = _values()
    made = read_map(write_class_map(tmp_path / 'map.tif', values, NAMES))
    with pytest.raises(ConfigError, match=r'\.gpkg.*found .\.shp'):
        write_polygons(made, tmp_path / 'out.shp')
    with pytest.raises(ConfigError, match=r'no class rock.*water \(0\), forest \(1\)'):
        write_polygons(made, tmp_path / 'out.gpkg', ['rock'])
    with pytest.raises(ConfigError, match='0 or more square metres'):
        write_polygons(made, tmp_path / 'out.gpkg', minimum_area=float('nan'))
    bare = read_map(write_class_map(tmp_path / 'bare.tif', values, NAMES, epsg=None))
    with pytest.raises(RasterError, match='no coordinate system'):
        write_polygons(bare, tmp_path / 'out.gpkg')
    with pytest.raises(LayoutError, match='missing'):
        read_map(tmp_path / 'none.tif')
    other = write(tmp_path / 'other.tif', np.zeros((4, 4), np.float32))
    with pytest.raises(RasterError, match='uint8 classes, found Float32'):
        read_map(other)
    with pytest.raises(RasterError, match='4 x 4 pixels'):
        read_map(tmp_path / 'map.tif', other)
    assert not list(tmp_path.glob('.*'))
