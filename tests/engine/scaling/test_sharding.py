"""Sharded training on two gloo processes is plain training: FSDP, and ZeRO's optimiser."""

import os
from types import SimpleNamespace

import pytest
import torch
from fixtures.tools import load_tool
from mmengine.logging import MessageHub
from mmengine.model import MMDistributedDataParallel, MMFullyShardedDataParallel
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import distributed, multiprocessing
from torch.distributed.fsdp import FullyShardedDataParallel

from swimdiff.engine.optimizers import ZeroOptimizer, gather_optimizer
from swimdiff.engine.scaling.sharding import ShardedStrategy, encoder_units
from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS

tool = load_tool('benchmarks/processes.py')
STEPS, BATCH, LR = 4, 8, 0.1


def _build(way):
    config = tool.model_config('group norm')
    config['momentum_encoder']['momentum'] = 0.5
    torch.manual_seed(0)
    module = MODELS.build(config)
    if way == 'fsdp':
        options = dict(device_id='cpu', use_orig_params=True, auto_wrap_policy=encoder_units)
        model = MMFullyShardedDataParallel(module, **options)
    else:
        model = MMDistributedDataParallel(module, broadcast_buffers=False)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=LR, momentum=0.9)
    if way == 'zero':
        optimizer = ZeroOptimizer(parameters, 'SGD', lr=LR, momentum=0.9)
    return model, module, OptimWrapper(optimizer)


def _worker(rank, folder):
    torch.set_num_threads(1)
    os.environ['LOCAL_RANK'] = str(rank)
    store = f'file://{folder}/store'
    distributed.init_process_group('gloo', init_method=store, rank=rank, world_size=2)
    hub = MessageHub.get_current_instance()
    hub.update_info_dict(dict(loop_stage='train', seed=0))
    found = {}
    for way in ('plain', 'zero', 'fsdp'):
        model, module, wrapper = _build(way)
        held = sum(p.numel() for p in model.parameters())
        for step in range(STEPS):
            hub.update_info('iter', step)
            whole = tool.global_batch(step, BATCH)
            mine = dict(
                inputs=[view[rank::2] for view in whole['inputs']],
                data_samples=whole['data_samples'][rank::2],
            )
            model.train_step(mine, wrapper)
        own = getattr(wrapper.optimizer, 'optim', wrapper.optimizer)  # ZeRO's for its part
        state = sum(v.numel() for entry in own.state.values() for v in entry.values())
        if way == 'fsdp':
            with FullyShardedDataParallel.summon_full_params(model):
                named = {name: p.detach().clone() for name, p in module.named_parameters()}
            named = {name.replace('_fsdp_wrapped_module.', ''): p for name, p in named.items()}
        else:
            named = {name: p.detach().clone() for name, p in module.named_parameters()}
        gather_optimizer(SimpleNamespace(optim_wrapper=wrapper))  # as before saving
        whole = wrapper.state_dict() if way != 'fsdp' else {}
        found[way] = dict(
            saved=whole, weights=named, keys=module.queue.keys, held=held, state=state
        )
    torch.save(found, f'{folder}/{rank}.pth')
    distributed.destroy_process_group()


def test_sharded_weights_and_keys_are_those_of_plain_training(tmp_path):
    multiprocessing.start_processes(_worker, (str(tmp_path),), nprocs=2, start_method='fork')
    ranks = [torch.load(tmp_path / f'{rank}.pth') for rank in range(2)]
    plain = ranks[0]['plain']
    moved = plain['weights']['momentum_encoder.backbone.conv1.weight']
    assert not torch.allclose(moved, plain['weights']['backbone.conv1.weight'], atol=1e-4)
    for rank in ranks:
        for way in ('zero', 'fsdp'):
            assert rank[way]['weights'].keys() == plain['weights'].keys()
            for name, value in plain['weights'].items():
                assert torch.allclose(rank[way]['weights'][name], value, atol=1e-5), (way, name)
            assert torch.allclose(rank[way]['keys'], plain['keys'], atol=1e-5)
    saved, other = (ranks[0][way]['saved']['state'] for way in ('plain', 'zero'))
    assert saved.keys() == other.keys() and not ranks[1]['zero']['saved']
    for index, entry in saved.items():
        buffer = other[index]['momentum_buffer']
        assert torch.allclose(buffer, entry['momentum_buffer'], atol=1e-5)
    # a process holds its part only: of the optimiser's state, with FSDP of the weights too
    assert (
        0.9 * plain['state'] < sum(rank['zero']['state'] for rank in ranks) < 1.1 * plain['state']
    )
    assert all(rank['zero']['state'] < 0.8 * plain['state'] for rank in ranks)
    assert all(rank['fsdp']['state'] < 0.6 * plain['state'] for rank in ranks)
    assert all(rank['fsdp']['held'] < 0.6 * plain['held'] for rank in ranks)


def test_the_strategy_s_settings_give_way_to_those_of_the_config():
    strategy = ShardedStrategy(model_wrapper=dict(sharding_strategy='FULL_SHARD'))
    assert strategy.model_wrapper['auto_wrap_policy'] == 'swimdiff.encoder_units'
    assert strategy.model_wrapper['sharding_strategy'] == 'FULL_SHARD'
    assert strategy._is_full_state_dict()
    assert not ShardedStrategy(state_dict_cfg='local')._is_full_state_dict()


@pytest.mark.parametrize(
    'options',
    [
        dict(clip_grad=dict(max_norm=1.0), optimizer=dict(type='SGD', lr=0.1)),
        dict(optimizer=dict(type='mmpretrain.LARS', lr=0.1)),
    ],
)
def test_norms_of_parts_are_refused(options, monkeypatch):
    strategy, net = ShardedStrategy(), torch.nn.Linear(2, 2)
    monkeypatch.setattr(strategy, 'model', net, raising=False)
    monkeypatch.setattr(
        ShardedStrategy.__mro__[1],
        'build_optim_wrapper',
        lambda self, config, model: build_optim_wrapper(model, dict(config)),
    )
    with pytest.raises(ConfigError, match='norms of its own part'):
        strategy.build_optim_wrapper(dict(type='OptimWrapper', **options), net)
