"""Loading: from the bands of an archive to one H x W x C image."""

from mmcv.transforms import BaseTransform

from swimdiff.registry import TRANSFORMS

__all__ = ['LoadPatch']


@TRANSFORMS.register_module(name=['LoadPatch', 'LoadSeCo'])
class LoadPatch(BaseTransform):
    """Read the bands of a patch at one date or two, from its archive or pack.

    Required keys: ``patch`` and ``band_names``, as the data sets that are :class:`ScenePatches`
    give them. Added: ``img`` (H x W x C, uint8 where stretched; or a list of them) and
    ``img_shape``. Removed: ``patch``, so that what goes on holds arrays and names alone.

    Args:
        size: Side of the grid that all bands are resampled to; by default that of the finest band.

    Examples:
        >>> pipeline = [dict(type='LoadPatch'), dict(type='PackViews')]
    """

    def __init__(self, size: int | None = None) -> None:
        self.size = size

    def transform(self, results: dict) -> dict:
        """Read the patch of ``results``, all its dates together."""
        images = results.pop('patch').read_images(results['band_names'], self.size)
        results['img'] = images[0] if len(images) == 1 else images
        results['img_shape'] = images[0].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size})'
