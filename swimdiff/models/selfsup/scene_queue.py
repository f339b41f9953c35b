"""The queue of past keys, each with the id of the scene it was cropped from.

Paper: a first-in-first-out queue of keys gives the negatives. That the scene id travels with the
key in one ring buffer is ours (reconstruction).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS

__all__ = ['EMPTY', 'SceneQueue']

#: Scene id of a slot that was never filled; scene ids of data are not negative.
EMPTY = -1


@MODELS.register_module()
class SceneQueue(nn.Module):
    """Hold K unit-length keys and their scene ids in a ring buffer.

    Keys, ids and pointer are buffers, so they are saved and restored with the checkpoint. The
    pointer lives on the device: a push never waits for it.

    Args:
        length (int): K, the number of slots. Need not be a multiple of the batch.
        channels (int): D, the length of a key.

    Raises:
        ConfigError: If a size is not positive.

    Example::

        model = dict(queue=dict(type='SceneQueue', length=1024))
    """

    def __init__(self, length: int = 16384, channels: int = 128) -> None:
        super().__init__()
        if length < 1 or channels < 1:
            raise ConfigError(
                f'SceneQueue: length and channels must be positive, got {length} and {channels}'
            )
        self.length = length
        self.register_buffer('keys', F.normalize(torch.randn(length, channels), dim=1))
        self.register_buffer('scenes', torch.full((length,), EMPTY, dtype=torch.long))
        self.register_buffer('pointer', torch.zeros((), dtype=torch.long))
        self.keys: Tensor
        self.scenes: Tensor
        self.pointer: Tensor

    @torch.no_grad()
    def push(self, keys: Tensor, scenes: Tensor) -> None:
        """Replace the oldest slots by new keys.

        Args:
            keys (Tensor): M x D unit-length keys of the whole (gathered) batch, oldest first.
            scenes (Tensor): M int64 scene ids, not negative.
        """
        key_count = keys.shape[0]
        # Of a batch longer than the queue only the newest keys stay; the pointer moves as if all
        # had been written, so that cutting a batch in two leaves the same queue.
        kept_count = min(key_count, self.length)
        offsets = torch.arange(key_count - kept_count, key_count, device=self.pointer.device)
        slots = (self.pointer + offsets) % self.length
        self.keys[slots] = keys[key_count - kept_count :].to(self.keys.dtype)
        self.scenes[slots] = scenes[key_count - kept_count :]
        self.pointer.add_(key_count).remainder_(self.length)

    def extra_repr(self) -> str:
        """Return the shape of the buffer, for printing the model."""
        return f'length={self.length}, channels={self.keys.shape[1]}'
