"""Which batch-norm statistics the pass of noised images through the query encoder uses.

Reconstruction: the paper does not say. Noised images have other statistics than clean ones; were
they mixed, the running statistics that downstream tasks use would describe neither.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from swimdiff.errors import ConfigError

__all__ = ['NoisedStatistics']

POLICIES = ('own', 'frozen', 'shared')
_COUNTER = 'num_batches_tracked'
_RUNNING = ('running_mean', 'running_var', _COUNTER)


class NoisedStatistics(nn.Module):
    """Lend a backbone other batch-norm statistics for the time of a noised pass.

    - ``own``: running statistics of the noised pass are kept apart (saved here, used again when
      denoising in evaluation mode); the affine parameters are shared. A layer that is in evaluation
      mode while the backbone trains (``frozen_stages``, ``norm_eval``) normalises noised images by
      its clean statistics: nothing would ever fill statistics of its own;
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
            self.copy_from(backbone)

    @torch.no_grad()
    def copy_from(self, backbone: nn.Module) -> None:
        """Start the own statistics from the clean ones, as before the first noised batch.

        Args:
            backbone (nn.Module): The backbone of the constructor, with its initial weights.
        """
        if self.policy != 'own':
            return
        for name in self.names:
            for buffer, mine in self._mine(name).items():
                theirs = getattr(backbone.get_submodule(name), buffer)
                mine.copy_(theirs if buffer != _COUNTER else torch.zeros_like(theirs))

    def complete(self, state: dict[str, Tensor], mine: str, backbone: str) -> None:
        """Add own statistics to a state that holds those of the backbone only.

        Args:
            state (dict[str, Tensor]): What is about to be loaded, changed in place.
            mine (str): Prefix of this module's names in it, with the final dot.
            backbone (str): Prefix of the backbone's names in it, with the final dot.
        """
        if self.policy != 'own':
            return
        for name in self.names:
            if any(mine + self._key(name, buffer) in state for buffer in _RUNNING):
                continue
            for buffer in _RUNNING:
                clean = state.get(f'{backbone}{name}.{buffer}')
                if buffer == _COUNTER:
                    state[mine + self._key(name, buffer)] = torch.zeros((), dtype=torch.long)
                elif clean is not None:
                    state[mine + self._key(name, buffer)] = clean

    @contextmanager
    def lend(self, backbone: nn.Module) -> Iterator[None]:
        """Apply the policy to the backbone inside a ``with`` block.

        Args:
            backbone (nn.Module): The backbone of the constructor, or a copy with the same layers.
        """
        layers = [backbone.get_submodule(name) for name in self.names]
        if self.policy == 'own':
            pairs = list(zip(layers, self.names, strict=True))
            pairs = [(layer, name) for layer, name in pairs if self._lends(backbone, layer, name)]
            clean = [self._swap(layer, self._mine(name)) for layer, name in pairs]
            try:
                yield
            finally:
                for (layer, _), statistics in zip(pairs, clean, strict=True):
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

    def _lends(self, backbone: nn.Module, layer: nn.Module, name: str) -> bool:
        """Whether a layer is given its own statistics in this pass.

        In a training step the mode of the layer tells. Outside of one all layers are in evaluation
        mode and the counter tells; reading it is a wait for the device that no step has.
        """
        if layer.training or backbone.training:
            return layer.training
        return bool(self.get_buffer(self._key(name, _COUNTER)) > 0)

    def _mine(self, name: str) -> dict[str, Tensor]:
        return {buffer: self.get_buffer(self._key(name, buffer)) for buffer in _RUNNING}

    @staticmethod
    def _key(name: str, buffer: str) -> str:
        return f'{name}.{buffer}'.replace('.', '-')

    @staticmethod
    def _swap(layer: nn.Module, statistics: dict[str, Tensor]) -> dict[str, Tensor]:
        """Put other buffers into the layer and return those it had; batch norm updates in place."""
        saved_buffers = {buffer: layer.get_buffer(buffer) for buffer in _RUNNING}
        layer._buffers.update(statistics)
        return saved_buffers
