"""Weighted kNN and a linear probe on a labelled set."""

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import BaseDataset

from swimdiff.errors import ConfigError
from swimdiff.evaluation.features import FeatureBank, check_pool, targets_of
from swimdiff.evaluation.probe import ProbeScores, build_parts, draw_division, score_parts
from swimdiff.registry import MEASUREMENTS
from swimdiff.studies.measurements.base import Measurement, Subject, add_resize

__all__ = ['ProbeMeasurement']


@MEASUREMENTS.register_module()
class ProbeMeasurement(Measurement):
    """Score ``knn`` and ``linear`` of the frozen backbone as tools/probe.py does.

    Both are in per cent.

    Scaling and penalty are chosen on the validation part, the test part is scored with the choice.
    Floors: image statistics without a network, and the backbone with random weights.

    .. code:: python

        dict(
            type='ProbeMeasurement',
            name='eurosat',
            dataset=dict(
                type='EuroSAT',
                data_root='data/eurosat',
                pipeline=[dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')],
            ),
            limit=6000,
        )

    Args:
        dataset (dict): A labelled data set without ``split``, whose pipeline ends in
            ``mmpretrain.PackInputs``.
        size (int, optional): Height and width that images are resized to, in pixels. Defaults to
            None, as they are.
        limit (int, optional): Images of all parts together, a stratified subset. Defaults to None,
            all.
        draws (Sequence[int]): Seeds of such subsets; scores are means over them. They are the same
            for all cells, so that cells can be compared. Defaults to ``(0,)``.
        divisions (int): Divisions into train, val and test that scores are means over: that of the
            data set and further ones at random, each class on its own, the same for all cells. One
            alone has the luck of its choices and of a few hundred test images in each score, which
            hides differences between cells. For images independent of each other. Defaults to 1.
        k (int): Neighbours. Defaults to 20.
        temperature (float): Of the votes, above 0. Defaults to 0.07.
        bands (Sequence[str], optional): Bands of the images. Defaults to None, those that the cell
            was trained on.
        stats (str, optional): Name of the statistics to standardise with. Defaults to None, those
            that the cell was trained with.
        stage (int, optional): Stage of the backbone that gives the features, counted as its
            ``out_indices`` does (ResNet: 0 to 3). Defaults to None, the last one.
        pool (str): How its feature map becomes a vector: ``mean`` over the positions, or
            ``mean-std``, mean and deviation. Defaults to ``mean``.
        batch_size (int): Images at once. Defaults to 256.
        workers (int): Loading processes. Defaults to 0, the process of the study.

    Raises:
        ConfigError: An option is out of range.
    """

    kinds = ('trained', 'random', 'statistics')

    def __init__(
        self,
        dataset: dict[str, Any],
        size: int | None = None,
        limit: int | None = None,
        draws: Sequence[int] = (0,),
        divisions: int = 1,
        k: int = 20,
        temperature: float = 0.07,
        bands: Sequence[str] | None = None,
        stats: str | None = None,
        stage: int | None = None,
        pool: str = 'mean',
        batch_size: int = 256,
        workers: int = 0,
    ) -> None:
        if k < 1 or temperature <= 0 or not draws or divisions < 1 or batch_size < 1:
            raise ConfigError(
                f'ProbeMeasurement: k={k}, temperature={temperature}, draws={draws}, '
                f'divisions={divisions}, batch_size={batch_size}: expected 1 neighbour and image '
                'or more, a temperature above 0, at least one draw and one division.'
            )
        self.dataset = add_resize(dataset, size)
        self.limit = limit
        # All images are one set, however often they are drawn.
        self.draws = tuple(draws) if limit is not None else (0,)
        self.divisions = divisions
        self.k, self.temperature = k, temperature
        self.bands, self.stats, self.stage, self.pool = bands, stats, stage, check_pool(pool)
        self.batch_size, self.workers = batch_size, workers
        self._parts: dict[tuple, dict[str, BaseDataset]] = {}

    def measure(self, subject: Subject) -> dict[str, float]:
        """Score the features of a cell, see :class:`Measurement`."""
        bands = tuple(self.bands or subject.bands)
        extract = subject.build_features(bands, self.stats, self.stage, self.pool)
        bank = FeatureBank(extract, subject.title, None, self.batch_size, self.workers, quiet=True)
        division_scores: list[ProbeScores] = []
        for draw in self.draws:
            if (bands, draw) not in self._parts:  # data sets are opened once for all cells
                dataset = {'bands': bands, **self.dataset}
                self._parts[bands, draw] = build_parts(dataset, self.limit, draw)
            division_scores += self._score_divisions(bank, self._parts[bands, draw])
        return dict(
            knn=sum(scores.knn for scores in division_scores) / len(division_scores),
            linear=sum(scores.linear for scores in division_scores) / len(division_scores),
        )

    def _score_divisions(
        self, bank: FeatureBank, parts: dict[str, BaseDataset]
    ) -> list[ProbeScores]:
        data = {name: (bank(part), targets_of(part)) for name, part in parts.items()}
        several = [draw_division(data, seed) for seed in range(1, self.divisions)]
        classes = len(parts['train'].metainfo['classes'])
        return [score_parts(one, classes, self.k, self.temperature) for one in (data, *several)]
