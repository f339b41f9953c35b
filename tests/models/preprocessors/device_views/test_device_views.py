"""Views made on the device against views made by workers, and what a step of them costs."""

import cv2
import numpy as np
import pytest
import torch
from fixtures.views import VIEW, imagery
from mmengine.dataset import default_collate, pseudo_collate
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from torch import distributed
from torch import multiprocessing as mp
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from swimdiff import randomness
from swimdiff.bands import RGB, SECO_BANDS
from swimdiff.datasets import PackViews, TwoViews
from swimdiff.errors import BandError, ConfigError
from swimdiff.models import DeviceViews, MultiBandPreprocessor

TWO = [VIEW, [dict(VIEW[0], scale=40), *VIEW[1:]]]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('swimdiff')


@pytest.fixture
def training():
    """What the engine's runner tells while it trains."""
    hub = MessageHub.get_current_instance()
    randomness._of_process_0.cache_clear()
    hub.update_info_dict(dict(loop_stage='train', seed=3, iter=7))
    yield hub
    randomness._of_process_0.cache_clear()
    for key in ('loop_stage', 'seed', 'iter'):
        hub.pop_info(key, None)


def tensors(images):
    """N x H x W x C array -> N x C x H x W tensor."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def measure(views):
    """What is compared of one view: level, spread and detail of each band, and of all of them."""
    views = views.astype(np.float32)
    detail = np.stack(
        [cv2.Laplacian(np.ascontiguousarray(v), cv2.CV_32F).std((0, 1)) for v in views]
    )
    flat = views.reshape(len(views), -1, views.shape[-1])
    quantiles = np.sort(flat[:, ::9], axis=1)[:, [6, 174, 341]].swapaxes(0, 1)
    between = np.abs(flat - flat.mean(2, keepdims=True)).mean((1, 2))[:, None]  # 0 for grey
    clipped = ((flat == 0) | (flat == 255)).mean((1, 2))[:, None]
    columns = [flat.mean(1), flat.std(1), detail, *quantiles, between, clipped]
    return np.concatenate(columns, axis=1).T


def agreement(query, key):
    """Correlation of colours, and of pixels, between the two views of each image."""
    levels = np.corrcoef(query.mean((1, 2, 3)), key.mean((1, 2, 3)))[0, 1]
    q, k = (view.reshape(len(view), -1).astype(float) for view in (query, key))
    q, k = ((v - v.mean(1, keepdims=True)) / (v.std(1, keepdims=True) + 1e-6) for v in (q, k))
    return levels, (q * k).mean()


@pytest.mark.parametrize('bands', [RGB, SECO_BANDS], ids=len)
def test_both_pipelines_give_views_of_the_same_statistics(bands):
    count = 240
    images = np.tile(imagery(len(bands), 72, 60), (4, 1, 1, 1))
    np.random.seed(0)
    steps = TwoViews(VIEW)
    made = [steps(dict(img=image, band_names=bands))['img'] for image in images]
    workers = [np.stack([pair[view] for pair in made]) for view in (0, 1)]
    torch.manual_seed(0)
    numbers = dict(mean=dict.fromkeys(bands, 0), std=dict.fromkeys(bands, 1))
    found = DeviceViews(VIEW, bands, **numbers).views([tensors(images)])
    device = [view.permute(0, 2, 3, 1).numpy() for view in found]
    # Kolmogorov-Smirnov of two samples; exceeded by chance once in ten thousand columns.
    limit = 2.23 * (2 / count) ** 0.5
    for mine, theirs in zip(device, workers, strict=True):
        assert mine.shape == theirs.shape and np.array_equal(mine, mine.round())
        for ours, other in zip(measure(mine), measure(theirs), strict=True):
            values = np.concatenate([ours, other])
            shares = [np.searchsorted(np.sort(v), values, 'right') / count for v in (ours, other)]
            assert np.abs(shares[0] - shares[1]).max() < limit
        assert np.quantile(measure(theirs)[-2], 0.1) < 0.01 < np.median(measure(theirs)[-2])
    for ours, other in zip(agreement(*device), agreement(*workers), strict=True):
        assert ours == pytest.approx(other, abs=0.15)
    assert agreement(*device)[0] > 0.1  # they are views of the same images


def test_a_step_repeats_itself_and_no_other(training):
    images = tensors(imagery(3, 64, 6))
    views = DeviceViews(VIEW, RGB)
    first, again = views.views(images), views.views(images)
    assert all(map(torch.equal, first, again))
    assert not torch.equal(*first)  # query and key draw for themselves
    same = images[:1].expand(6, -1, -1, -1)
    query, _ = views.views(same)
    assert len({tuple(view.flatten()[::97].tolist()) for view in query}) == 6
    for key, value in (('iter', 8), ('seed', 4)):
        before = training.get_info(key)
        training.update_info(key, value)
        assert not torch.equal(views.views(images)[0], first[0])
        training.update_info(key, before)
    training.pop_info('loop_stage')
    assert not torch.equal(views.views(images)[0], views.views(images)[0])


def _views_of_a_process(rank, world, path, results):
    distributed.init_process_group('gloo', f'file://{path}', rank=rank, world_size=world)
    # The engine's diff_rank_seed gives each process a seed of its own.
    MessageHub.get_current_instance().update_info('seed', 3 + rank)
    found = DeviceViews(VIEW, RGB).views(tensors(imagery(3, 64, 6))[rank::world])
    results.put((rank, [view.numpy() for view in found]))
    distributed.destroy_process_group()


@pytest.mark.parametrize('world', [2, 3])
def test_views_do_not_depend_on_the_number_of_processes(world, training, tmp_path):
    results = mp.get_context('fork').Queue()
    arguments = (world, tmp_path / 'store', results)
    context = mp.start_processes(
        _views_of_a_process, arguments, nprocs=world, start_method='fork', join=False
    )
    got = dict(results.get(timeout=60) for _ in range(world))
    context.join()
    single = DeviceViews(VIEW, RGB).views(tensors(imagery(3, 64, 6)))
    for number, views in enumerate(single):
        for rank in range(world):
            assert np.array_equal(got[rank][number], views[rank::world].numpy())


class Watch(TorchDispatchMode):
    """Counts what runs, and where."""

    def __init__(self):
        super().__init__()
        self.all, self.device = [], []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        self.all.append(str(operation))
        given = [each for each in (*args, result) if isinstance(each, torch.Tensor)]
        if any(each.device.type == 'cuda' for each in given):
            self.device.append(str(operation))
            back = isinstance(result, torch.Tensor) and result.device.type == 'cpu'
            assert not back, f'{operation} brings back a result'
        return result


def test_no_work_is_done_image_by_image():
    views = DeviceViews(VIEW, RGB, chunk=100)
    seen = []
    for count in (2, 5, 40):
        with Watch() as watch:
            views.views(torch.zeros(count, 3, 64, 64, dtype=torch.uint8))
        seen.append(watch.all)
    assert seen[0] == seen[1] == seen[2]
    assert seen[0].count('aten.grid_sampler_2d.default') == 2  # once a view, for all geometry
    assert seen[0].count('aten.convolution.default') == 4  # rows and columns of each view
    assert seen[0].count('aten.bmm.default') + seen[0].count('aten.baddbmm.default') < 60


def test_an_accelerator_is_never_waited_for():
    """Under fake CUDA tensors: whatever asked for a value of the device would raise."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        views = DeviceViews(TWO, SECO_BANDS).to('cuda')
        with Watch() as watch:
            query, key = views.views([torch.zeros(4, 12, 64, 64, dtype=torch.uint8)])
    assert query.device.type == key.device.type == 'cuda'
    assert query.shape == (4, 12, 56, 56) and key.shape == (4, 12, 40, 40)
    waits = ('_local_scalar_dense', 'nonzero', 'masked_select', 'unique', 'is_nonzero', 'equal')
    assert not [name for name in watch.device if any(wait in name for wait in waits)]
    # The host decides; the device carries out, in few kernels.
    free = ('prim.device', 'unsqueeze', 'slice', 'view', 'unbind', 'expand', 'transpose')
    kernels = [name for name in watch.device if not any(word in name for word in free)]
    assert 30 < len(kernels) < 80 and len(watch.all) > 500


