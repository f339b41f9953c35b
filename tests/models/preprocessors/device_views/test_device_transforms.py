"""Each transform on the device against the workers' one: same numbers, same image; same draws."""

import cv2
import numpy as np
import pytest
import torch
from fixtures.views import VIEW, draw, imagery, replay
from mmcv.transforms import BaseTransform
from mmengine.registry import init_default_scope

from swimdiff.bands import RGB, SECO_BANDS
from swimdiff.datasets import RandomBlur
from swimdiff.errors import ConfigError
from swimdiff.models.preprocessors.device_views import DeviceViews
from swimdiff.models.preprocessors.device_views.counterpart import find_counterpart

CROP, JITTER, GREY, BLUR = VIEW[:4]
FLIP = dict(
    type='mmcv.RandomFlip', prob=[0.3, 0.2, 0.1], direction=['horizontal', 'vertical', 'diagonal']
)
TURN = VIEW[-1]
ALONE = [
    [CROP],
    [dict(CROP, scale=(40, 72))],
    [dict(CROP, scale=20)],  # smaller than the crop: no filter before scaling down
    [dict(CROP, aspect_ratio_range=(4.0, 5.0), crop_ratio_range=(0.9, 1.0))],  # never fits
    [dict(JITTER, prob=0.8)],
    [dict(JITTER, brightness=1.5, hue=0.5, prob=1.0)],  # clips
    [GREY],
    [BLUR],
    [dict(BLUR, sigma=(0.1, 4.0), prob=1.0)],
    [FLIP],
    [TURN],
]
MIXED = [
    VIEW,
    [TURN, FLIP, CROP, FLIP],  # a crop of a turned image
    [CROP, BLUR, GREY, JITTER, TURN],  # grey joins the jitter behind it
    [CROP, JITTER, GREY, dict(JITTER, prob=1.0), FLIP],
]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('swimdiff')


def plain(transforms, bands, **options):
    """A preprocessor that leaves grey levels as they are."""
    numbers = dict(mean=dict.fromkeys(bands, 0), std=dict.fromkeys(bands, 1))
    return DeviceViews(transforms, bands, **numbers, **options)


def compare(transforms, bands, size=(64, 64), count=12, **options):
    """Absolute differences of the two paths, in grey levels."""
    images = imagery(len(bands), 64, count)[:, : size[0], : size[1]]
    views = plain(transforms, bands, **options)
    chain = views.chains[0]
    drawn = draw(chain, count)
    expected = []
    for row, image in enumerate(images):
        for step, table in zip(chain, drawn, strict=True):
            image = replay(step, table[row : row + 1], image, bands)
        expected.append(image)
    plan = views.plan(chain, torch.cat(drawn, dim=1), images.shape[1:3])
    found = views.render(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), plan)
    expected = np.stack(expected).astype(float)
    assert found.shape == expected.transpose(0, 3, 1, 2).shape
    assert expected.std() > 5
    return np.abs(found.permute(0, 2, 3, 1).numpy() - expected)


@pytest.mark.parametrize('transforms', ALONE, ids=lambda steps: str(list(steps[0].values())[:3]))
@pytest.mark.parametrize('bands', [('B08',), RGB[::-1], SECO_BANDS], ids=len)
def test_alone_it_is_the_workers_transform_to_a_grey_level(transforms, bands):
    difference = compare(transforms, bands)
    assert difference.max() <= 1
    exact = {'mmcv.RandomFlip', 'RandomQuarterTurn'}
    assert difference.mean() <= (0 if transforms[0]['type'] in exact else 0.25)


@pytest.mark.parametrize('transforms', MIXED, ids=range(len(MIXED)))
@pytest.mark.parametrize('bands', [('B08',), RGB, SECO_BANDS], ids=len)
def test_in_a_row_they_differ_by_the_rounding_between_them(transforms, bands):
    difference = compare(transforms, bands, count=24)
    assert difference.max() <= 3 and difference.mean() <= 0.4
    assert (difference > 1).mean() <= 0.03


def test_sources_need_not_be_square():
    assert compare([CROP, BLUR, TURN], RGB, size=(64, 40)).max() <= 2
    assert compare([FLIP], RGB, size=(31, 64)).max() == 0
    with pytest.raises(ConfigError, match='square views'):
        compare([TURN], RGB, size=(64, 40))


def test_chunks_and_layout_change_nothing():
    images = torch.from_numpy(imagery(3, 64, 7).transpose(0, 3, 1, 2).copy())
    made = []
    for options in (dict(), dict(chunk=3), dict(chunk=100), dict(channels_last=True)):
        torch.manual_seed(0)
        made.append(plain(VIEW, RGB, **options).views(images))
    torch.manual_seed(0)
    made.append(plain(VIEW, RGB).views(images.contiguous(memory_format=torch.channels_last)))
    for views in made[1:]:
        for mine, theirs in zip(views, made[0], strict=True):
            assert (mine - theirs).abs().max() <= 1
            assert (mine != theirs).float().mean() < 1e-3  # at most a rounding at one half
    assert made[3][0].is_contiguous(memory_format=torch.channels_last)
    assert made[0][0].is_contiguous() and made[4][0].is_contiguous()


def distance(ours, theirs):
    """Two-sample Kolmogorov-Smirnov distance."""
    ours, theirs = np.sort(ours), np.sort(theirs)
    values = np.concatenate([ours, theirs])
    shares = [np.searchsorted(each, values, side='right') / len(each) for each in (ours, theirs)]
    return np.abs(shares[0] - shares[1]).max()


