"""The SeCo data set: indexing, dates, scenes, skipping, and every bad input with its message."""

import pickle
import shutil

import numpy as np
import pytest
import torch
from fixtures.seco import DATES, pattern, write_band, write_tree
from torch.utils.data import DataLoader

from swimdiff.datasets import SeCo
from swimdiff.errors import (
    BandError,
    ConfigError,
    DatasetNotFoundError,
    LayoutError,
    RasterError,
    UnreadableSamplesError,
)

LOAD = [dict(type='LoadPatch')]


def first(root, *parts):
    return root.joinpath('000000', DATES[0], *parts)


def test_every_date_is_a_sample_in_sorted_order(shared_seco_root):
    dataset = SeCo(str(shared_seco_root))
    places = [
        (item['location'], item['img_path'].rsplit('/', 1)[1], item['scene_id']) for item in dataset
    ]
    assert places == [(f'{i:06d}', date, i) for i in range(3) for date in DATES[:2]]
    assert dataset.scene_ids().tolist() == [0, 0, 1, 1, 2, 2]


def test_previews_and_strangers_are_ignored(seco_root):
    (seco_root / 'README').write_text('x')
    (seco_root / 'cache').mkdir()
    (seco_root / '000000' / '.partial').mkdir()
    assert len(SeCo(str(seco_root))) == 6


def test_archive_unpacked_one_folder_deeper(tmp_path):
    write_tree(tmp_path / 'seasonal_contrast_100k', locations=1, dates=1, bands=('B4',))
    assert len(SeCo(str(tmp_path), bands=['B04'])) == 1
    write_tree(tmp_path / 'seasonal_contrast_1m', locations=1, dates=1, bands=('B4',))
    with pytest.raises(LayoutError, match=r'several data sets: .*_100k, .*_1m'):
        SeCo(str(tmp_path))


def test_bands_by_name_and_stretch_by_hand(shared_seco_root):
    """Each channel is its own band, stretched with its own quantiles as SeCo's reader does."""
    raw = SeCo(str(shared_seco_root), bands=['B2', 'B04'], stretch=False, pipeline=LOAD)[0]['img']
    image = SeCo(str(shared_seco_root), bands=['B2', 'B04'], pipeline=LOAD)[0]['img']
    for channel, band, low, high in ((0, 'B2', 3, 88), (1, 'B4', 0, 129)):
        assert abs(raw[..., channel].mean() - pattern(0, 0, band).mean()) < 1
        expected = np.clip((raw[..., channel] - float(low)) / (high - low), 0, 1) * 255
        assert np.abs(image[..., channel] - expected).max() < 1


def test_any_bands_on_one_grid(shared_seco_root):
    shapes = {
        bands: SeCo(str(shared_seco_root), bands=bands, pipeline=LOAD)[0]['img'].shape
        for bands in (('B01', 'B8A', 'B02'), ('B11', 'B09'), ('B01',))
    }
    assert list(shapes.values()) == [(264, 264, 3), (132, 132, 2), (44, 44, 1)]


def test_locations_draw_every_date(shared_seco_root):
    dataset = SeCo(str(shared_seco_root), samples='locations')
    assert len(dataset) == 3
    drawn = {dataset[1]['img_path'].rsplit('/', 1)[1] for _ in range(40)}
    assert drawn == set(DATES[:2])


@pytest.mark.parametrize('samples', ['dates', 'locations'])
def test_two_different_dates_never_the_same(tmp_path, samples):
    root = write_tree(tmp_path, locations=1, dates=3, bands=('B4',))
    dataset = SeCo(str(root), ['B4'], samples=samples, views_from='different_dates')
    pairs = [tuple(dataset[0]['date']) for _ in range(60)]
    assert all(query != key for query, key in pairs)
    # All partners are met, and as the sample says: its own date first, or every order.
    assert len(set(pairs)) == (2 if samples == 'dates' else 6)
    if samples == 'dates':
        assert {query for query, _ in pairs} == {'20200713'}


