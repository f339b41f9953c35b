"""LARS: SGD whose rate is adapted to each layer, for batches of thousands.

You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks", arXiv 1708.03888,
algorithm 1. ``mmpretrain`` has the same optimiser; it reads two norms a tensor back to the host in
every step, some 300 waits for a ResNet-50, and updates the tensors one by one. The tests hold this
one against it.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from swimdiff.errors import ConfigError
from swimdiff.registry import OPTIMIZERS

__all__ = ['LARS']


@OPTIMIZERS.register_module()
class LARS(Optimizer):
    """Layer-wise adaptive rate scaling, fused over the tensors, without a wait for the device.

    ::

        r = eta |w| / (|g| + beta |w|)      1 where a norm is 0
        v <- m v + lr r (g + beta w);  w <- w - v

    Biases and parameters of norms (one dimension or none) take plain SGD without weight decay, as
    in MoCo v3's and BYOL's recipes.

    Args:
        params (Iterable): Parameters or groups of them.
        lr (float): Rate, positive.
        momentum (float): m, in [0, 1). Defaults to 0.9.
        weight_decay (float): beta, at least 0. Defaults to 0.
        eta (float): Trust coefficient, positive. Defaults to 0.001.

    Raises:
        ConfigError: If a value is out of range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        eta: float = 0.001,
    ) -> None:
        if lr < 0 or not 0 <= momentum < 1 or weight_decay < 0 or eta <= 0:
            raise ConfigError(
                'LARS: expected lr >= 0, 0 <= momentum < 1, weight_decay >= 0 and eta > 0, got '
                f'lr={lr}, momentum={momentum}, weight_decay={weight_decay}, eta={eta}'
            )
        defaults = dict(lr=lr, momentum=momentum, weight_decay=weight_decay, eta=eta)
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure (Callable, optional): Evaluates the model again and returns the loss.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moved = [p for p in group['params'] if p.grad is not None]
            self._update([p for p in moved if p.ndim > 1], group, adapt=True)
            self._update([p for p in moved if p.ndim <= 1], group, adapt=False)
        return loss

    def _update(self, weights: list[Tensor], group: dict[str, Any], adapt: bool) -> None:
        if not weights:
            return
        steps = [weight.grad for weight in weights if weight.grad is not None]
        rate = group['lr']
        if adapt:
            decay = group['weight_decay']
            sizes = torch.stack(torch._foreach_norm(weights))
            slopes = torch.stack(torch._foreach_norm(steps))
            rates = group['eta'] * sizes / (slopes + decay * sizes)
            rates = torch.where((sizes > 0) & (slopes > 0), rates, 1.0)
            steps = list(torch._foreach_add(steps, weights, alpha=decay))
            torch._foreach_mul_(steps, list((rate * rates).unbind()))
        else:
            steps = list(torch._foreach_mul(steps, rate))
        velocities = []
        for weight in weights:
            state = self.state[weight]
            if 'momentum_buffer' not in state:
                state['momentum_buffer'] = torch.zeros_like(weight)
            velocities.append(state['momentum_buffer'])
        torch._foreach_mul_(velocities, group['momentum'])
        torch._foreach_add_(velocities, steps)
        torch._foreach_sub_(weights, velocities)
