"""What the device does to a batch of sampled views, each with numbers of its own."""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['AffineColour', 'Blur', 'Stage', 'upload']


def upload(table: Tensor, device: torch.device) -> Tensor:
    """Copy a table of the host to the device as float32, without waiting.

    Args:
        table: On the host, of any type.
        device: Where to compute.
    """
    table = table.float()
    if device.type == 'cuda' and torch.cuda.is_available():
        table = table.pin_memory()  # a copy from other memory may wait for the stream
    return table.to(device, non_blocking=True)


class Stage(Protocol):
    """Change all views of a batch and keep their size."""

    def to(self, device: torch.device) -> 'Stage':
        """Return the same stage with its tables on a device."""
        ...

    def __call__(self, images: Tensor, rows: slice) -> Tensor:
        """Change M x C x H x W float32 images, 0..255, the rows ``rows`` of the batch."""
        ...


@dataclass
class AffineColour:
    """Apply ``x -> clip(M x + u (r . mean x))`` to every pixel.

    Args:
        matrix: N x C x C, M.
        probe: N x C, r: what is taken of the mean of each band over the view.
        gain: N x C, u: where that is added.
        clips: Whether values can leave 0..255.
    """

    matrix: Tensor
    probe: Tensor | None = None
    gain: Tensor | None = None
    clips: bool = True

    def after(self, first: 'AffineColour') -> 'AffineColour':
        """Join both in one pass, if ``first`` neither clips nor looks at the mean."""
        probe = None if self.probe is None else (self.probe[:, None] @ first.matrix)[:, 0]
        return replace(self, matrix=self.matrix @ first.matrix, probe=probe)

    def to(self, device: torch.device) -> 'AffineColour':
        """Return the same map with its tables on a device."""
        probe = None if self.probe is None else upload(self.probe, device)
        gain = None if self.gain is None else upload(self.gain, device)
        return AffineColour(upload(self.matrix, device), probe, gain, self.clips)

    def __call__(self, images: Tensor, rows: slice) -> Tensor:
        """Change M x C x H x W images."""
        matrix, pixels = self.matrix[rows], images.flatten(2)
        if self.probe is None or self.gain is None:
            mapped_pixels = torch.bmm(matrix, pixels)
        else:
            level = (self.probe[rows] * pixels.mean(2)).sum(1, keepdim=True)
            mapped_pixels = torch.baddbmm((self.gain[rows] * level)[..., None], matrix, pixels)
        return (mapped_pixels.clamp_(0, 255) if self.clips else mapped_pixels).view(images.shape)


@dataclass
class Blur:
    """Convolve rows and columns with the same weights; mirror the borders.

    The edge pixel counts once.

    Args:
        weights: N x K that add up to 1, K odd.
    """

    weights: Tensor

    def to(self, device: torch.device) -> 'Blur':
        """Return the same blur with its table on a device."""
        return Blur(upload(self.weights, device))

    def __call__(self, images: Tensor, rows: slice) -> Tensor:
        """Blur M x C x H x W images: every plane is a channel of one grouped convolution."""
        weights, (count, bands) = self.weights[rows], images.shape[:2]
        size, reach = weights.shape[1], weights.shape[1] // 2
        kernel = weights[:, None].expand(count, bands, size).reshape(-1, 1, 1, size)
        planes = images.reshape(1, -1, *images.shape[2:])
        padded_planes = F.pad(planes, (reach, reach, reach, reach), mode='reflect')
        across = F.conv2d(padded_planes, kernel, groups=len(kernel))
        return F.conv2d(across, kernel.mT, groups=len(kernel)).view(images.shape)
