"""A list of scenes with one model: settings that travel to other processes, and its hash."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from swimdiff.errors import CheckpointError, ConfigError
from swimdiff.inference.jobs.fingerprint import describe_input, digest_file
from swimdiff.inference.jobs.running import Outcome, RunOne
from swimdiff.inference.jobs.scene_list import ListedScene
from swimdiff.inference.map_job import MapJob
from swimdiff.inference.products import ProductOptions

__all__ = ['MappingRun']

#: Options of a map that do not change it, or that each scene has of its own.
_FREE = ('inputs', 'out', 'cloud_masks', 'batch_size', 'overwrite', 'seams')


@dataclass(frozen=True)
class MappingRun:
    """Describe how every scene of a list is mapped.

    It goes through pickle; the model is built where it runs.

    Args:
        kind: ``change`` or ``landcover``.
        config: Path or name.
        checkpoint: Path.
        options: Of :class:`MapJob`, beside kind, inputs and out.
        products: What is made of each map.
        device: Of the model. Defaults to None, a GPU where there is one.
        cfg_options: Of the config by dotted key.
        trust: Whether code that the checkpoint holds is run.
        shows_progress: Whether each map shows how far it is.
    """

    kind: str
    config: str
    checkpoint: str
    options: Mapping[str, Any] = field(default_factory=dict)
    products: ProductOptions = field(default_factory=ProductOptions)
    device: str | None = None
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    trust: bool = False
    shows_progress: bool = False

    def __post_init__(self) -> None:
        unknown_options = set(self.options) - {one.name for one in fields(MapJob)}
        if unknown_options:
            raise ConfigError(f'A map has no option {", ".join(sorted(unknown_options))}.')

    def hash_settings(self) -> dict[str, Any]:
        """Return all that decides a map beside its inputs, for the hash of a scene.

        Raises:
            CheckpointError: The checkpoint is missing.
            ConfigError: The config is missing.
        """
        from swimdiff.launch.config_reading import read_config_file

        if not os.path.isfile(self.checkpoint):
            raise CheckpointError(f'{self.checkpoint}: no such checkpoint.')
        text = read_config_file(self.config).pretty_text
        options = {key: value for key, value in self.options.items() if key not in _FREE}
        grid = self.options.get('grid')
        return dict(
            kind=self.kind,
            config=hashlib.sha256(text.encode()).hexdigest(),
            weights=digest_file(self.checkpoint),
            cfg_options=dict(self.cfg_options),
            options=options,
            grid=describe_input(str(grid)) if grid else [],
            products=asdict(self.products),
        )

    def build_job(self, scene: ListedScene, replace_files: bool) -> MapJob:
        """Return the map of a scene.

        Args:
            scene: A line of the list.
            replace_files: Whether files of an earlier run may be replaced.
        """
        options = dict(self.options)
        options['overwrite'] = bool(options.get('overwrite')) or replace_files
        options['cloud_masks'] = scene.cloud_masks
        return MapJob(self.kind, scene.inputs, Path(scene.out), **options)

    def list_files(self, scene: ListedScene) -> list[Path]:
        """Return the files that the map of a scene writes, passing ones included."""
        job = self.build_job(scene, False)
        if self.products.polygons and job.probabilities is None:
            job = replace(job, probabilities='uint8')  # see make_scene
        rasters = [job.out] if job.probability_path is None else [job.out, job.probability_path]
        return [*rasters, *self.products.list_files(job.out).values()]

    def build(self) -> RunOne:
        """Build the model and return what maps one scene."""
        from swimdiff.inference.making import make_scene
        from swimdiff.inference.predictor import build_predictor
        from swimdiff.progress import track

        predictor = build_predictor(
            self.config, self.checkpoint, self.device, self.cfg_options, self.trust
        )

        def run_one(scene: ListedScene, replace_files: bool) -> Outcome:
            job = self.build_job(scene, replace_files)
            made_scene = make_scene(
                job, predictor, self.products, track if self.shows_progress else None
            )
            return Outcome(made_scene.files, made_scene.describe())

        return run_one
