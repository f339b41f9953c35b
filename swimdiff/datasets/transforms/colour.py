"""Colour changes for any number of bands, each one affine map per pixel.

All changes of one draw are composed into a single matrix, so an image is read and written once and
clipped once: ``out = clip(M x + b)``. torchvision clips after every step instead.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from swimdiff.bands import RGB
from swimdiff.errors import ConfigError
from swimdiff.registry import TRANSFORMS

__all__ = ['MultiBandColorJitter', 'RandomGrey', 'apply_affine', 'grey_weights', 'hue_matrix']

#: ITU-R 601 luma, as torchvision and Pillow use it.
_LUMA = dict(zip(RGB, (0.2989, 0.587, 0.114), strict=True))

#: Pixels worked on at a time; their float copies stay in the cache and are no new memory.
_BLOCK = 2048

#: RGB -> YIQ (NTSC); a turn in the IQ plane changes the hue and keeps the luma.
_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def grey_weights(bands: Sequence[str]) -> np.ndarray:
    """Return weights of the grey image: luma for red, green and blue, else the mean.

    With further bands beside red, green and blue it is the mean as well: their luma would replace
    the infrared by something that holds none of it.

    Args:
        bands: Canonical names in the order of the channels.

    Returns:
        C float64 weights that add up to 1.
    """
    if set(RGB) == set(bands):
        weights = np.array([_LUMA[band] for band in bands])
        return weights / weights.sum()
    return np.full(len(bands), 1 / len(bands))


def hue_matrix(bands: Sequence[str], turn: float) -> np.ndarray:
    """Return the rotation of the hue of red, green and blue (reconstruction).

    The other bands stay.

    Args:
        bands: Canonical names in the order of the channels.
        turn: Part of a full turn, -0.5..0.5.

    Returns:
        C x C float64 matrix.
    """
    matrix = np.eye(len(bands))
    if turn and set(RGB) <= set(bands):
        # The hue circle of HSV (red, green, blue) runs clockwise in the IQ plane.
        cos, sin = np.cos(2 * np.pi * turn), -np.sin(2 * np.pi * turn)
        rotation = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
        at = [list(bands).index(band) for band in RGB]
        matrix[np.ix_(at, at)] = np.linalg.inv(_YIQ) @ rotation @ _YIQ
    return matrix


def apply_affine(image: np.ndarray, matrix: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Apply ``clip(round(M x + b))`` to every pixel.

    Args:
        image: H x W x C uint8.
        matrix: C x C.
        offset: C, in units of the image.

    Returns:
        H x W x C uint8.
    """
    channels = image.shape[2]
    if channels <= 4:
        both = np.column_stack([matrix, offset])
        return cv2.transform(np.ascontiguousarray(image), both).reshape(image.shape)
    # OpenCV's transform is slow from five channels on.
    weights = matrix.T.astype(np.float32)
    added_offset = np.tile(offset.astype(np.float32), (_BLOCK, 1))
    out = np.empty((image.shape[0] * image.shape[1], channels), np.uint8)
    for start, pixels in _blocks(image):
        mapped_pixels = pixels @ weights
        mapped_pixels += added_offset[: len(pixels)]
        cv2.threshold(mapped_pixels, 0, 0, cv2.THRESH_TOZERO, dst=mapped_pixels)
        cv2.convertScaleAbs(mapped_pixels, dst=out[start : start + len(pixels)])
    return out.reshape(image.shape)


