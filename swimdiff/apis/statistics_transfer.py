"""Feeding a backbone with the statistics of its pre-training, in a config that builds on it.

A config says with ``input_statistics`` where its stretch and its standardisation come from:
``checkpoint``, those that the backbone was trained on; ``config``, those that it names itself. One
that says neither keeps its own, and is warned where they differ.
"""

import logging
from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any

from mmengine.config import Config

from swimdiff.bands import ProductStats, get_stats, spell_bands, stats_to_mapping
from swimdiff.bands.units import UNITS
from swimdiff.errors import ConfigError
from swimdiff.registry import DATASETS, TRANSFORMS
from swimdiff.weights.checkpoint import Checkpoint, read_checkpoint
from swimdiff.weights.input_statistics import (
    describe_statistics,
    iterate_datasets,
    read_statistics,
)
from swimdiff.weights.unpickling import trusting

__all__ = ['find_pretrained', 'transfer_statistics']

_OPTION = 'input_statistics'
_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
#: Collections of other projects, whose files say nothing of statistics; read when they are loaded.
_COLLECTIONS = ('torchvision', 'modelzoo', 'open-mmlab', 'openmmlab', 'mmcls')
#: A line for the log, and how serious it is.
Note = tuple[int, str]


def find_pretrained(described: Any, place: str = 'model') -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each initialiser of a model's config that reads a file, with its place.

    The place is dotted.

    Args:
        described (Any): The config.
        place (str): Its own place. Defaults to ``model``.
    """
    if isinstance(described, dict):
        kind = str(described.get('type', '')).rsplit('.', 1)[-1]
        if kind == 'Pretrained' and described.get('checkpoint'):
            yield place, described
        for key, value in described.items():
            yield from find_pretrained(value, f'{place}.{key}')
    elif isinstance(described, list | tuple):
        for number, value in enumerate(described):
            yield from find_pretrained(value, f'{place}.{number}')


def _open_source(cfg: Config) -> Checkpoint | None:
    """The checkpoint that the backbone starts from; None where it has none of ours."""
    for place, init in find_pretrained(cfg.get('model')):
        path = str(init['checkpoint'])
        if path.partition('://')[0] in _COLLECTIONS:
            continue
        is_trusted = trusting() or not init.get('weights_only', True)
        return read_checkpoint(path, not is_trusted, option=f'{place}.checkpoint')
    return None


def _find_preprocessor(cfg: Config) -> dict[str, Any] | None:
    model_preprocessor = (cfg.get('model') or {}).get('data_preprocessor')
    preprocessor = model_preprocessor or cfg.get('data_preprocessor')
    return preprocessor if preprocessor and preprocessor.get('bands') else None


def _find_readers(cfg: Config) -> list[tuple[dict[str, Any], str]]:
    """Data sets and transforms that stretch with any statistics: their configs and defaults."""
    readers = []
    DATASETS.import_from_location()
    TRANSFORMS.import_from_location()
    for loader in _LOADERS:
        for part in iterate_datasets((cfg.get(loader) or {}).get('dataset')):
            name = str(part['type']).rsplit('.', 1)[-1]
            for registry in (DATASETS, TRANSFORMS):
                kind = registry.module_dict.get(name)
                if getattr(kind, 'carries_statistics', False):
                    readers.append((part, _find_default(kind)))
    return readers


def _find_default(kind: Any) -> Any:
    """Return the default of the option ``stats``, of a class that may leave it to its base."""
    defaults = (signature(part).parameters.get('stats') for part in kind.__mro__[:-1])
    return next(option.default for option in defaults if option is not None)


def _compare(
    stats: ProductStats, bands: tuple[str, ...], preprocessor: Mapping, readers: list
) -> list[str]:
    """What of a config is not as in the checkpoint, in words."""
    differences = []
    own = {name: preprocessor[name] for name in ('mean', 'std') if preprocessor.get(name)}
    if own:
        differences.append(f'data_preprocessor has {" and ".join(own)} of its own')
    elif preprocessor.get('stats'):
        table = get_stats(preprocessor['stats'])
        if not _agree(table, stats, bands, ('mean', 'std')):
            differences.append(f'data_preprocessor has mean and std of {table.name!r}')
    for reader, default in readers:
        reader_stats = get_stats(reader.get('stats', default))
        if not _agree(reader_stats, stats, bands, ('low', 'high')):
            differences.append(f'{reader["type"]} stretches with {reader_stats.name!r}')
    return list(dict.fromkeys(differences))


def _agree(
    table: ProductStats, stats: ProductStats, bands: tuple[str, ...], columns: tuple[str, ...]
) -> bool:
    if 'low' in columns and table.unit != stats.unit:
        return False
    if any(band not in table.low for band in bands):
        return False
    pairs = [
        (ours, theirs)
        for name in columns
        for ours, theirs in zip(table.select(name, bands), stats.select(name, bands), strict=True)
    ]
    return all(abs(ours - theirs) <= 1e-3 * max(1.0, abs(theirs)) for ours, theirs in pairs)


def _replace(
    stats: ProductStats, bands: tuple[str, ...], preprocessor: dict, readers: list
) -> list[Note]:
    """Write the statistics into a config; what was done, for the log."""
    content = stats_to_mapping(stats, bands)
    notes = [(logging.INFO, f'they replace those of the config ({_OPTION}=config keeps these)')]
    if preprocessor.get('mean') is None:
        preprocessor['stats'] = content
    if stats.unit in UNITS:
        for reader, _ in readers:
            reader['stats'] = content
    elif readers:
        names = ', '.join(dict.fromkeys(str(reader['type']) for reader, _ in readers))
        text = (
            f'{names} stretches reflectance, and the statistics of pre-training are of '
            f'{stats.unit!r}: the stretch stays that of the config, mean and std are taken'
        )
        notes.append((logging.WARNING, text))
    return notes


def transfer_statistics(cfg: Config, source: Checkpoint | None = None) -> list[Note]:
    """Fill in, or compare, the statistics that a backbone was trained on.

    Args:
        cfg (Config): Of a run, changed in place where it says ``input_statistics='checkpoint'``.
        source (Checkpoint, optional): Where they come from. Defaults to None, the file that an
            ``init_cfg`` of the model names; without one nothing is done.

    Returns:
        list[Note]: Lines for the log, each with its level.

    Raises:
        CheckpointError: The file that the model names is missing or cannot be read.
        ConfigError: ``input_statistics`` is neither of the two.
    """
    choice = cfg.get(_OPTION)
    if choice not in (None, 'checkpoint', 'config'):
        raise ConfigError(
            f"{_OPTION}={choice!r}: expected 'checkpoint' (those that the backbone was trained on) "
            "or 'config' (those that the config names)."
        )
    preprocessor = _find_preprocessor(cfg)
    if preprocessor is None:
        return []
    source = source or _open_source(cfg)
    if source is None:
        return []
    stats, bands = read_statistics(source), spell_bands(preprocessor['bands'])
    if stats is None:
        text = f'{source.path} does not say its statistics; those of the config are used'
        return [(logging.WARNING, text)] if choice == 'checkpoint' else []
    absent = [band for band in bands if band not in stats.low]
    if absent:
        text = (
            f'{source.path} has no statistics of {", ".join(absent)}; those of the config are '
            'used for all bands'
        )
        return [(logging.WARNING, text)]
    readers = _find_readers(cfg)
    notes = [(logging.INFO, f'Statistics of {source.path}: {describe_statistics(stats, bands)}')]
    differences = _compare(stats, bands, preprocessor, readers)
    if choice == 'checkpoint':
        replace_notes = _replace(stats, bands, preprocessor, readers)
        notes += replace_notes if differences else replace_notes[1:]
        differences = _compare(stats, bands, preprocessor, [])
    if differences:
        text = (
            f'The images are not those that {source.path} was trained on: {"; ".join(differences)}.'
            f" Where that is not meant, say {_OPTION}='checkpoint' in the config"
        )
        notes.append((logging.WARNING, text))
    return notes
