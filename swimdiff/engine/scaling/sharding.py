"""FSDP through the engine's strategies: weights, gradients and optimiser state cut into parts."""

from typing import Any

import torch
from mmengine._strategy import FSDPStrategy
from mmpretrain.engine.optimizers import LARS
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel

from swimdiff.errors import ConfigError
from swimdiff.registry import FUNCTIONS, STRATEGIES

__all__ = ['ShardedStrategy', 'encoder_units']


@FUNCTIONS.register_module()
def encoder_units(module: nn.Module, recurse: bool, nonwrapped_numel: int) -> bool:
    """Return an ``auto_wrap_policy`` by ``shard_as_unit``.

    Modules that have it as True are units.

    SwiMDiff asks for backbone and neck, and with them for their copies in the key encoder. Query
    and key are then cut alike, and the moving average is taken between the shards that a process
    has; were they left in the unit of the whole model, an update made during the forward pass would
    be lost with the gathered weights.

    Args:
        module (nn.Module): A part of the model.
        recurse (bool): Whether the question is if its parts should be looked at.
        nonwrapped_numel (int): Unused; the interface has it.

    Example::

        strategy = dict(
            type='swimdiff.ShardedStrategy',
            model_wrapper=dict(auto_wrap_policy='swimdiff.encoder_units'),  # the default
        )
    """
    return recurse or getattr(module, 'shard_as_unit', False)


@STRATEGIES.register_module()
class ShardedStrategy(FSDPStrategy):
    """Shard by the engine's ``FSDPStrategy``, with settings that fit SwiMDiff.

    Its resume works, too.

    Checkpoints are whole ones, in one file, as those of runs that are not sharded. The engine's
    class hands torch the optimiser's state in the place of the model (torch changed the order), so
    that a run saved by it cannot be resumed.

    Args:
        model_wrapper (dict, optional): Options of ``MMFullyShardedDataParallel``. Defaults to None.
        **options: As for ``FSDPStrategy``.

    Example::

        strategy = dict(type='swimdiff.ShardedStrategy')
        optim_wrapper = dict(clip_grad=None)
    """

    def __init__(self, *, model_wrapper: dict | None = None, **options: Any) -> None:
        on_cpu = not torch.cuda.is_available()
        wrapper: dict[str, Any] = dict(
            type='MMFullyShardedDataParallel',
            use_orig_params=True,
            auto_wrap_policy='swimdiff.encoder_units',
        )
        if on_cpu:
            wrapper['device_id'] = 'cpu'
        else:  # on the CPU torch cannot; there, weights are equal because seeds are
            wrapper['sync_module_states'] = True
        # Where the weights are on the host already, moving them there would free them.
        whole = dict(rank0_only=True, offload_to_cpu=not on_cpu)
        state_dict_cfg = dict(
            state_dict_type='FULL_STATE_DICT',
            state_dict_config=dict(type='FullStateDictConfig', **whole),
            optim_state_dict_config=dict(type='FullOptimStateDictConfig', **whole),
        )
        super().__init__(
            model_wrapper={**wrapper, **(model_wrapper or {})},
            **{'state_dict_cfg': state_dict_cfg, **options},
        )

    def build_optim_wrapper(self, *args: Any, **options: Any) -> Any:
        """Build the optimiser's wrapper as the engine does.

        Raises:
            ConfigError: If it asks for the norm of a tensor that no process has as a whole.
        """
        wrapper = super().build_optim_wrapper(*args, **options)
        by_norm = wrapper.clip_grad_kwargs and wrapper.grad_name == 'grad_norm'
        if by_norm or isinstance(wrapper.optimizer, LARS):
            raise ConfigError(
                'ShardedStrategy: each process would take norms of its own part. Set '
                'optim_wrapper.clip_grad=None, or clip by value, and use another optimiser than '
                f'LARS; found clip_grad={wrapper.clip_grad_kwargs} and '
                f'{type(wrapper.optimizer).__name__}'
            )
        return wrapper

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load the optimiser's state.

        Args:
            state_dict (dict): As the strategy saved it, whole.
        """
        optimizer = self.optim_wrapper.optimizer
        parts = FullyShardedDataParallel.optim_state_dict_to_load(self.model, optimizer, state_dict)
        self.optim_wrapper.load_state_dict(parts)
