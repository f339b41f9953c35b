"""The projection h: from the last feature map to the embedding in which views are compared.

Reference setting: Linear-ReLU-Linear to 128 dimensions (MoCo v2, arXiv 2003.04297). The engine's
necks of this kind take a single feature map only; the query encoder here gives a pyramid.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS

__all__ = ['ProjectionNeck', 'global_features']


def global_features(feats: Tensor | Sequence[Tensor]) -> Tensor:
    """Return the image-level feature vector of a backbone's output.

    Args:
        feats (Tensor | Sequence[Tensor]): One feature map or a pyramid; the last level is taken.
            N x C x H x W maps are averaged, N x C vectors are passed through.

    Returns:
        Tensor: N x C features.
    """
    last = feats if isinstance(feats, Tensor) else feats[-1]
    return F.adaptive_avg_pool2d(last, 1).flatten(1) if last.dim() == 4 else last


@MODELS.register_module()
class ProjectionNeck(BaseModule):
    """Project features by global average pooling and a small perceptron.

    Args:
        in_channels (int): Channels of the last level; SwiMDiff fills this in from the backbone.
        hidden_channels (int, optional): Width of the hidden layers. Defaults to ``in_channels``
            (MoCo v2).
        out_channels (int): D, the length of the embedding. Defaults to 128.
        num_layers (int): Number of linear layers, at least 1. Defaults to 2.
        batch_norm (bool): Batch normalisation after each hidden layer (MoCo v3). Defaults to
            False.
        init_cfg (dict, optional): Initialisation. Defaults to None, torch's own for linear
            layers, as MoCo v2 has.

    Raises:
        ConfigError: If ``num_layers`` is not positive.

    Example::

        model = dict(neck=dict(type='ProjectionNeck', out_channels=128, batch_norm=True))
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int | None = None,
        out_channels: int = 128,
        num_layers: int = 2,
        batch_norm: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_layers < 1:
            raise ConfigError(f'ProjectionNeck: num_layers must be at least 1, got {num_layers}')
        hidden_channels = hidden_channels or in_channels
        layers: list[nn.Module] = []
        for _ in range(num_layers - 1):
            layers.append(nn.Linear(in_channels, hidden_channels, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm1d(hidden_channels))
            layers.append(nn.ReLU(inplace=True))
            in_channels = hidden_channels
        layers.append(nn.Linear(in_channels, out_channels))
        self.layers = nn.Sequential(*layers)

    def forward(self, feats: Tensor | Sequence[Tensor]) -> Tensor:
        """Project.

        Args:
            feats (Tensor | Sequence[Tensor]): The backbone's output, see :func:`global_features`.

        Returns:
            Tensor: N x D embedding, not normalised.

        Raises:
            ConfigError: One image has to be normalised by statistics of itself.
        """
        vectors = global_features(feats)
        alone = self.training and len(vectors) == 1
        if alone and any(type(layer) is nn.BatchNorm1d for layer in self.layers):
            raise ConfigError(
                'ProjectionNeck: batch norm over a single image. Expected at least two images per '
                'process: raise train_dataloader.batch_size, or set model.neck.batch_norm=False.'
            )
        return self.layers(vectors)
