"""The picture of one change result: both dates, mask, prediction and a map of the errors."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from swimdiff.bands import RGB

__all__ = ['COLOURS', 'change_picture', 'error_map', 'show_rgb']

#: Four colours that people with any colour vision tell apart (Okabe and Ito); one for "unknown".
COLOURS: dict[str, tuple[int, int, int]] = {
    'change found': (255, 255, 255),
    'no change': (40, 40, 40),
    'false alarm': (230, 159, 0),
    'missed change': (86, 180, 233),
    'not scored': (130, 90, 130),
}

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_GAP, _SMALLEST = 6, 256


def show_rgb(date: np.ndarray, bands: Sequence[str]) -> np.ndarray:
    """Draw one date: red, green and blue where they are, else up to three bands.

    Args:
        date: H x W x C uint8.
        bands: Canonical names of the channels.

    Returns:
        H x W x 3 uint8.
    """
    names = list(bands)
    channels = [names.index(band) for band in RGB] if set(RGB) <= set(names) else range(3)
    return date[..., [min(i, len(names) - 1) for i in channels]]


def error_map(prediction: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return colours of :data:`COLOURS` for every pixel.

    Args:
        prediction: H x W, 1 where change is predicted.
        mask: H x W: 0 no change, 1 change, anything else not scored.

    Returns:
        H x W x 3 uint8.
    """
    is_predicted = prediction == 1
    kinds = [
        is_predicted & (mask == 1),
        ~is_predicted & (mask == 0),
        is_predicted & (mask == 0),
        ~is_predicted & (mask == 1),
        mask > 1,
    ]
    picture = np.zeros((*mask.shape, 3), np.uint8)
    for kind, colour in zip(kinds, COLOURS.values(), strict=True):
        picture[kind] = colour
    return picture


def _mask_picture(mask: np.ndarray) -> np.ndarray:
    grey = np.where(mask == 1, 255, 0).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=2)
    picture[mask > 1] = COLOURS['not scored']
    return picture


def _legend(draw: ImageDraw.ImageDraw, top: int, line: int, font: Font) -> None:
    x = _GAP
    for name, colour in COLOURS.items():
        draw.rectangle((x, top + 2, x + line - 4, top + line - 2), fill=colour, outline='black')
        draw.text((x + line, top), name, fill='black', font=font)
        x += line + int(draw.textlength(name, font=font)) + 3 * _GAP


def change_picture(
    dates: tuple[np.ndarray, np.ndarray],
    prediction: np.ndarray,
    mask: np.ndarray | None,
    title: str,
) -> np.ndarray:
    """Draw five panels in a row with titles and a legend; three without a mask.

    Args:
        dates: Two H x W x 3 uint8 pictures.
        prediction: H x W, 1 where change is predicted.
        mask: H x W: 0, 1, anything else not scored; None where there is none.
        title: Line above the panels.

    Returns:
        The picture, uint8 with three channels; small images are enlarged by a whole number.
    """
    panels = [('first date', dates[0]), ('second date', dates[1])]
    if mask is not None:
        panels.append(('mask', _mask_picture(mask)))
    panels.append(('prediction', _mask_picture(prediction)))
    if mask is not None:
        panels.append(('errors', error_map(prediction, mask)))
    height, width = prediction.shape
    factor = max(1, -(-_SMALLEST // width))
    height, width = height * factor, width * factor
    line = max(16, width // 24)  # height of a line of text, legible when the picture is shrunk
    rows = 2 * (line + _GAP)
    size = (len(panels) * (width + _GAP) + _GAP, rows + height + line + 2 * _GAP)
    sheet = Image.new('RGB', size, 'white')
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=line - 3)
    draw.text((_GAP, 2), title, fill='black', font=font)
    for i, (name, panel) in enumerate(panels):
        x = _GAP + i * (width + _GAP)
        draw.text((x, line + _GAP), name, fill='black', font=font)
        large = panel.repeat(factor, axis=0).repeat(factor, axis=1)
        sheet.paste(Image.fromarray(np.ascontiguousarray(large)), (x, rows))
    if mask is not None:
        _legend(draw, rows + height + _GAP, line, font)
    return np.asarray(sheet)
