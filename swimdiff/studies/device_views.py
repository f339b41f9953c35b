"""What a training does on a GPU: views on the device, patches in memory."""

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config, ConfigDict

from swimdiff.environment.diagnosis import first_line
from swimdiff.registry import MODELS

__all__ = ['makes_views', 'move_views']

#: Bytes of patches that the workers of a training keep, all together.
_MEMORY = 4 * 2**30


def makes_views(preprocessor: Mapping[str, Any]) -> bool:
    """Tell whether a data preprocessor makes the views.

    Args:
        preprocessor (Mapping): Its config.
    """
    return _name(preprocessor) == 'DeviceViews'


def move_views(cfg: Config) -> str:
    """Let the device make the views of a training, and its workers keep patches.

    The transforms that ``TwoViews`` has in the pipeline go to ``DeviceViews``; the views are the
    same but for their draws and for rounding. A config without workers gets one. Workers keep up to
    4 GiB together, each what it has read itself: with one worker all is kept after an epoch.

    Args:
        cfg (Config): Of a training; changed in place, or left as it is.

    Returns:
        str: Why it was left as it is; '' where the device makes the views.
    """
    loader: Any = cfg.get('train_dataloader') or {}
    preprocessor = cfg.get('data_preprocessor') or {}
    if makes_views(preprocessor):
        return ''
    dataset: Any = loader.get('dataset') or {}
    reason = _find_hindrance(dataset, preprocessor)
    if reason:
        return reason
    load, *others, views, pack = dataset['pipeline']
    is_channels_last = bool((cfg.get('model') or {}).get('channels_last', False))
    moved = {**preprocessor, **views, 'channels_last': is_channels_last, 'type': 'DeviceViews'}
    try:
        MODELS.build(dict(moved))
    except Exception as error:  # whatever is wrong, the training says so itself
        return first_line(error)
    cfg.data_preprocessor = ConfigDict(moved)
    workers = loader.get('num_workers') or 1
    dataset.pipeline = [ConfigDict({'keep': _MEMORY // workers, **load}), *others, pack]
    # Workers that end with an epoch lose what they keep.
    loader.update(num_workers=workers, persistent_workers=True)
    loader.setdefault('pin_memory', torch.cuda.is_available())
    return ''


def _find_hindrance(dataset: Mapping[str, Any], preprocessor: Mapping[str, Any]) -> str:
    types = [_name(step) for step in dataset.get('pipeline') or []]
    if types[:1] != ['LoadPatch'] or types[-2:] != ['TwoViews', 'PackViews']:
        expected = 'LoadPatch, ..., TwoViews, PackViews'
        return f'expected the pipeline {expected}; found {", ".join(types) or "none"}'
    if _name(preprocessor) != 'MultiBandPreprocessor':
        return f'expected a MultiBandPreprocessor; found {preprocessor.get("type") or "none"}'
    name = _name(dataset)
    is_stretched = dataset.get('stretch', name != 'RasterScenes' or 'stats' in dataset)
    if not is_stretched and name != 'PictureScenes':
        return f'expected pixels of 8 bits; found {name} without a stretch'
    return ''


def _name(component: Mapping[str, Any]) -> str:
    name = str(component.get('type', '')).rpartition('.')[2]
    return 'LoadPatch' if name == 'LoadSeCo' else name  # an older name
