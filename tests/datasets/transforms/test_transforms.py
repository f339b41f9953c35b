"""Transforms on any number of bands; colour changes against torchvision and against plain NumPy."""

import colorsys

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torchvision.transforms import functional

from swimdiff.bands import RGB, SECO_BANDS
from swimdiff.datasets import (
    MultiBandColorJitter,
    PackViews,
    RandomBlur,
    RandomGrey,
    RandomQuarterTurn,
    SeCo,
    TwoViews,
)
from swimdiff.datasets.transforms.colour import apply_affine, grey_weights, hue_matrix
from swimdiff.errors import ConfigError
from swimdiff.launch.paths import config_root

ONE = dict(brightness=0, contrast=0, saturation=0, hue=0, prob=1)
FIVE = ('B02', 'B03', 'B04', 'B08', 'B11')


def image(channels=3, low=60, high=150, size=64):
    """Mid greys: no change of the strengths below clips."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(low, high, (8, 8, channels))
    planes = [cv2.resize(coarse[..., i], (size, size)) for i in range(channels)]
    return np.stack(planes, axis=-1).round().astype(np.uint8)


def change(pixels, bands, *changes):
    """Apply the named changes with their strengths."""
    jitter = MultiBandColorJitter(prob=1)
    jitter.draw = lambda: list(changes)
    return jitter(dict(img=pixels, band_names=bands))['img']


@pytest.mark.parametrize('name', ['brightness', 'contrast', 'saturation'])
@pytest.mark.parametrize('factor', [0.6, 1.0, 1.4])
@pytest.mark.parametrize('bands', [RGB, RGB[::-1]])
def test_each_change_alone_is_torchvisions(name, factor, bands):
    pixels = image()
    order = [bands.index(band) for band in RGB]
    rgb = torch.from_numpy(pixels[..., order].transpose(2, 0, 1).copy())
    expected = getattr(functional, f'adjust_{name}')(rgb, factor).numpy().transpose(1, 2, 0)
    found = change(pixels, bands, (name, factor))[..., order]
    assert found.dtype == np.uint8
    # torchvision cuts fractions off where this rounds, and rounds its grey image as well.
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert factor == 1 or np.abs(found.astype(int) - pixels[..., order]).max() > 5


def test_hue_agrees_with_torchvision_in_direction_and_keeps_luma():
    """Turned in YIQ and not in HSV: grey and luma stay, colours move the same way round."""
    pixels = np.full((8, 8, 3), (140, 90, 60), np.uint8)  # orange
    for turn in (0.1, -0.1):
        found = change(pixels, RGB, ('hue', turn))[0, 0].astype(float)
        theirs = functional.adjust_hue(torch.from_numpy(pixels.transpose(2, 0, 1)), turn)
        expected = colorsys.rgb_to_hsv(*theirs[:, 0, 0].tolist())[0]
        assert colorsys.rgb_to_hsv(*found)[0] == pytest.approx(expected, abs=0.06)
        assert found @ (0.299, 0.587, 0.114) == pytest.approx(
            pixels[0, 0] @ (0.299, 0.587, 0.114), abs=1
        )
    grey = np.full((8, 8, 3), 100, np.uint8)
    assert np.abs(change(grey, RGB, ('hue', 0.3)).astype(int) - 100).max() <= 1


def test_hue_leaves_other_bands_alone():
    matrix = hue_matrix(FIVE, 0.2)
    np.testing.assert_array_equal(matrix[3:], np.eye(5)[3:])
    np.testing.assert_array_equal(matrix[:, 3:], np.eye(5)[:, 3:])
    assert np.abs(matrix[:3, :3] - np.eye(3)).max() > 0.1
    # By name: the same turn, whatever the order of the channels.
    at = [FIVE.index(band) for band in RGB]
    np.testing.assert_allclose(matrix[np.ix_(at, at)], hue_matrix(RGB, 0.2))
    np.testing.assert_array_equal(hue_matrix(('B08', 'B04'), 0.2), np.eye(2))


@pytest.mark.parametrize('bands', [('B08',), RGB, FIVE, SECO_BANDS])
def test_composed_changes_equal_one_after_the_other(bands):
    """One matrix against a plain loop over the definitions in float, for every band count."""
    pixels = image(len(bands), 90, 120)
    steps = [('saturation', 1.3), ('contrast', 1.2), ('brightness', 0.8), ('contrast', 0.7)]
    weights = grey_weights(bands)
    assert weights.sum() == pytest.approx(1)
    expected = pixels.astype(float)
    for name, factor in steps:
        grey = expected @ weights
        if name == 'brightness':
            expected = expected * factor
        elif name == 'contrast':
            expected = factor * expected + (1 - factor) * grey.mean()
        else:
            expected = factor * expected + (1 - factor) * grey[..., None]
    found = change(pixels, bands, *steps)
    assert found.shape == pixels.shape
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize('channels', [1, 3, 4, 5, 12])
def test_affine_rounds_and_clips(channels):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (70, 61, channels), dtype=np.uint8)
    matrix, offset = rng.normal(0, 1, (channels, channels)), rng.normal(0, 60, channels)
    expected = np.clip(np.rint(pixels @ matrix.T + offset), 0, 255)
    found = apply_affine(pixels, matrix, offset)
    assert found.shape == pixels.shape and found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (expected == 0).any() and (expected == 255).any()


def test_strengths_stay_in_their_ranges_and_order_varies():
    np.random.seed(0)
    jitter = MultiBandColorJitter(0.4, 0.3, 2.0, 0.1, prob=1)
    draws = [jitter.draw() for _ in range(400)]
    for name, low, high in (('brightness', 0.6, 1.4), ('contrast', 0.7, 1.3), ('hue', -0.1, 0.1)):
        values = [dict(draw)[name] for draw in draws]
        assert low <= min(values) < low + 0.02 and high - 0.02 < max(values) <= high
    assert min(dict(draw)['saturation'] for draw in draws) >= 0
    assert len({tuple(name for name, _ in draw) for draw in draws}) == 24


@pytest.mark.parametrize('build', [MultiBandColorJitter, RandomGrey, RandomBlur, RandomQuarterTurn])
def test_probability(build):
    np.random.seed(0)
    pixels = image(5)
    share = np.mean(
        [
            not np.array_equal(build(prob=0.3)(dict(img=pixels, band_names=FIVE))['img'], pixels)
            for _ in range(300)
        ]
    )
    assert 0.2 < share < 0.4


def test_strength_out_of_range():
    with pytest.raises(ConfigError, match=r'hue at most 0\.5'):
        MultiBandColorJitter(hue=0.6)


@pytest.mark.parametrize(
    ('bands', 'expected'),
    [
        (('B03', 'B04', 'B02'), (0.587, 0.2989, 0.114)),
        (('B08', 'B11'), (0.5, 0.5)),
        (FIVE, (0.2,) * 5),
    ],
)
def test_grey(bands, expected):
    pixels = image(len(bands))
    grey = RandomGrey(prob=1)(dict(img=pixels, band_names=bands))['img']
    assert grey.shape == pixels.shape
    for channel in range(len(bands)):
        assert np.abs(grey[..., channel] - pixels @ np.array(expected)).max() <= 1


@pytest.mark.parametrize('channels', [1, 3, 12])
def test_blur_spreads_a_point_by_sigma(channels):
    """Second moment of a blurred point; each band alone."""
    point = np.zeros((41, 41, channels), np.uint8)
    point[20, 20, -1] = 255
    blurred = RandomBlur(sigma=(1.5, 1.5), prob=1)(dict(img=point))['img'].astype(float)
    assert blurred.shape == point.shape
    mass = blurred[..., -1]
    distance = (np.arange(41) - 20) ** 2
    assert (mass.sum(0) @ distance) / mass.sum() == pytest.approx(1.5**2, rel=0.15)
    assert channels == 1 or blurred[..., :-1].max() == 0


def test_quarter_turns_are_all_met():
    np.random.seed(0)
    pixels = image(4)[:, :50]
    turned = [RandomQuarterTurn()(dict(img=pixels))['img'] for _ in range(60)]
    counts = [sum(np.array_equal(one, np.rot90(pixels, k)) for one in turned) for k in range(4)]
    assert sum(counts) == 60 and min(counts) > 5


def test_views_share_only_the_input():
    """A transform that writes in place and draws at random must not couple the views."""

    def spoil(results):
        results['img'][:] = np.random.randint(0, 256)
        results['note'] = results.get('note', 0) + 1
        assert results['note'] == 1
        return results

    np.random.seed(0)
    query, key = TwoViews([spoil])(dict(img=image()))['img']
    assert query.flat[0] != key.flat[0]


def test_one_list_a_view_and_two_dates():
    lists = [[lambda r: dict(r, img=r['img'] + 1)], [lambda r: dict(r, img=r['img'] + 2)]]
    query, key = TwoViews(lists)(dict(img=[image(), image() + 10]))['img']
    np.testing.assert_array_equal(query, image() + 1)
    np.testing.assert_array_equal(key, image() + 12)
    with pytest.raises(ConfigError, match='exactly two lists'):
        TwoViews([*lists, lists[0]])


def test_a_plain_view_starts_from_the_image_of_the_query():
    def brighten(results):
        results['img'] += 50
        return results

    first, second = image(), image() + 10
    views = TwoViews([brighten], plain=[])(dict(img=[first.copy(), second.copy()]))['img']
    expected = [first + 50, second + 50, first]
    assert all(np.array_equal(a, b) for a, b in zip(views, expected, strict=True))


def test_pack():
    views = [np.rot90(image(5)), image(5)[::-1]]
    packed = PackViews()(dict(img=views, scene_id=3, sample_idx=7, band_names=FIVE, other=1))
    for tensor, view in zip(packed['inputs'], views, strict=True):
        assert tensor.dtype == torch.uint8 and tensor.is_contiguous()
        np.testing.assert_array_equal(tensor.numpy(), view.transpose(2, 0, 1))
    sample = packed['data_samples']
    assert (sample.scene_id, sample.sample_idx, sample.band_names) == (3, 7, FIVE)
    assert 'other' not in sample


# --- the shipped pipeline ----------------------------------------------------------------------


def shipped(name, root, **options):
    """The data loader config of a shipped config, on another tree."""
    loader = Config.fromfile(config_root() / '_base_' / 'datasets' / name).train_dataloader
    loader.update(batch_size=2, pin_memory=False)
    loader.sampler.mates = None  # what it is to be needs a queue, hence a model
    loader.dataset.update(data_root=str(root), **options)
    return loader


@pytest.mark.parametrize('name', ['seco_rgb.py', 'seco_12band.py'])
def test_shipped_pipeline(shared_seco_root, name):
    init_default_scope('swimdiff')
    config = shipped(name, shared_seco_root).dataset
    config.pop('type')
    dataset = SeCo(**config)
    np.random.seed(0)
    item = dataset[3]
    for view in item['inputs']:
        assert view.shape == (len(config.bands), 224, 224) and view.dtype == torch.uint8
    assert not torch.equal(*item['inputs'])
    assert item['data_samples'].scene_id == 1


@pytest.mark.parametrize('bands', [('B08',), ('B08', 'B11'), FIVE])
def test_shipped_pipeline_takes_any_bands(shared_seco_root, bands):
    init_default_scope('swimdiff')
    config = shipped('seco_rgb.py', shared_seco_root, bands=bands).dataset
    config.pop('type')
    dataset = SeCo(**config)
    np.random.seed(0)
    for _ in range(8):
        assert {tuple(view.shape) for view in dataset[0]['inputs']} == {(len(bands), 224, 224)}


def epoch(config, workers, seed):
    """All views of an epoch by sample, and the order of the samples."""
    config = config.copy()
    config.update(num_workers=workers, persistent_workers=workers > 0)
    loader = Runner.build_dataloader(config, seed=seed)
    np.random.seed(seed)  # the engine seeds the main process; its workers it seeds itself
    order, views = [], []
    for batch in loader:
        order += [sample.sample_idx for sample in batch['data_samples']]
        views.append(torch.stack(batch['inputs']))
    return order, torch.cat(views, dim=1)


@pytest.mark.parametrize('workers', [0, 2])
def test_pairs_follow_from_the_seed(shared_seco_root, workers):
    init_default_scope('swimdiff')
    config = shipped('seco_rgb.py', shared_seco_root, views_from='different_dates')
    order, views = epoch(config, workers, seed=3)
    again, same = epoch(config, workers, seed=3)
    assert order == again and torch.equal(views, same)
    _, other = epoch(config, workers, seed=4)
    assert not torch.equal(views, other)
    # No two workers draw the same numbers, and neither do the two views.
    assert (
        len({view.numpy().tobytes() for view in views.flatten(0, 1)})
        == views[:, :, 0, 0, 0].numel()
    )
