"""Published files: what they hold, and that each consumer opens them."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fixtures.exports import BANDS, find_torchgeo_task, write_checkpoint, write_pretraining
from fixtures.tools import load_tool
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from safetensors import safe_open
from safetensors.torch import load_file

from swimdiff.bands import get_stats
from swimdiff.weights.checkpoint import read_checkpoint
from swimdiff.weights.input_statistics import read_statistics

TOOL = load_tool('model_converters/publish_backbone.py')
R18 = dict(type='mmpretrain.ResNet', depth=18, in_channels=3, out_indices=(0, 1, 2, 3))


@pytest.fixture
def source(tmp_path):
    shared = torch.arange(24.0)
    state = {
        'backbone.a': shared[:4].view(2, 2),
        'backbone.b': torch.tensor(5),
        'momentum_encoder.backbone.a': torch.zeros(2, 2),
    }
    backbone = dict(depth=18, in_channels=2, type='mmpretrain.ResNet')
    model = dict(type='SwiMDiff', backbone=backbone)
    bands = ('B04', 'B03')
    # As the engine writes it within a repository: its version, then the commit of that folder.
    more = dict(seed=3, bands=bands, mmengine_version='0.10.12' + '7e361678f2' * 4)
    return write_checkpoint(tmp_path / 'epoch_7.pth', model, state, **more)


@pytest.fixture
def trained(tmp_path):
    """A checkpoint of a real ResNet-18, and the network."""
    path = tmp_path / 'epoch_7.pth'
    return path, write_pretraining(path, R18)


def draw_images() -> torch.Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


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
    assert about['mmengine_version'] == '0.10.12'
    assert about['names'] == 'torchvision, timm, mmpretrain'
    assert about['data'] == 'OSCD train'
    mask = os.umask(0)
    os.umask(mask)
    for suffix in ('pth', 'safetensors'):
        mode = source.with_name(f'epoch_7_backbone.{suffix}').stat().st_mode & 0o777
        assert mode == 0o666 & ~mask
    # Nothing of the machine that wrote it.
    for path in source.parent.glob('epoch_7_backbone.*'):
        assert str(source.parent).encode() not in path.read_bytes()


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


def test_names_that_other_libraries_do_not_know_are_said(tmp_path, capsys):
    model = dict(backbone=dict(type='mmpretrain.SwinTransformer'), type='SwiMDiff')
    write_checkpoint(tmp_path / 'x.pth', model, {'backbone.a': torch.zeros(2)})
    TOOL.main([str(tmp_path / 'x.pth'), '--bare'])
    assert 'names: mmpretrain.SwinTransformer only (--for timm' in capsys.readouterr().out


def test_our_loader_reads_safetensors_as_the_help_says(trained):
    source, network = trained
    TOOL.main([str(source)])
    file = str(source.with_name('epoch_7_backbone.safetensors'))
    init = dict(type='Pretrained', _scope_='swimdiff', checkpoint=file, prefix='backbone.')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        fresh = MODELS.build(dict(R18, init_cfg=init))
        fresh.init_weights()
    expected = network.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in fresh.state_dict().items())


def test_weights_that_are_not_numbers(source):
    torch.save({'backbone.a': torch.tensor([1.0, float('inf')])}, source)
    with pytest.raises(
        SystemExit, match=r'epoch_7.pth holds NaN or infinite weights in 1 tensors: a; noth'
    ):
        TOOL.main([str(source)])
    assert list(source.parent.iterdir()) == [source]


#: In a process that never sees this package; both others in one, as starting is what costs.
STOCK = """
import importlib
import sys
import torch
from mmengine.registry import DefaultScope
images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
backbone = dict(type='ResNet', depth=18, out_indices=(0, 1, 2, 3),
                init_cfg=dict(type='Pretrained', checkpoint=sys.argv[1], prefix='backbone.'))
features = {}
for package in ('mmpretrain', 'mmseg'):
    models = importlib.import_module(package + '.models')
    with DefaultScope.overwrite_default_scope(package), torch.no_grad():
        network = importlib.import_module(package + '.registry').MODELS.build(backbone)
        assert type(network).__module__.startswith(package + '.')
        network.init_weights()
        network.eval()  # the engine's returns nothing
        features[package] = network(images)[-1]
