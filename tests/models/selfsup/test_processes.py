"""A run of N processes is the run of one: losses, queue, and what is sent in a step."""

from collections import Counter

import pytest
import torch
from fixtures.tools import load_tool
from mmengine.logging import MessageHub
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from swimdiff.errors import ConfigError
from swimdiff.models.diffusion import step_random
from swimdiff.models.diffusion.denoising_decoder import DenoisingDecoder
from swimdiff.models.diffusion.noise_schedule import NoiseSchedule
from swimdiff.models.norm.batch_norm import GlobalBatchNorm, GroupedBatchNorm, convert_batch_norm
from swimdiff.models.norm.shuffle_bn import key_order

tool = load_tool('benchmarks/processes.py')
GROUP, GLOBAL, GROUPS = [case for case in tool.CASES if 'each process' not in case]
#: Of 16 images: the queue of 60 keys is written six times, and the diffusion loss is halved.
STEPS = 24


@pytest.fixture(scope='module')
def single():
    return tool.run([GROUP, GLOBAL, GROUPS], 1, STEPS, 16)


@pytest.mark.parametrize(('world', 'cases'), [(2, [GROUP, GROUPS]), (4, [GLOBAL, GROUPS])])
def test_the_steps_of_many_processes_are_those_of_one(single, world, cases):
    found = tool.run(cases, world, STEPS, 16)
    for case, ranks in found.items():
        one = single[case][0]
        assert one.losses.shape == (STEPS, 2) and one.losses[:, 1].min() > 0
        assert one.losses[-1, 1] < one.losses[0, 1] / 2  # it trains
        assert (tool.global_losses(ranks) - one.losses).abs().max() <= 1e-5
        assert (ranks[0].losses - one.losses).abs().max() > 1e-3  # a rank alone saw its share
        for rank in ranks:
            assert torch.equal(rank.scenes, one.scenes) and rank.pointer == one.pointer == 24
            assert torch.allclose(rank.keys, one.keys, atol=1e-5)
        sent = ranks[0].collectives
        if case == GLOBAL:
            # forward for query, noised query and key; backward for the first two
            layers = sum(isinstance(m, _BatchNorm) for m in _backbone(case).modules())
            assert sent == Counter(all_gather=1 + 3 * layers, all_reduce=2 * layers)
        elif case == GROUPS:
            assert sent == Counter(all_gather=1, all_to_all_single=1)
        else:
            assert sent == Counter(all_gather=1)


def _backbone(case):
    return tool.MODELS.build(tool.model_config(case)['backbone'])


@pytest.fixture
def training():
    """What the engine's runner tells while it trains."""
    hub = MessageHub.get_current_instance()
    hub.update_info_dict(dict(loop_stage='train', seed=3, iter=7))
    yield hub
    for key in ('loop_stage', 'seed', 'iter'):
        hub.pop_info(key)


def test_noise_of_a_place_is_that_of_any_process(training, monkeypatch):
    schedule, x_0 = NoiseSchedule(), torch.zeros(12, 3, 8, 8)
    t, eps = step_random.draw_noise(x_0, 12, schedule)
    assert abs(eps.mean()) < 0.1 and eps.std().item() == pytest.approx(1, abs=0.05)
    assert len({*t.tolist()}) > 8 and len(eps.unique()) > 2000
    for world, rank in [(2, 0), (2, 1), (4, 3)]:
        monkeypatch.setattr(step_random, 'get_world_size', lambda world=world: world)
        monkeypatch.setattr(step_random, 'get_rank', lambda rank=rank: rank)
        torch.manual_seed(world * rank)
        mine = x_0[rank::world].contiguous(memory_format=torch.channels_last)
        t_mine, eps_mine = step_random.draw_noise(mine[:2], len(mine), schedule)
        assert torch.equal(t_mine, t[rank::world][:2])
        assert torch.equal(eps_mine, eps[rank::world][:2])
        assert eps_mine.is_contiguous(memory_format=torch.channels_last)
    monkeypatch.undo()
    training.update_info('iter', 8)
    assert not torch.equal(step_random.draw_noise(x_0, 12, schedule)[1], eps)
    training.update_info_dict(dict(iter=7, seed=4))
    assert not torch.equal(step_random.draw_noise(x_0, 12, schedule)[1], eps)


