"""The benchmarks of loading: what they write, and that all ways read the same patches."""

import json
import mmap

import numpy as np
import pytest
from fixtures.pictures import write_classes
from fixtures.tools import load_tool

LOADER = load_tool('benchmarks/loader.py')
INDEX = load_tool('benchmarks/index.py')

RATIOS = {
    'raw_vs_torchgeo',
    'packed_vs_torchgeo',
    'packed12_vs_torchgeo12',
    'packed_vs_decode_floor',
    'pipeline_images_per_s_core',
}


def test_loader_writes_rows_and_ratios(shared_seco_root, tmp_path, capsys):
    out = tmp_path / 'loader.json'
    LOADER.main(
        ['--data-root', str(shared_seco_root), '-n', '2', '--rounds', '2', '--json', str(out)]
    )
    found = json.loads(out.read_text())
    assert found.keys() > RATIOS | {'rows', 'worker_peak_mib'}
    rates = {(row['name'], row['bands']): row for row in found['rows']}
    assert all(row['rate'] == np.median(row['rates']) for row in found['rows'])
    packed, floor = rates['packed', 3], rates['decode one RGB JPEG (floor)', 3]
    assert found['packed_vs_decode_floor'] == pytest.approx(packed['rate'] / floor['rate'])
    assert found['pipeline_images_per_s_core'] == rates['packed, two 224 px views', 3]['rate']
    torchgeo = rates.get(('torchgeo SeasonalContrastS2', 3))
    assert (found['raw_vs_torchgeo'] is None) == (torchgeo is None)
    assert 'packed, cold' in capsys.readouterr().out


def test_ways_read_the_same_pixels(shared_seco_root, tmp_path):
    rasterio = pytest.importorskip('rasterio', reason='the peer is not installed')
    assert rasterio
    folders = LOADER.products(shared_seco_root)
    peer = LOADER.band_by_band(folders, LOADER.SECO_BANDS)
    own = LOADER.SeCo(
        str(shared_seco_root),
        LOADER.SECO_BANDS,
        stretch=False,
        pipeline=[dict(type='LoadPatch')],
    )
    assert np.array_equal(peer(3), own[3]['img'])


def test_peak_of_a_worker():
    """A reader that touches 40 MiB needs them; one that does nothing, next to none."""

    def touch(_):
        # Fresh from the kernel: what NumPy hands out may be memory that the parent has used before.
        with mmap.mmap(-1, 40 << 20) as block:
            block[:: mmap.PAGESIZE] = bytes(len(block[:: mmap.PAGESIZE]))

    assert 38 < LOADER.worker_peak(touch, 2) < 60
    assert LOADER.worker_peak(lambda i: None, 2) < 8


def test_index_benchmark(tmp_path, capsys):
    out = tmp_path / 'index.json'
    INDEX.write_tree(tmp_path / 'tree', 20)
    assert len(list((tmp_path / 'tree').glob('*/*'))) == 20
    INDEX.main(['--entries', '20', '--json', str(out)])
    found = json.loads(out.read_text())
    assert found['entries'] == 20 and all(key in found for key in ('warm_open_s', 'memory_mib'))


def test_kept_patches_rates_both_ways(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('RSSCN7_ROOT', str(write_classes(tmp_path, 40, (96, 128))))
    load_tool('benchmarks/kept_patches.py').main(['studies/claim_r18_rsscn7', '--epochs', '2'])
    kept, read, ratio = capsys.readouterr().out.splitlines()[-3:]
    rates = [float(line.split()[1].replace(',', '')) for line in (kept, read)]
    assert kept.startswith('kept') and read.startswith('read') and min(rates) > 0
    assert float(ratio.split()[1]) == pytest.approx(rates[0] / rates[1], abs=0.06)
