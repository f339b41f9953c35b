"""Reading EuroSAT's and BigEarthNet's images on the scale that pre-training saw.

Pre-training sees SeCo: reflectance x 255 in uint8, each band stretched between its quantiles to
0..255. BigEarthNet (level 2A, reflectance x 10,000) takes the same two steps; EuroSAT's 13-band
version (level 1C) is stretched between the quantiles of its own level. EuroSAT's RGB files are
8-bit pictures already (top-of-atmosphere reflectance 0..0.275 as 0..255, so brighter than SeCo) and
stay as they are, which is what published EuroSAT numbers are made with.
"""

import os
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, UnidentifiedImageError

from swimdiff.bands import RGB, SENTINEL2, get_stats
from swimdiff.bands.units import convert_pixels
from swimdiff.datasets.classification.eurosat import EUROSAT_BANDS, SIDE
from swimdiff.datasets.geo import read_bands, read_channels
from swimdiff.errors import ConfigError, RasterError
from swimdiff.registry import TRANSFORMS

__all__ = ['LoadBigEarthNet', 'LoadEuroSAT', 'LoadLabelledRaster']


class _Stretch:
    """Reflectance to uint8 between the quantiles of each band, by look-up table.

    Args:
        stats: The statistics that hold the quantiles, in any unit of reflectance.
        unit: Unit of the pixels.
    """

    def __init__(self, stats: str | Mapping[str, Any], unit: str = 'reflectance x 10000') -> None:
        self.stats, self.unit = get_stats(stats), unit
        self._tables: dict[str, np.ndarray] = {}

    def table(self, band: str) -> np.ndarray:
        """65,536 uint8 values.

        Raises:
            BandError: No quantiles known for the band.
        """
        if band not in self._tables:
            low, high = (self.stats.select(table, [band])[0] for table in ('low', 'high'))
            values = convert_pixels(np.arange(65_536), self.unit, self.stats)
            stretched_values = np.clip((values - low) / (high - low), 0, 1) * 255
            self._tables[band] = stretched_values.astype(np.uint8)
        return self._tables[band]


@TRANSFORMS.register_module()
class LoadEuroSAT(BaseTransform):
    """Read an image of EuroSAT, RGB or 13 bands.

    Required keys: ``img_path``, ``band_names``. Added: ``img`` (H x W x C uint8), ``img_shape``,
    ``ori_shape``.

    Args:
        stats: Statistics that hold the stretch of the 13-band version, see
            :func:`swimdiff.bands.get_stats`; those of ``oscd`` are of the same level-1C product
            and have all its bands. Pictures are not stretched.

    Examples:
        >>> pipeline = [dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')]
    """

    carries_statistics = True

    def __init__(self, stats: str | Mapping[str, Any] = 'oscd') -> None:
        self.stretch = _Stretch(stats)

    def transform(self, results: dict) -> dict:
        """Read ``results['img_path']``.

        Raises:
            RasterError: The file is damaged or not as released.
        """
        path, bands = results['img_path'], results['band_names']
        if path.lower().endswith('.tif'):
            channels = [EUROSAT_BANDS.index(band) for band in bands]
            stack = read_channels(
                path, channels, len(EUROSAT_BANDS), shape=(SIDE, SIDE), dtype='uint16'
            )
            planes = [self.stretch.table(band)[stack[i]] for i, band in enumerate(bands)]
            image = np.stack(planes, axis=-1)
        else:
            image = _read_picture(path)[..., [RGB.index(band) for band in bands]]
        results.update(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(stats={self.stretch.stats.name!r})'


def _read_picture(path: str) -> np.ndarray:
    """H x W x 3 uint8, red first. Pillow refuses a JPEG that ends early; OpenCV fills it up."""
    try:
        with Image.open(path) as picture:
            if picture.size != (SIDE, SIDE):
                raise RasterError(
                    f'{path} is {picture.width} x {picture.height} pixels. Expected a JPEG of '
                    f'{SIDE} x {SIDE}, as all images of EuroSAT are. Use the files as released.'
                )
            return np.asarray(picture.convert('RGB'))
    except RasterError:
        raise
    except FileNotFoundError as error:
        raise RasterError(
            f'{path} is missing. Expected a JPEG as released; unpack it again.'
        ) from error
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise RasterError(
            f'{path} ({os.path.getsize(path)} bytes) cannot be read: {error}. Expected a JPEG of '
            '64 x 64 pixels; the file is damaged or only partly written, unpack it again.'
        ) from error


@TRANSFORMS.register_module()
class LoadBigEarthNet(BaseTransform):
    """Read the bands of a patch of BigEarthNet onto one grid.

    Required keys: ``patch_dir``, ``band_names``. Added: ``img`` (H x W x C uint8), ``img_shape``,
    ``ori_shape``.

    Args:
        size: Side of the grid in pixels; 120 is that of the 10 m bands.
        stats: Statistics that hold the stretch, see :func:`swimdiff.bands.get_stats`.

    Examples:
        >>> pipeline = [
        ...     dict(type='LoadBigEarthNet', size=120),
        ...     dict(type='mmpretrain.PackInputs'),
        ... ]
    """

    carries_statistics = True

    def __init__(self, size: int = 120, stats: str | Mapping[str, Any] = 'seco') -> None:
        self.size = size
        self.stretch = _Stretch(stats)

    def _read(self, folder: str, band: str) -> np.ndarray:
        side = 1200 // SENTINEL2[band].resolution_m
        path = os.path.join(folder, f'{os.path.basename(folder)}_{band}.tif')
        values = read_bands([path], shapes=[(side, side)], dtype='uint16')[..., 0]
        # Stretched before resampling, as LoadPatch does: fewer pixels to look up.
        plane = self.stretch.table(band)[values]
        if side == self.size:
            return plane
        return cv2.resize(plane, (self.size, self.size), interpolation=cv2.INTER_LINEAR)

    def transform(self, results: dict) -> dict:
        """Read the bands of ``results['patch_dir']``.

        Raises:
            LayoutError: A band is missing.
            RasterError: A band is damaged, or of another size or type.
        """
        planes = [self._read(results['patch_dir'], band) for band in results['band_names']]
        image = np.stack(planes, axis=-1)
        results.update(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size}, stats={self.stretch.stats.name!r})'


