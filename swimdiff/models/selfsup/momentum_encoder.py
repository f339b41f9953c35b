"""The key encoder: a slow moving average of the query encoder and its neck.

Paper: the key encoder is an exponential moving average of the query encoder. The engine's
``ExponentialMovingAverage`` is not used because it loops over the tensors one by one, in Python,
and either averages the batch-norm buffers or overwrites them; here the update is fused and the
policy for the buffers is a choice.
"""

import copy
import math
from collections.abc import Sequence

import torch
from mmengine.logging import MessageHub
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS

__all__ = ['MomentumEncoder']


@MODELS.register_module()
class MomentumEncoder(nn.Module):
    """Follow backbone and neck by a copy with momentum, without gradient.

    Args:
        backbone (nn.Module): The query backbone, copied.
        neck (nn.Module): The query neck, copied.
        momentum (float): m in k <- m k + (1 - m) q, in [0, 1]. Defaults to 0.999.
        schedule (str): 'constant', or 'cosine' from ``momentum`` to 1 over the run (BYOL, arXiv
            2006.07733, section 3.2). Defaults to 'constant'.
        buffers (str): What becomes of the batch-norm buffers. 'own': the key encoder keeps the
            statistics of its own forward passes (MoCo); 'average': they follow the query's with
            the same momentum; 'copy': they are the query's. Defaults to 'own'.
        interval (int): Batches between two updates: the ``accumulative_counts`` of the optimiser,
            so that the key encoder moves once an optimiser step and its memory, 1 / (1 - m), counts
            changes of the query encoder. Defaults to 1.

    Raises:
        ConfigError: If an option is unknown or out of range.

    Example::

        model = dict(
            momentum_encoder=dict(type='MomentumEncoder', momentum=0.99, schedule='cosine')
        )
    """

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        momentum: float = 0.999,
        schedule: str = 'constant',
        buffers: str = 'own',
        interval: int = 1,
    ) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise ConfigError(f'MomentumEncoder: momentum must be in [0, 1], got {momentum}')
        if schedule not in ('constant', 'cosine'):
            raise ConfigError(
                f"MomentumEncoder: schedule must be 'constant' or 'cosine', got {schedule!r}"
            )
        if buffers not in ('own', 'average', 'copy'):
            raise ConfigError(
                f"MomentumEncoder: buffers must be 'own', 'average' or 'copy', got {buffers!r}"
            )
        if interval < 1:
            raise ConfigError(f'MomentumEncoder: interval must be at least 1, got {interval}')
        self.backbone = copy.deepcopy(backbone).requires_grad_(False)
        self.neck = copy.deepcopy(neck).requires_grad_(False)
        self.momentum = momentum
        self.schedule = schedule
        self.buffer_policy = buffers
        self.interval = interval

    @torch.no_grad()
    def forward(self, x_k: Tensor) -> Tensor:
        """Embed the key view.

        Args:
            x_k (Tensor): N x C x H x W standardised key views.

        Returns:
            Tensor: N x D keys, not yet normalised.
        """
        return self.neck(self.backbone(x_k))

    @torch.no_grad()
    def copy_from(self, backbone: nn.Module, neck: nn.Module) -> None:
        """Make the key encoder equal to the query encoder, as at the start of training.

        Args:
            backbone: The query backbone.
            neck: The query neck.
        """
        self.backbone.load_state_dict(backbone.state_dict())
        self.neck.load_state_dict(neck.state_dict())

    @torch.compiler.disable  # the momentum and the position are new numbers in every step
    @torch.no_grad()
    def update(self, backbone: nn.Module, neck: nn.Module) -> None:
        """Move each parameter a step towards the query's, fused per device and dtype.

        With an ``interval``, only in the first batch after an optimiser step.

        Args:
            backbone (nn.Module): The query backbone.
            neck (nn.Module): The query neck.
        """
        if self.interval > 1 and self._position()[0] % self.interval:
            return
        step = 1 - self.current_momentum()
        query: list[Tensor] = [*backbone.parameters(), *neck.parameters()]
        key: list[Tensor] = [*self.backbone.parameters(), *self.neck.parameters()]
        torch._foreach_lerp_(key, query, step)
        if self.buffer_policy != 'own':
            self._update_buffers([*backbone.buffers(), *neck.buffers()], step)

    def current_momentum(self) -> float:
        """Return the momentum of this step.

        The position in the run is the engine's, not a counter of our own, so that a resumed run
        goes on where it was.

        Raises:
            ConfigError: If the schedule is 'cosine' and no engine runner tells the position.
        """
        if self.schedule == 'constant':
            return self.momentum
        step, steps = self._position()
        return 1 - (1 - self.momentum) * (math.cos(math.pi * step / steps) + 1) / 2

    def _position(self) -> tuple[int, int]:
        hub = MessageHub.get_current_instance()
        step, steps = hub.get_info('iter'), hub.get_info('max_iters')
        if step is None or not steps:
            raise ConfigError(
                "MomentumEncoder: schedule='cosine' and interval > 1 need the runner's position "
                "(iter, max_iters); train with tools/train.py or use schedule='constant' and "
                'interval=1'
            )
        return step, steps

    def _update_buffers(self, query: Sequence[Tensor], step: float) -> None:
        key = [*self.backbone.buffers(), *self.neck.buffers()]
        for mine, theirs in zip(key, query, strict=True):
            if self.buffer_policy == 'average' and mine.is_floating_point():
                mine.lerp_(theirs, step)
            else:  # counters cannot be averaged
                mine.copy_(theirs)
