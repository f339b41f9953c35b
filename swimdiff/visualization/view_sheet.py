"""Contact sheets of views: what the model is shown, with the scene each sample belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from swimdiff.bands import RGB, spell_bands

__all__ = ['ViewStrip', 'as_picture', 'draw_sheet', 'draw_strip']

_GAP, _LINE, _SIZE = 6, 18, 13


@dataclass(frozen=True)
class ViewStrip:
    """Hold the views of one sample and their caption.

    Args:
        views: H x W x 3 uint8 pictures.
        caption: Lines of text.
    """

    views: Sequence[np.ndarray]
    caption: Sequence[str]


def as_picture(view: np.ndarray, bands: Sequence[str]) -> np.ndarray:
    """Return three bands of an image as red, green and blue.

    Args:
        view: C x H x W uint8.
        bands: Names of the C bands.

    Returns:
        H x W x 3 uint8: B04, B03, B02 where they are there, else the first three bands, else the
        first band in grey.
    """
    names = list(spell_bands(bands))
    if set(RGB) <= set(names):
        channels = [names.index(band) for band in RGB]
    else:
        channels = [0, 1, 2] if len(names) >= 3 else [0, 0, 0]
    return np.ascontiguousarray(view[channels].transpose(1, 2, 0))


def draw_strip(strip: ViewStrip) -> Image.Image:
    """Draw one sample: its caption over its views side by side."""
    height = max(view.shape[0] for view in strip.views)
    width = sum(view.shape[1] + _GAP for view in strip.views) + _GAP
    head = _LINE * len(strip.caption) + _GAP
    page = Image.new('RGB', (width, head + height + _GAP), 'white')
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(_SIZE)
    for number, line in enumerate(strip.caption):
        while len(line) > 4 and pen.textlength(line, font) > width - 2 * _GAP:
            line = f'{line[:-4]}...'
        pen.text((_GAP, _GAP // 2 + number * _LINE), line, fill='black', font=font)
    left = _GAP
    for view in strip.views:
        page.paste(Image.fromarray(view), (left, head))
        left += view.shape[1] + _GAP
    return page


def draw_sheet(strips: Sequence[ViewStrip], columns: int | None = None) -> Image.Image:
    """Draw several samples on one page.

    Args:
        strips: At least one sample.
        columns: Samples side by side; by default about as many as below each other.
    """
    pages = [draw_strip(strip) for strip in strips]
    width, height = max(page.width for page in pages), max(page.height for page in pages)
    if columns is None:
        columns = max(1, round((len(pages) * height / width) ** 0.5))
    rows = -(-len(pages) // columns)
    sheet = Image.new('RGB', (columns * width, rows * height), 'white')
    for number, page in enumerate(pages):
        row, column = divmod(number, columns)
        sheet.paste(page, (column * width, row * height))
    return sheet
