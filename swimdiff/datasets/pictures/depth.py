"""Say what a file holds that is no picture of 8 bits: a GeoTIFF of 16 bits is not damaged.

Pillow cannot identify a TIFF of several bands of 16 bits, and cuts off one band of 16 bits at 255.
The header tells, without a pixel.
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import Image, TiffImagePlugin

__all__ = ['PictureHeader', 'explain_depth', 'has_depth', 'read_header']

#: Modes of Pillow with 8 bits (or 1) per channel.
_MODES = frozenset(
    ('1', 'L', 'LA', 'La', 'P', 'PA', 'RGB', 'RGBA', 'RGBa', 'RGBX', 'CMYK', 'YCbCr')
)
_WIDTH, _HEIGHT, _BITS, _CHANNELS, _FORMAT = 256, 257, 258, 277, 339  # tags of TIFF
_KINDS = {1: 'uint', 2: 'int', 3: 'float', 6: 'complex float'}


@dataclass(frozen=True)
class PictureHeader:
    """Describe what the header of a picture says.

    Args:
        height: Rows.
        width: Columns.
        channels: Number of channels; 0 where the header alone does not say.
        bits: The most bits of a channel.
        kind: Type of a number, such as ``uint`` or ``float``.
    """

    height: int
    width: int
    channels: int
    bits: int
    kind: str = 'uint'


def read_header(path: str | Path) -> PictureHeader | None:
    """Read the header of a TIFF or of any picture of Pillow; None without one.

    Args:
        path: The file.
    """
    try:
        with open(path, 'rb') as file:
            start = file.read(26)
            if start[:4] in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
                return _read_tiff(file, start)
        with Image.open(path) as picture:
            bits = 8 if picture.mode in _MODES else 16
            if picture.format == 'PNG':  # the first chunk: 8 + 8 bytes, width, height, then depth
                bits = start[24]
            return PictureHeader(picture.height, picture.width, len(picture.getbands()), bits)
    # Damaged headers make Pillow raise all of these; what is wrong is said by who reads the file.
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, struct.error):
        return None


def _read_tiff(file: IO[bytes], start: bytes) -> PictureHeader:
    """Read the first directory, as Pillow does when it opens a TIFF."""
    big = start[2] == 43 or start[3] == 43
    tags = TiffImagePlugin.ImageFileDirectory_v2(start[:16] if big else start[:8])
    file.seek(tags.next)
    tags.load(file)
    bits = tags.get(_BITS, (1,))
    kinds = tags.get(_FORMAT, (1,))
    first = kinds[0] if isinstance(kinds, tuple) else kinds
    return PictureHeader(
        int(tags[_HEIGHT]),
        int(tags[_WIDTH]),
        int(tags.get(_CHANNELS, 1)),
        max(bits) if isinstance(bits, tuple) else int(bits),
        _KINDS.get(first, 'uint'),
    )


def has_depth(path: str | Path, picture: Image.Image) -> bool:
    """Return whether a picture has more than 8 bits or other channels than colours.

    Args:
        path: The file.
        picture: The same, as Pillow has opened it: only PNG and TIFF hide more bits in a mode of 8.
    """
    if picture.mode not in _MODES:
        return True
    if picture.format not in ('PNG', 'TIFF'):
        return False
    header = read_header(path)
    return header is not None and header.bits > 8


def explain_depth(path: str | Path, advise: Callable[[PictureHeader], str]) -> str | None:
    """Return the message about a whole file that is no picture of 8 bits, or None.

    Args:
        path: The file.
        advise: Returns what to do, as whole sentences.
    """
    header = read_header(path)
    if header is None or (header.bits <= 8 and header.channels <= 4):
        return None
    bands = f'{header.channels} band{"s" if header.channels != 1 else ""} of '
    what = f'{bands if header.channels else ""}{header.bits} bits ({header.kind}{header.bits})'
    name = 'GeoTIFF or TIFF' if os.path.splitext(path)[1].lower() in ('.tif', '.tiff') else 'file'
    return (
        f'{path} is a {name} of {header.width} x {header.height} pixels with {what}. Expected '
        f'a picture of 8 bits per channel, grey or red, green and blue. {advise(header)}'
    )
