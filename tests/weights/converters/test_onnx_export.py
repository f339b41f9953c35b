"""ONNX graphs against PyTorch, with pixels standardised by hand in NumPy."""

import json

import numpy as np
import pytest
import torch
from fixtures.exports import BANDS, CHANGE, LANDCOVER, build, write_checkpoint

from swimdiff.bands import get_stats
from swimdiff.errors import CheckpointError
from swimdiff.weights.checkpoint import read_checkpoint
from swimdiff.weights.converters import export_backbone, export_segmentor, open_segmentor
from swimdiff.weights.converters.facts import ModelFacts

onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')

STATS = get_stats('seco')
FACTS = ModelFacts('tiny', 'a net', 'features', BANDS, STATS, resolution_m=10.0)
LEVELS = dict(out_indices=(0, 1, 2, 3))


def open_graph(path):
    return onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])


def draw_pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def standardise(pixels: np.ndarray, dates: int = 1) -> torch.Tensor:
    """By hand, in double precision."""
    mean, std = (
        np.array(STATS.select(key, BANDS) * dates).reshape(1, -1, 1, 1) for key in ('mean', 'std')
    )
    return torch.from_numpy(((pixels - mean) / std).astype(np.float32))


def assert_close(expected: torch.Tensor, found: np.ndarray) -> None:
    assert tuple(expected.shape) == found.shape
    scale = max(1.0, float(expected.abs().max()))
    assert np.abs(expected.numpy() - found).max() <= 1e-4 * scale


@pytest.mark.parametrize(
    'config',
    [
        dict(type='mmpretrain.ResNet', depth=18, **LEVELS),
        dict(type='mmpretrain.ConvNeXt', arch='atto', gap_before_final_norm=False, **LEVELS),
        dict(type='mmpretrain.EfficientNet', arch='b0', out_indices=(2, 6)),
    ],
)
@torch.no_grad()
def test_backbone_of_any_batch_and_size(config, tmp_path):
    network = build(config)
    export_backbone(config, network.state_dict(), FACTS, tmp_path / 'x.onnx')
    graph = open_graph(tmp_path / 'x.onnx')
    for count, height, width in ((1, 64, 64), (3, 96, 160)):
        pixels = draw_pixels(count, 3, height, width)
        found = graph.run(None, {'image': (pixels / 255).astype(np.float32)})
        expected = network(standardise(pixels))
        assert len(found) == len(expected)
        for ours, theirs in zip(expected, found, strict=True):
            assert_close(ours, theirs)


@torch.no_grad()
def test_swin_needs_a_size_and_gets_one(tmp_path):
    arch = dict(embed_dims=24, depths=[2, 2], num_heads=[2, 4])
    config = dict(
        type='mmpretrain.SwinTransformer', arch=arch, out_indices=(0, 1), pad_small_map=True
    )
    network = build(config)
    path = tmp_path / 'x.onnx'
    with pytest.raises(CheckpointError, match=r'images of 2 x 3 x 96 x 160.*--tile 256'):
        export_backbone(config, network.state_dict(), FACTS, path)
    assert not path.exists()
    export_backbone(config, network.state_dict(), FACTS, path, tile=64)
    pixels = draw_pixels(3, 3, 64, 64)
    found = open_graph(path).run(None, {'image': (pixels / 255).astype(np.float32)})
    for ours, theirs in zip(network(standardise(pixels)), found, strict=True):
        assert_close(ours, theirs)


