"""What a training does on a GPU: views on the device, patches in memory."""

from typing import Any

import torch
from mmengine.config import Config, ConfigDict

from swimdiff.environment.cores import count_cores
from swimdiff.errors import ConfigError
from swimdiff.registry import MODELS

__all__ = ['move_views']

#: Bytes of patches that the workers of a training keep, all together.
_MEMORY = 4 * 2**30
_WORKERS = 4


def move_views(cfg: Config) -> str:
    """Let the device make the views of a training, and its workers keep the patches they read.

    What is computed stays the same: the transforms that ``TwoViews`` has in the pipeline go to
    ``DeviceViews``, and the workers, four of them, keep up to 4 GiB of patches
    together.

    Args:
        cfg (Config): Of a training; changed in place, or left as it is.

    Returns:
        str: Why it was left as it is; '' where it was changed.
    """
    loader: Any = cfg.get('train_dataloader') or {}
    preprocessor = cfg.get('data_preprocessor') or {}
    pipeline = (loader.get('dataset') or {}).get('pipeline') or []
    types = [_name(step) for step in pipeline]
    if types[:1] != ['LoadPatch'] or types[-2:] != ['TwoViews', 'PackViews']:
        expected = 'LoadPatch, ..., TwoViews, PackViews'
        return f'expected the pipeline {expected}; found {", ".join(types) or "none"}'
    if _name(preprocessor) != 'MultiBandPreprocessor':
        found = preprocessor.get('type') or 'none'
        return f"expected data_preprocessor.type='MultiBandPreprocessor'; found {found}"
    load, *others, views, pack = pipeline
    is_channels_last = bool((cfg.get('model') or {}).get('channels_last', False))
    moved = {**preprocessor, **views, 'channels_last': is_channels_last, 'type': 'DeviceViews'}
    try:
        MODELS.build(dict(moved))
    except ConfigError as error:
        return str(error)
    cfg.data_preprocessor = ConfigDict(moved)
    workers = min(_WORKERS, count_cores())
    kept_load = ConfigDict({**load, 'keep': _MEMORY // workers})
    loader.dataset.pipeline = [kept_load, *others, pack]
    # Workers that end with an epoch lose what they keep.
    loader.update(num_workers=workers, persistent_workers=True)
    loader.pin_memory = torch.cuda.is_available()
    return ''


def _name(component: dict) -> str:
    name = str(component.get('type', '')).rpartition('.')[2]
    return 'LoadPatch' if name == 'LoadSeCo' else name  # an older name
