"""Loading: from the bands of an archive to one H x W x C image."""

from mmcv.transforms import BaseTransform

from swimdiff.datasets.index.planes import stack_planes
from swimdiff.registry import TRANSFORMS

__all__ = ['LoadPatch']


@TRANSFORMS.register_module(name=['LoadPatch', 'LoadSeCo'])
class LoadPatch(BaseTransform):
    """Read the bands of a patch at one date or two, from the archive or from a pack of it.

    Required keys: ``source``, ``index``, ``rows``, ``tables`` and ``band_names``, as the data sets
    that are :class:`ScenePatches` give them.
    Added: ``img`` (H x W x C, uint8 where stretched; or a list of them), ``img_shape``.

    Args:
        size: Side of the grid that all bands are resampled to; by default that of the finest band.
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def transform(self, results: dict) -> dict:
        """Read the rows of ``results``."""
        planes = results['source'].read(results['index'], results['rows'], results['band_names'])
        gaps = getattr(results['source'], 'zeros_are_nodata', False)
        images = [stack_planes(date, self.size, results['tables'], gaps) for date in planes]
        results['img'] = images[0] if len(images) == 1 else images
        results['img_shape'] = images[0].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'
