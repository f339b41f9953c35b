"""``compile=True`` in a config: the same step as without, and compiled once.

With 'inductor', the backend that users get: others keep numbers of Python as inputs of their graphs
where this one holds them as constants and compiles again when they change.
"""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmpretrain.structures import DataSample
from torch import nn
from torch._dynamo.utils import counters
from torch._inductor import cpp_builder
from torch._inductor.exc import InvalidCxxCompiler

from swimdiff.engine import CompiledStepHook
from swimdiff.registry import MODELS

STEPS = 5


class TwoLevels(nn.Module):
    """Few layers, so that compiling takes seconds."""

    def __init__(self, in_channels=3):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(in_channels, 8, 4, 4), nn.ReLU())
        self.deep = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU())

    def forward(self, x):
        fine = self.stem(x)
        return fine, self.deep(fine)


@pytest.fixture
def model():
    MODELS.register_module(module=TwoLevels, force=True)
    torch.manual_seed(0)
    yield MODELS.build(
        dict(
            type='SwiMDiff',
            backbone=dict(type='TwoLevels'),
            neck=dict(type='ProjectionNeck', out_channels=8),
            head=dict(type='SceneMatchingHead', rule='relative'),
            queue=dict(type='SceneQueue', length=16),
            momentum_encoder=dict(type='MomentumEncoder', momentum=0.9, schedule='cosine'),
            diffusion=dict(
                type='DiffusionBranch', decoder=dict(levels=(0,), channels=(8,)), shrink=2
            ),
            data_preprocessor=dict(type='MultiBandPreprocessor', bands=('B04', 'B03', 'B02')),
            channels_last=True,
        )
    )
    torch._dynamo.reset()


@pytest.fixture
def backend():
    try:
        cpp_builder.get_cpp_compiler()
    except InvalidCxxCompiler:
        pytest.skip('torch.compile needs a C++ compiler on the CPU, and there is none')
    return 'inductor'


class FakeRunner:
    """What :class:`CompiledStepHook` asks a runner for."""

    def __init__(self, wrapper, **config):
        self.cfg, self.optim_wrapper = Config(config), wrapper


def test_compiled_it_is_the_same_step_and_new_values_do_not_compile_it_again(model, backend):
    hub = MessageHub.get_instance('test_compiled_step')
    for key, value in dict(loop_stage='train', seed=0, max_iters=10).items():
        hub.update_info(key, value)
    twin = copy.deepcopy(model)
    wrappers = [
        OptimWrapper(torch.optim.SGD(each.parameters(), lr=0.1, momentum=0.9))
        for each in (model, twin)
    ]
    CompiledStepHook().before_train(FakeRunner(wrappers[0], compile=True))
    model.train_step = torch.compile(model.train_step, backend=backend)  # as the engine does
    graphs = []
    for step in range(STEPS):
        hub.update_info('iter', step)
        inputs = [torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8) for _ in range(2)]
        ids = torch.randint(4, (4,)).tolist()  # new ids, a new learning rate, a new momentum
        logs = []
        for each, wrapper in zip((model, twin), wrappers, strict=True):
            samples = [DataSample(metainfo=dict(scene_id=i)) for i in ids]
            wrapper.optimizer.param_groups[0]['lr'] = 0.1 * (1 - step / 10)
            logs.append(each.train_step(dict(inputs=inputs, data_samples=samples), wrapper))
        assert logs[0].keys() == logs[1].keys()
        for name, value in logs[1].items():
            assert logs[0][name].item() == pytest.approx(value.item(), abs=1e-4), (step, name)
        graphs.append(counters['stats']['unique_graphs'])
    assert graphs[0] > 0
    assert graphs[1] == graphs[-1]
    for mine, expected in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.allclose(mine, expected, atol=1e-4)


def test_without_compile_nothing_is_changed():
    wrapper = OptimWrapper(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1))
    before = wrapper.update_params
    for config in ({}, dict(compile=False)):
        CompiledStepHook().before_train(FakeRunner(wrapper, **config))
        assert wrapper.update_params == before