assert not any(name.startswith('swimdiff') for name in sys.modules)
torch.save(features, sys.argv[2])
"""


@torch.no_grad()
def test_stock_packages_load_the_file_without_this_one(trained, tmp_path):
    source, network = trained
    TOOL.main([str(source)])
    published, features = tmp_path / 'epoch_7_backbone.pth', tmp_path / 'features.pt'
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    command = [sys.executable, '-W', 'ignore', '-c', STOCK, str(published), str(features)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    expected = network(draw_images())[-1]
    found = torch.load(features)
    assert set(found) == {'mmpretrain', 'mmseg'}
    for values in found.values():
        assert (values - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
def test_timm_as_the_card_says(trained, capsys):
    pytest.importorskip('timm')
    source, network = trained
    more = ['--score', 'EuroSAT test top-1=94.1', '--licence', 'CC-BY-4.0']
    TOOL.main([str(source), '--for', 'timm', *more])
    assert 'Features of timm resnet18: equal to' in capsys.readouterr().out
    card = source.with_name('epoch_7_backbone_timm.md').read_text()
    assert '- EuroSAT test top-1: 94.1' in card and '| licence | CC-BY-4.0 |' in card
    code = card.partition('```python\n')[2].partition('```')[0]
    place = source.with_name('epoch_7_backbone_timm.safetensors')
    scope: dict = {}
    exec(code.replace(place.name, str(place)), scope)
    expected = network(draw_images())[-1]
    found = scope['model'].eval().forward_features(draw_images())
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    # The plain file holds the same tensors and nothing else.
    plain = torch.load(place.with_suffix('.pth'), weights_only=True)
    assert plain.keys() == load_file(place).keys()


@torch.no_grad()
def test_torchgeo_reads_its_checkpoint(trained):
    """By the rule of torchgeo's ``extract_backbone``; the task itself where it is installed."""
    source, network = trained
    TOOL.main([str(source), '--for', 'torchgeo'])
    file = source.with_name('epoch_7_backbone_torchgeo.ckpt')
    content = torch.load(file, weights_only=True)
    assert content['hyper_parameters']['model'] == 'resnet18'
    assert all(name.startswith('model.') for name in content['state_dict'])
    task = find_torchgeo_task()(
        model='resnet18', weights=str(file), in_channels=3, task='multiclass', num_classes=10
    ).eval()
    expected = network(draw_images())[-1]
    found = task.model.forward_features(draw_images())
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
def test_segmentation_models_as_the_card_says(trained):
    """The encoder gives the same maps, and the whole U-Net runs on them."""
    pytest.importorskip('segmentation_models_pytorch')
    source, network = trained
    TOOL.main([str(source), '--for', 'smp'])
    card = source.with_name('epoch_7_backbone_smp.md').read_text()
    code = card.partition('```python\n')[2].partition('```')[0]
    place = source.with_name('epoch_7_backbone_smp.safetensors')
    scope: dict = {}
    exec(code.replace(place.name, str(place)), scope)
    model = scope['model'].eval()
    for ours, theirs in zip(network(draw_images()), model.encoder(draw_images())[2:], strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * ours.abs().max()
    assert model(draw_images()).shape[-2:] == (64, 96)


def test_cards_are_a_valid_item_and_match_the_files(trained):
    source, _ = trained
    TOOL.main([str(source), '--resolution', '12'])
    item = json.loads(source.with_name('epoch_7_backbone.json').read_text())
    properties = item['properties']
    for key in ('name', 'architecture', 'tasks', 'framework', 'input', 'output'):
        assert properties[f'mlm:{key}']
    (image,) = properties['mlm:input']
    assert image['bands'] == list(BANDS)
    table = get_stats('seco')
    assert [one['mean'] for one in image['value_scaling']] == list(table.select('mean', BANDS))
    assert properties['gsd'] == 12
    for asset in item['assets'].values():
        path = source.parent / asset['href']
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert asset['file:checksum'] == f'1220{digest}'
        assert digest in source.with_name('epoch_7_backbone.md').read_text()
        assert asset['mlm:artifact_type'] in ('torch.save', 'safetensors.torch.save_file')
    pystac = pytest.importorskip('pystac')
    mlm = pytest.importorskip('pystac.extensions.mlm')
    # pystac knows version 1.4, of which 1.5 is an extension.
    item['stac_extensions'][0] = item['stac_extensions'][0].replace('1.5.0', '1.4.0')
    described = mlm.MLMExtension.ext(pystac.Item.from_dict(item))
    assert described.input[0].input.dim_order == ['batch', 'bands', 'height', 'width']
    assert described.output[0].tasks == ['similarity-search']


def test_a_source_that_does_not_name_its_backbone_is_refused(source):
    torch.save({'backbone.a': torch.zeros(2)}, source)
    with pytest.raises(SystemExit, match=r'does not say which backbone it is of, and --for timm'):
        TOOL.main([str(source), '--for', 'timm'])


def test_scores_have_names(source):
    with pytest.raises(SystemExit, match=r"--score '94.1': expected NAME=VALUE"):
        TOOL.main([str(source), '--score', '94.1'])


def test_onnx_of_a_backbone(trained):
    onnxruntime = pytest.importorskip('onnxruntime')
    source, _ = trained
    TOOL.main([str(source), '--for', 'onnx', '--tile', '64'])
    path = source.with_name('epoch_7_backbone_onnx.onnx')
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    assert [one.name for one in session.get_outputs()] == [f'level_{n}' for n in range(4)]
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about['swimdiff_bands']) == ','.join(BANDS)
    assert 'names' not in about  # which Deepness would take for names of classes
    card = json.loads(Path(path).with_suffix('.json').read_text())
    assert card['properties']['mlm:framework'] == 'ONNX'