def _blocks(image: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Pixels as N x C float32, a cache full at a time, each with the number of its first."""
    flat = image.reshape(-1, image.shape[2])
    for start in range(0, len(flat), _BLOCK):
        yield start, flat[start : start + _BLOCK].astype(np.float32)


def _grey(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of the bands, uint8, one value per pixel."""
    if image.shape[2] <= 4:
        return cv2.transform(np.ascontiguousarray(image), weights[None])
    column = weights.astype(np.float32)[:, None]
    return np.vstack([cv2.convertScaleAbs(part @ column) for _, part in _blocks(image)])


def _mean(image: np.ndarray) -> np.ndarray:
    """Mean of each band over the image."""
    if image.shape[2] <= 4:
        return np.array(cv2.mean(image)[: image.shape[2]])
    ones = np.ones(_BLOCK, np.float32)
    total = sum(ones[: len(pixels)] @ pixels for _, pixels in _blocks(image))
    return np.asarray(total, np.float64) / (image.shape[0] * image.shape[1])


@TRANSFORMS.register_module()
class MultiBandColorJitter(BaseTransform):
    """Change brightness, contrast, saturation and hue, in random order, in one pass.

    Each change alone is torchvision's ``ColorJitter``, but for the hue, which is turned linearly in
    the YIQ colour space instead of in HSV (reconstruction: a linear map composes with the others),
    and which is left alone without red, green and blue. Saturation mixes with the grey of
    :func:`grey_weights`; contrast mixes with the mean of that grey over the image.

    Required keys: ``img`` (H x W x C uint8), ``band_names``. Changed: ``img``.

    Args:
        brightness: Factor drawn from 1 - b .. 1 + b.
        contrast: Likewise.
        saturation: Likewise.
        hue: Turn drawn from -h .. h, at most 0.5 (half a turn).
        prob: Probability of any change.

    Examples:
        >>> view = [dict(type='MultiBandColorJitter', brightness=0.2, hue=0, prob=0.5)]
    """

    def __init__(
        self,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.1,
        prob: float = 0.8,
    ) -> None:
        if min(brightness, contrast, saturation, hue) < 0 or hue > 0.5:
            raise ConfigError(
                'MultiBandColorJitter: strengths are expected to be 0 or more and hue at most '
                f'0.5; found {brightness}, {contrast}, {saturation}, {hue}.'
            )
        self.strength = dict(brightness=brightness, contrast=contrast, saturation=saturation)
        self.hue = hue
        self.prob = prob

    @cache_randomness
    def draw(self) -> list[tuple[str, float]]:
        """Draw changes and their strengths, in order; empty for none."""
        if np.random.rand() >= self.prob:
            return []
        changes = [
            (name, np.random.uniform(max(0.0, 1 - s), 1 + s)) for name, s in self.strength.items()
        ]
        changes.append(('hue', np.random.uniform(-self.hue, self.hue)))
        return [changes[i] for i in np.random.permutation(len(changes))]

    def compose(
        self, changes: list[tuple[str, float]], bands: Sequence[str], mean: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the affine map of all changes.

        Args:
            changes: As :meth:`draw` returns them.
            bands: Canonical names in the order of the channels.
            mean: Mean of each band over the image.

        Returns:
            C x C matrix and C offsets.
        """
        weights, eye = grey_weights(bands), np.eye(len(bands))
        matrix, offset = eye, np.zeros(len(bands))
        for name, value in changes:
            if name == 'contrast':
                grey = weights @ (matrix @ mean + offset)
                matrix, offset = value * matrix, value * offset + (1 - value) * grey
                continue
            if name == 'brightness':
                step = value * eye
            elif name == 'saturation':
                step = value * eye + (1 - value) * weights[None]
            else:
                step = hue_matrix(bands, value)
            matrix, offset = step @ matrix, step @ offset
        return matrix, offset

    def transform(self, results: dict) -> dict:
        """Change the colours of ``results['img']``."""
        changes = self.draw()
        if changes:
            image = results['img']
            maps = self.compose(changes, results['band_names'], _mean(image))
            results['img'] = apply_affine(image, *maps)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.strength}, hue={self.hue}, prob={self.prob})'


@TRANSFORMS.register_module()
class RandomGrey(BaseTransform):
    """Replace every band by the grey of :func:`grey_weights`.

    Required keys: ``img`` (H x W x C uint8), ``band_names``. Changed: ``img``.

    Args:
        prob: Probability.

    Examples:
        >>> view = [dict(type='RandomGrey', prob=0.2)]
    """

    def __init__(self, prob: float = 0.2) -> None:
        self.prob = prob

    @cache_randomness
    def draw(self) -> bool:
        """Draw whether to do it."""
        return bool(np.random.rand() < self.prob)

    def transform(self, results: dict) -> dict:
        """Turn ``results['img']`` grey."""
        if self.draw():
            image, weights = results['img'], grey_weights(results['band_names'])
            grey = _grey(image, weights)
            # One plane seen once per band: nothing is copied.
            results['img'] = np.broadcast_to(grey.reshape(*image.shape[:2], 1), image.shape)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'
