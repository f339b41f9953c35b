"""Bands by name: spellings, and statistics recomputed by hand from the source tables."""

import numpy as np
import pytest

from swimdiff.bands import (
    RGB,
    SECO_BANDS,
    SENTINEL2,
    canonical,
    canonical_bands,
    get_stats,
    seco_stem,
    spell_bands,
)
from swimdiff.errors import BandError
from swimdiff.models import MultiBandPreprocessor
from swimdiff.weights.checkpoint import Checkpoint
from swimdiff.weights.converters.facts import read_facts
from swimdiff.weights.input_statistics import read_statistics


@pytest.mark.parametrize(
    ('given', 'expected'),
    [('B4', 'B04'), ('b04', 'B04'), ('4', 'B04'), ('B8A', 'B8A'), ('8a', 'B8A'), ('B12', 'B12')],
)
def test_spellings(given, expected):
    assert canonical(given) == expected


@pytest.mark.parametrize('name', ['B13', 'B0', 'red', '', 'B8B', 'B004', '8AA'])
def test_unknown_band_lists_the_known(name):
    with pytest.raises(BandError, match='B8A'):
        canonical(name)


def test_bands_twice_under_two_spellings_or_none():
    with pytest.raises(BandError, match='twice: B04'):
        canonical_bands(['B4', 'B03', 'B04'])
    with pytest.raises(BandError, match='at least one'):
        canonical_bands([])
    assert canonical_bands('B8') == ('B08',)


def test_files_of_seco_drop_the_zero():
    stems = {seco_stem(band) for band in SECO_BANDS}
    assert stems == {f'B{i}' for i in (*range(1, 10), 11, 12)} | {'B8A'}
    assert len(SECO_BANDS) == 12 and len(SENTINEL2) == 13


def test_seco_quantiles_belong_to_their_band():
    """The known mix-up elsewhere: red and blue ranges swapped."""
    stats = get_stats('seco')
    assert stats.select('low', ('B4', 'B3', 'B2')) == (0, 2, 3)
    assert stats.select('high', RGB) == (129, 103, 88)
    assert stats.select('mean', ('B02', 'B04')) == pytest.approx((0.406 * 255, 0.485 * 255))
    assert stats.select('std', ('B02', 'B04')) == pytest.approx((0.225 * 255, 0.229 * 255))


def test_infrared_statistics_against_a_sample():
    """A normal sample with the table's mean and std, stretched as the reader would, unclipped."""
    stats = get_stats('seco')
    mean, std = 2218.94553375 * 0.0255, 1365.45589904 * 0.0255
    assert stats.low['B08'] == 0 and stats.high['B08'] == pytest.approx(mean + 2 * std)
    sample = np.random.default_rng(0).normal(mean, std, 200_000)
    stretched = (sample - stats.low['B08']) / (stats.high['B08'] - stats.low['B08']) * 255
    assert stats.mean['B08'] == pytest.approx(stretched.mean(), rel=0.01)
    assert stats.std['B08'] == pytest.approx(stretched.std(), rel=0.01)


def test_every_table_has_every_band_in_range():
    stats = get_stats('seco')
    for table in (stats.low, stats.high, stats.mean, stats.std):
        assert tuple(table) == SECO_BANDS
        assert all(0 <= value <= 255 for value in table.values())
    assert all(stats.low[band] < stats.high[band] for band in SECO_BANDS)


def test_missing_statistics_are_named():
    with pytest.raises(BandError, match="No mean known for B10 in the statistics 'seco'"):
        get_stats('seco').select('mean', ['B10'])
    with pytest.raises(BandError, match='there are seco'):
        get_stats('landsat')


def test_names_of_other_sensors_are_known_where_they_are_passed():
    assert canonical('nir', ['red', 'nir']) == 'nir'
    assert canonical_bands(['nir', 'B4'], {'nir': 1.0}) == ('nir', 'B04')
    assert canonical('B4', ['B4']) == 'B04'  # one spelling for Sentinel-2's, everywhere
    assert spell_bands(['nir', 'B4', '8a']) == ('nir', 'B04', 'B8A')
    with pytest.raises(BandError, match='Known here beside them: red, nir'):
        canonical('purple', ['B04', 'red', 'nir'])
    with pytest.raises(BandError, match='twice: nir'):
        spell_bands(['nir', 'red', 'nir'])
    with pytest.raises(BandError, match='needs a name'):
        spell_bands(['nir', ' '])


def test_reading_a_table_changes_nothing_for_other_callers():
    numbers = dict(low=0, high=255, mean=90, std=40)
    table = get_stats(dict(unit='as stored', bands=dict(thermal=numbers, B4=numbers)))
    assert tuple(table.low) == ('thermal', 'B04')
    assert table.select('mean', ['B4', 'thermal']) == (90, 90)
    preprocessor = MultiBandPreprocessor(['thermal', '4'], stats=table)
    assert preprocessor.bands == ('thermal', 'B04')
    with pytest.raises(BandError, match=r"'thermal' is no band of Sentinel-2.* \(stats=\.\.\.\)"):
        canonical('thermal')
    with pytest.raises(BandError, match='thermal'):
        MultiBandPreprocessor(['thermal'], stats='seco')
    with pytest.raises(BandError, match="No low known for thermal in the statistics 'seco'"):
        get_stats('seco').select('low', ['thermal'])


def test_a_checkpoint_knows_the_names_of_its_own_bands():
    """In a process that has read no table before."""
    numbers = dict(low=0, high=255, mean=90, std=40)
    preprocessor = dict(
        bands=['thermal', 'B4'],
        stats=dict(unit='as stored', bands=dict(thermal=numbers, B04=numbers)),
        mean=dict(thermal=20.0, B4=30.0),
        std=dict(thermal=2.0, B04=3.0),
    )
    text = f'data_preprocessor = {preprocessor!r}'
    checkpoint = Checkpoint('epoch_1.pth', {}, dict(cfg=text))
    assert checkpoint.bands == ('thermal', 'B04')
    found = read_statistics(checkpoint)
    assert found is not None and dict(found.mean) == dict(thermal=20.0, B04=30.0)
    facts = read_facts(checkpoint, 'small', 'a network', 'features', bands=['4', 'thermal'])
    assert facts.bands == ('B04', 'thermal')
