import re
import shutil

import numpy as np
import pytest
from fixtures.change import ALL_BANDS, CITIES, PREFIX, change, scene, write_tif
from PIL import Image

from swimdiff.bands import RGB, get_stats
from swimdiff.datasets.change import OSCD
from swimdiff.errors import (
    BandError,
    ConfigError,
    DatasetNotFoundError,
    LayoutError,
    RasterError,
)

LABELLED = ('aguasclaras', 'saclay_e', 'beirut')


def build(root, **options):
    return OSCD(str(root), **{'tile': None, **options})


def by_hand(values, band):
    """The stretch written again, in float64."""
    low, high = (
        {'B02': 885, 'B03': 667, 'B04': 426}[band],
        {'B02': 2620, 'B03': 2969, 'B04': 3698}[band],
    )
    return np.floor(np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255)


def test_pixels_of_the_first_date_are_the_stretched_files(oscd_root):
    item = build(oscd_root, cities=('beirut',))[0]
    assert item['img'].shape == (120, 108, 6)
    assert item['img'].dtype == np.uint8
    for channel, band in enumerate(RGB):
        for date in (0, 1):
            expected = by_hand(scene('beirut', date, band, (120, 108)), band)
            found = item['img'][..., 3 * date + channel]
            assert np.abs(found - expected).max() <= 1


def test_dates_of_different_size_lie_on_each_other(oscd_root):
    item = build(oscd_root, cities=('saclay_e',))[0]
    assert item['img'].shape == (130, 100, 6)
    bright = [item['img'][..., channel] > 200 for channel in (0, 3)]
    centres = [np.argwhere(mask).mean(axis=0) for mask in bright]
    # Cut off at the corner the blocks would be 6.8 rows apart.
    assert np.abs(centres[0] - centres[1]).max() < 0.75


def test_bands_by_name_in_the_order_asked(oscd_root):
    chosen = ('B8A', 'B04', 'B10', 'B01')
    item = build(oscd_root, cities=('beirut',), bands=('8A', 'B4', 'b10', 'B1'))[0]
    every = build(oscd_root, cities=('beirut',), bands=ALL_BANDS)[0]
    assert item['band_names'] == chosen
    assert item['img'].shape[2] == 8
    assert every['img'].shape[2] == 26
    for date in (0, 1):
        for channel, band in enumerate(chosen):
            same = every['img'][..., 13 * date + ALL_BANDS.index(band)]
            assert np.array_equal(item['img'][..., 4 * date + channel], same)


def test_statistics_of_every_band_are_known_and_ordered():
    stats = get_stats('oscd')
    low, high = (np.array(stats.select(table, ALL_BANDS)) for table in ('low', 'high'))
    assert (high > low).all()
    assert stats.select('low', ['B04']) == (426.0,)  # swapped, red and blue would be 885
    mean, std = (np.array(stats.select(table, ALL_BANDS)) for table in ('mean', 'std'))
    assert ((mean > 90) & (mean < 140) & (std > 50) & (std < 80)).all()


@pytest.mark.parametrize('city', LABELLED)
def test_masks_of_all_codings(oscd_root, city):
    item = build(oscd_root, cities=(city,))[0]
    assert np.array_equal(item['gt_seg_map'], change(city))


def test_mask_with_values_0_and_1_and_rgba_picture(oscd_root):
    folder = oscd_root / f'{PREFIX}Train Labels' / 'beirut' / 'cm'
    write_tif(folder / 'beirut-cm.tif', change('beirut'))
    assert np.array_equal(build(oscd_root, cities=('beirut',))[0]['gt_seg_map'], change('beirut'))
    (folder / 'beirut-cm.tif').unlink()
    assert Image.open(folder / 'cm.png').mode == 'RGBA'
    assert np.array_equal(build(oscd_root, cities=('beirut',))[0]['gt_seg_map'], change('beirut'))


@pytest.mark.parametrize('tile', [32, 50, 96, 200])
def test_tiles_put_together_are_the_city(oscd_root, tile):
    whole = build(oscd_root, cities=('saclay_e',))[0]
    dataset = build(oscd_root, cities=('saclay_e',), tile=tile)
    image = np.zeros_like(whole['img'])
    times = np.zeros(image.shape[:2], int)
    mask = np.full(image.shape[:2], 9, np.uint8)
    for item in dataset:
        assert item['img'].shape == (tile, tile, 6)
        row, column, height, width = item['window']
        inside = image[row : row + height, column : column + width].shape[:2]
        here = np.s_[row : row + height, column : column + width]
        image[here] = item['img'][: inside[0], : inside[1]]
        mask[here] = item['gt_seg_map'][: inside[0], : inside[1]]
        times[here] += 1
        outside = np.ones((tile, tile), bool)
        outside[: inside[0], : inside[1]] = False
        assert (item['gt_seg_map'][outside] == 255).all()
        assert (item['img'][outside] == 0).all()
    assert (times == 1).all()
    assert np.array_equal(image, whole['img'])
    assert np.array_equal(mask, whole['gt_seg_map'])


def test_overlapping_tiles_cover_all_and_are_refused_in_a_test(oscd_root):
    windows = [i['window'] for i in build(oscd_root, cities=('beirut',), tile=50, stride=30)]
    assert {w[0] for w in windows} == {0, 30, 60, 90}  # 90 + 50 reaches row 120
    assert {w[1] for w in windows} == {0, 30, 60}
    for stride, word in ((30, 'twice'), (70, 'not at all')):
        with pytest.raises(ConfigError, match=word):
            build(oscd_root, tile=50, stride=stride, test_mode=True)


