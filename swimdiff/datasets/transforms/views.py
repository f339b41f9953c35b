"""Two views of a sample, and packing them for the model."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from swimdiff.environment.diagnosis import quiet
from swimdiff.errors import ConfigError
from swimdiff.registry import TRANSFORMS

with quiet():  # the engine prints, when first imported, which optional parts are not there
    from mmpretrain.structures import DataSample

__all__ = ['PackViews', 'TwoViews']

Step = dict | Callable[[dict], dict | None]


def _chain(steps: Sequence[Step]) -> list[Callable[[dict], dict | None]]:
    return [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in steps]


@TRANSFORMS.register_module()
class TwoViews(BaseTransform):
    """Make the query view and the key view from one image, independently.

    ``img`` is one image, or two (two dates): then the first becomes the query.

    Required key: ``img``. Changed: ``img`` becomes a list of the views. Added: ``views_made``, so
    that none are made of them again on the device.

    Args:
        transforms: Transforms applied to each view with its own random draws; or two lists, one
            for the query and one for the key.
        plain: Transforms of a third view of the query's image, for
            ``DiffusionBranch(view='plain')``; none by default.

    Examples:
        >>> view = [
        ...     dict(type='mmpretrain.RandomResizedCrop', scale=224),
        ...     dict(type='RandomQuarterTurn'),
        ... ]
        >>> pipeline = [
        ...     dict(type='LoadPatch'),
        ...     dict(type='TwoViews', transforms=view),
        ...     dict(type='PackViews'),
        ... ]
    """

    def __init__(
        self,
        transforms: Sequence[Step] | Sequence[Sequence[Step]],
        plain: Sequence[Step] | None = None,
    ) -> None:
        list_flags = [isinstance(item, list | tuple) for item in transforms]
        if any(list_flags) and not (all(list_flags) and len(list_flags) == 2):
            raise ConfigError(
                'TwoViews takes one list of transforms for both views or exactly two lists, one '
                f'a view; found {len(list_flags)} entries of which {sum(list_flags)} are lists.'
            )
        if any(list_flags):
            self.chains = [_chain(steps) for steps in transforms]  # type: ignore[arg-type]
        else:
            chain = _chain(transforms)  # type: ignore[arg-type]
            self.chains = [chain, chain]
        if plain is not None:
            self.chains.append(_chain(plain))

    def transform(self, results: dict) -> dict:
        """Make both views from ``results['img']``."""
        image = results['img']
        # A copy for the query: a transform that writes in place must not change the key.
        pair = list(image) if isinstance(image, list) else [image.copy(), image]
        if len(self.chains) > 2:
            pair.append(pair[0].copy())
        views = []
        for source, chain in zip(pair, self.chains, strict=True):
            view: dict = dict(results, img=source)
            for step in chain:
                next_view = step(view)
                if next_view is None:
                    raise ConfigError(f'{step} returned nothing; a view cannot be dropped.')
                view = next_view
                if view['img'].ndim == 2:
                    # OpenCV, and with it the engine's transforms, drop the axis of a single band.
                    view['img'] = view['img'][..., None]
            views.append(view['img'])
        results.update(img=views, views_made=True)
        return results

    def __repr__(self) -> str:
        names = ('query', 'key', 'plain')
        chains = ', '.join(f'{n}={c}' for n, c in zip(names, self.chains, strict=False))
        return f'{type(self).__name__}({chains})'


@TRANSFORMS.register_module()
class PackViews(BaseTransform):
    """Pack the views as the model takes them.

    Required keys: ``img`` (a list of H x W x C uint8 images, or one) and those of ``meta_keys``.
    The result is ``dict(inputs=[C x H x W uint8 tensors], data_samples=DataSample)``.

    Args:
        meta_keys: Keys that go into the data sample, where present.

    Examples:
        >>> pipeline = [
        ...     dict(type='LoadPatch'),
        ...     dict(type='TwoViews', transforms=[dict(type='RandomGrey')]),
        ...     dict(type='PackViews'),
        ... ]
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = (
            'scene_id',
            'sample_idx',
            'img_path',
            'band_names',
            'location',
            'date',
            'views_made',
        ),
    ) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Turn images into tensors and the rest into meta information."""
        images = results['img'] if isinstance(results['img'], list) else [results['img']]
        # The one copy of the pipeline's end: flips and turns before it only changed strides.
        inputs = [
            torch.from_numpy(np.array(image.transpose(2, 0, 1), order='C')) for image in images
        ]
        sample = DataSample()
        sample.set_metainfo({key: results[key] for key in self.meta_keys if key in results})
        return dict(inputs=inputs, data_samples=sample)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'