def test_withheld_levels_of_a_place_are_those_of_any_process(training, monkeypatch):
    made = DenoisingDecoder((6, 12, 24), (4, 8, 16), 3, levels=(0, 1, 2), channels=(8, 8, 8))
    kept = made._draw_kept(12, torch.device('cpu'))
    assert len({*map(tuple, kept.tolist())}) == 3  # all, without one, without two
    for world, rank, rows in [(2, 0, 6), (2, 1, 6), (4, 3, 3), (8, 1, 2), (8, 7, 1)]:
        monkeypatch.setattr(step_random, 'get_world_size', lambda world=world: world)
        monkeypatch.setattr(step_random, 'get_rank', lambda rank=rank: rank)
        torch.manual_seed(world * rank)
        assert torch.equal(made._draw_kept(rows, torch.device('cpu')), kept[rank::world])
    monkeypatch.undo()
    training.update_info('iter', 8)
    assert not torch.equal(made._draw_kept(12, torch.device('cpu')), kept)


def test_without_a_runner_noise_is_new_in_every_step():
    schedule, x_0 = NoiseSchedule(), torch.zeros(2, 3, 8, 8)
    first, second = (step_random.draw_noise(x_0, 2, schedule)[1] for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize('world', [1, 2, 3, 8])
@pytest.mark.parametrize('share', [0.1, 0.3, 0.5, 1.0])
def test_the_part_of_the_batch_is_the_same_for_any_number_of_processes(share, world, monkeypatch):
    values = torch.arange(24.0).square()
    monkeypatch.setattr(step_random, 'get_world_size', lambda: world)
    means, taken = [], []
    for rank in range(world):
        monkeypatch.setattr(step_random, 'get_rank', lambda rank=rank: rank)
        used, factor = step_random.part_of_batch(share, 24 // world)
        mine = values[rank::world][:used]
        means.append(factor * mine.mean())
        taken += mine.tolist() if factor else []
    part = values[: int(-(-24 * share // 1))]
    assert sorted(taken) == part.tolist()
    assert torch.stack(means).mean().item() == pytest.approx(part.mean().item(), rel=1e-5)


def test_groups_are_batch_norms_of_their_own():
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.BatchNorm1d(48))
    nn.init.normal_(net[0].weight)
    names = list(net.state_dict())
    x = torch.randn(12, 3, 4, 4)
    parts = [net(x[group::3]) for group in range(3)]
    expected = torch.stack(parts, dim=1).flatten(0, 1)
    for layer in net:
        if isinstance(layer, _BatchNorm):
            layer.reset_running_stats()
    assert convert_batch_norm([net], 3)
    assert isinstance(net[0], GroupedBatchNorm) and list(net.state_dict()) == names
    assert torch.allclose(net(x), expected, atol=1e-5)
    assert torch.allclose(net[0].running_mean, 0.1 * x.mean((0, 2, 3)), atol=1e-6)
    spread = sum(x[group::3].var((0, 2, 3)) for group in range(3)) / 3
    assert torch.allclose(net[0].running_var, 0.9 + 0.1 * spread, atol=1e-5)
    assert net[0].num_batches_tracked == 1
    with pytest.raises(ConfigError, match='3 groups with 1 processes and 7 images'):
        net(x[:7])
    net.eval()(x[:7])


def test_what_batch_norm_may_be_over():
    plain, vectors = nn.Sequential(nn.BatchNorm2d(3)), nn.LayerNorm(3)
    weight = plain[0].weight
    assert convert_batch_norm([plain], 'process') and type(plain[0]) is nn.BatchNorm2d
    assert not convert_batch_norm([vectors], 'process')
    assert not convert_batch_norm([plain], 'global') and type(plain[0]) is GlobalBatchNorm
    assert plain[0].weight is weight
    x = torch.randn(4, 3, 2, 2)
    assert torch.allclose(plain(x), nn.BatchNorm2d(3)(x))  # one process: plain batch norm
    assert not convert_batch_norm([nn.SyncBatchNorm(3)], 'process')  # no use in shuffling
    for wrong in ('all', 0, True):
        with pytest.raises(ConfigError, match='batch_norm must be'):
            convert_batch_norm([plain], wrong)
    with pytest.raises(ConfigError, match='momentum'):
        convert_batch_norm([nn.Sequential(nn.BatchNorm2d(3, momentum=None))], 2)


def test_the_order_of_the_keys_follows_the_position_of_the_run(training):
    first = key_order(16)
    assert sorted(first.tolist()) == list(range(16))
    assert torch.equal(first, key_order(16))
    training.update_info('iter', 8)
    assert not torch.equal(first, key_order(16))
