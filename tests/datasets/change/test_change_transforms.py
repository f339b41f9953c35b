import numpy as np
import pytest
from mmengine.registry import init_default_scope

from swimdiff.bands import RGB, SENTINEL2
from swimdiff.errors import ConfigError
from swimdiff.registry import TRANSFORMS

GEOMETRY = [
    dict(type='mmcv.RandomFlip', prob=0.7, direction='horizontal'),
    dict(type='mmcv.RandomFlip', prob=0.7, direction='vertical'),
    dict(
        type='mmcv.RandomFlip',
        prob=[0.3, 0.3, 0.3],
        direction=['horizontal', 'vertical', 'diagonal'],
    ),
    dict(type='RandomQuarterTurn'),
    dict(type='mmseg.RandomCrop', crop_size=(40, 56)),
    dict(type='mmseg.RandomCrop', crop_size=48, cat_max_ratio=0.9),
    dict(type='mmcv.Resize', scale=(96, 160)),
    dict(type='mmcv.RandomResize', scale=(64, 80), ratio_range=(0.5, 2.0)),
]
COLOUR = [
    dict(type='ChangeByDate', transforms=[dict(type='MultiBandColorJitter', prob=1.0)]),
    dict(type='ChangeByDate', transforms=[dict(type='RandomBlur', prob=1.0)], shared=True),
    dict(type='ChangeSwapDates'),
]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('swimdiff')
    np.random.seed(3)


def painted(bands: int = 3, height: int = 64, width: int = 80) -> dict:
    """A sample with one marker, not symmetric, at the same place in both dates and the mask."""
    marker = np.zeros((height, width), np.uint8)
    marker[8:24, 40:72] = 1
    marker[24:40, 40:48] = 1
    image = np.repeat(20 + 200 * marker[..., None], 2 * bands, axis=2)
    names = tuple(SENTINEL2)[:bands] if bands != 3 else RGB
    return dict(
        img=image,
        gt_seg_map=marker,
        seg_fields=['gt_seg_map'],
        img_shape=marker.shape,
        ori_shape=marker.shape,
        band_names=names,
    )


def found(results: dict) -> list[np.ndarray]:
    """Where the marker is in each date, and in the mask."""
    dates = np.split(results['img'].astype(float), 2, axis=2)
    places = []
    for date in dates:
        grey = date.mean(axis=2)
        places.append(grey > (grey.min() + grey.max()) / 2)
    return [*places, results['gt_seg_map'] == 1]


@pytest.mark.parametrize('bands', [1, 3, 13])
@pytest.mark.parametrize('config', GEOMETRY + COLOUR, ids=lambda c: c['type'])
def test_marker_stays_together(config, bands):
    transform = TRANSFORMS.build(config)
    moved = 0
    for _ in range(12):
        before = painted(bands)
        results = transform(painted(bands))
        first, second, mask = found(results)
        assert first.shape == second.shape == mask.shape == results['img_shape'][:2]
        assert results['img'].shape[2] == 2 * bands
        # A marker cut away altogether leaves a plain image, where nothing can be compared.
        if mask.any() and not mask.all():
            # Resizing and blurring may move an edge by a pixel, no more.
            assert (first != mask).mean() < 0.06
            assert (second != mask).mean() < 0.06
        moved += mask.shape != before['gt_seg_map'].shape or not np.array_equal(
            mask, before['gt_seg_map'] == 1
        )
    assert moved > 0 or config in COLOUR


def test_a_pipeline_of_all_keeps_the_marker_together():
    steps = [TRANSFORMS.build(step) for step in (*GEOMETRY[:4], *COLOUR, GEOMETRY[6])]
    for _ in range(20):
        results = painted()
        for step in steps:
            results = step(results)
        first, second, mask = found(results)
        assert (first != mask).mean() < 0.06
        assert (second != mask).mean() < 0.06


def test_colour_by_date_differs_and_shared_does_not():
    jitter = [dict(type='MultiBandColorJitter', prob=1.0)]
    for shared in (False, True):
        step = TRANSFORMS.build(dict(type='ChangeByDate', transforms=jitter, shared=shared))
        first, second = np.split(step(painted())['img'], 2, axis=2)
        assert np.array_equal(first, second) is shared


def test_swapped_dates_are_the_other_way_round():
    results = painted()
    results['img'][..., :3] = 7
    swapped = TRANSFORMS.build(dict(type='ChangeSwapDates', prob=1.0))(results)
    assert (swapped['img'][..., 3:] == 7).all()
    assert not (swapped['img'][..., :3] == 7).any()


def test_geometry_inside_by_date_is_refused():
    inner = [dict(type='mmcv.Resize', scale=(32, 32))]
    step = TRANSFORMS.build(dict(type='ChangeByDate', transforms=inner))
    with pytest.raises(ConfigError, match='move pixels outside'):
        step(painted())


def test_the_check_sees_a_pair_that_came_apart():
    results = painted()
    results['img'][..., 3:] = results['img'][:, ::-1, 3:].copy()
    first, second, mask = found(results)
    assert (first != mask).mean() == 0
    assert (second != mask).mean() > 0.06
