"""Reading whole pictures of 8 bits for classification."""

import numpy as np
from mmcv.transforms import BaseTransform

from swimdiff.bands import RGB
from swimdiff.datasets.pictures import read_picture
from swimdiff.registry import TRANSFORMS

__all__ = ['LoadPicture']


@TRANSFORMS.register_module()
class LoadPicture(BaseTransform):
    """Read a picture, its channels in the order of the bands.

    Required keys: ``img_path``, ``band_names`` (of red, green and blue as B04, B03, B02). Added:
    ``img`` (H x W x C uint8), ``img_shape``, ``ori_shape``. Pictures of several sizes need a
    ``mmcv.Resize`` behind it.

    Examples:
        >>> pipeline = [
        ...     dict(type='LoadPicture'),
        ...     dict(type='mmcv.Resize', scale=(64, 64)),
        ...     dict(type='mmpretrain.PackInputs'),
        ... ]
    """

    def transform(self, results: dict) -> dict:
        """Read ``results['img_path']``.

        Raises:
            LayoutError: The file is missing.
            RasterError: The file is damaged or has more than 8 bits per channel.
        """
        channels = [RGB.index(band) for band in results['band_names']]
        image = read_picture(results['img_path'])
        if channels != [0, 1, 2]:
            image = np.ascontiguousarray(image[..., channels])
        results.update(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