def test_split_files_and_lists_keep_cities_together(oscd_root):
    train = build(oscd_root, split='train', tile=32)
    assert {item['image_id'] for item in train} == set(LABELLED)
    assert train.metainfo['split'] == 'train'
    named = build(oscd_root, split='mine', cities=['saclay_e'], tile=32)
    assert {item['image_id'] for item in named} == {'saclay_e'}
    assert named.metainfo['split'] == 'mine'


def test_some_cities_of_a_split_have_another_name(oscd_root):
    some = build(oscd_root, split='train', cities=['saclay_e', 'beirut'])
    assert some.metainfo['split'] == 'train-cut2of3'
    other = build(oscd_root, split='test', cities=['beirut'])
    assert other.metainfo['split'] == 'test-own1'
    every = build(oscd_root, split='train', cities=LABELLED, tile=64, indices=3)
    assert every.metainfo['split'] == f'train-cut3of{len(build(oscd_root, tile=64))}'


def test_a_merged_tree_is_read_too(oscd_root, tmp_path):
    merged = tmp_path / 'merged' / 'beirut'
    shutil.copytree(oscd_root / f'{PREFIX}Images' / 'beirut', merged)
    shutil.copytree(oscd_root / f'{PREFIX}Train Labels' / 'beirut' / 'cm', merged / 'cm')
    found = build(tmp_path / 'merged', cities=('beirut',))[0]
    official = build(oscd_root, cities=('beirut',))[0]
    assert np.array_equal(found['img'], official['img'])
    assert np.array_equal(found['gt_seg_map'], official['gt_seg_map'])


def test_resampled_images_when_asked(oscd_root):
    city = oscd_root / f'{PREFIX}Images' / 'beirut'
    with pytest.raises(LayoutError, match=r'imgs_1_rect is missing.*rect=False'):
        build(oscd_root, cities=('beirut',), rect=True)
    for date in (0, 1):
        for band in RGB:
            pixels = scene('beirut', 1 - date, band, (120, 108))
            write_tif(city / f'imgs_{date + 1}_rect' / f'{band}.tif', pixels)
    found = build(oscd_root, cities=('beirut',), rect=True)[0]['img']
    original = build(oscd_root, cities=('beirut',))[0]['img']
    assert np.array_equal(found[..., :3], original[..., 3:])


def test_cities_without_masks(oscd_root):
    with pytest.raises(LayoutError, match=r'no mask of rio.*masks=.optional'):
        build(oscd_root, split='test')
    item = build(oscd_root, split='test', masks='optional')[0]
    assert 'gt_seg_map' not in item
    assert item['seg_fields'] == []


def test_missing_root_shows_the_tree_and_the_source(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r'(?s)nowhere.*imgs_1.*train\.txt.*IEEE'):
        build(tmp_path / 'nowhere')


def test_empty_root_says_what_it_holds(tmp_path):
    (tmp_path / 'other').mkdir()
    with pytest.raises(LayoutError, match=r"(?s)it holds \['other'\]"):
        build(tmp_path)


@pytest.mark.parametrize('options', [dict(cities=[]), dict(split='void')])
def test_empty_split(oscd_root, options):
    (oscd_root / f'{PREFIX}Images' / 'void.txt').write_text('\n')
    with pytest.raises(LayoutError, match='is empty'):
        build(oscd_root, **options)


def test_unknown_city_gets_a_hint(oscd_root):
    with pytest.raises(ConfigError, match=r"'beirout'.*did you mean 'beirut'"):
        build(oscd_root, cities=('beirout',))


def test_missing_band_names_folder_and_bands(oscd_root):
    with pytest.raises(LayoutError, match=r'no files \*_B08\.tif.*imgs_1.*B02, B03, B04'):
        build(oscd_root, cities=('saclay_e',), bands=('B08',))
    with pytest.raises(BandError):
        build(oscd_root, bands=('B77',))


def test_missing_date(oscd_root):
    shutil.rmtree(oscd_root / f'{PREFIX}Images' / 'beirut' / 'imgs_2')
    with pytest.raises(LayoutError, match=r'imgs_2 is missing'):
        build(oscd_root, cities=('beirut',))


@pytest.mark.parametrize('keep', [0, 9000])
def test_truncated_band(oscd_root, keep):
    product = CITIES['beirut'][1]
    path = oscd_root / f'{PREFIX}Images' / 'beirut' / 'imgs_2' / f'{product}_B03.tif'
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RasterError, match=re.escape(str(path))):
        build(oscd_root, cities=('beirut',))


def test_mask_of_another_size(oscd_root):
    path = oscd_root / f'{PREFIX}Train Labels' / 'beirut' / 'cm' / 'beirut-cm.tif'
    write_tif(path, change('beirut')[:-1] + 1)
    with pytest.raises(RasterError, match=r'beirut-cm.tif is 108 x 119 pixels. Expected 108 x 120'):
        build(oscd_root, cities=('beirut',))


def test_mask_with_other_values(oscd_root):
    path = oscd_root / f'{PREFIX}Train Labels' / 'beirut' / 'cm' / 'beirut-cm.tif'
    write_tif(path, change('beirut') * 7 + 1)
    with pytest.raises(RasterError, match=r'beirut-cm.tif holds the values \[1, 8\]'):
        build(oscd_root, cities=('beirut',))
