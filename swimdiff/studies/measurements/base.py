"""What a measurement gets, and what it has to give."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from swimdiff.bands import spell_bands
from swimdiff.errors import ConfigError
from swimdiff.evaluation.features import image_statistics
from swimdiff.evaluation.probe import build_extractor
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.weights.checkpoint import read_checkpoint

__all__ = ['Measurement', 'Subject', 'add_resize']


@dataclass(frozen=True)
class Subject:
    """Describe a cell that is measured.

    Args:
        title: Of the cell.
        kind: ``trained``, ``random`` or ``statistics``.
        seed: Of the cell.
        config: What it was trained with; of a floor, what its backbone would be trained with.
        backbone: Config of its backbone, without weights.
        checkpoint: Its weights; None for a floor.
        run_dir: Work dir of its training, with the logs.
        folder: Where the measurement may leave files of its own.
        run_tool: Runs a tool of the toolkit in a process of its own: name, arguments, log file.
    """

    title: str
    kind: str
    seed: int
    config: Config
    backbone: Mapping[str, Any]
    checkpoint: Path | None
    run_dir: Path
    folder: Path
    run_tool: Callable[[str, Sequence[str], Path], None]

    @property
    def preprocessor(self) -> dict[str, Any]:
        """Return the config of the data preprocessor that it was trained with."""
        model = self.config.get('model') or {}
        return dict(self.config.get('data_preprocessor') or model.get('data_preprocessor') or {})

    @property
    def bands(self) -> tuple[str, ...]:
        """Return the bands that its backbone takes.

        Raises:
            ConfigError: Its config does not say.
        """
        bands = self.preprocessor.get('bands')
        if not bands:
            raise ConfigError(
                f'{self.config.filename}: data_preprocessor names no bands, so nothing can be '
                "measured. Give the measurement bands=('B04', 'B03', 'B02') and stats=..., or take "
                "a preprocessor with bands (type='MultiBandPreprocessor')."
            )
        return spell_bands(bands)

    def build_features(
        self,
        bands: Sequence[str] | None = None,
        stats: str | None = None,
        stage: int | None = None,
        pool: str = 'mean',
    ) -> Callable[[Tensor], Tensor]:
        """Build the function from N x C x H x W uint8 images to N x D features.

        Args:
            bands (Sequence[str], optional): Bands of the images. Defaults to None, its own.
            stats (str, optional): Name of the statistics to standardise with. Defaults to None,
                those it was trained with.
            stage (int, optional): Stage that gives the features, counted as ``out_indices`` does.
                Defaults to None, the last one.
            pool (str): ``mean`` or ``mean-std``. Defaults to ``mean``.
        """
        if self.kind == 'statistics':
            return image_statistics
        config = self.preprocessor
        given_statistics = {
            name: config[name] for name in ('stats', 'mean', 'std') if config.get(name)
        }
        statistics = dict(stats=stats) if stats else given_statistics
        preprocessor = MultiBandPreprocessor(bands or self.bands, **statistics)
        weights = read_checkpoint(self.checkpoint) if self.checkpoint else None
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        extract, _ = build_extractor(
            self.backbone, preprocessor, self.seed, weights, 'backbone.', device, stage, pool
        )
        return extract


class Measurement(ABC):
    """Measure numbers about a cell.

    A class of your own is registered in ``swimdiff.registry.MEASUREMENTS`` and named by its
    ``type`` in a plan. Its options must be all that decides the numbers, besides the cell: results
    are kept by their hash.
    """

    #: Kinds of cells that it can measure; a floor for each of ``random`` and ``statistics``.
    kinds: tuple[str, ...] = ('trained',)

    @abstractmethod
    def measure(self, subject: Subject) -> dict[str, float]:
        """Measure a cell.

        Args:
            subject (Subject): The cell.

        Returns:
            dict[str, float]: Numbers by name.
        """


def add_resize(dataset: Mapping[str, Any], size: int | None) -> dict[str, Any]:
    """Return a data set's config whose images are resized before they are packed.

    Args:
        dataset (Mapping): With a pipeline that ends in a transform that packs.
        size (int, optional): Height and width in pixels; None leaves images as they are.

    Raises:
        ConfigError: There is no pipeline.
    """
    pipeline = list(dataset.get('pipeline') or [])
    if not pipeline:
        raise ConfigError(
            f'Measurement: dataset {dataset.get("type")} has no pipeline; expected one that loads '
            "and ends in dict(type='mmpretrain.PackInputs')."
        )
    if size is not None:
        pipeline.insert(-1, dict(type='mmcv.Resize', scale=(size, size)))
    return dict(dataset, pipeline=pipeline)
