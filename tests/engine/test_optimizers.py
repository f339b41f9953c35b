"""What LARS leaves out, bfloat16 on the CPU, and what gradient accumulation does to a run."""

from pathlib import Path

import pytest
import torch
from fixtures.tools import load_tool
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, build_optim_wrapper

from swimdiff.engine.optimizers import AutocastOptimWrapper
from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS, OPTIM_WRAPPERS

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
tool = load_tool('benchmarks/processes.py')


def test_lars_leaves_out_biases_and_norms_and_nothing_else():
    schedule = Config.fromfile(CONFIGS / '_base_/schedules/lars_cosine_200e.py')
    net = MODELS.build(Config.fromfile(CONFIGS / '_base_/models/swimdiff_r50.py').model)
    wrapper = build_optim_wrapper(net, schedule.optim_wrapper)
    assert type(wrapper.optimizer).__module__.startswith('mmpretrain')
    for group in wrapper.optimizer.param_groups:
        left_out = group.get('lars_exclude', False)
        assert (group['weight_decay'] == 0) == left_out
        assert all((parameter.ndim <= 1) == left_out for parameter in group['params'])


@pytest.fixture
def hub():
    hub = MessageHub.get_current_instance()
    hub.update_info_dict(dict(loop_stage='train', seed=0, max_iters=8, iter=0))
    yield hub
    for key in ('loop_stage', 'seed', 'max_iters', 'iter'):
        hub.pop_info(key)


def build(**momentum):
    config = tool.model_config('group norm')
    config['momentum_encoder'] = dict(type='MomentumEncoder', **momentum)
    torch.manual_seed(0)
    return MODELS.build(config)


def weights(model):
    return torch.cat([p.detach().flatten().clone() for p in model.parameters()])


def test_bfloat16_trains_on_the_cpu_and_keeps_float32_weights(hub):
    losses, dtypes = [], []
    for wrapper_type in ('OptimWrapper', 'swimdiff.AutocastOptimWrapper'):
        model = build()
        model.neck.register_forward_hook(lambda _, inputs, output: dtypes.append(output.dtype))
        wrapper = OPTIM_WRAPPERS.build(
            dict(type=wrapper_type, optimizer=torch.optim.SGD(model.parameters(), lr=0.05))
        )
        run = []
        for step in range(3):
            hub.update_info('iter', step)
            log = model.train_step(tool.global_batch(step, 4), wrapper)
            run.append([log['loss_contrast'].item(), log['loss_diffusion'].item()])
        losses.append(torch.tensor(run))
        assert all(p.dtype == torch.float32 for p in model.parameters())
        assert model.queue.keys.dtype == torch.float32
    assert {*dtypes} == {torch.float32, torch.bfloat16}
    assert (losses[0] - losses[1]).abs().max() < 0.1
    assert not torch.equal(losses[0], losses[1])


@pytest.mark.parametrize('precise', [True, False])
def test_accumulation_feeds_the_queue_in_order_and_moves_the_weights_once(hub, precise):
    """Two micro-batches an optimiser step; the key encoder follows once, too."""
    model = build(momentum=0.5, interval=2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    kind = OptimWrapper if precise else AutocastOptimWrapper
    wrapper = kind(optimizer=optimizer, accumulative_counts=2, clip_grad=dict(max_norm=0.5))
    wrapper.initialize_count_status(model, 0, 8)
    query, key = [], [weights(model.momentum_encoder)]
    scenes, grads = [], []
    model.backbone.conv1.weight.register_hook(lambda grad: grads.append(grad.clone()))
    for step in range(4):
        hub.update_info('iter', step)
        batch = tool.global_batch(step, 4)
        scenes += [sample.scene_id for sample in batch['data_samples']]
        model.train_step(batch, wrapper)
        query.append(weights(model.backbone))
        key.append(weights(model.momentum_encoder))
        assert int(model.queue.pointer) == 4 * (step + 1)
        assert model.queue.scenes[: len(scenes)].tolist() == scenes
    start = weights(build().backbone)
    assert torch.equal(query[0], start) and not torch.equal(query[1], start)
    assert torch.equal(query[2], query[1]) and not torch.equal(query[3], query[2])
    # micro-batches 0 and 1: as at the start; 2: half way to the weights of the first step; 3: still
    assert torch.equal(key[1], key[0]) and torch.equal(key[2], key[0])
    half = (start + query[1]) / 2
    assert torch.allclose(key[3][: len(half)], half, atol=1e-6)
    assert torch.equal(key[4], key[3])


def test_a_clipped_step_is_no_longer_than_asked_for(hub):
    model = build()
    before = weights(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    wrapper = OptimWrapper(optimizer=optimizer, clip_grad=dict(max_norm=0.01))
    model.train_step(tool.global_batch(0, 4), wrapper)
    assert (weights(model) - before).norm().item() == pytest.approx(0.01, rel=1e-2)


def test_an_interval_needs_the_position_of_the_run():
    with pytest.raises(ConfigError, match='interval'):
        build(interval=0)
    model = build(interval=2)
    with pytest.raises(ConfigError, match='interval > 1 need'):
        model.momentum_encoder.update(model.backbone, model.neck)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='float16 loss scaling needs a GPU')
def test_float16_with_loss_scaling_trains(hub):
    model = build().cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    wrapper = OPTIM_WRAPPERS.build(
        dict(type='AmpOptimWrapper', dtype='float16', loss_scale='dynamic', optimizer=optimizer)
    )
    losses = []
    for step in range(12):
        hub.update_info('iter', step)
        losses.append(model.train_step(tool.global_batch(step, 8), wrapper)['loss'].item())
    assert wrapper.loss_scaler.get_scale() > 1 and all(map(torch.isfinite, torch.tensor(losses)))
