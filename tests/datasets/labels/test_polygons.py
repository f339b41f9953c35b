"""Polygons drawn onto pixels, against shapely's points in polygons."""

import numpy as np
import pytest
from fixtures.labels import PIXEL, square, write_polygons
from fixtures.rasters import NORTH, WEST, write
from shapely import Point, Polygon, affinity, box, contains_xy

from swimdiff.datasets.labels.classes import ClassTable
from swimdiff.datasets.labels.layers import Grid
from swimdiff.datasets.labels.polygons import count_values, read_polygons
from swimdiff.datasets.labels.sources import open_image
from swimdiff.errors import ConfigError, LayoutError, RasterError

CLASSES = ClassTable.for_cover(dict(attribute='kind', names=['wood', 'pond', 'town']))


@pytest.fixture
def grid(tmp_path) -> Grid:
    path = write(tmp_path / 'a.tif', np.full((120, 150), 500, np.uint16), names=('B04',))
    return open_image(str(path), ('B04',), None).grid


def naive(shapes, grid: Grid) -> np.ndarray:
    """The smallest polygon over the centre of each pixel."""
    rows, columns = np.mgrid[: grid.height, : grid.width]
    west, dx, _, north, _, dy = grid.transform
    x, y = west + (columns + 0.5) * dx, north + (rows + 0.5) * dy
    result = np.full(x.shape, 255, np.uint8)
    for shape, about in sorted(shapes, key=lambda item: -item[0].area):
        number = CLASSES.numbers.get(about['kind'], 255)
        result[contains_xy(shape, x, y)] = number
    return result


def some_shapes(seed: int = 0, count: int = 25):
    """Turned polygons with many corners, overlapping each other and the edge; some with a hole."""
    rng = np.random.default_rng(seed)
    shapes = []
    for number in range(count):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radius = rng.uniform(40, 260, 9)
        x, y = WEST + rng.uniform(-100, 1600), NORTH - rng.uniform(-100, 1300)
        ring = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
        shape = Polygon(ring).buffer(0)
        if number % 5 == 0:
            shape = shape.difference(affinity.scale(shape, 0.4, 0.4))
        shapes.append((shape, dict(kind=['wood', 'pond', 'town', 'road'][number % 4])))
    return shapes


@pytest.mark.parametrize('suffix', ['.gpkg', '.geojson', '.shp'])
def test_drawn_as_shapely_has_it(tmp_path, grid, suffix):
    shapes = some_shapes()
    epsg = 4326 if suffix == '.geojson' else 32633
    path = write_polygons(tmp_path / f'l{suffix}', shapes, epsg=epsg)
    polygons = read_polygons(str(path), CLASSES, grid, 'a.tif')
    expected = naive(shapes, grid)
    drawn = polygons.draw(grid)
    # Coordinates in degrees are rounded when written: a centre on an edge may fall either way.
    assert (drawn != expected).sum() <= (0 if epsg == 32633 else 5)
    assert {0, 1, 2, 255} == set(np.unique(expected))
    window = grid.shift(30, 70, 50, 60)
    assert np.array_equal(polygons.draw(window), drawn[30:80, 70:130])


@pytest.mark.parametrize(('epsg', 'polygons_in'), [(4326, 4326), (4326, 32633), (3035, 3035)])
def test_rasters_in_systems_that_name_latitude_or_northing_first(tmp_path, epsg, polygons_in):
    """EPSG:4326 and EPSG:3035 do; files of both hold longitude or easting first."""
    pixel = 0.0001 if epsg == 4326 else 10
    west, north = (13.0, 52.0) if epsg == 4326 else (4_500_000.0, 3_200_000.0)
    raster = np.full((60, 80), 500, np.uint16)
    place = dict(west=west, north=north, pixel=pixel, epsg=epsg, names=('B04',))
    path = write(tmp_path / 'a.tif', raster, **place)
    grid = open_image(str(path), ('B04',), None).grid
    shapes = [
        (box(west + 5 * pixel, north - 30 * pixel, west + 45 * pixel, north - 10 * pixel), 'wood'),
        (box(west + 50 * pixel, north - 90 * pixel, west + 99 * pixel, north - 40 * pixel), 'pond'),
    ]
    labels = tmp_path / 'l.gpkg'
    write_polygons(labels, [(shape, dict(kind=kind)) for shape, kind in shapes], polygons_in, epsg)
    expected = np.full((60, 80), 255)
    expected[10:30, 5:45] = 0
    expected[40:, 50:] = 1
    assert np.array_equal(read_polygons(str(labels), CLASSES, grid, 'a.tif').draw(grid), expected)


