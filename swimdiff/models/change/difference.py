"""How the features of two dates become one set of features."""

import torch
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS

__all__ = ['FeatureDifference']

_MODES = ('abs', 'signed', 'concat')


@MODELS.register_module()
class FeatureDifference(nn.Module):
    """Compare the features of one level.

    Source: ``abs`` is the OSCD protocol (docs of the configs); the others are common choices.

    Args:
        mode (str): ``signed``: second - first. ``abs``: its absolute value, blind to the order of
            the dates. ``concat``: both, one after the other, which doubles the channels.

    Raises:
        ConfigError: If the mode is unknown.

    Example::

        model = dict(backbone=dict(difference=dict(type='FeatureDifference', mode='signed')))
    """

    def __init__(self, mode: str = 'abs') -> None:
        super().__init__()
        if mode not in _MODES:
            raise ConfigError(f'FeatureDifference: mode={mode!r}; expected one of {_MODES}.')
        self.mode = mode

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Compute N x C (or 2C) x H x W from the N x C x H x W features of both dates."""
        if self.mode == 'concat':
            return torch.cat([first, second], dim=1)
        difference = second - first
        return difference.abs() if self.mode == 'abs' else difference

    def extra_repr(self) -> str:
        """Show the mode when printed."""
        return f'mode={self.mode}'