def draws(step, count=4000):
    """Numbers of the counterpart, and the workers' own transform, seeded."""
    np.random.seed(1)
    counterpart = find_counterpart(step, RGB)
    return counterpart, draw([counterpart], count, seed=2)[0], counterpart.transform


#: Exceeded by chance once in a thousand times with 4,000 draws on both sides.
LIMIT = 1.95 * (2 / 4000) ** 0.5


@pytest.mark.parametrize('ratios', [(0.2, 1.0), (0.06, 0.6), (0.9, 1.0)])
def test_windows_are_drawn_alike(ratios):
    step, drawn, crop = draws(dict(CROP, crop_ratio_range=ratios))
    image = np.zeros((264, 200, 3), np.uint8)
    theirs = np.array([crop.rand_crop_params(image) for _ in drawn], float)
    ours = step.windows(drawn, 264, 200).double().numpy()
    for table in (ours, theirs):
        assert (table[:, :2] >= 0).all() and (table[:, 2:] >= 1).all()
        assert (table[:, :2] + table[:, 2:] <= (264, 200)).all()

    def measures(table):
        top, left, height, width = table.T
        return top, left, height * width, np.log(width / height), top + height, left + width

    for mine, other in zip(measures(ours), measures(theirs), strict=True):
        assert distance(mine, other) < LIMIT


def test_colours_are_drawn_alike():
    step, drawn, jitter = draws(JITTER)
    strengths, order = (table.numpy() for table in step.values(drawn))
    theirs = [jitter.draw() for _ in drawn]
    on = strengths[:, 3] != 0
    assert abs(on.mean() - 0.8) < 0.03
    changed = [dict(each) for each in theirs if each]
    for column, name in enumerate(step.changes):
        other = np.array([each[name] for each in changed])
        assert distance(strengths[on, column], other) < LIMIT * 1.2
    assert (strengths[~on] == (1, 1, 1, 0)).all()
    kinds, counts = np.unique(order, axis=0, return_counts=True)
    assert len(kinds) == 24 and counts.min() > 110 and counts.max() < 225  # 167 expected


def test_blur_grey_flips_and_turns_are_drawn_alike():
    step, drawn, blur = draws(BLUR)
    theirs = np.array([blur.draw() or 0 for _ in drawn])
    assert distance(step.sigmas(drawn).numpy(), theirs) < LIMIT
    step, drawn, grey = draws(GREY)
    assert abs(step.chosen(drawn).double().mean() - np.mean([grey.draw() for _ in drawn])) < 0.03
    step, drawn, turn = draws(TURN)
    theirs = np.bincount([turn.draw() for _ in drawn], minlength=4)
    assert np.abs(step.turns(drawn).bincount().numpy() - theirs).max() < 150
    for prob, direction in (
        (0.5, 'diagonal'),
        (0.6, ['horizontal', 'vertical']),
        (FLIP['prob'], FLIP['direction']),
    ):
        step, drawn, flip = draws(dict(FLIP, prob=prob, direction=direction))
        names = {'horizontal': (-1, 1), 'vertical': (1, -1), 'diagonal': (-1, -1), None: (1, 1)}
        theirs = np.array([names[flip._choose_direction()] for _ in drawn])
        for mine in names.values():
            ours = (step.signs(drawn).numpy() == mine).all(1).mean()
            assert abs(ours - (theirs == mine).all(1).mean()) < 0.035


@pytest.mark.parametrize('sigma', [0.1, 0.41, 0.42, 1.0, 1.25, 1.93, 2.0])
def test_blur_has_opencvs_weights_and_support(sigma):
    step = find_counterpart(BLUR, RGB)
    found = step.weights(torch.tensor([sigma, 0.0]).double()).numpy()
    size = round(6 * sigma + 1) | 1  # cv2.GaussianBlur of 8-bit images with ksize=(0, 0)
    margin = (found.shape[1] - size) // 2
    expected = np.pad(cv2.getGaussianKernel(size, sigma)[:, 0], margin)
    assert found.shape[1] == 13 and np.abs(found[0] - expected).max() < 1e-6
    assert found[1].tolist() == [0] * 6 + [1] + [0] * 6


class Mirror(BaseTransform):
    def transform(self, results):
        return results


class OwnBlur(RandomBlur):
    """A subclass may do anything."""


@pytest.mark.parametrize(
    ('transforms', 'message'),
    [
        ([Mirror()], 'no counterpart on the device for .*Mirror.*mmpretrain.RandomResizedCrop'),
        ([OwnBlur()], 'no counterpart'),
        ([dict(type='mmpretrain.RandomCrop', crop_size=8)], 'no counterpart'),
        ([dict(CROP, interpolation='bicubic')], "found 'bicubic' and 'cv2'"),
        ([dict(CROP, backend='pillow')], "'pillow'"),
        ([BLUR, CROP], 'before every blur'),
        ([CROP, CROP], 'only once'),
        ([dict(CROP, scale=(8, 9)), TURN], 'square views.*8 x 9'),
        ([[CROP], CROP], 'exactly two lists'),
        ([dict(JITTER, hue=0.7)], r'hue at most 0\.5'),  # said by the workers' transform
    ],
)
def test_what_cannot_be_done_is_refused_when_the_config_is_built(transforms, message):
    with pytest.raises(ConfigError, match=message):
        DeviceViews(transforms, RGB)
