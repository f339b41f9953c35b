"""Looking at a model while it trains, without the training noticing."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

__all__ = ['undisturbed']


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Enter evaluation mode without gradient; restore modes and random states."""
    modes = {part: part.training for part in module.modules()}
    python, numpy = random.getstate(), np.random.get_state()
    devices = {tensor.device for tensor in module.state_dict().values()}
    # The CPU's state is always kept.
    cuda = [device for device in devices if device.type == 'cuda']
    try:
        with torch.random.fork_rng(cuda), torch.no_grad():
            module.eval()
            yield
    finally:
        for part, is_training in modes.items():
            part.training = is_training
        random.setstate(python)
        np.random.set_state(numpy)