def test_single_date(seco_root):
    shutil.rmtree(seco_root / '000001' / DATES[1])
    options = dict(views_from='different_dates')
    with pytest.raises(LayoutError, match=r'1 of 3 locations .* have one \(000001'):
        SeCo(str(seco_root), **options)
    skipping = SeCo(str(seco_root), single_date='skip', **options)
    assert {item['location'] for item in skipping} == {'000000', '000002'}
    same = SeCo(str(seco_root), single_date='same_date', **options)
    assert [isinstance(item['img_path'], str) for item in same] == [0, 0, 1, 0, 0]


def test_options_are_checked(shared_seco_root):
    with pytest.raises(ConfigError, match="samples='date': expected one of"):
        SeCo(str(shared_seco_root), samples='date')
    with pytest.raises(BandError, match='has no B10; it has B01'):
        SeCo(str(shared_seco_root), bands=['B10'])
    with pytest.raises(ConfigError, match=r'max_unreadable=1\.5'):
        SeCo(str(shared_seco_root), max_unreadable=1.5)


def test_index_is_mapped_and_sent_by_name(shared_seco_root):
    """Workers share the files of the index; a pickle holds their place, not their content."""
    dataset = SeCo(str(shared_seco_root))
    assert isinstance(dataset.index.first.base, np.memmap)
    assert dataset.data_list == [] and not hasattr(dataset, 'data_bytes')
    again = pickle.loads(pickle.dumps(dataset))
    assert len(again) == 6 and isinstance(again.index.first.base, np.memmap)


# --- bad input ---------------------------------------------------------------------------------


def test_missing_root(tmp_path):
    with pytest.raises(DatasetNotFoundError) as caught:
        SeCo(str(tmp_path / 'nowhere'))
    for part in ('nowhere does not exist', 'metadata.json', '4728033', '7.3 GB', '36.3 GB'):
        assert part in str(caught.value)


def test_empty_root(tmp_path):
    with pytest.raises(LayoutError, match=r'no location folders .*found an empty folder'):
        SeCo(str(tmp_path))


@pytest.mark.parametrize('name', ['seasonal_contrast_100k.zip', 'seco.tar.gz'])
def test_archive_not_unpacked(tmp_path, name):
    (tmp_path / name).write_bytes(b'PK')
    with pytest.raises(LayoutError, match=f'only the archive {name}: unpack it'):
        SeCo(str(tmp_path))


def test_another_folder(tmp_path):
    (tmp_path / 'train').mkdir()
    with pytest.raises(LayoutError, match=r'found 1 entry \(train\)'):
        SeCo(str(tmp_path))


def test_location_without_dates(seco_root):
    for date in DATES[:2]:
        shutil.rmtree(seco_root / '000002' / date)
    with pytest.raises(LayoutError, match=r'000002 has no dates: .* found only 2020.*\.tif'):
        SeCo(str(seco_root))


def break_missing(path):
    path.unlink()


def break_empty(path):
    path.write_bytes(b'')


def break_truncated(path):
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])


def break_size(path):
    write_band(path, pattern(0, 0, 'B5'), 35, 20)


def break_type(path):
    write_band(path, np.zeros((264, 264), np.uint16), 35, 20, compress='NONE')


DAMAGE = {
    break_missing: (LayoutError, 'is missing'),
    break_empty: (RasterError, r'an empty file \(0 bytes\)'),
    break_truncated: (RasterError, r'\d+ bytes that fail with'),
    break_size: (RasterError, 'is 132 x 132 pixels. Expected a raster of 264 x 264'),
    break_type: (RasterError, 'pixels of type UInt16'),
}


@pytest.mark.parametrize('damage', DAMAGE)
def test_bad_file_is_named(seco_root, damage):
    damage(first(seco_root, 'B3.tif'))
    error, text = DAMAGE[damage]
    dataset = SeCo(str(seco_root), pipeline=LOAD)
    with pytest.raises(error, match=text) as caught:
        dataset[0]
    assert str(first(seco_root, 'B3.tif')) in str(caught.value)


