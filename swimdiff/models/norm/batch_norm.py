"""Batch norm whose statistics do not depend on how many processes a batch is spread over.

Two ways: statistics of the whole global batch (torch's ``SyncBatchNorm``, which works on GPUs only,
given a way on the CPU), or of a fixed number of groups of it, each within one process.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, all_reduce, get_world_size
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from swimdiff.errors import ConfigError

__all__ = ['GlobalBatchNorm', 'GroupedBatchNorm', 'convert_batch_norm']


def _dims(x: Tensor) -> list[int]:
    return [0, *range(2, x.dim())]


def _column(vector: Tensor, x: Tensor) -> Tensor:
    return vector.view(1, -1, *[1] * (x.dim() - 2))


def _global_statistics(x: Tensor) -> tuple[Tensor, Tensor, int]:
    """Mean and biased variance over all processes, and the number of values (Chan et al.)."""
    var, mean = torch.var_mean(x, _dims(x), correction=0)
    count = torch.full_like(mean, x.numel() / x.shape[1])
    parts = torch.stack(all_gather(torch.stack([mean, var, count]).double()))  # W x 3 x C
    means, variances, counts = parts.unbind(1)
    total = counts.sum(0)
    mean = (counts * means).sum(0) / total
    var = (counts * (variances + (means - mean).square())).sum(0) / total
    return mean.float(), var.float(), int(total[0])  # on the CPU: no wait for a device


class _Normalise(torch.autograd.Function):
    """Normalise by statistics over all processes; its gradient sums over all processes, too."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, norm: 'GlobalBatchNorm'
    ) -> Tensor:
        mean, var, count = _global_statistics(x)
        if norm.running_mean is not None and norm.running_var is not None:
            norm.running_mean.lerp_(mean, norm.step_size)
            norm.running_var.lerp_(var * count / max(count - 1, 1), norm.step_size)
        x_hat = (x - _column(mean, x)) * _column((var + norm.eps).rsqrt(), x)
        ctx.save_for_backward(x_hat, weight, (var + norm.eps).rsqrt())
        ctx.count = count
        return x_hat * _column(weight, x) + _column(bias, x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (dy,) = grads
        x_hat, weight, inverse = ctx.saved_tensors
        local = torch.stack([dy.sum(_dims(dy)), (dy * x_hat).sum(_dims(dy))])
        total = local.double()
        all_reduce(total)
        shift, slope = (total / ctx.count).float()
        dx = dy - _column(shift, dy) - x_hat * _column(slope, dy)
        return dx * _column(weight * inverse, dy), local[1], local[0], None


class GlobalBatchNorm(_BatchNorm):
    """Take batch-norm statistics over the whole global batch.

    It is torch's ``SyncBatchNorm`` on GPUs, and goes by gloo on a CPU.

    Costs one collective forward and one backward each time it is used, on either device. No
    subclass of torch's, since DDP refuses those on the CPU.
    """

    process_group = None
    step_size: float

    def forward(self, x: Tensor) -> Tensor:
        """Normalise N x C x ... by the statistics of all processes while training."""
        if not self.training or get_world_size() == 1:
            return super().forward(x)
        if x.device.type != 'cpu':
            return nn.SyncBatchNorm.forward(cast(nn.SyncBatchNorm, self), x)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return _Normalise.apply(x.float(), *self._affine(), self).to(x.dtype)

    def _affine(self) -> tuple[Tensor, Tensor]:
        if self.affine:
            return self.weight, self.bias
        return torch.ones(self.num_features), torch.zeros(self.num_features)

    def _check_input_dim(self, x: Tensor) -> None:
        """Vectors and maps alike."""

    def _check_non_zero_input_channels(self, x: Tensor) -> None:
        """Asked for by torch's ``SyncBatchNorm``."""


class GroupedBatchNorm(_BatchNorm):
    """Take batch-norm statistics over R groups of the global batch.

    The number of processes has to divide R.

    Place p of the global batch is in group p mod R, so a group never spans processes and nothing is
    sent. Running statistics are the mean over the groups of this process.
    """

    groups: int
    step_size: float

    def forward(self, x: Tensor) -> Tensor:
        """Normalise N x C x ... within the groups of this process while training.

        Raises:
            ConfigError: If processes do not divide the groups, or the groups the rows.
        """
        world = get_world_size()
        local, remainder = divmod(self.groups, world)
        if remainder or not local or (self.training and x.shape[0] % local):
            raise ConfigError(
                f'SwiMDiff: batch_norm={self.groups} groups with {world} processes and '
                f'{x.shape[0]} images on each: processes must divide groups, and groups the global '
                'batch'
            )
        if local == 1 or not self.training:
            return super().forward(x)
        rows, channels, *rest = x.shape

        def wide(vector: Tensor | None) -> Tensor | None:
            return None if vector is None else vector.repeat(local)

        mean, var = wide(self.running_mean), wide(self.running_var)
        wide_x = x.reshape(rows // local, local * channels, *rest)
        y = F.batch_norm(
            wide_x, mean, var, wide(self.weight), wide(self.bias), True, self.step_size, self.eps
        )
        for mine, each in ((self.running_mean, mean), (self.running_var, var)):
            if mine is not None and each is not None:
                mine.copy_(each.view(local, channels).mean(0))
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return y.view(x.shape)

    def _check_input_dim(self, x: Tensor) -> None:
        """Vectors and maps alike."""


def convert_batch_norm(modules: Sequence[nn.Module], over: str | int) -> bool:
    """Replace batch-norm layers by ones with statistics over something else.

    The new layers hold the parameters and buffers of the old ones under the same names, so
    checkpoints load either way.

    Args:
        modules (Sequence[nn.Module]): Searched for layers of torch's batch norm below them.
        over (str | int): 'process': layers stay as they are; 'global': the whole global batch; a
            number: so many groups of it.

    Returns:
        bool: Whether there are layers with statistics of a part of the batch, which is what
        shuffling is for.

    Raises:
        ConfigError: If ``over`` is none of these.
    """
    if over not in ('process', 'global') and not (type(over) is int and over > 0):
        raise ConfigError(
            "SwiMDiff: batch_norm must be 'process', 'global' or a positive number of groups, got "
            f'{over!r}'
        )
    if over != 'process':
        for parent in [part for module in modules for part in module.modules()]:
            for name, layer in list(parent.named_children()):
                if type(layer) is nn.BatchNorm1d or type(layer) is nn.BatchNorm2d:
                    setattr(parent, name, _convert_layer(layer, over))
    whole = (nn.SyncBatchNorm, GlobalBatchNorm)
    layers = [m for module in modules for m in module.modules() if isinstance(m, _BatchNorm)]
    return any(not isinstance(layer, whole) for layer in layers)


def _convert_layer(layer: _BatchNorm, over: str | int) -> GlobalBatchNorm | GroupedBatchNorm:
    if layer.momentum is None:
        raise ConfigError(
            f'SwiMDiff: batch_norm={over!r} needs batch-norm layers with a momentum, found {layer}'
        )
    kind = GlobalBatchNorm if over == 'global' else GroupedBatchNorm
    new_layer = kind(layer.num_features, layer.eps, layer.momentum)
    new_layer.affine, new_layer.track_running_stats = layer.affine, layer.track_running_stats
    new_layer._parameters.update(layer._parameters)
    new_layer._buffers.update(layer._buffers)
    new_layer.step_size = layer.momentum
    if isinstance(new_layer, GroupedBatchNorm):
        new_layer.groups = int(over)
    return new_layer.train(layer.training)
