"""Putting the tiles of a test image together, across batches and processes."""

from collections.abc import Mapping, Sequence

import numpy as np
from mmengine.dist import all_gather_object

__all__ = ['TileCanvas', 'gather_canvases']


class TileCanvas:
    """Put together what is known of one image from its tiles.

    Args:
        shape: Height and width of the image in pixels.
        fill: Value of the pixels of each layer that no tile has covered yet, by name of the layer;
            0 for the others.
    """

    def __init__(self, shape: tuple[int, int], fill: Mapping[str, float] | None = None) -> None:
        self.shape = shape
        self.fill = dict(fill or {})
        self.layers: dict[str, np.ndarray] = {}
        self.covered = np.zeros(shape, bool)

    def paste(self, window: Sequence[int], layers: Mapping[str, np.ndarray]) -> None:
        """Paste a tile; what lies over the edge of the image is cut off.

        Args:
            window: First row, first column, height and width in pixels.
            layers: H x W or H x W x C pixels of the tile, by name of the layer.
        """
        row, column, height, width = window
        here = np.s_[row : row + height, column : column + width]
        inside = self.covered[here].shape
        for name, pixels in layers.items():
            self._layer(name, pixels)[here] = pixels[: inside[0], : inside[1]]
        self.covered[here] = True

    def _layer(self, name: str, like: np.ndarray) -> np.ndarray:
        if name not in self.layers:
            shape = (*self.shape, *like.shape[2:])
            self.layers[name] = np.full(shape, self.fill.get(name, 0), like.dtype)
        return self.layers[name]

    def merge(self, other: 'TileCanvas') -> None:
        """Take over what another process knows."""
        new = other.covered & ~self.covered
        for name, pixels in other.layers.items():
            self._layer(name, pixels)[new] = pixels[new]
        self.covered |= new

    @property
    def is_whole(self) -> bool:
        """Return whether every pixel is covered."""
        return bool(self.covered.all())


def gather_canvases(canvases: Mapping[str, TileCanvas]) -> dict[str, TileCanvas]:
    """Return the unfinished images of all processes, put together by name.

    Args:
        canvases: Those of this process.
    """
    merged_canvases: dict[str, TileCanvas] = {}
    for each in all_gather_object(dict(canvases)):
        for name, canvas in each.items():
            if name in merged_canvases:
                merged_canvases[name].merge(canvas)
            else:
                merged_canvases[name] = canvas
    return merged_canvases
