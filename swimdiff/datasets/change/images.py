"""Reading PNG, JPEG and 8-bit TIFF pictures and masks; needs no GDAL.

Pillow, because it refuses a truncated file; OpenCV returns what it could decode. The checksums of
a PNG are compared beside it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from swimdiff.datasets.change.mask_coding import MaskCoding, MaskLook
from swimdiff.datasets.pictures import PictureHeader, check_sums, explain_depth, has_depth
from swimdiff.errors import LayoutError, RasterError

__all__ = ['image_size', 'look_at_mask', 'read_mask', 'read_rgb']

_LOSSY = ('.jpg', '.jpeg')


def _advise_stretch(header: PictureHeader) -> str:
    bands = '-b 3 -b 2 -b 1 ' if header.channels >= 3 else ''
    numbers = 'the numbers of the red, green and blue band and ' if bands else ''
    return (
        'Convert it with a stretch of your choice, for example gdal_translate -ot Byte '
        f'{bands}-scale LOW HIGH 0 255 IN OUT, with {numbers}the same LOW and HIGH for both dates.'
    )


def _advise_mask(header: PictureHeader) -> str:
    return (
        'A mask needs one band of 8 bits: gdal_translate -ot Byte -b 1 IN OUT keeps values up to '
        '255 as they are.'
    )


@contextmanager
def _open(path: str | Path, advise: Callable[[PictureHeader], str]) -> Iterator[Image.Image]:
    """Open a picture of 8 bits; errors while it is open become errors of its file."""
    try:
        with Image.open(path) as image:
            if has_depth(path, image):  # Pillow would cut off above 255
                raise RasterError(explain_depth(path, advise) or f'{path} has more than 8 bits.')
            yield image
    except FileNotFoundError as error:
        raise LayoutError(f'{path} is missing. Unpack the archive again.') from error
    except RasterError:
        raise
    # Pillow raises all three on bad bytes.
    except (OSError, SyntaxError, ValueError) as error:
        raise RasterError(
            explain_depth(path, advise)
            or f'{path} cannot be read as a picture ({error}); it has {Path(path).stat().st_size} '
            'bytes. The file is damaged or only partly written: unpack or download it again.'
        ) from error


def read_rgb(path: str | Path) -> np.ndarray:
    """Read a picture as H x W x 3 uint8, red first.

    Raises:
        LayoutError: The file is missing.
        RasterError: It cannot be read, or has more than 8 bits per channel.
    """
    with _open(path, _advise_stretch) as image:
        check_sums(path, image)
        return np.asarray(image.convert('RGB'))


def image_size(path: str | Path) -> tuple[int, int]:
    """Return height and width of a picture; only its header is read.

    Raises:
        LayoutError: The file is missing.
        RasterError: It is no picture, or has more than 8 bits per channel.
    """
    with _open(path, _advise_stretch) as image:
        return image.height, image.width


def _read_grey(path: str | Path) -> tuple[np.ndarray, bool]:
    """Read the grey values of a mask, and whether each is a bit (0 and 1) already."""
    with _open(path, _advise_mask) as image:
        check_sums(path, image)
        if image.mode == '1':
            return np.asarray(image).astype(np.uint8), True
        if image.mode == 'P':
            return _read_palette(path, image), False
        return np.array(image.convert('L')), False


def _read_palette(path: str | Path, image: Image.Image) -> np.ndarray:
    """Read a mask with a palette: what it shows where that is black and white, else its numbers.

    Label files in the manner of Pascal VOC hold class numbers, and the palette only paints them:
    0 is black there, 1 any other colour.
    """
    numbers = np.asarray(image)
    palette = np.array(image.getpalette('RGB') or [], np.int64).reshape(-1, 3)
    used_numbers = np.unique(numbers)
    used_numbers = used_numbers[used_numbers < len(palette)]
    colours = palette[used_numbers]
    if np.all((colours <= 16) | (colours >= 240)) and np.all(np.ptp(colours, axis=1) <= 16):
        return np.array(image.convert('L'))
    paints_numbers = set(used_numbers.tolist()) <= {0, 1, 255} and (
        0 not in used_numbers
        or palette[0].sum() < colours[used_numbers != 0].sum(axis=1).min(initial=766)
    )
    if paints_numbers:
        return numbers.copy()
    if np.all(np.ptp(colours, axis=1) <= 16):
        return np.array(image.convert('L'))
    raise RasterError(
        f'{path} is a palette picture; its numbers {used_numbers[:8].tolist()} are painted '
        f'{[tuple(colour) for colour in colours[:8].tolist()]}. Expected black and white, or the '
        'numbers 0 (painted darkest) and 1, with 255 for unlabelled. Write the mask without a '
        'palette: one grey value per class.'
    )


def look_at_mask(path: str | Path) -> MaskLook:
    """Read a mask and return which grey values it holds.

    The coding of its data set is chosen by them.

    Raises:
        LayoutError: The file is missing.
        RasterError: It cannot be read, or has more than 8 bits.
    """
    grey, bits = _read_grey(path)
    return MaskLook.of(str(path), grey, _is_lossy(path), bits)


def _is_lossy(path: str | Path) -> bool:
    return os.path.splitext(path)[1].lower() in _LOSSY


def read_mask(path: str | Path, coding: MaskCoding | None = None) -> np.ndarray:
    """Read a change mask that is stored as a picture.

    RGB and RGBA pictures count by their luminance, so stray values near black or white (OSCD's
    aguasclaras, JPEG masks) do no harm. A picture of one bit says itself which pixels changed.

    Args:
        path: The file.
        coding: Which grey value means what; by default 0 no change and 255 change.

    Returns:
        H x W uint8: 0 no change, 1 change, 255 unlabelled.

    Raises:
        LayoutError: The file is missing.
        RasterError: It cannot be read, or its values are not those of the coding.
    """
    grey, bits = _read_grey(path)
    if bits:
        return grey
    coding = coding or MaskCoding()
    coding.check(MaskLook.of(str(path), grey, _is_lossy(path)))
    return coding.table()[grey]
