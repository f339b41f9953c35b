"""Cutting images into tiles: which pixels of which image make a sample."""

import numpy as np

from swimdiff.errors import ConfigError

__all__ = ['IGNORE', 'Window', 'check_tiling', 'cut', 'tile_windows']

#: Mask value of pixels that are neither trained on nor scored.
IGNORE = 255

#: First row, first column, height and width in pixels; may reach over the edge of the image.
Window = tuple[int, int, int, int]


def check_tiling(tile: int | None, stride: int | None, test_mode: bool) -> None:
    """Refuse tilings that cannot be meant.

    Args:
        tile: Side of a tile in pixels; None for whole images.
        stride: Distance of two tiles; None for the side of a tile.
        test_mode: Whether scores are computed on these tiles.

    Raises:
        ConfigError: Sizes below 1, a stride without tiles, or in a test a stride that counts
            pixels twice or leaves some out.
    """
    if tile is None:
        if stride is not None:
            raise ConfigError(f'stride={stride} without a tile; set tile too, or neither.')
        return
    step = tile if stride is None else stride
    if tile < 1 or step < 1:
        raise ConfigError(f'tile={tile}, stride={stride}: expected 1 pixel or more.')
    if test_mode and step != tile:
        raise ConfigError(
            f'tile={tile}, stride={stride} in a test: pixels would be counted '
            f'{"twice" if step < tile else "not at all"}. Leave stride away; for overlapping '
            "predictions use whole images (tile=None) and model.test_cfg=dict(mode='slide', ...)."
        )


def _starts(length: int, tile: int, stride: int) -> list[int]:
    """First pixels of the tiles along one axis; the last tile reaches the edge or over it."""
    count = 1 + max(0, -(-(length - tile) // stride))
    # With a stride above the tile, the last one may lie outside altogether.
    return [i * stride for i in range(count) if i * stride < length]


def tile_windows(
    shape: tuple[int, int], tile: int | None, stride: int | None = None
) -> list[Window]:
    """Return the windows that cover an image, row by row.

    Args:
        shape: Height and width of the image.
        tile: Side of a tile; None for one window of the whole image.
        stride: Distance of two tiles; by default the side of a tile.

    Returns:
        Windows; with ``stride <= tile`` they cover every pixel.
    """
    height, width = shape
    if tile is None:
        return [(0, 0, height, width)]
    step = tile if stride is None else stride
    return [
        (row, column, tile, tile)
        for row in _starts(height, tile, step)
        for column in _starts(width, tile, step)
    ]


def cut(array: np.ndarray, window: Window, fill: int) -> np.ndarray:
    """Cut the pixels of a window; fill what lies over the edge.

    Args:
        array: H x W or H x W x C.
        window: As from :func:`tile_windows`.
        fill: Value of the pixels outside.

    Returns:
        A copy of the window's height and width.
    """
    row, column, height, width = window
    inside = array[row : row + height, column : column + width]
    result = np.full((height, width, *array.shape[2:]), fill, array.dtype)
    result[: inside.shape[0], : inside.shape[1]] = inside
    return result
