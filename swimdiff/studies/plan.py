"""A plan: which variants of a config are trained with which seeds, and what is measured then."""

import copy
import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from swimdiff.errors import ConfigError
from swimdiff.launch.config_reading import read_config_file
from swimdiff.launch.paths import find_config

__all__ = ['IMAGE_STATISTICS', 'RANDOM', 'Plan', 'Variant', 'read_plan']

#: Rows of a table without a training; no variant may have these names.
IMAGE_STATISTICS, RANDOM = 'image statistics', 'random'

_OPTIONS = (
    *('name', 'base', 'variants', 'baseline', 'seeds', 'images'),
    *('overrides', 'on_gpu', 'measurements'),
)
#: Keys of a variant that are no overrides.
_OF_VARIANT = ('base', 'on_gpu', 'backbone')
_NAME = re.compile(r'\w[\w.+=-]*')


@dataclass(frozen=True)
class Variant:
    """Describe one way to pre-train.

    Args:
        name: Names the row of the table and the folder.
        base: The pre-training config.
        overrides: Options of the config by dotted key.
        on_gpu: More of them, where there is a GPU.
        backbone: Options of the backbone that is measured, where pre-training wraps it in another
            class (masked autoencoders).
    """

    name: str
    base: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)
    on_gpu: Mapping[str, Any] = field(default_factory=dict)
    backbone: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Describe what a study consists of.

    Args:
        name: Stands in the results.
        path: The file.
        variants: By name, in the order of the table.
        baseline: Name of the variant that the others are compared with, or None.
        seeds: Each trains every variant once.
        images: Budget of a training in images seen (query samples).
        overrides: Options common to all variants.
        on_gpu: More of them, where there is a GPU.
        measurements: Configs of the measurements by name.
    """

    name: str
    path: Path
    variants: Mapping[str, Variant]
    baseline: str | None
    seeds: tuple[int, ...]
    images: int
    overrides: Mapping[str, Any]
    on_gpu: Mapping[str, Any]
    measurements: Mapping[str, Mapping[str, Any]]

    def narrow(self, seeds: Sequence[int] | None, variants: Sequence[str] | None) -> 'Plan':
        """Return the plan with other seeds, or with some of its variants only.

        Args:
            seeds (Sequence[int], optional): Instead of those of the plan; None keeps them.
            variants (Sequence[str], optional): Names; None keeps all.

        Raises:
            ConfigError: The plan has no variant of a name.
        """
        unknown_names = [name for name in variants or () if name not in self.variants]
        if unknown_names:
            raise ConfigError(
                f'{self.path}: no variant {", ".join(unknown_names)}; there are '
                f'{", ".join(self.variants)}.'
            )
        kept_variants = {
            name: self.variants[name] for name in self.variants if name in (variants or [name])
        }
        baseline = self.baseline if self.baseline in kept_variants else None
        return replace(
            self,
            seeds=tuple(dict.fromkeys(seeds)) if seeds else self.seeds,
            variants=kept_variants,
            baseline=baseline,
        )


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Read a plan.

    Args:
        path: A file, or the name of one below the toolkit's ``configs/``.

    Raises:
        ConfigError: There is no such file, or an option is missing or wrong.
    """
    file = find_config(path)
    content = read_config_file(file).to_dict()
    _refuse_misspelt(file, content)
    for option in ('base', 'variants', 'seeds', 'images'):
        if not content.get(option):
            raise ConfigError(f'{file}: a plan needs {option}; found {content.get(option)!r}.')
    variants = {
        name: _read_variant(file, name, dict(entry or {}), content['base'])
        for name, entry in content['variants'].items()
    }
    baseline = content.get('baseline')
    if baseline is not None and baseline not in variants:
        raise ConfigError(
            f'{file}: baseline={baseline!r} is no variant; there are {", ".join(variants)}.'
        )
    return Plan(
        name=content.get('name') or file.stem,
        path=file,
        variants=variants,
        baseline=baseline,
        seeds=_read_seeds(file, content['seeds']),
        images=_read_count(file, content['images']),
        overrides=dict(content.get('overrides') or {}),
        on_gpu=dict(content.get('on_gpu') or {}),
        measurements=_read_measurements(file, content.get('measurements') or []),
    )


def _refuse_misspelt(file: Path, content: Mapping[str, Any]) -> None:
    """Refuse names so near to an option's that they are meant for it; others are helpers."""
    for name in content:
        near = difflib.get_close_matches(name, _OPTIONS, n=1, cutoff=0.8)
        if name not in _OPTIONS and near:
            raise ConfigError(f'{file}: {name} is no option of a plan; {near[0]} is.')


def _read_variant(file: Path, name: str, entry: dict[str, Any], base: str) -> Variant:
    if not _NAME.fullmatch(name) or name in (IMAGE_STATISTICS, RANDOM):
        raise ConfigError(
            f'{file}: variant {name!r}: expected a name of letters, digits and . _ + = - that can '
            f'be a folder, and not {RANDOM!r}, which is a floor.'
        )
    return Variant(
        name=name,
        base=_find_base(file, entry.pop('base', base)),
        on_gpu=entry.pop('on_gpu', None) or {},
        backbone=entry.pop('backbone', None) or {},
        overrides=copy.deepcopy(entry),
    )


def _find_base(plan: Path, name: str) -> Path:
    beside = plan.parent / name
    return beside.absolute() if beside.is_file() else find_config(name)


def _read_seeds(file: Path, seeds: Any) -> tuple[int, ...]:
    if not isinstance(seeds, list | tuple) or not all(type(seed) is int for seed in seeds):
        raise ConfigError(f'{file}: seeds={seeds!r}; expected a list of whole numbers.')
    return tuple(dict.fromkeys(seeds))


def _read_count(file: Path, images: Any) -> int:
    if type(images) is not int or images < 1:
        raise ConfigError(f'{file}: images={images!r}; expected a whole number of 1 or more.')
    return images


def _read_measurements(file: Path, entries: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Configs by name; the name is no part of what is measured."""
    configs: dict[str, dict[str, Any]] = {}
    for entry in entries:
        config = dict(entry) if isinstance(entry, Mapping) else {}
        name = config.pop('name', config.get('type'))
        if not config.get('type') or not _NAME.fullmatch(str(name)) or name in configs:
            raise ConfigError(
                f'{file}: measurements: {entry!r}: expected dict(type=..., name=...), each name '
                'once and fit for a file name.'
            )
        configs[str(name)] = config
    return configs