@pytest.mark.parametrize('kind', [torch.bfloat16, torch.float16])
def test_half_precision_around_it_takes_no_grey_levels(kind, training):
    images = tensors(imagery(3, 64, 4))
    expected = DeviceViews(VIEW, RGB).views(images)
    with torch.autocast('cpu', kind):
        inside = DeviceViews(VIEW, RGB).forward(dict(inputs=images), training=True)['inputs']
    assert all(view.dtype == torch.float32 for view in inside)
    assert all(map(torch.equal, inside, expected))
    whole = DeviceViews(VIEW, RGB).to(kind).views(images)  # mean and std in half
    assert all(torch.allclose(*pair, atol=0.05) for pair in zip(whole, expected, strict=True))


def samples(bands, dates, count=3, steps=()):
    """A batch as workers pack it."""
    packed = []
    for i in range(count):
        images = list(imagery(len(bands), 64, dates, seed=i))
        results = dict(img=images if dates > 1 else images[0], band_names=bands, scene_id=i)
        for step in (*steps, PackViews()):
            results = step(results)
        packed.append(results)
    return packed


@pytest.mark.parametrize('collate', [default_collate, pseudo_collate])
def test_batches_of_one_image_and_of_two_dates(collate, training):
    views = DeviceViews(VIEW, SECO_BANDS)
    out = views.forward(collate(samples(SECO_BANDS, dates=2)), training=True)
    assert [view.shape for view in out['inputs']] == [(3, 12, 56, 56)] * 2
    assert [sample.scene_id for sample in out['data_samples']] == [0, 1, 2]
    first, second = (
        np.stack([imagery(12, 64, 2, seed=i)[date] for i in range(3)]) for date in (0, 1)
    )
    assert torch.equal(out['inputs'][0], views.views(tensors(first))[0])
    assert torch.equal(out['inputs'][1], views.views(tensors(second))[1])
    alone = views.forward(collate(samples(SECO_BANDS, dates=1)), training=True)['inputs']
    only = np.concatenate([imagery(12, 64, 1, seed=i) for i in range(3)])
    assert all(map(torch.equal, alone, views.views(tensors(only))))