@torch.no_grad()
def test_change_of_two_dates(tmp_path):
    segmentor = build(CHANGE)
    source = write_checkpoint(tmp_path / 'c.pth', CHANGE, segmentor.state_dict())
    opened, facts, threshold = open_segmentor(read_checkpoint(source), name='c')
    assert (facts.task, facts.dates, facts.bands, threshold) == ('change', 2, BANDS, 0.4)
    export_segmentor(opened, facts, tmp_path / 'c.onnx')
    pixels = draw_pixels(2, 6, 96, 64)
    (found,) = open_graph(tmp_path / 'c.onnx').run(
        None, {'image': (pixels / 255).astype(np.float32)}
    )
    logits = segmentor.encode_decode(standardise(pixels, 2), [dict(img_shape=(96, 64))])
    assert_close(logits.sigmoid(), found)
    assert found.shape == (2, 1, 96, 64)
    assert found.std() > 0.01  # nothing flat was compared
    # Two channels, of which the larger one is what the model's own threshold says.
    export_segmentor(opened, facts, tmp_path / 'q.onnx', 96, threshold=threshold)
    square = (draw_pixels(1, 6, 96, 96) / 255).astype(np.float32)
    (probability,), (two,) = (
        open_graph(tmp_path / f'{name}.onnx').run(None, {'image': square}) for name in 'cq'
    )
    clear = np.abs(probability[:, 0] - 0.4) > 1e-5
    assert ((two.argmax(1) == 1) == (probability[:, 0] > 0.4))[clear].all()
    assert open_graph(tmp_path / 'q.onnx').get_outputs()[0].shape == ['batch', 2, 96, 96]
    assert two.shape == (1, 2, 96, 96) and np.allclose(two.sum(1), 1, atol=1e-6)


@torch.no_grad()
def test_land_cover_with_the_stretch_inside_as_qgis_asks_for_it(tmp_path):
    segmentor = build(LANDCOVER)
    names = ('water', 'forest', 'field')
    source = write_checkpoint(
        tmp_path / 'l.pth', LANDCOVER, segmentor.state_dict(), dataset_meta=dict(classes=names)
    )
    opened, facts, threshold = open_segmentor(read_checkpoint(source), name='l')
    path = tmp_path / 'l.onnx'
    export_segmentor(opened, facts, path, 96, stored=True, threshold=threshold, overlap=20)
    graph = open_graph(path)
    # 16 bit, as the plug-in hands over whatever the raster holds: divided by 255, nothing more.
    low, high = (np.array(STATS.select(key, BANDS)).reshape(1, -1, 1, 1) for key in ('low', 'high'))
    stored = np.random.default_rng(1).integers(0, int(high.max() * 1.2), (2, 3, 96, 96))
    (found,) = graph.run(None, {'image': np.float32(stored * 1.0 / 255.0)})
    stretched = np.floor(np.clip((stored - low) / (high - low), 0, 1) * 255)
    logits = segmentor.encode_decode(standardise(stretched), [dict(img_shape=(96, 96))])
    assert_close(logits.softmax(dim=1), found)
    about = graph.get_modelmeta().custom_metadata_map
    read = {key: json.loads(value) for key, value in about.items()}
    # The keys that the plug-in reads.
    assert read['model_type'] == 'Segmentor'
    assert read['class_names'] == {'0': 'water', '1': 'forest', '2': 'field'}
    assert (read['resolution'], read['tile_size'], read['tiles_size']) == (1000, 96, 96)
    assert (read['tiles_overlap'], read['seg_thresh'], read['seg_small_segment']) == (20, 0, 0)
    assert read['standardization_mean'] == [0, 0, 0]
    assert read['standardization_std'] == [1, 1, 1]
    # What it checks before it accepts a model: a number for the tile, equal edges. It counts the
    # classes by the shape of the output.
    assert graph.get_inputs()[0].shape == ['batch', 3, 96, 96]
    assert graph.get_outputs()[0].shape == ['batch', 3, 96, 96]


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    model = dict(type='SwiMDiff', backbone=dict(type='mmpretrain.ResNet', depth=18))
    source = write_checkpoint(tmp_path / 'p.pth', model, dict(a=torch.zeros(1)))
    with pytest.raises(CheckpointError, match=r'no model with a decode_head.*--for onnx'):
        open_segmentor(read_checkpoint(source), name='p')


def test_without_statistics_there_is_no_first_layer(tmp_path):
    config = dict(type='mmpretrain.ResNet', depth=18)
    with pytest.raises(CheckpointError, match=r'does not say its statistics'):
        export_backbone(
            config,
            build(config).state_dict(),
            ModelFacts('x', 'y', 'features', BANDS),
            tmp_path / 'x.onnx',
        )
