"""tools/dataset_converters/pack.py as a user calls it."""

import json

import numpy as np
import pytest
from fixtures.runs import ROOT
from fixtures.tools import load_tool

from swimdiff.datasets import SeCo

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
    # A pack is a source like any.
    assert tool.main([str(tmp_path / 'pack'), str(tmp_path / 'red'), '--bands', 'B04']) == 0
    red = SeCo(str(tmp_path / 'red'), bands=['B04'], pipeline=LOAD)
    np.testing.assert_array_equal(red[2]['img'][..., 0], raw[2]['img'][..., 0])


def test_errors_end_in_one_message(tool, shared_seco_root, tmp_path, capsys):
    for argv, message in (
        (['verify', str(tmp_path)], 'is no pack: it has no pack.json'),
        (['info', str(tmp_path)], 'is no pack: it has no pack.json'),
        ([str(tmp_path / 'none'), str(tmp_path / 'pack')], 'none is no folder'),
        ([str(tmp_path), str(tmp_path / 'pack')], 'Name the data set: --type'),
        (
            [str(shared_seco_root), str(tmp_path / 'pack'), '--stretch', 'nobody'],
            "No statistics named 'nobody'",
        ),
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
