"""A plan of windows over a grid: every pixel in at least one, each pixel far from its edge.

Windows begin at multiples of ``align`` pixels, so that a network whose strides divide it sees each
pixel at the same place of its grid of features as in one pass over the whole raster. No window
reaches over the raster; the last of a row or column is up to ``align - 1`` pixels longer instead.
"""

from dataclasses import dataclass

from swimdiff.errors import ConfigError

__all__ = ['Span', 'WindowPlan', 'place_spans']


@dataclass(frozen=True)
class Span:
    """Describe pixels of one axis.

    Args:
        first (int): First pixel.
        last (int): Pixel after the last.
    """

    first: int
    last: int

    @property
    def length(self) -> int:
        """Number of pixels."""
        return self.last - self.first


def place_spans(length: int, size: int, margin: int, align: int) -> tuple[Span, ...]:
    """Return the spans of the windows along one axis, from the first to the last.

    Args:
        length (int): Pixels of the axis.
        size (int): Pixels of a window.
        margin (int): Pixels at each end that the next window covers better.
        align (int): Windows begin at multiples of this.
    """
    if length <= size:
        return (Span(0, length),)
    step = (size - 2 * margin) // align * align
    last = (length - size) // align * align
    starts = range(0, last, step)
    return (*(Span(start, start + size) for start in starts), Span(last, length))


@dataclass(frozen=True)
class WindowPlan:
    """Lay windows over a raster: every span of rows with every span of columns.

    Args:
        height (int): Rows of the raster.
        width (int): Columns of the raster.
        size (int): Side of a window.
        margin (int): Pixels at each side that the window beside covers better.
        align (int): Windows begin at multiples of this. Defaults to 32, the stride of most
            backbones.

    Raises:
        ConfigError: Margins that leave nothing of a window.
    """

    height: int
    width: int
    size: int
    margin: int
    align: int = 32

    def __post_init__(self) -> None:
        if self.margin < 0 or self.align < 1 or self.size - 2 * self.margin < self.align:
            raise ConfigError(
                f'size={self.size}, margin={self.margin}: expected a margin of 0 or more and '
                f'windows of at least twice the margin and {self.align} pixels '
                f'({2 * max(self.margin, 0) + self.align}).'
            )

    @property
    def rows(self) -> tuple[Span, ...]:
        """Return the rows of the windows; those of one span are a strip."""
        return place_spans(self.height, self.size, self.margin, self.align)

    @property
    def columns(self) -> tuple[Span, ...]:
        """Return the columns of the windows."""
        return place_spans(self.width, self.size, self.margin, self.align)

    @property
    def count(self) -> int:
        """Number of windows."""
        return len(self.rows) * len(self.columns)
