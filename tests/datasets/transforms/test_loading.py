"""Patches that are kept once they are read, held against reading them again."""

import numpy as np
import pytest
from fixtures.rasters import noise, write

from swimdiff.datasets import LoadPatch, RasterScenes
from swimdiff.errors import ConfigError

BYTES = 24 * 24 * 2


@pytest.fixture
def root(tmp_path):
    """Four patches of 24 px at two dates, one band of 16 bits."""
    for seed, date in enumerate(('20200101', '20200601')):
        write(tmp_path / 'data' / f'x_{date}_B04.tif', noise(48, 48, seed))
    return tmp_path / 'data'


def open_data(root, keep, **options):
    load = LoadPatch(keep=keep)
    options = dict(patch=24, stretch=False, index_cache=None) | options
    return RasterScenes(str(root), pipeline=[load], **options)


def count_reads(data, monkeypatch):
    """Rows that are read, a list that grows."""
    rows, read = [], data.source.read
    monkeypatch.setattr(
        data.source, 'read', lambda asked, bands: rows.extend(asked) or read(asked, bands)
    )
    return rows


@pytest.mark.parametrize('views_from', ['same_date', 'different_dates'])
@pytest.mark.parametrize('room', [0, 3, 100])
def test_every_patch_is_read_once_where_there_is_room(root, monkeypatch, room, views_from):
    plain = open_data(root, 0, views_from=views_from)
    kept = open_data(root, room * BYTES, views_from=views_from)
    rows = count_reads(kept, monkeypatch)
    for epoch in range(3):
        rows.clear()
        for index in range(len(plain)):
            expected, found = plain[index]['img'], kept[index]['img']
            assert np.array_equal(expected, found)
            assert isinstance(found, list) == (views_from == 'different_dates')
            for image in [found] if isinstance(found, np.ndarray) else found:
                image += 1  # a transform that writes in place does not change what is kept
        if epoch:
            each = 2 if views_from == 'different_dates' else 1
            assert len(rows) == {0: 8 * each, 3: 5 * each, 100: 0}[room]


def test_windows_at_random_are_drawn_again(root):
    data = open_data(root, 100 * BYTES, windows='random')
    seen = {data[0]['img'].tobytes() for _ in range(10)}
    assert len(seen) > 1


def test_other_bands_are_another_patch(root):
    for seed, date in enumerate(('20200101', '20200601')):
        write(root / f'x_{date}_B03.tif', noise(48, 48, seed + 5))
    load = LoadPatch(keep=100 * BYTES)
    data = open_data(root, 0, bands=('B04', 'B03'))
    for names in (['B04'], ['B03'], ['B03', 'B04'], ['B04']):
        expected = LoadPatch()(dict(data._results(0), band_names=names))['img']
        found = load(dict(data._results(0), band_names=names))['img']
        assert np.array_equal(found, expected)


def test_bytes_below_none():
    with pytest.raises(ConfigError, match=r'LoadPatch: keep=-1: expected bytes, 0 or more'):
        LoadPatch(keep=-1)
