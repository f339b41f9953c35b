"""Colour of each date by itself, or of both alike."""

from collections.abc import Callable, Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from swimdiff.errors import ConfigError
from swimdiff.registry import TRANSFORMS

__all__ = ['ChangeByDate']


@TRANSFORMS.register_module()
class ChangeByDate(BaseTransform):
    """Apply transforms to each date of ``img``; only to colours, never to geometry.

    Args:
        transforms: Transforms of an H x W x C image in ``img``.
        shared: Whether both dates get the same random draws. The draws of NumPy's global generator,
            which the engine seeds and its transforms use, are played again.

    Raises:
        ConfigError: When used: a transform changed the mask or the size of a date.

    Examples:
        >>> pipeline = [
        ...     dict(type='LoadChangePair'),
        ...     dict(type='ChangeByDate', transforms=[dict(type='MultiBandColorJitter', hue=0)]),
        ...     dict(type='mmseg.PackSegInputs'),
        ... ]
    """

    def __init__(self, transforms: Sequence[dict | Callable], shared: bool = False) -> None:
        self.transforms = [
            TRANSFORMS.build(step) if isinstance(step, dict) else step for step in transforms
        ]
        self.shared = shared

    def _run(self, date: np.ndarray, results: dict) -> np.ndarray:
        view = {key: value for key, value in results.items() if key not in results['seg_fields']}
        view.update(img=date, seg_fields=[])
        for step in self.transforms:
            view = step(view)
        if view['img'].shape != date.shape:
            raise ConfigError(
                f'ChangeByDate: {self.transforms} made {view["img"].shape} of {date.shape}. Put '
                'transforms that move pixels outside, where they act on both dates and the mask.'
            )
        return view['img']

    def transform(self, results: dict) -> dict:
        """Split ``img`` into its dates, change them, and join them."""
        state = np.random.get_state()
        changed_dates = []
        for date in np.split(results['img'], 2, axis=2):
            if self.shared:
                np.random.set_state(state)
            changed_dates.append(self._run(np.ascontiguousarray(date), results))
        results['img'] = np.concatenate(changed_dates, axis=2)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(transforms={self.transforms}, shared={self.shared})'