@TRANSFORMS.register_module()
class LoadLabelledRaster(BaseTransform):
    """Read bands of a GeoTIFF and stretch them to 0..255.

    Required keys: ``img_path``, ``file_bands``, ``band_names``. Added: ``img`` (H x W x C uint8),
    ``img_shape``, ``ori_shape``. Tiles of several sizes need a ``mmcv.Resize`` behind it.

    Args:
        stats: Statistics that hold the stretch, see :func:`swimdiff.bands.get_stats`: a name such
            as ``s2_l2a``, or a file of ``tools/dataset_converters/compute_stats.py``.
        dtype: Type of the pixels in the files: ``uint16`` for reflectance x 10,000, or ``uint8``
            for reflectance x 255.

    Raises:
        ConfigError: Another type.

    Examples:
        >>> pipeline = [
        ...     dict(type='LoadLabelledRaster', stats='s2_l2a'),
        ...     dict(type='mmpretrain.PackInputs'),
        ... ]
    """

    carries_statistics = True

    def __init__(self, stats: str | Mapping[str, Any] = 's2_l2a', dtype: str = 'uint16') -> None:
        if dtype not in ('uint8', 'uint16'):
            raise ConfigError(f"LoadLabelledRaster: dtype={dtype!r}: expected 'uint8' or 'uint16'.")
        unit = 'reflectance x 255' if dtype == 'uint8' else 'reflectance x 10000'
        self.stretch, self.dtype = _Stretch(stats, unit), dtype

    def transform(self, results: dict) -> dict:
        """Read the bands of ``results['img_path']``.

        Raises:
            LayoutError: The file is missing.
            RasterError: The file is damaged, or of another type or number of bands.
        """
        bands, file_bands = results['band_names'], results['file_bands']
        channels = [file_bands.index(band) for band in bands]
        stack = read_channels(results['img_path'], channels, len(file_bands), dtype=self.dtype)
        planes = [self.stretch.table(band)[stack[i]] for i, band in enumerate(bands)]
        image = np.stack(planes, axis=-1)
        results.update(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(stats={self.stretch.stats.name!r}, dtype={self.dtype!r})'
