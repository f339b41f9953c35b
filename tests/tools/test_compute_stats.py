"""compute_stats.py: against NumPy on all pixels at once; interrupted, and read back by a config."""

import json

import numpy as np
import pytest
from fixtures.archives import write_ssl4eo
from fixtures.tools import load_tool

from swimdiff.apis import archive_statistics
from swimdiff.bands import get_stats
from swimdiff.datasets import SSL4EO
from swimdiff.errors import BandError, ConfigError, DataError
from swimdiff.evaluation.band_statistics import BandHistogram
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor

TOOL = load_tool('dataset_converters/compute_stats.py')


@pytest.fixture
def archive(tmp_path):
    return write_ssl4eo(tmp_path / 'ssl4eo', locations=3, bands=['B2', 'B5'])


def pixels(root, band):
    """Every pixel of a band, read by the data set one by one, before resampling."""
    dataset = SSL4EO(str(root), bands=[band])
    rows = range(len(dataset.index))
    return np.stack([dataset.source.read([row], [band])[0][0] for row in rows])


def run(root, out, *more):
    command = ['--type', 'SSL4EO', '--bands', 'B2', 'B5', '--workers', '2', *more]
    TOOL.main([str(root), str(out), *command])
    return json.loads(out.read_text())


def test_against_all_pixels_at_once(archive, tmp_path, capsys):
    content = run(archive, tmp_path / 'stats.json')
    for band in ('B02', 'B05'):
        values, entry = pixels(archive, band).astype(float), content['bands'][band]
        low, high = np.quantile(values, [0.02, 0.98], method='inverted_cdf')
        assert (entry['low'], entry['high']) == (low, high)
        stretched = (np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
        assert entry['mean'] == pytest.approx(stretched.mean())
        assert entry['std'] == pytest.approx(stretched.std())
        assert entry['raw_mean'] == pytest.approx(values.mean())
        assert entry['raw_std'] == pytest.approx(values.std())
        assert entry['quantiles']['0.5'] == np.quantile(values, 0.5, method='inverted_cdf')
        assert entry['pixels'] == values.size and entry['no_data'] == 0
    assert 'Wrote' in capsys.readouterr().out


def test_a_config_takes_the_file(archive, tmp_path):
    out = tmp_path / 'stats.json'
    entry = run(archive, out)['bands']['B05']
    load = [dict(type='LoadPatch')]
    image = SSL4EO(str(archive), bands=['B5'], stats=str(out), pipeline=load)[0]['img']
    model = MultiBandPreprocessor(bands=['B5'], stats=str(out))
    assert model.mean.item() == pytest.approx(entry['mean'])
    assert abs(image.mean() - entry['mean']) < 3  # one patch of six


def test_interrupted_run_goes_on(archive, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'stats.json'
    expected = run(archive, out)
    monkeypatch.setattr(archive_statistics, '_ROWS', 1)
    monkeypatch.setattr(archive_statistics, '_SAVE_EVERY', 2)
    real = archive_statistics._save

    def save_and_stop(*args):
        real(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(archive_statistics, '_save', save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        run(archive, out)
    monkeypatch.setattr(archive_statistics, '_save', real)
    read = []
    monkeypatch.setattr(
        archive_statistics, 'track', lambda items, *rest: read.append(rest) or items
    )
    again = run(archive, out)
    assert again == expected and read[0][-1] == 2
    assert 'Going on after 2 of 6 jobs' in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ['ssl4eo', 'stats.json']


def test_signed_pixels_and_no_data():
    histogram = BandHistogram(['B04'], 'int16', ignore=-9999)
    values = np.array([[-5, -5, 3, 7], [7, 7, 7, -9999]], np.int16)
    histogram.add([values])
    entry = histogram.summary([0.5], [0.0, 1.0])['B04']
    assert (entry['low'], entry['high'], entry['no_data']) == (-5, 7, 1 / 8)
    assert entry['raw_mean'] == pytest.approx(np.mean([-5, -5, 3, 7, 7, 7, 7]))
    with pytest.raises(DataError, match='Band B04 has no spread: 0 of 4'):
        flat = BandHistogram(['B04'], 'uint8')
        flat.add([np.zeros((2, 2), np.uint8)])
        flat.summary([0.5], [0.02, 0.98])


def test_bad_input(archive, tmp_path):
    with pytest.raises(SystemExit, match=r'stats\.txt: expected the name of a \.json'):
        TOOL.main([str(archive), str(tmp_path / 'stats.txt')])
    with pytest.raises(SystemExit, match='is no folder'):
        TOOL.main([str(tmp_path / 'nowhere'), str(tmp_path / 'stats.json')])
    empty = tmp_path / 'empty'
    empty.mkdir()
    with pytest.raises(SystemExit, match='layout of none of SeCo, SEN12MS, SSL4EO'):
        TOOL.main([str(empty), str(tmp_path / 'stats.json')])


def test_files_of_statistics_are_checked(tmp_path):
    path = tmp_path / 'stats.json'
    with pytest.raises(BandError, match=r'stats\.json: expected a file of statistics'):
        get_stats(str(path))
    entry = dict(low=0, high=10, mean=100.0, std=20.0)
    bands = dict(red=entry, nir=dict(entry, high=0))
    path.write_text(json.dumps(dict(unit='reflectance', bands=bands)))
    with pytest.raises(BandError, match='stretch of nir goes from 0 to 0'):
        get_stats(str(path))
    bands['nir'] = {key: entry[key] for key in ('low', 'high', 'mean')}
    with pytest.raises(BandError, match="found no proper 'std'"):
        get_stats(dict(unit='reflectance', bands=bands))
    del bands['nir']
    stats = get_stats(dict(unit='reflectance', bands=dict(bands, B4=entry)))
    assert stats.select('high', ['red', 'B04']) == (10, 10)
    assert MultiBandPreprocessor(bands=['red'], stats=stats).bands == ('red',)


def test_floats_to_a_bin():
    rng = np.random.default_rng(0)
    values = rng.gamma(2, 0.1, (200, 200)).astype(np.float32)
    values[0, :7] = [np.nan, np.inf, 0, 0, 0, 5.0, -0.05]
    histogram = BandHistogram(['red'], 'float32', ignore=0, scale=1.0)
    histogram.add([values])
    entry = histogram.summary([0.5], [0.02, 0.98])['red']
    known = np.clip(values[np.isfinite(values) & (values != 0)], None, 2.1)
    low, high = np.quantile(known, [0.02, 0.98])
    assert (entry['low'], entry['high']) == pytest.approx((low, high), abs=2e-4)
    assert entry['raw_mean'] == pytest.approx(known.mean(), abs=1e-4)
    stretched = np.floor(np.clip((known - low) / (high - low), 0, 1) * 255)
    assert entry['mean'] == pytest.approx(stretched.mean(), abs=0.2)
    assert entry['no_data'] == pytest.approx(5 / values.size)
    with pytest.raises(ConfigError, match='floats of no declared unit'):
        BandHistogram(['red'], 'float32')
    with pytest.raises(ConfigError, match='not float64'):
        BandHistogram(['red'], 'float64')


def test_damaged_patches_are_left_out_where_allowed(archive, tmp_path, capsys):
    next(archive.rglob('0000001/*/B2.tif')).write_bytes(b'')
    command = [str(archive), str(tmp_path / 'stats.json'), '--type', 'SSL4EO', '--bands', 'B2']
    with pytest.raises(SystemExit, match=r'B2\.tif cannot be read'):
        TOOL.main(command)
    TOOL.main([*command, '--dataset-options', 'max_unreadable=0.5'])
    entry = json.loads((tmp_path / 'stats.json').read_text())['bands']['B02']
    assert entry['pixels'] == 5 * 264 * 264
    assert '1 patches could not be read' in capsys.readouterr().out


def test_another_archive_is_not_gone_on_with(archive, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(archive_statistics, '_ROWS', 1)
    dataset = SSL4EO(str(archive), bands=['B2'])
    state = tmp_path / 'state.npz'
    monkeypatch.setattr(archive_statistics, '_SAVE_EVERY', 1)
    archive_statistics.count_archive(dataset, state)
    (archive / 's2a' / '0000000').rename(archive / 's2a' / '0000009')
    again = SSL4EO(str(archive), bands=['B2'])
    archive_statistics.count_archive(again, state)
    assert 'Going on' not in capsys.readouterr().out
