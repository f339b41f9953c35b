"""Pairs with polygons and masks: pixels, labels, windows, shares, and every bad input."""

import json
import pickle

import numpy as np
import pytest
from fixtures.change import write_oscd
from fixtures.labels import BANDS, image, square, write_list, write_pair, write_polygons
from fixtures.rasters import WEST, write
from mmengine.registry import init_default_scope

from swimdiff.bands import get_stats
from swimdiff.datasets.change.oscd import stretch
from swimdiff.errors import ConfigError, LayoutError, RasterError
from swimdiff.registry import DATASETS

CHANGE = dict(attribute='class', change=['new building'])
#: Windows of the small pair: 120 x 150 pixels in tiles of 40.
SHAPES = [
    (square(5, 5, 20, 30), {'class': 'new building'}),
    (square(90, 100, 29, 49), {'class': 'new building'}),
    (square(60, 10, 10, 10), {'class': 'unsure'}),
]


def build(list_file, **options):
    init_default_scope('swimdiff')
    given = dict(bands=BANDS, split='all', tile=40, classes=CHANGE, pipeline=[]) | options
    return DATASETS.build(dict(type='RasterPairs', list_file=list_file, **given))


@pytest.fixture
def row(tmp_path):
    """The row of a list: a pair with polygons."""
    made = write_pair(tmp_path)
    write_polygons(tmp_path / 'labels.gpkg', SHAPES)
    return {key: tmp_path / name for key, name in made.items()} | dict(
        labels=tmp_path / 'labels.gpkg'
    )


def expected_mask() -> np.ndarray:
    mask = np.zeros((120, 150), np.uint8)
    mask[5:25, 5:35] = mask[90:119, 100:149] = 1
    mask[60:70, 10:20] = 255  # a polygon of a class that is not listed
    return mask


def paste(dataset) -> tuple[np.ndarray, np.ndarray]:
    """All windows put together."""
    whole, labels = np.zeros((120, 160, 6), np.uint8), np.full((120, 160), 254, np.uint8)
    for item in (dataset[i] for i in range(len(dataset))):
        row, column, height, width = item['window']
        whole[row : row + height, column : column + width] = item['img']
        labels[row : row + height, column : column + width] = item['gt_seg_map']
    return whole, labels


def test_windows_hold_the_pixels_and_the_polygons(tmp_path, row):
    path = write_list(tmp_path / 'list.csv', [row])
    dataset = build(str(path), test_mode=True)
    pixels, labels = paste(dataset)
    first, second = (image(seed).transpose(1, 2, 0) for seed in (0, 1))
    dates = [stretch(date, get_stats('s2_l2a'), BANDS) for date in (first, second)]
    assert np.array_equal(pixels[:, :150], np.concatenate(dates, axis=2))
    assert np.array_equal(labels[:, :150], expected_mask())
    assert not pixels[:, 150:].any() and (labels[:, 150:] == 255).all()  # over the edge
    assert len(dataset) == 12
    assert dataset.metainfo['classes'] == ('unchanged', 'changed')
    item = pickle.loads(pickle.dumps(dataset))[3]  # as a worker that is spawned gets it
    assert np.array_equal(item['img'], dataset[3]['img'])
    assert item['image_id'] == 'place_before' and item['full_shape'] == (120, 150)


def test_unlabelled_ground_is_left_out_where_unchanged_is_drawn(row):
    classes = dict(attribute='class', change='new building', unchanged='unsure')
    dataset = build([row], classes=classes)
    labels = np.concatenate([dataset[i]['gt_seg_map'].ravel() for i in range(len(dataset))])
    assert (labels == 0).sum() == 100
    assert (labels == 1).sum() == (expected_mask() == 1).sum()
    # Windows without a label are no samples.
    windows = {dataset.get_data_info(i)['window'][:2] for i in range(len(dataset))}
    assert windows == {(0, 0), (40, 0), (80, 80), (80, 120)}


