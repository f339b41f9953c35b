"""From a plan to the config of one cell, and what makes two cells the same."""

import copy
import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from mmengine.config import Config, ConfigDict

from swimdiff.errors import ConfigError
from swimdiff.launch.config_reading import read_config_file
from swimdiff.studies.plan import Plan, Variant
from swimdiff.studies.schedule import count_by_iterations

__all__ = ['build_cell_config', 'find_roots', 'hash_cell', 'hash_options']

#: Parts of a config that decide the weights of a run.
_DECISIVE = (
    *('model', 'data_preprocessor', 'train_dataloader', 'optim_wrapper', 'param_scheduler'),
    *('train_cfg', 'custom_hooks', 'randomness', 'load_from', 'strategy'),
)
#: Options that say where something is or how fast it goes, not what comes out.
_OF_MACHINE = (
    *('data_root', 'work_dir', 'out_dir', 'split_dir', 'cache', 'cache_dir', 'keep'),
    *('num_workers', 'workers', 'persistent_workers', 'pin_memory', 'prefetch_factor'),
)


def build_cell_config(plan: Plan, variant: Variant, seed: int, on_gpu: bool = False) -> Config:
    """Merge base, plan and variant into the config that a cell is trained with.

    Args:
        plan (Plan): The plan.
        variant (Variant): One of its variants.
        seed (int): Of the run.
        on_gpu (bool): Whether the options for a GPU apply. Defaults to False.

    Raises:
        ConfigError: An override has no place in the config, or the budget is below one batch.
    """
    cfg = read_config_file(variant.base)
    layers = [('overrides', plan.overrides), (f'variants.{variant.name}', variant.overrides)]
    if on_gpu:
        layers[1:1] = [('on_gpu', plan.on_gpu)]
        layers.append((f'variants.{variant.name}.on_gpu', variant.on_gpu))
    for where, options in layers:
        for key, value in options.items():
            _merge_option(cfg, key, value, f'{plan.path}: {where}')
    loader = cfg.get('train_dataloader') or {}
    batch = loader.get('batch_size') or (loader.get('batch_sampler') or {}).get('batch_size')
    if not batch or plan.images < batch:
        raise ConfigError(
            f'{plan.path}: images={plan.images}, train_dataloader.batch_size={batch} of variant '
            f'{variant.name}: expected a budget of at least one batch.'
        )
    count_by_iterations(cfg, plan.images // batch)
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
    return cfg


def _merge_option(cfg: Config, key: str, value: Any, where: str) -> None:
    """Set one option; the engine would make a new part for a name that is misspelt."""
    parts = key.split('.')
    place: Any = cfg
    for depth, part in enumerate(parts[:-1]):
        if isinstance(place, list) and part.isdigit() and int(part) < len(place):
            place = place[int(part)]
        elif isinstance(place, dict | Config) and isinstance(place.get(part), dict | list | tuple):
            place = place[part]
        else:
            names = (
                list(place) if isinstance(place, Mapping) else list(getattr(place, 'keys', list)())
            )
            near = difflib.get_close_matches(part, names, n=1) or names
            raise ConfigError(
                f'{where}: {key}={value!r} has no place: {cfg.filename} has no '
                f'{".".join(parts[: depth + 1])}; there is {", ".join(map(str, near)) or "none"}. '
                'To add a part, give it whole: PART=dict(...).'
            )
    value = copy.deepcopy(value)
    if isinstance(value, dict):
        if not _holds(place, parts[-1]):
            value.pop('_delete_', None)
        elif isinstance(place, list) and value.pop('_delete_', False):
            place[int(parts[-1])] = ConfigDict()  # the engine deletes in dicts, not in lists
    try:
        cfg.merge_from_dict({key: value})
    except (TypeError, KeyError) as error:
        raise ConfigError(f'{where}: {key}={value!r} cannot be merged: {error}.') from error


def _holds(place: Any, name: str) -> bool:
    if isinstance(place, list):
        return name.isdigit() and int(name) < len(place)
    return place.get(name) is not None


def hash_cell(cfg: Config, on_gpu: Mapping[str, Any]) -> str:
    """Return the hash of what decides the result of a cell, whatever the machine.

    Args:
        cfg (Config): Of a cell, built without the options for a GPU.
        on_gpu (Mapping): Those options: they count, but a cell is the same cell with and without
            a GPU, so that a table can be made on any machine.
    """
    decisive = {name: cfg.get(name) for name in _DECISIVE if cfg.get(name)}
    return hash_options(dict(decisive, on_gpu=dict(on_gpu)) if on_gpu else decisive)


def hash_options(options: Mapping[str, Any]) -> str:
    """Return 12 hex digits of the options that say what, not where or how fast."""
    text = json.dumps(_strip(options), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _strip(value: Any, name: str = '') -> Any:
    if isinstance(value, Mapping):
        return {
            str(key): _strip(inner, str(key))
            for key, inner in value.items()
            if str(key).rpartition('.')[2] not in _OF_MACHINE
        }
    if isinstance(value, list | tuple):
        return [_strip(inner) for inner in value]
    if name in ('checkpoint', 'load_from') and isinstance(value, str):
        return PurePath(value).name
    return value


def find_roots(options: Any) -> Iterator[str]:
    """Yield every ``data_root`` that is named anywhere in a config."""
    if isinstance(options, Mapping):
        for key, value in options.items():
            if key == 'data_root' and isinstance(value, str):
                yield value
            else:
                yield from find_roots(value)
    elif isinstance(options, list | tuple):
        for value in options:
            yield from find_roots(value)
