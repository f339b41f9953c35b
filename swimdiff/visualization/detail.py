"""How much fine detail feature maps hold: their high-frequency content.

Paper: figure 4 compares the high-frequency components of shallow features with and without the
diffusion branch. Reconstruction: how they are measured here.
"""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from swimdiff.models.selfsup.swimdiff import SwiMDiff
from swimdiff.visualization.view_sheet import as_picture

__all__ = ['detail_figure', 'filter_detail', 'measure_detail', 'shallow_features']


def _radius(height: int, width: int, device: torch.device) -> Tensor:
    """Return the frequency of each Fourier coefficient as a share of the highest along an axis."""
    rows = torch.fft.fftfreq(height, device=device)[:, None]
    columns = torch.fft.rfftfreq(width, device=device)[None]
    return (rows.square() + columns.square()).sqrt() / 0.5


def measure_detail(features: Tensor, cutoff: float = 0.5) -> Tensor:
    """Measure the share of a feature map's variance that lies above a frequency.

    Channels are weighted by their variance; the mean of each, which is no structure, is left out.

    Args:
        features (Tensor): N x C x H x W.
        cutoff (float): Share of the highest frequency along an axis, above 0. Defaults to 0.5, one
            period in four pixels of the map.

    Returns:
        Tensor: N shares in [0, 1]; 0 for a map without structure.
    """
    centred_maps = features.float() - features.float().mean(dim=(2, 3), keepdim=True)
    height, width = features.shape[-2:]
    power = torch.fft.rfft2(centred_maps).abs().square().sum(dim=1)  # NxHxW'
    # Columns between the first and the last stand for their mirror images, too.
    twice = torch.full((power.shape[-1],), 2.0, device=power.device)
    twice[0] = 1.0
    if width % 2 == 0:
        twice[-1] = 1.0
    power = power * twice
    high = power * (_radius(height, width, power.device) >= cutoff)
    return high.sum(dim=(1, 2)) / power.sum(dim=(1, 2)).clamp(min=1e-12)


def filter_detail(features: Tensor, cutoff: float = 0.5) -> Tensor:
    """Keep what lies above a frequency, as one map.

    It is the root of the mean square over channels.

    Args:
        features (Tensor): N x C x H x W.
        cutoff (float): See :func:`measure_detail`. Defaults to 0.5.

    Returns:
        Tensor: N x H x W, in units of the features' own standard deviation.
    """
    centred_maps = features.float() - features.float().mean(dim=(2, 3), keepdim=True)
    height, width = features.shape[-2:]
    kept_spectrum = torch.fft.rfft2(centred_maps) * (
        _radius(height, width, centred_maps.device) >= cutoff
    )
    high = torch.fft.irfft2(kept_spectrum, s=(height, width))
    scale = centred_maps.square().mean(dim=(1, 2, 3)).sqrt().clamp(min=1e-12)
    return high.square().mean(dim=1).sqrt() / scale[:, None, None]


@torch.no_grad()
def shallow_features(model: SwiMDiff, images: Tensor, level: int = 0, border: int = 2) -> Tensor:
    """Return one level of the query encoder's pyramid of clean images.

    Args:
        model (SwiMDiff): In evaluation mode.
        images (Tensor): N x C x H x W uint8.
        level (int): Of the pyramid, the finest by default.
        border (int): Rows and columns that are cut off on each side: the zeros around the image
            make edges there that are none of the image's. Defaults to 2.
    """
    x = model.data_preprocessor.standardise(images)
    features = model.backbone(x.contiguous(memory_format=model.memory_format))[level]
    height, width = features.shape[-2:]
    return features[..., border : height - border, border : width - border]


def detail_figure(
    images: Tensor,
    features: dict[str, Tensor],
    bands: Sequence[str],
    shown: int = 4,
    cutoff: float = 0.5,
) -> tuple[Figure, dict[str, Tensor]]:
    """Draw images with the detail in the shallow features of several networks.

    Args:
        images (Tensor): N x C x H x W uint8.
        features (dict[str, Tensor]): By the name of the network, N x C' x H' x W'.
        bands (Sequence[str]): Names of the channels of the images.
        shown (int): Images that are drawn; all are measured. Defaults to 4.
        cutoff (float): See :func:`measure_detail`. Defaults to 0.5.

    Returns:
        tuple[Figure, dict[str, Tensor]]: The picture, not yet saved, and the N shares of each
        network.
    """
    shares = {name: measure_detail(maps, cutoff) for name, maps in features.items()}
    detail_maps = {name: filter_detail(maps[:shown], cutoff) for name, maps in features.items()}
    shown = min(shown, len(images))
    pictures = np.stack([as_picture(image.numpy(), bands) for image in images[:shown]])
    low, high = np.percentile(pictures, (1, 99), axis=(0, 1, 2))
    # One scale for all networks: otherwise the weaker would look as strong.
    most = float(torch.cat([maps.flatten() for maps in detail_maps.values()]).quantile(0.99))
    figure = Figure(figsize=(1.9 * shown + 1.6, 2.0 * (1 + len(detail_maps))), layout='constrained')
    grid = figure.subplots(1 + len(detail_maps), shown, squeeze=False)
    for column in range(shown):
        stretched_picture = (pictures[column] - low) / np.maximum(high - low, 1)
        grid[0, column].imshow(stretched_picture.clip(0, 1), interpolation='nearest')
        for row, (name, maps) in enumerate(detail_maps.items(), start=1):
            grid[row, column].imshow(
                maps[column].cpu().numpy(), cmap='magma', vmin=0, vmax=most, interpolation='nearest'
            )
            grid[row, column].set_title(f'{shares[name][column]:.1%}', fontsize=9)
    for axis in grid.flat:
        axis.set(xticks=[], yticks=[])
    grid[0, 0].set_ylabel('images')
    for row, name in enumerate(detail_maps, start=1):
        mean = float(shares[name].mean())
        grid[row, 0].set_ylabel(f'{name}\n{mean:.1%} of {len(images)} images')
    figure.suptitle('Detail in the shallow features: share of their variance at high frequencies')
    return figure, shares
