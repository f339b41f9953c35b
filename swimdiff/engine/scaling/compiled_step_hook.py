"""Keeping the optimiser out of a compiled training step.

With ``compile = True`` the engine compiles the whole ``train_step``. The graph of an optimiser
holds the learning rate as a constant, so each new rate of a schedule would compile it again.
"""

import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from swimdiff.registry import HOOKS

__all__ = ['CompiledStepHook', 'exclude_optimizer']


def exclude_optimizer(wrapper: OptimWrapper | OptimWrapperDict) -> None:
    """Let ``torch.compile`` leave the update of the parameters as it is.

    The forward pass stays compiled and with it the backward pass, which is made from it; starting
    the backward pass, gradient clipping and the optimiser's step run as without compiling.

    Args:
        wrapper (OptimWrapper): The optimiser wrapper of a run, changed in place.
    """
    wrapper.update_params = torch.compiler.disable(wrapper.update_params)


@HOOKS.register_module()
class CompiledStepHook(Hook):
    """Compile forward and backward pass only, where the config has ``compile``.

    Without ``compile`` it does nothing. The engine's optimisers call fused kernels, in which there
    is little to gain by compiling.

    Example::

        compile = True
        default_hooks = dict(compiled_step=dict(type='CompiledStepHook'))
    """

    priority = 'VERY_HIGH'  # before anything runs a step

    def before_train(self, runner: Runner) -> None:
        """Exclude the optimiser before the first step, when it would be compiled."""
        if runner.cfg.get('compile'):
            exclude_optimizer(runner.optim_wrapper)