def test_the_order_of_the_file_does_not_matter(tmp_path, grid):
    wood, pond = square(10, 10, 60, 60), square(20, 20, 5, 5)
    drawn = []
    for name, order in (('a', (0, 1)), ('b', (1, 0))):
        both = [(wood, dict(kind='wood')), (pond, dict(kind='pond'))]
        path = write_polygons(tmp_path / f'{name}.gpkg', [both[i] for i in order])
        drawn.append(read_polygons(str(path), CLASSES, grid, 'a.tif').draw(grid))
    assert np.array_equal(*drawn)
    assert (drawn[0] == 1).sum() == 25 and (drawn[0] == 0).sum() == 3575


def test_values_are_counted(tmp_path):
    shapes = [(square(0, 0, 5, 5), dict(kind=kind, n=n)) for kind, n in (('wood', 3), ('x', 3))]
    path = str(write_polygons(tmp_path / 'l.gpkg', shapes))
    assert count_values(path, 'kind') == {'wood': 1, 'x': 1}
    assert count_values(path, 'n') == {'3': 2}
    with pytest.raises(LayoutError, match="no attribute 'sort'; it has kind, n"):
        count_values(path, 'sort')


def test_labels_that_cannot_be_drawn(tmp_path, grid):
    shapes = [(square(0, 0, 5, 5), dict(kind='wood'))]
    path = write_polygons(tmp_path / 'bare.shp', shapes, epsg=None)
    with pytest.raises(RasterError, match='no coordinate system, and none is assumed'):
        read_polygons(str(path), CLASSES, grid, 'a.tif')
    far = [(affinity.translate(shapes[0][0], 80_000), dict(kind='wood'))]
    path = write_polygons(tmp_path / 'far.gpkg', far)
    with pytest.raises(LayoutError, match=r'none of its 1 polygons lies on a\.tif.*longitude'):
        read_polygons(str(path), CLASSES, grid, 'a.tif')
    path = write_polygons(tmp_path / 'points.gpkg', [(Point(WEST, NORTH), dict(kind='wood'))])
    with pytest.raises(RasterError, match=r'holds a POINT. Expected polygons'):
        read_polygons(str(path), CLASSES, grid, 'a.tif')
    with pytest.raises(LayoutError, match=r'none\.gpkg is missing'):
        read_polygons(str(tmp_path / 'none.gpkg'), CLASSES, grid, 'a.tif')
    (tmp_path / 'junk.gpkg').write_bytes(b'junk')
    with pytest.raises(RasterError, match=r'junk\.gpkg cannot be read'):
        read_polygons(str(tmp_path / 'junk.gpkg'), CLASSES, grid, 'a.tif')
    two = write_polygons(tmp_path / 'two.gpkg', shapes, layer='one')
    write_polygons(two, shapes, layer='two')
    with pytest.raises(ConfigError, match='has 2 layers: one, two'):
        read_polygons(str(two), CLASSES, grid, 'a.tif')
    assert read_polygons(str(two), CLASSES, grid, 'a.tif', 'two').numbers.tolist() == [0]
    assert PIXEL == 10


def test_tables_of_classes():
    change = ClassTable.for_change(dict(attribute='c', change=['new', 3], ignore='unsure'))
    assert [change.number(value) for value in ('new', 3, 3.0, 'unsure', 'old')] == [
        1,
        1,
        1,
        255,
        255,
    ]
    assert change.rest == 0
    assert ClassTable.for_change(dict(attribute='c', change='new', unchanged='same')).rest == 255
    assert ClassTable.for_change(None).number('anything') == 1
    cover = ClassTable.for_cover(dict(names=dict(a=[1, 2], b=5), rest='b'))
    assert cover.number_pixels(np.array([[1, 2, 5, 9]])).tolist() == [[0, 0, 1, 255]]
    assert cover.rest == 1
    with pytest.raises(ConfigError, match='stands in it twice'):
        ClassTable.for_cover(dict(names=dict(a=[1, 2], b=2)))
    with pytest.raises(ConfigError, match='Expected attribute and change'):
        ClassTable.for_change(dict(attribute='c', changed='new'))
    with pytest.raises(ConfigError, match="'Wood' is never met in x; there are 'wood'"):
        ClassTable.for_cover(dict(names=['wood', 'Wood'])).refuse_unmet(['wood'], 'x')
