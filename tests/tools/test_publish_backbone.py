import json
import os
from pathlib import Path

import pytest
import torch
from fixtures.tools import load_tool
from mmengine.runner import CheckpointLoader
from safetensors import safe_open

from swimdiff.bands import get_stats
from swimdiff.weights.checkpoint import read_checkpoint
from swimdiff.weights.input_statistics import read_statistics

TOOL = load_tool('model_converters/publish_backbone.py')
CONFIG = """
data_preprocessor = dict(bands=('B04', 'B03'), stats='seco', type='MultiBandPreprocessor')
model = dict(backbone=dict(depth=18, in_channels=2, type='mmpretrain.ResNet'))
"""


@pytest.fixture
def source(tmp_path):
    shared = torch.arange(24.0)
    state = {
        'backbone.a': shared[:4].view(2, 2),
        'backbone.b': torch.tensor(5),
        'momentum_encoder.backbone.a': torch.zeros(2, 2),
    }
    meta = dict(cfg=CONFIG, epoch=7, iter=70, seed=3)
    torch.save(dict(state_dict=state, meta=meta), tmp_path / 'epoch_7.pth')
    return tmp_path / 'epoch_7.pth'


def test_both_files_hold_the_query_encoder_and_where_it_came_from(source):
    TOOL.main([str(source)])
    plain = torch.load(source.with_name('epoch_7_backbone.pth'), weights_only=True)
    assert list(plain['state_dict']) == ['backbone.a', 'backbone.b']
    assert plain['state_dict']['backbone.a'].tolist() == [[0, 1], [2, 3]]
    assert plain['meta']['bands'] == 'B04,B03'
    assert plain['meta']['source'] == 'epoch_7.pth'
    assert len(plain['meta']['source_sha256']) == 64
    with safe_open(source.with_name('epoch_7_backbone.safetensors'), 'pt') as file:
        assert file.get_tensor('backbone.a').tolist() == [[0, 1], [2, 3]]
        about = file.metadata()
    assert {key: about[key] for key in plain['meta']} == plain['meta']
    assert json.loads(about['backbone'])['depth'] == 18
    assert (about['epoch'], about['iter'], about['seed']) == ('7', '70', '3')
    assert about['names'] == 'torchvision, timm, mmpretrain'
    mask = os.umask(0)
    os.umask(mask)
    for suffix in ('pth', 'safetensors'):
        mode = source.with_name(f'epoch_7_backbone.{suffix}').stat().st_mode & 0o777
        assert mode == 0o666 & ~mask
    # Nothing of the machine that wrote it.
    assert str(Path(source).parent) not in json.dumps(about)


def test_published_file_reads_like_the_checkpoint(source):
    TOOL.main([str(source), '--out', str(source.with_name('r18')), '--bare'])
    published = read_checkpoint(source.with_name('r18.safetensors'))
    assert published.bands == ('B04', 'B03')
    assert published.stats == 'seco'
    # Not by name alone: whoever has the file has the numbers.
    stats, table = read_statistics(published), get_stats('seco')
    assert (stats.unit, tuple(stats.low)) == ('reflectance x 255', ('B04', 'B03'))
    for column in ('low', 'high', 'mean', 'std'):
        assert getattr(stats, column) == {
            band: getattr(table, column)[band] for band in ('B04', 'B03')
        }
    assert sorted(published.state_dict) == ['a', 'b']


def test_names_that_other_libraries_do_not_know_are_said(source, capsys):
    content = torch.load(source, weights_only=True)
    content['meta']['cfg'] = "model = dict(backbone=dict(type='mmpretrain.SwinTransformer'))"
    torch.save(content, source)
    TOOL.main([str(source), '--bare'])
    assert 'names: mmpretrain.SwinTransformer only' in capsys.readouterr().out


def test_the_engine_reads_safetensors_as_the_help_says(source):
    # what `custom_imports=dict(imports=['swimdiff.engine'])` of the help does
    import swimdiff.engine  # noqa: F401

    TOOL.main([str(source)])
    found = CheckpointLoader.load_checkpoint(str(source.with_name('epoch_7_backbone.safetensors')))
    assert found['state_dict']['backbone.a'].tolist() == [[0, 1], [2, 3]]


def test_weights_that_are_not_numbers(source):
    torch.save({'backbone.a': torch.tensor([1.0, float('inf')])}, source)
    with pytest.raises(SystemExit, match=r'epoch_7.pth holds NaN or infinite weights in a:'):
        TOOL.main([str(source)])
    assert list(source.parent.iterdir()) == [source]
