"""tools/dataset_converters/pack.py as a user calls it."""

import json

import numpy as np
import pytest
from fixtures.rasters import RESOLUTION, noise, write_bands
from fixtures.runs import ROOT
from fixtures.tools import load_tool

from swimdiff.datasets import RasterScenes, SeCo

LOAD = [dict(type='LoadPatch')]


@pytest.fixture(scope='module')
def tool():
    return load_tool('dataset_converters/pack.py')


def test_pack_verify_info(tool, shared_seco_root, tmp_path, capsys):
    root = str(tmp_path / 'pack')
    assert tool.main([str(shared_seco_root), root, '--workers', '2', '--shard-size', '1M']) == 0
    assert '6 patches, 12 bands, 2.3 MB in 3 shards' in capsys.readouterr().out
    packed, raw = (SeCo(str(path), pipeline=LOAD) for path in (root, shared_seco_root))
    np.testing.assert_array_equal(packed[5]['img'], raw[5]['img'])
    assert tool.main(['verify', root, '--workers', '2']) == 0
    assert capsys.readouterr().out == f'{root}: whole\n'
    assert tool.main(['info', root]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told['kind'] == 'SeCo' and told['rows'] == 6 and told['codec'] == 'raw'
    shard = tmp_path / 'pack' / 'shard-00001.npy'
    shard.write_bytes(shard.read_bytes()[:-1] + b'\x00')
    assert tool.main(['verify', root, '--workers', '1']) == 1
    found = capsys.readouterr()
    assert '1 faults' in found.out and 'shard-00001.npy is damaged' in found.err


def test_config_bands_codec(tool, shared_seco_root, tmp_path, capsys):
    argv = ['swimdiff_r50_seco.py', str(tmp_path / 'pack'), '--bands', 'B4', 'B3', 'B2']
    options = [f'data_root={shared_seco_root}', 'index_cache=None']
    assert tool.main([*argv, '--codec', 'jpeg', '--dataset-options', *options]) == 0
    assert '6 patches, 3 bands, 0.0 MB in 1 shards' in capsys.readouterr().out
    packed, raw = (SeCo(str(path), pipeline=LOAD) for path in (tmp_path / 'pack', shared_seco_root))
    np.testing.assert_array_equal(packed[2]['img'], raw[2]['img'])
    assert tool.main([str(tmp_path / 'pack'), str(tmp_path / 'red'), '--bands', 'B04']) == 1
    assert 'is a pack already' in capsys.readouterr().err


def test_scenes_are_cut_and_judged_by_the_bands_wanted(tool, tmp_path, capsys):
    """Coarser bands that are not packed move no window, and their zeros are none of the others."""
    names = ('B01', 'B02', 'B03', 'B04')
    sides = {name: 240 * 10 // RESOLUTION[name] for name in names}
    bands = {name: noise(sides[name], sides[name], seed) for seed, name in enumerate(names)}
    for name in names[1:]:
        bands[name][:, :60] = 0  # data of B01 alone: no data for who wants the others
    write_bands(tmp_path / 'scenes' / 'T36QZH_20200101T075611', bands)
    wanted, root = ('B04', 'B03', 'B02'), str(tmp_path / 'pack')
    argv = [str(tmp_path / 'scenes'), root, '--type', 'RasterScenes', '--bands', *wanted]
    assert tool.main([*argv, '--dataset-options', 'patch=32', 'index_cache=None']) == 0
    options = dict(bands=wanted, patch=32, pipeline=LOAD)
    packed = RasterScenes(root, **options)
    raw = RasterScenes(str(tmp_path / 'scenes'), index_cache=None, **options)
    assert len(packed) == len(raw) > 20 and packed.source.bands == wanted
    for i in range(len(raw)):
        assert packed[i]['location'] == raw[i]['location']
        np.testing.assert_array_equal(packed[i]['img'], raw[i]['img'])


def test_locations_left_out(tool, seco_root, tmp_path, capsys):
    """An empty location: refused, or left out, named, and no fault of the pack."""
    (seco_root / '000007').mkdir()
    argv = [str(seco_root), str(tmp_path / 'pack'), '--bands', 'B04', '--type', 'SeCo']
    assert tool.main(argv) == 1
    assert '000007' in capsys.readouterr().err
    path = sorted(seco_root.glob('000001/*/B4.tif'))[0]
    path.unlink()
    assert tool.main([*argv, '--max-unreadable', '0.3']) == 0
    found = capsys.readouterr()
    assert '5 patches, 2 left out, 1 bands' in found.out
    left = [line for line in found.err.splitlines() if line.startswith('left out: ')]
    assert len(left) == 2 and '000007' in left[0] and 'B4.tif is missing' in left[1]
    packed = SeCo(str(tmp_path / 'pack'), bands=['B04'], pipeline=LOAD)
    raw = SeCo(str(seco_root), bands=['B04'], pipeline=LOAD, max_unreadable=0.5)
    assert len(packed) == 5
    np.testing.assert_array_equal(packed[4]['img'], raw[5]['img'])
    assert tool.main(['info', str(tmp_path / 'pack')]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told['rows'] == 5 and told['unreadable'] == 2


def test_errors_end_in_one_message(tool, shared_seco_root, tmp_path, capsys):
    for argv, message in (
        (['verify', str(tmp_path)], 'is no pack: it has no pack.json'),
        (['info', str(tmp_path)], 'is no pack: it has no pack.json'),
        ([str(tmp_path / 'none'), str(tmp_path / 'pack')], 'none is no folder'),
        ([str(tmp_path), str(tmp_path / 'pack')], 'Name the data set: --type'),
    ):
        assert tool.main(argv) == 1
        assert message in capsys.readouterr().err


def test_sizes(tool):
    sizes = [tool.size(text) for text in ('7', '1K', '1.5M', '2GiB', '1t', '3 MB')]
    assert sizes == [7, 1024, 3 << 19, 2 << 30, 1 << 40, 3 << 20]
    with pytest.raises(SystemExit):
        tool.parse_args(['a', 'b', '--shard-size', 'much'])
    assert tool.parse_args(['a', 'b']).shard_size == 1 << 30


def test_benchmarks_run(shared_seco_root, tmp_path, capsys, monkeypatch):
    """Formats that are not installed are left out; ours sees a flipped bit, a mapped file none."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools' / 'benchmarks'))
    formats = load_tool('benchmarks/pack_formats.py')
    monkeypatch.setattr(formats, 'FORMATS', dict(list(formats.FORMATS.items())[:2]))
    formats.main(['--data-root', str(shared_seco_root), '-n', '8', '--out', str(tmp_path)])
    _, _, ours, mapped, _ = capsys.readouterr().out.strip().split('\n')
    assert ours.endswith('RasterError') and mapped.endswith('unseen')
    assert float(ours.split()[2]) == pytest.approx(8 * 387_200 / 1e6, rel=0.01)
    codecs = load_tool('benchmarks/pack_codecs.py')
    codecs.main([str(path) for path in shared_seco_root.glob('*/*/B4.tif')])
    table = capsys.readouterr().out
    assert '6 planes of 264 x 264 uint8' in table and '(6 of 6)' in table
