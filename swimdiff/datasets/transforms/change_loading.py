"""Reading the two pictures and the mask of a change sample."""

import numpy as np
from mmcv.transforms import BaseTransform

from swimdiff.datasets.change import cut
from swimdiff.datasets.change.images import read_mask, read_rgb
from swimdiff.registry import TRANSFORMS

__all__ = ['LoadChangePair']


@TRANSFORMS.register_module()
class LoadChangePair(BaseTransform):
    """Read both dates into one image, and the mask.

    The dates lie one after the other in the channels. A transform that moves pixels therefore moves
    both by the same amount; none can move one date alone.

    Required keys: ``img_path`` (two), ``seg_map_path`` (None for none), ``window``, ``pad_label``.
    Optional: ``mask_coding``, what the values of the mask mean; by default 0 and 255. Added:
    ``img`` (H x W x 6 uint8), ``gt_seg_map`` (H x W uint8: 0, 1, 255 unlabelled), ``seg_fields``,
    ``img_shape``, ``ori_shape``.

    Examples:
        >>> pipeline = [dict(type='LoadChangePair'), dict(type='mmseg.PackSegInputs')]
    """

    def transform(self, results: dict) -> dict:
        """Read and cut the window."""
        dates = [read_rgb(path) for path in results['img_path']]
        image = cut(np.concatenate(dates, axis=2), results['window'], fill=0)
        results.update(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        if results['seg_map_path'] is not None:
            mask = read_mask(results['seg_map_path'], results.get('mask_coding'))
            results['gt_seg_map'] = cut(mask, results['window'], results['pad_label'])
            results['seg_fields'] = ['gt_seg_map']
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
