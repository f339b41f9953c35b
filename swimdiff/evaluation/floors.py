"""What a score has to beat: image statistics without a network, the network before training."""

import logging
from typing import Any

import torch
from mmengine.logging import MMLogger
from torch import nn

from swimdiff.registry import MODELS

__all__ = ['random_backbone']


def random_backbone(config: dict[str, Any], seed: int = 0) -> nn.Module:
    """Build a backbone with the weights that training from scratch starts from.

    The random states are as before.

    Args:
        config (dict): The backbone of a model config. Weights it starts from are left out.
        seed (int): Of the weights. Defaults to 0.
    """
    config = {key: value for key, value in config.items() if key != 'init_cfg'}
    if str(config['type']).endswith('ResNet'):
        # Without training, zeroed residual branches would leave little of the network to score.
        config['zero_init_residual'] = False
    logger = MMLogger.get_current_instance()
    level = logger.level
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = MODELS.build(config)
        # The engine lists the initialisation of every tensor.
        logger.setLevel(logging.WARNING)
        try:
            backbone.init_weights()
        finally:
            logger.setLevel(level)
    backbone.eval()  # not chained: the engine's ResNet returns None here
    return backbone