def test_without_training_images_are_only_standardised():
    batch = default_collate(samples(RGB, dates=1))
    found = DeviceViews(VIEW, RGB)(batch)['inputs']
    assert torch.equal(found[0], MultiBandPreprocessor(RGB)(batch)['inputs'][0])


def test_query_and_key_may_have_lists_of_their_own():
    query, key = DeviceViews(TWO, RGB).views(tensors(imagery(3, 64, 2)))
    assert query.shape[-1] == 56 and key.shape[-1] == 40


@pytest.mark.parametrize('dates', [1, 2])
def test_the_plain_view_is_one_of_the_querys_image(dates):
    numbers = dict(mean=dict.fromkeys(RGB, 0), std=dict.fromkeys(RGB, 1))
    turn = [dict(type='RandomQuarterTurn', prob=1)]
    views = DeviceViews([turn, turn], RGB, plain=[], **numbers)
    batch = default_collate(samples(RGB, dates=dates))
    *others, plain = views.forward(batch, training=True)['inputs']
    assert len(others) == 2
    assert torch.equal(plain, batch['inputs'][0].float())
    assert not any(torch.equal(plain, view) for view in others)


def test_query_and_key_do_not_change_with_a_plain_view(training):
    images = [tensors(imagery(3, 64, 4))]
    expected = DeviceViews(VIEW, RGB).views(images)
    *found, plain = DeviceViews(VIEW, RGB, plain=VIEW).views(images)
    assert all(map(torch.equal, found, expected))
    assert not any(torch.equal(plain, view) for view in found)


@pytest.mark.parametrize('dtype', [torch.int16, torch.float32])
def test_pixels_of_other_types_are_refused(dtype):
    images = torch.zeros(2, 3, 8, 8, dtype=dtype)
    with pytest.raises(ConfigError, match=r'8 bits are expected, 0 to 255; found torch\..*stats='):
        DeviceViews(VIEW, RGB).views([images])


def test_clear_errors():
    views = DeviceViews(VIEW, RGB)
    made = default_collate(samples(RGB, dates=1, steps=[TwoViews([])]))
    with pytest.raises(ConfigError, match='take TwoViews out'):
        views(made, training=True)
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    with pytest.raises(ConfigError, match=r'one size; found \[\(3, 60, 64\), \(3, 64, 64\)\]'):
        views(dict(inputs=[image, image[:, :60]]), training=True)
    with pytest.raises(ConfigError, match='found 3'):
        views(dict(inputs=[image[None]] * 3), training=True)
    with pytest.raises(BandError, match='3 channels'):
        DeviceViews(VIEW, SECO_BANDS)(dict(inputs=image[None]), training=True)
    with pytest.raises(ConfigError, match='chunk'):
        DeviceViews(VIEW, RGB, chunk=0)
