"""Which batch-norm statistics the pass of noised images through the query encoder uses.

Reconstruction: the paper does not say. Noised images have other statistics than clean ones; were
they mixed, the running statistics that downstream tasks use would describe neither.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from swimdiff.errors import ConfigError

__all__ = ['NoisedStatistics']

POLICIES = ('own', 'frozen', 'shared')
_RUNNING = ('running_mean', 'running_var', 'num_batches_tracked')


class NoisedStatistics(nn.Module):
    """Lends a backbone other batch-norm statistics for the time of a noised pass.

    - ``own``: running statistics of the noised pass are kept apart (saved here, used again when
      denoising in evaluation mode); the affine parameters are shared;
    - ``frozen``: the noised pass is normalised by the clean running statistics and changes nothing;
    - ``shared``: nothing is done, noise enters the running statistics of the backbone.

    Backbones without batch norm are left alone by every policy.

    Args:
        backbone (nn.Module): The query backbone.
        policy (str): See above. Defaults to 'own'.

    Raises:
        ConfigError: If the policy is unknown.
    """

    def __init__(self, backbone: nn.Module, policy: str = 'own') -> None:
        super().__init__()
        if policy not in POLICIES:
            raise ConfigError(f'norm_statistics must be one of {POLICIES}, got {policy!r}')
        self.policy = policy
        self.names = [
            name
            for name, module in backbone.named_modules()
            if isinstance(module, _BatchNorm) and module.track_running_stats
        ]
        if policy == 'own':
            for name in self.names:
                for buffer in _RUNNING:
                    value = getattr(backbone.get_submodule(name), buffer)
                    self.register_buffer(self._key(name, buffer), value.clone())

    @contextmanager
    def lend(self, backbone: nn.Module) -> Iterator[None]:
        """Apply the policy to the backbone inside a ``with`` block.

        Args:
            backbone (nn.Module): The backbone of the constructor, or a copy with the same layers.
        """
        layers = [backbone.get_submodule(name) for name in self.names]
        if self.policy == 'own':
            clean = [self._swap(layer, self._mine(name)) for layer, name in self._pairs(layers)]
            try:
                yield
            finally:
                for layer, statistics in zip(layers, clean, strict=True):
                    self._swap(layer, statistics)
        elif self.policy == 'frozen':
            modes = [layer.training for layer in layers]
            try:
                for layer in layers:
                    layer.eval()
                yield
            finally:
                for layer, mode in zip(layers, modes, strict=True):
                    layer.train(mode)
        else:
            yield

    def _pairs(self, layers: list[nn.Module]) -> Iterator[tuple[nn.Module, str]]:
        return zip(layers, self.names, strict=True)

    def _mine(self, name: str) -> dict[str, Tensor | None]:
        return {buffer: self._buffers[self._key(name, buffer)] for buffer in _RUNNING}

    @staticmethod
    def _key(name: str, buffer: str) -> str:
        return f'{name}.{buffer}'.replace('.', '-')

    @staticmethod
    def _swap(layer: nn.Module, statistics: dict[str, Tensor | None]) -> dict[str, Tensor | None]:
        """Put other buffers into the layer and return those it had; batch norm updates in place."""
        had = {buffer: layer._buffers[buffer] for buffer in _RUNNING}
        layer._buffers.update(statistics)
        return had