def test_pixels_without_data_are_left_out(tmp_path, row):
    before, after = image(0), image(1)
    before[:, :40, :40] = 0  # zero in all bands; one tile has nothing else
    after[1, 95:99, 100:110] = 7  # declared, in one band
    write(row['before'], before, names=BANDS)
    write(row['after'], after, names=BANDS, nodata=7)
    dataset = build([row], test_mode=True)
    _, labels = paste(dataset)
    expected = expected_mask()
    expected[95:99, 100:110] = 255
    assert np.array_equal(labels[40:, :150], expected[40:])
    assert len(dataset) == 11  # the tile without data is no sample
    counts = [dataset.get_data_info(i)['counts'][1] for i in range(11)]
    assert sum(counts) == 29 * 49 - 40


@pytest.mark.parametrize(
    ('values', 'mask_values'),
    [((0, 1, 255), None), ((0, 255, 9), None), ((1, 2, 3), dict(unchanged=1, changed=2, ignore=3))],
)
def test_mask_rasters_on_their_own_grid(tmp_path, row, values, mask_values):
    mask = np.full((60, 75), values[0], np.uint8)
    mask[10:20, 10:20] = values[1]
    if values[2] != 9:
        mask[40:50, 30:40] = values[2]
    write(tmp_path / 'mask.tif', mask, pixel=20)
    dataset = build(
        [row | dict(labels=tmp_path / 'mask.tif')],
        classes=None,
        mask_values=mask_values,
        test_mode=True,
    )
    _, labels = paste(dataset)
    expected = np.zeros((60, 75), np.uint8)
    expected[10:20, 10:20] = 1
    if values[2] != 9:
        expected[40:50, 30:40] = 255
    assert np.array_equal(labels[:, :150], expected.repeat(2, 0).repeat(2, 1))


def test_a_share_of_changed_windows(row):
    every = build([row], tile=20, stride=10)
    share = [(every[i]['gt_seg_map'] == 1).any() for i in range(len(every))]
    dataset = build([row], tile=20, stride=10, changed_share=0.5)
    assert len(dataset) == len(every) and np.mean(share) < 0.4
    np.random.seed(0)
    items = [dataset[i] for i in range(len(dataset))]
    changed = [(item['gt_seg_map'] == 1).any() for item in items]
    assert abs(np.mean(changed) - 0.5) < 1 / len(dataset)
    windows = {item['window'] for item, yes in zip(items, changed, strict=True) if yes}
    assert len(windows) == sum(share)  # none is left away
    drawn = [item['window'] for item, yes in zip(items, changed, strict=True) if not yes]
    np.random.seed(1)
    again = [dataset[i]['window'] for i in range(len(dataset)) if not changed[i]]
    assert drawn != again  # other ones in the next epoch
    assert [item['sample_idx'] for item in items] == list(range(len(items)))
    few = build([row], tile=20, stride=10, changed_share=0.9, indices=30)
    assert np.mean([(few[i]['gt_seg_map'] == 1).any() for i in range(30)]) == pytest.approx(0.9)


def test_splits_of_a_list_and_of_the_ground(tmp_path, row):
    named = [row | dict(split='train', name='a'), row | dict(split='val', name='b')]
    assert {build(named, split='val')[i]['image_id'] for i in range(12)} == {'b'}
    blocks = dict(metres=300, margin=20, seed=1)
    masks = {}
    for split in ('train', 'val', 'test'):
        dataset = build([row], split=split, blocks=blocks, test_mode=True)
        masks[split] = paste(dataset)[1][:, :150]
        assert dataset.metainfo['split'] == split
    labelled = np.stack([(mask == 0) | (mask == 1) for mask in masks.values()])
    assert labelled.sum(axis=0).max() == 1
    assert labelled.any(axis=(1, 2)).all()


