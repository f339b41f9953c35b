"""Own GeoTIFFs in one folder per class, and own tiles without labels."""

import numpy as np
import pytest
from osgeo import gdal

from swimdiff.bands import get_stats
from swimdiff.errors import BandError, ConfigError, RasterError
from swimdiff.registry import DATASETS

FILE_BANDS = ('B02', 'B03', 'B04', 'B08')
CLASSES = ('Field', 'Forest')


def value(label, number, band):
    return 900 + 300 * CLASSES.index(label) + 10 * number + 250 * FILE_BANDS.index(band)


def write_tile(path, values, kind=gdal.GDT_UInt16):
    path.parent.mkdir(parents=True, exist_ok=True)
    file = gdal.GetDriverByName('GTiff').Create(str(path), 40, 32, len(values), kind)
    for band, level in enumerate(values, start=1):
        file.GetRasterBand(band).Fill(level)
    del file


@pytest.fixture
def root(tmp_path, scope):
    for label in CLASSES:
        for number in range(5):
            levels = [value(label, number, band) for band in FILE_BANDS]
            write_tile(tmp_path / 'own' / label / f'tile {number}.tif', levels)
    return tmp_path / 'own'


def build(root, **options):
    pipeline = [
        dict(type='LoadLabelledRaster', stats='s2_l2a'),
        dict(type='mmpretrain.PackInputs', meta_keys=('img_path',)),
    ]
    config = dict(type='LabelledRasters', file_bands=FILE_BANDS, pipeline=pipeline)
    return DATASETS.build(dict(config, data_root=str(root), **options))


def test_bands_by_name_stretched_as_in_pre_training(root):
    bands = ('B08', 'B4', 'B2')
    parts = [build(root, split=part, bands=bands) for part in ('train', 'val', 'test')]
    assert [len(part) for part in parts] == [6, 2, 2]
    stats = get_stats('s2_l2a')
    for part in parts:
        for item in part:
            path = item['data_samples'].img_path
            label, number = path.split('/')[-2], int(path[-5])
            assert item['data_samples'].gt_label.item() == CLASSES.index(label)
            assert item['inputs'].shape == (3, 32, 40)
            for channel, band in zip(item['inputs'], ('B08', 'B04', 'B02'), strict=True):
                low, high = stats.low[band], stats.high[band]
                share = np.clip((value(label, number, band) - low) / (high - low), 0, 1)
                assert channel.unique().tolist() == [int(share * 255)], band


def test_pixels_of_8_bits_are_reflectance_x_255(tmp_path, scope):
    """Taken for reflectance x 10,000, all of them were nearly black."""
    for label in CLASSES:
        write_tile(tmp_path / label / 'a.tif', [30, 40, 50, 60], gdal.GDT_Byte)
    load = dict(type='LoadLabelledRaster', stats='seco', dtype='uint8')
    data = build(tmp_path, split='all', bands=('B04',), shares=dict(all=1.0), pipeline=[load])
    low, high = (getattr(get_stats('seco'), name)['B04'] for name in ('low', 'high'))
    assert np.unique(data[0]['img']).tolist() == [int((50 - low) / (high - low) * 255)]


def test_tiles_without_labels(root):
    data = build(root, labels='none', classes=CLASSES)
    assert len(data) == 10 and data.metainfo['classes'] == CLASSES
    assert 'gt_label' not in data[3]['data_samples']
    flat = build(root / 'Field', labels='none')
    assert len(flat) == 5 and flat.metainfo['split'].startswith('unlabelled@')


def test_wrong_files_and_options(root):
    with pytest.raises(BandError, match='have the bands B02, B03, B04, B08; asked for B11'):
        build(root, bands=('B11',))
    with pytest.raises(ConfigError, match='has the folders Forest too'):
        build(root, classes=['Field'])
    with pytest.raises(ConfigError, match="'required' or 'none'"):
        build(root, labels='maybe')
    path = build(root).get_data_info(0)['img_path']
    write_tile(root / path, [1, 2, 3])
    with pytest.raises(RasterError, match=r'has 3 channels. Expected a raster of uint16 with 4'):
        build(root)[0]
    write_tile(root / path, [1, 2, 3, 4], gdal.GDT_Byte)
    with pytest.raises(RasterError, match='pixels of type Byte'):
        build(root)[0]
