"""Splits by blocks of ground, so that neighbours do not leak from training into a test.

Pixels next to each other are alike. A split drawn pixel by pixel, or window by window, tests on
ground that was trained on; blocks with a margin between those of different splits do not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swimdiff.datasets.change import IGNORE
from swimdiff.datasets.geo import BlockGrid, meridian_metres, to_lonlat
from swimdiff.datasets.labels.labelled_ground import LabelledGround
from swimdiff.datasets.labels.layers import Grid
from swimdiff.errors import ConfigError, LayoutError

__all__ = ['BlockOptions', 'GroundSplit', 'assign_blocks', 'split_ground']

#: Pixels between the points whose longitude and latitude are computed; between them is a line.
_STEP = 16
_SHARES = {'train': 0.6, 'val': 0.2, 'test': 0.2}


@dataclass(frozen=True)
class BlockOptions:
    """Describe how ground is divided.

    Args:
        metres: Side of a block.
        shares: Share of the labelled ground of every class by name of the split.
        seed: Another seed, another division.
        margin: Metres from a block of another split within which labels are left out; None: half
            the side of a window.
    """

    metres: float
    shares: Mapping[str, float]
    seed: int = 0
    margin: float | None = None

    @classmethod
    def from_config(cls, given: float | Mapping[str, Any]) -> 'BlockOptions':
        """Read the option ``blocks`` of a data set: metres, or a dictionary.

        Raises:
            ConfigError: An option is unknown or out of range.
        """
        options = dict(given) if isinstance(given, Mapping) else dict(metres=given)
        try:
            blocks = cls(**{'shares': dict(_SHARES), **options})
        except TypeError as error:
            raise ConfigError(f'blocks={given}: {error}.') from None
        total = sum(blocks.shares.values())
        if not blocks.metres > 0 or min(blocks.shares.values()) <= 0 or abs(total - 1) > 1e-6:
            raise ConfigError(
                f'blocks={given}: expected metres above 0, and shares above 0 that add up to 1 '
                f'(found {total:g}), e.g. blocks=dict(metres=2000, shares=dict(train=0.6, val=0.2, '
                'test=0.2), seed=0).'
            )
        if blocks.margin is not None and not 0 <= blocks.margin <= blocks.metres / 4:
            raise ConfigError(
                f'blocks={given}: expected a margin from 0 to a quarter of the side of a block, '
                f'{blocks.metres / 4:g} metres; more would leave little of a block.'
            )
        return blocks


class _BlockReader:
    """Numbers of the blocks under the pixels of a grid."""

    def __init__(self, metres: float) -> None:
        self.blocks = BlockGrid(float(metres))

    def number(self, grid: Grid) -> np.ndarray:
        """Return the number of the block under the centre of each pixel, H x W int64."""
        rows = _lattice(grid.height)
        columns = _lattice(grid.width)
        west, dx, _, north, _, dy = grid.transform
        x, y = np.meshgrid(west + (columns + 0.5) * dx, north + (rows + 0.5) * dy)
        points = to_lonlat(np.stack([x, y], axis=-1).reshape(-1, 2), grid.system)
        lon, lat = points.reshape(len(rows), len(columns), 2).transpose(2, 0, 1)
        # Whole turns apart at the date line; lines between points need one side of it.
        lon = np.unwrap(np.unwrap(lon, period=360), axis=0, period=360)
        lon, along = (
            _fill(part, rows, columns, grid).ravel() for part in (lon, meridian_metres(lat))
        )
        numbers = self.blocks.find_along(lon, along)
        return (numbers[:, 0] * (1 << 32) + numbers[:, 1]).reshape(grid.height, grid.width)


def _lattice(length: int) -> np.ndarray:
    """Pixels at which the place is computed: every so many, and the last."""
    return np.unique(np.append(np.arange(0, length, _STEP), length - 1))


def _fill(values: np.ndarray, rows: np.ndarray, columns: np.ndarray, grid: Grid) -> np.ndarray:
    """Values between the points of a lattice, by lines."""
    wide = np.stack([np.interp(np.arange(grid.width), columns, line) for line in values])
    every = np.arange(grid.height)
    return np.stack([np.interp(every, rows, column) for column in wide.T], axis=1)


def assign_blocks(
    counts: Mapping[int, np.ndarray], shares: Mapping[str, float], seed: int
) -> dict[int, str]:
    """Hand out blocks so that every split gets its share of every class.

    Blocks are taken in an order drawn by the seed; each goes to the split that still wants most of
    the classes in it.

    Args:
        counts: Labelled pixels of each class by number of the block.
        shares: Share by name of the split.
        seed: Seed of the order.

    Returns:
        Name of the split by number of the block.

    Raises:
        LayoutError: There are fewer blocks than splits.
    """
    names = list(shares)
    blocks = sorted(block for block, class_counts in counts.items() if class_counts.any())
    if len(blocks) < len(names):
        raise LayoutError(
            f'blocks: {len(blocks)} blocks have labels, fewer than the {len(names)} splits '
            f'{", ".join(names)}. Take smaller blocks, more ground, or fewer splits.'
        )
    order = np.random.default_rng(seed).permutation(len(blocks))
    totals = np.maximum(sum(counts[block] for block in blocks), 1)
    wanted_shares = np.array([[shares[name]] for name in names]) * np.ones_like(totals, float)
    result: dict[int, str] = {}
    block_counts = [0] * len(names)
    for blocks_left, place in zip(range(len(blocks), 0, -1), order.tolist(), strict=True):
        block = blocks[place]
        weights = counts[block] / totals
        gain = wanted_shares @ weights
        empty = [number for number, count in enumerate(block_counts) if not count]
        if blocks_left <= len(empty):  # no split may end up without a block
            gain = np.where(np.isin(np.arange(len(names)), empty), gain, -np.inf)
        best = int(np.argmax(gain))
        wanted_shares[best] -= weights
        block_counts[best] += 1
        result[block] = names[best]
    return result


@dataclass(frozen=True)
class GroundSplit:
    """Hold the ground of one split.

    Args:
        name: Name of the split.
        assigned: Name of the split by number of the block.
        options: How the ground is divided.
        tile: Side of a window in pixels, for the margin.
    """

    name: str
    assigned: Mapping[int, str]
    options: BlockOptions
    tile: int

    def margin_pixels(self, ground: LabelledGround) -> int:
        """Return the margin in pixels of a raster."""
        if self.options.margin is None:
            widest = self.options.metres / 4 / ground.measure_pixel()
            return min(self.tile // 2, int(widest))
        return int(np.ceil(self.options.margin / ground.measure_pixel()))

    def cover(self, ground: LabelledGround, window: tuple[int, int, int, int]) -> np.ndarray:
        """Return which pixels of a window belong to the split, H x W bool.

        Pixels nearer than the margin to a block of another split belong to none. The margin is
        square: a block is larger than two margins, so the corners say it all.

        Args:
            ground: The ground of which the window is a part.
            window: Row, column, height and width in its pixels.
        """
        margin = self.margin_pixels(ground)
        row, column, height, width = window
        around = ground.grid.shift(
            row - margin, column - margin, height + 2 * margin, width + 2 * margin
        )
        numbers, places = np.unique(
            _BlockReader(self.options.metres).number(around), return_inverse=True
        )
        names = [self.assigned.get(number) for number in numbers.tolist()]
        own = np.array([name == self.name for name in names])
        free = np.array([name in (None, self.name) for name in names])
        places = places.reshape(around.height, around.width)
        inside = own[places[margin : margin + height, margin : margin + width]]
        for down in (0, 2 * margin):
            for right in (0, 2 * margin):
                inside = inside & free[places[down : down + height, right : right + width]]
        return inside


def count_blocks(
    grounds: Sequence[LabelledGround], options: BlockOptions, strip: int = 256
) -> dict[int, np.ndarray]:
    """Count the labelled pixels of each class in every block.

    Args:
        grounds: The rasters with their labels.
        options: Size of the blocks.
        strip: Rows that are looked at together.
    """
    reader = _BlockReader(options.metres)
    totals: dict[int, np.ndarray] = {}
    for ground in grounds:
        classes = len(ground.classes.names)
        height, width = ground.shape
        for row in range(0, height, strip):
            window = ground.clip((row, 0, strip, width))
            labels = ground.read_labels(window)
            is_labelled = labels != IGNORE
            if not is_labelled.any():
                continue
            numbers, places = np.unique(
                reader.number(ground.grid.shift(*window))[is_labelled], return_inverse=True
            )
            pairs = places.reshape(-1) * classes + labels[is_labelled]
            pixel_counts = np.bincount(pairs, minlength=len(numbers) * classes).reshape(-1, classes)
            for number, counts in zip(numbers.tolist(), pixel_counts, strict=True):
                totals[number] = totals.get(number, 0) + counts
    return totals


def split_ground(
    grounds: Sequence[LabelledGround], options: BlockOptions, name: str, tile: int, owner: str
) -> GroundSplit:
    """Divide the labelled ground into splits and return one of them.

    Args:
        grounds: All rasters of the list, whatever the split.
        options: How the ground is divided.
        name: Name of the split wanted.
        tile: Side of a window in pixels.
        owner: Name of the data set, for messages.

    Raises:
        ConfigError: There is no such split.
        LayoutError: There are too few blocks.
    """
    if name not in options.shares:
        raise ConfigError(
            f'{owner}: split={name!r}, but blocks has the splits {", ".join(options.shares)} '
            "('all' is everything)."
        )
    split_by_block = assign_blocks(count_blocks(grounds, options), options.shares, options.seed)
    return GroundSplit(name, split_by_block, options, tile)