def test_equal_to_the_data_set_of_a_published_archive(tmp_path):
    """OSCD's cities, whose bands lie in a file each, by their folders."""
    root = write_oscd(tmp_path / 'oscd')
    init_default_scope('swimdiff')
    oscd = DATASETS.build(
        dict(type='OSCD', data_root=str(root), cities=['beirut'], tile=64, test_mode=True)
    )
    city = root / 'Onera Satellite Change Detection dataset - Images' / 'beirut'
    labels = (
        root / 'Onera Satellite Change Detection dataset - Train Labels/beirut/cm/beirut-cm.tif'
    )
    pairs = build(
        [dict(before=city / 'imgs_1', after=city / 'imgs_2', labels=labels)],
        classes=None,
        mask_values=dict(unchanged=1, changed=2),
        stats='oscd',
        tile=64,
        test_mode=True,
    )
    assert len(pairs) == len(oscd) == 4
    for ours, theirs in ((pairs[i], oscd[i]) for i in range(4)):
        assert np.array_equal(ours['img'], theirs['img'])
        assert np.array_equal(ours['gt_seg_map'], theirs['gt_seg_map'])


def test_every_bad_input_is_one_message(tmp_path, row):
    def refuse(error, match, given=row, **options):
        with pytest.raises(error, match=match):
            build([given], **options)

    refuse(LayoutError, r'row 1: .*gone\.tif is missing', row | dict(after=tmp_path / 'gone.tif'))
    refuse(
        LayoutError, "no attribute 'kind'; it has class", classes=CHANGE | dict(attribute='kind')
    )
    refuse(ConfigError, "'old' is never met in .*labels.gpkg", classes=CHANGE | dict(change='old'))
    elsewhere = write(tmp_path / 'far.tif', image(3), west=WEST + 80_000, names=BANDS)
    refuse(RasterError, 'do not overlap', row | dict(after=elsewhere))
    bare = write_polygons(tmp_path / 'bare.shp', SHAPES, epsg=None)
    refuse(RasterError, 'none is assumed', row | dict(labels=bare))
    away = write_polygons(tmp_path / 'away.gpkg', [(square(0, 9000, 9, 9), SHAPES[0][1])])
    refuse(LayoutError, 'none of its 1 polygons lies on', row | dict(labels=away))
    mask = write(tmp_path / 'mask.tif', np.zeros((120, 150), np.uint8))
    refuse(LayoutError, 'no changed window: none of the 12', row | dict(labels=mask), classes=None)
    signed = write(tmp_path / 'signed.tif', np.full((120, 150), -3, np.int16))
    refuse(RasterError, 'values from -3 to -3', row | dict(labels=signed), classes=None)
    refuse(ConfigError, 'changed_share=1.5', changed_share=1.5)
    refuse(ConfigError, 'in a test', changed_share=0.5, test_mode=True)
    refuse(RasterError, "declared as 'reflectance'.*98 % quantile", unit='reflectance')
    refuse(ConfigError, "unit='counts', but the statistics", unit='counts')
    refuse(ConfigError, 'tile=None', tile=None)
    named = row | dict(split='train')
    refuse(LayoutError, "'test' is empty", named, split='test')
    # Blocks of which none of a split holds a labelled pixel away from the others.
    refuse(LayoutError, 'fewer than the 3 splits', split='train', blocks=50_000)


def test_a_json_list_and_a_vector_file_of_several_layers(tmp_path, row):
    write_polygons(tmp_path / 'labels.gpkg', SHAPES[:1], layer='second')
    text = json.dumps([{key: str(value) for key, value in row.items()}])
    (tmp_path / 'list.json').write_text(text)
    with pytest.raises(ConfigError, match='has 2 layers: labels, second'):
        build(str(tmp_path / 'list.json'))
    dataset = build(str(tmp_path / 'list.json'), layer='second', test_mode=True)
    assert (paste(dataset)[1] == 1).sum() == 600
