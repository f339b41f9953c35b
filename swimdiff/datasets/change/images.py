"""Reading PNG, JPEG and 8-bit TIFF pictures and masks; needs no GDAL.

Pillow, because it refuses a truncated file; OpenCV returns what it could decode.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from swimdiff.errors import LayoutError, RasterError

__all__ = ['image_size', 'read_mask', 'read_rgb']

_LOSSY = ('.jpg', '.jpeg')


def _read(path: str | Path, mode: str) -> np.ndarray:
    try:
        with Image.open(path) as image:
            if mode == 'RGB' and image.mode[0] in 'IF':  # Pillow would cut off above 255
                raise RasterError(
                    f'{path} holds pixels of more than 8 bit (mode {image.mode}). Expected a '
                    'picture of 8 bit; convert it with a stretch of your choice.'
                )
            return np.asarray(image.convert(mode))
    except FileNotFoundError as error:
        raise LayoutError(f'{path} is missing. Unpack the archive again.') from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all three on bad bytes
        raise RasterError(
            f'{path} cannot be read as a picture ({error}); it has {Path(path).stat().st_size} '
            'bytes. The file is damaged or only partly written: unpack or download it again.'
        ) from error


def read_rgb(path: str | Path) -> np.ndarray:
    """A picture as H x W x 3 uint8, red first.

    Raises:
        LayoutError: The file is missing.
        RasterError: It cannot be read.
    """
    return _read(path, 'RGB')


def image_size(path: str | Path) -> tuple[int, int]:
    """Height and width of a picture; only its header is read.

    Raises:
        LayoutError: The file is missing.
        RasterError: It is no picture.
    """
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except FileNotFoundError as error:
        raise LayoutError(f'{path} is missing. Unpack the archive again.') from error
    except (OSError, SyntaxError, ValueError) as error:
        raise RasterError(
            f'{path} cannot be read as a picture ({error}); it has {Path(path).stat().st_size} '
            'bytes. The file is damaged or only partly written: unpack or download it again.'
        ) from error


def read_mask(path: str | Path) -> np.ndarray:
    """A change mask that is stored as a picture: 0 and 1, or dark and bright.

    RGB and RGBA pictures count by their luminance, so stray values near black or white (OSCD's
    aguasclaras, JPEG masks) do no harm.

    Returns:
        H x W uint8: 0 no change, 1 change.

    Raises:
        LayoutError: The file is missing.
        RasterError: It cannot be read, or its values are neither of the two codings.
    """
    grey = _read(path, 'L')
    top = int(grey.max(initial=0))
    lossy = Path(path).suffix.lower() in _LOSSY
    if top <= 1 and not lossy:  # in a JPEG, 1 is noise
        return grey.copy()
    if top < 128 and not lossy:
        raise RasterError(
            f'{path} holds the values {np.unique(grey)[:8].tolist()}. Expected a change mask: 0 '
            'and 1, or 0 and 255. Convert it, one value a class.'
        )
    return (grey >= 128).astype(np.uint8)
