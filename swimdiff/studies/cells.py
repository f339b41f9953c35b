"""The cells of a plan in the order they are run, floors included."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from swimdiff.errors import ConfigError
from swimdiff.registry import MEASUREMENTS
from swimdiff.studies.cell_config import build_cell_config, hash_cell, hash_options
from swimdiff.studies.measurements import Measurement
from swimdiff.studies.plan import IMAGE_STATISTICS, RANDOM, Plan, Variant

__all__ = ['Cell', 'build_measurements', 'list_cells']


@dataclass(frozen=True)
class Cell:
    """Hold one row and seed of a study.

    Args:
        label: Name of the row: of a variant, or of a floor.
        kind: ``trained``, ``random`` or ``statistics``; the latter two are floors.
        seed: Of the training, or of the random weights.
        variant: Whose config counts; of a floor, whose backbone and bands.
        config_hash: Of what decides the result.
        measurements: Hash of each measurement to take, by name.
    """

    label: str
    kind: str
    seed: int
    variant: Variant
    config_hash: str
    measurements: Mapping[str, str]

    def __str__(self) -> str:
        return f'{self.label} seed {self.seed}'

    @property
    def folder(self) -> Path:
        """Return the folder of the cell below the work dir of the study."""
        return Path(self.label.replace(' ', '-'), f'seed_{self.seed}')


def build_measurements(plan: Plan) -> dict[str, Measurement]:
    """Build what the plan measures, by name.

    Raises:
        ConfigError: A measurement is unknown or has a wrong option.
    """
    measurements = {}
    for name, config in plan.measurements.items():
        try:
            measurements[name] = MEASUREMENTS.build(dict(config))
        except (KeyError, TypeError) as error:
            raise ConfigError(f'{plan.path}: measurement {name}: {error}') from error
    return measurements


def list_cells(plan: Plan, measurements: Mapping[str, Measurement]) -> list[Cell]:
    """List the cells by seed, so that a study that is stopped has complete pairs.

    Args:
        plan (Plan): The plan.
        measurements (Mapping): See :func:`build_measurements`.

    Raises:
        ConfigError: The config of a variant cannot be made.
    """
    hashes = {name: hash_options(config) for name, config in plan.measurements.items()}

    def select(kind: str) -> dict[str, str]:
        return {name: hashes[name] for name, part in measurements.items() if kind in part.kinds}

    cells = []
    for number, seed in enumerate(plan.seeds):
        configs = {
            name: build_cell_config(plan, variant, seed) for name, variant in plan.variants.items()
        }
        if select('statistics') and not number:  # nothing in them is random
            cells.append(_list_statistics(plan, configs, seed, select('statistics')))
        if select('random'):
            cells += _list_random(plan, configs, seed, select('random'))
        for name, variant in plan.variants.items():
            identity = hash_cell(configs[name], {**plan.on_gpu, **variant.on_gpu})
            cells.append(Cell(name, 'trained', seed, variant, identity, select('trained')))
    return cells


def read_bands(cfg: Config) -> Any:
    """Return the bands that a config pre-trains on, None where it does not say."""
    model = cfg.get('model') or {}
    preprocessor = cfg.get('data_preprocessor') or model.get('data_preprocessor') or {}
    return preprocessor.get('bands')


def read_backbone(cfg: Config, variant: Variant) -> dict[str, Any]:
    """Return the config of the measured backbone, without initial weights.

    Args:
        cfg: Config of the run.
        variant: The variant; its own ``backbone`` wins.
    """
    backbone = {**(cfg.model.get('backbone') or {}), **variant.backbone}
    backbone.pop('init_cfg', None)
    return backbone


def _list_statistics(
    plan: Plan, configs: Mapping[str, Config], seed: int, chosen: dict[str, str]
) -> Cell:
    name = plan.baseline or next(iter(plan.variants))
    identity = hash_options(dict(kind='statistics', bands=read_bands(configs[name])))
    return Cell(IMAGE_STATISTICS, 'statistics', seed, plan.variants[name], identity, chosen)


def _list_random(
    plan: Plan, configs: Mapping[str, Config], seed: int, chosen: dict[str, str]
) -> list[Cell]:
    """One floor per backbone; those after the first are named after the variant that has it."""
    cells: dict[str, Cell] = {}
    first = plan.baseline or next(iter(plan.variants))
    for name in sorted(plan.variants, key=lambda name: name != first):
        backbone = read_backbone(configs[name], plan.variants[name])
        key = json.dumps(backbone, sort_keys=True, default=str)
        if key not in cells:
            label = RANDOM if not cells else f'{RANDOM} {name}'
            preprocessor = configs[name].get('data_preprocessor')
            identity = hash_options(
                dict(kind='random', backbone=backbone, preprocessor=preprocessor, seed=seed)
            )
            cells[key] = Cell(label, 'random', seed, plan.variants[name], identity, chosen)
    return list(cells.values())
