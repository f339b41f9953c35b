"""Pictures in a folder: finding them, reading their sizes and their pixels. Needs no GDAL."""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from swimdiff.datasets.pictures.checksums import check_sums
from swimdiff.datasets.pictures.depth import (
    PictureHeader,
    explain_depth,
    has_depth,
    read_header,
)
from swimdiff.errors import LayoutError, RasterError

__all__ = ['PICTURE_SUFFIXES', 'find_pictures', 'read_picture', 'read_picture_size']

PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff')


def find_pictures(root: str | Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the folders below a root, each with the pictures that lie in it.

    Hidden files and folders are skipped, so that neither caches nor the ``._x.jpg`` that some
    systems leave in archives count as pictures. Links to folders are followed, each folder is
    visited once.

    Args:
        root: The folder.

    Yields:
        Path of a folder relative to the root ('' for the root itself), sorted, and the names of
        its pictures, sorted; none for a folder that only holds folders.

    Raises:
        LayoutError: A folder cannot be listed.
    """
    seen_folders: set[str] = set()
    for folder, inner, files in os.walk(root, followlinks=True, onerror=_refuse_folder):
        real = os.path.realpath(folder)
        if real in seen_folders:
            inner.clear()
            continue
        seen_folders.add(real)
        inner[:] = sorted(name for name in inner if not name.startswith('.'))
        relative = os.path.relpath(folder, root)
        pictures = sorted(
            name
            for name in files
            if not name.startswith('.') and os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES
        )
        yield '' if relative == '.' else relative, pictures


def _refuse_folder(error: OSError) -> None:
    raise LayoutError(
        f'{error.filename} cannot be listed: {error.strerror}. Expected a folder of pictures that '
        'can be read; correct its permissions.'
    ) from error


def read_picture_size(path: str | Path) -> tuple[int, int]:
    """Read height and width of a picture from its header, without decoding a pixel.

    Args:
        path: The file.

    Raises:
        LayoutError: The file is missing.
        RasterError: It is no picture, is damaged, or has more than 8 bits per channel.
    """
    with _open_picture(path) as picture:
        return picture.height, picture.width


def read_picture(path: str | Path) -> np.ndarray:
    """Read a picture as H x W x 3 uint8, red first.

    Palette and grey pictures become RGB, transparency is dropped. An orientation in the Exif data
    is not applied: seen from above there is no upright direction, and sizes stay those of the
    header.

    Args:
        path: The file.

    Raises:
        LayoutError: The file is missing.
        RasterError: It is no picture, is damaged or cut off (Pillow refuses a JPEG that ends
            early, where OpenCV fills it up with grey; the checksums of a PNG are compared), or
            has more than 8 bits per channel.
    """
    with _open_picture(path) as picture:
        check_sums(path, picture)
        return np.array(picture.convert('RGB'))  # a copy: Pillow's own memory is read-only


@contextmanager
def _open_picture(path: str | Path) -> Iterator[Image.Image]:
    """Open a picture of 8 bits; errors while it is open become errors of its file."""
    try:
        with Image.open(path) as picture:
            _check_depth(path, picture)
            yield picture
    except FileNotFoundError as error:
        if os.path.islink(path):
            raise LayoutError(
                f'{path} is a link to {os.readlink(path)}, which is not there. Put that file back, '
                'or delete the link.'
            ) from error
        raise LayoutError(f'{path} is missing. Put it back, or delete the index.') from error
    except Image.DecompressionBombError as error:
        raise RasterError(
            f'{path} is larger than Pillow opens: {error}. Expected a picture of at most '
            f'{2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels. Cut it into parts, or read it as a scene '
            'with RasterScenes.'
        ) from error
    except RasterError:
        raise
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error) as error:
        raise RasterError(
            explain_depth(path, _advise)
            or f'{path} ({os.path.getsize(path)} bytes) cannot be read: {error}. Expected a whole '
            'JPEG, PNG or TIFF picture; copy it again or delete it.'
        ) from error


def _check_depth(path: str | Path, picture: Image.Image) -> None:
    """Refuse more than 8 bits, which Pillow cuts off for colour without a word."""
    if not has_depth(path, picture):
        return
    header = read_header(path)
    bits = max(16, header.bits if header is not None else 0)
    raise RasterError(
        explain_depth(path, _advise)
        or f'{path} has {bits} bits per channel (mode {picture.mode}). Expected a picture of 8 '
        f'bits. {_advise(header)}'
    )


def _advise(header: PictureHeader | None) -> str:
    return (
        'Convert it to 8 bits, or read GeoTIFFs of more bits with RasterScenes (pre-training) or '
        'LabelledRasters (classification).'
    )