def test_missing_band_says_what_the_product_holds(seco_root):
    first(seco_root, 'B3.tif').unlink()
    with pytest.raises(LayoutError) as caught:
        SeCo(str(seco_root), pipeline=LOAD)[0]
    assert f'The product folder {first(seco_root)} holds' in str(caught.value)
    assert "'B2.tif', 'B4.tif'" in str(caught.value)


# --- skipping ----------------------------------------------------------------------------------


class Messages:
    """Collects what is logged."""

    def __init__(self, monkeypatch):
        self.texts = []
        monkeypatch.setattr(
            'swimdiff.datasets.index.skipping.print_log', lambda text, **_: self.texts.append(text)
        )


def test_unreadable_samples_are_replaced_counted_and_logged_once(seco_root, monkeypatch):
    log = Messages(monkeypatch)
    break_empty(first(seco_root, 'B3.tif'))
    dataset = SeCo(str(seco_root), max_unreadable=0.9, pipeline=LOAD)
    np.random.seed(0)
    items = [dataset[0] for _ in range(5)]
    assert all(item['img'].shape == (264, 264, 3) and item['sample_idx'] != 0 for item in items)
    assert dataset.skips.failures >= 5
    assert dataset.skips.reads == dataset.skips.failures + 5
    assert len(log.texts) == 1 and str(first(seco_root, 'B3.tif')) in log.texts[0]


def test_empty_locations_are_left_out_up_to_the_share(seco_root, monkeypatch):
    log = Messages(monkeypatch)
    for date in DATES[:2]:
        shutil.rmtree(seco_root / '000001' / date)
    dataset = SeCo(str(seco_root), max_unreadable=0.4)
    assert {item['location'] for item in dataset} == {'000000', '000002'}
    assert len(log.texts) == 1
    assert log.texts[0].startswith('Left out (1 of 3 locations): ')
    assert '000001 has no dates' in log.texts[0]
    with pytest.raises(UnreadableSamplesError, match=r'1 of 3 .*max_unreadable=0\.3 allows'):
        SeCo(str(seco_root), max_unreadable=0.3)


def test_share_above_the_limit_stops(seco_root, monkeypatch):
    Messages(monkeypatch)
    break_empty(first(seco_root, 'B3.tif'))
    dataset = SeCo(str(seco_root), max_unreadable=0.05, pipeline=LOAD)
    with pytest.raises(UnreadableSamplesError, match=r'max_unreadable=0.05 allows.*B3\.tif'):
        for i in range(2000):
            dataset[i % 6]
    assert 100 <= dataset.skips.reads < 140  # judged only after 100 reads


def test_share_below_the_limit_goes_on(seco_root, monkeypatch):
    Messages(monkeypatch)
    break_empty(first(seco_root, 'B3.tif'))
    dataset = SeCo(str(seco_root), max_unreadable=0.5, pipeline=LOAD)
    for i in range(300):
        dataset[i % 6]


def test_all_unreadable_ends(seco_root, monkeypatch):
    Messages(monkeypatch)
    for path in seco_root.rglob('B3.tif'):
        break_empty(path)
    with pytest.raises(UnreadableSamplesError, match='100 of 100'):
        SeCo(str(seco_root), max_unreadable=0.5, pipeline=LOAD)[0]


def test_limit_holds_over_all_workers(seco_root):
    """Counts are shared: each worker alone would stay below the smallest number of reads."""
    for path in seco_root.rglob('B3.tif'):
        if '000000' not in path.parts:
            break_empty(path)
    dataset = SeCo(str(seco_root), max_unreadable=0.1, pipeline=LOAD)
    dataset.skips.min_reads = 60
    subset = torch.utils.data.Subset(dataset, list(range(6)) * 10)
    loader = DataLoader(subset, num_workers=2, collate_fn=len)
    with pytest.raises(UnreadableSamplesError):
        list(loader)
    assert dataset.skips.reads >= 60
