"""Checksums of a PNG: one for each of its parts, and Pillow reads pixels without them."""

from pathlib import Path

from PIL import Image

__all__ = ['check_sums']


def check_sums(path: str | Path, picture: Image.Image) -> None:
    """Refuse a PNG in which a byte of the pixels has changed.

    Other formats have no checksum.

    The file is read once more, without decoding.

    Args:
        path: The file.
        picture: The same, as Pillow has opened it.

    Raises:
        SyntaxError: A checksum is not that of its part, as Pillow says it of damaged headers.
        OSError: The file ends early.
    """
    if picture.format == 'PNG':
        with Image.open(path) as again:  # after it, a picture cannot be read any more
            again.verify()
