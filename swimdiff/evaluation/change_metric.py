"""Scores of the change class, from counts of pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dist import get_rank
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from swimdiff.errors import ConfigError, DataError
from swimdiff.evaluation.change_threshold import (
    average_precision,
    choose_threshold,
    count_probabilities,
)
from swimdiff.registry import METRICS

__all__ = ['ChangeMetric', 'change_counts', 'change_scores']

_PRESETS = ('strict', 'seco')

#: The list `test.txt` of OSCD, on which SeCo's code computes its scores (it calls it validation).
SECO_CITIES = (
    'brasilia',
    'montpellier',
    'norcia',
    'rio',
    'saclay_w',
    'valencia',
    'dubai',
    'lasvegas',
    'milano',
    'chongqing',
)


def change_counts(prediction: np.ndarray, mask: np.ndarray, ignore_index: int = 255) -> np.ndarray:
    """Return the pixels of each kind.

    Args:
        prediction: Any shape; 1 where change is predicted.
        mask: Same shape; 0 no change, 1 change, ``ignore_index`` not counted.
        ignore_index: Value of the pixels that are not counted.

    Returns:
        int64: true positives, false positives, false negatives, true negatives.
    """
    is_known = mask != ignore_index
    predicted_change, change = prediction[is_known] == 1, mask[is_known] == 1
    pairs = np.bincount(2 * change.astype(np.int64) + predicted_change, minlength=4)
    negative, false_positive, misses, hits = pairs
    return np.array([hits, false_positive, misses, negative], np.int64)


def _ratio(above: float, below: float) -> float:
    return above / below if below else 0.0


def change_scores(counts: np.ndarray) -> dict[str, float]:
    """Return precision, recall, F1, IoU and kappa of the change class, in percent.

    Kappa is Cohen's.

    A score without pixels to speak of (no change and none predicted) is 0, as in the common tables.

    Args:
        counts: True positives, false positives, false negatives, true negatives.
    """
    hits, wrong, misses, negative = (float(count) for count in counts)
    total = hits + wrong + misses + negative
    agreement = _ratio(hits + negative, total)
    by_chance = _ratio(
        (hits + wrong) * (hits + misses) + (misses + negative) * (wrong + negative), total**2
    )
    scores = dict(
        precision=_ratio(hits, hits + wrong),
        recall=_ratio(hits, hits + misses),
        F1=_ratio(2 * hits, 2 * hits + wrong + misses),
        IoU=_ratio(hits, hits + wrong + misses),
        kappa=_ratio(agreement - by_chance, 1 - by_chance),
    )
    return {name: 100 * value for name, value in scores.items()}


@METRICS.register_module()
class ChangeMetric(BaseMetric):
    """Score precision, recall, F1, IoU and kappa of the change class, in percent.

    Names of the scores are ``change/{preset}/{split}/{score}``; beside them is the number of
    samples they were computed from, and a log line says all of it in words. Every sample of the
    split is counted once, under any number of processes.

    These scores are of the model's own decision, at 0.5. With a ``threshold``, precision, recall
    and F1 at it are given too (``F1_chosen``); ``tools/test.py`` takes it from the checkpoint,
    where ``ChangeThresholdHook`` has put it. On validation that hook sets :attr:`chooses`, and the
    best F1 of 256 thresholds is reported (``best_F1``, ``best_threshold``). ``ranks=True`` adds the
    average precision (``AP``): how well changed pixels are ranked above others at any threshold.

    Args:
        preset (str): ``strict``: one count of pixels over the whole split. ``seco``: the mean of
            the values of single batches, for comparison with tables made with SeCo's code; it
            depends on the batch size (32 there), and it means what those tables mean only on OSCD's
            official test cities with ``pad_label=0`` in the data set. (SeCo's loader also shuffles
            and drops the last batch; here nothing is dropped.)
        split (str, optional): Name of the split. Defaults to None, the name the data set gives.
        threshold (float, optional): Probability above which a pixel is change, for the scores
            ``..._chosen``. Defaults to None, none of them.
        ranks (bool): Whether the average precision is reported. Defaults to False.
        ignore_index (int): Mask value of pixels that are not counted. Defaults to 255.
        collect_device (str): Defaults to ``cpu``.
        prefix (str): Put before the names. Defaults to ``change``.

    Raises:
        ConfigError: If the preset is unknown, the threshold is not from 0 to 1, or the pipeline
            keeps back ``sample_idx``.
        DataError: If the split is empty, a sample has no mask, or the number of samples counted is
            not that of the split.

    Examples:
        >>> test_evaluator = [
        ...     dict(type='ChangeMetric', preset='strict'),
        ...     dict(type='ChangeMetric', preset='seco'),
        ... ]
    """

    def __init__(
        self,
        preset: str = 'strict',
        split: str | None = None,
        threshold: float | None = None,
        ranks: bool = False,
        ignore_index: int = 255,
        collect_device: str = 'cpu',
        prefix: str = 'change',
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if preset not in _PRESETS:
            raise ConfigError(f'ChangeMetric: preset={preset!r}; expected one of {_PRESETS}.')
        if threshold is not None and not 0 <= threshold < 1:
            raise ConfigError(f'ChangeMetric: threshold={threshold}; expected 0 to below 1.')
        self.preset = preset
        self.threshold = threshold
        #: Whether the best threshold is looked for; not on a test, which it would be tuned to.
        self.chooses = False
        self.ranks = ranks
        self.split = split
        self.ignore_index = ignore_index
        self._batch = 0
        self._expected: int | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of a batch.

        Args:
            data_batch: Unused.
            data_samples: Predictions with masks, as dictionaries.
        """
        self._batch += 1
        for sample in data_samples:
            if 'gt_sem_seg' not in sample:
                raise DataError(
                    f'{sample.get("img_path")}: a sample of the split {self._split_name()!r} has '
                    'no mask, so it cannot be scored. Choose labelled data, or set '
                    'test_evaluator=[] to predict without scores.'
                )
            if 'sample_idx' not in sample:
                raise ConfigError("ChangeMetric: put 'sample_idx' into meta_keys of PackSegInputs.")
            mask = sample['gt_sem_seg']['data'].cpu().numpy().squeeze()
            prediction = sample['pred_sem_seg']['data'].cpu().numpy().squeeze()
            if mask.shape != prediction.shape:
                raise ConfigError(
                    f'ChangeMetric: a prediction of {prediction.shape} for a mask of {mask.shape} '
                    f'({sample.get("img_path")}); the test pipeline must not resize.'
                )
            counts = change_counts(prediction, mask, self.ignore_index)
            more = self._count_more(sample, mask)
            self.results.append((sample['sample_idx'], (get_rank(), self._batch), counts, more))

    def _count_more(self, sample: dict, mask: np.ndarray) -> dict[str, np.ndarray]:
        """Count by probability, and at the chosen threshold, where that is asked for."""
        if not (self.chooses or self.ranks) and self.threshold is None:
            return {}
        logits = sample['seg_logits']['data'].float()
        # One channel has gone through the sigmoid already; two are logits of both classes.
        change = logits[0] if len(logits) == 1 else logits.softmax(dim=0)[1]
        probability = change.cpu().numpy()
        more = {}
        if self.chooses or self.ranks:
            more['histogram'] = count_probabilities(probability, mask, self.ignore_index)
        if self.threshold is not None:
            prediction = probability > self.threshold
            more['chosen'] = change_counts(prediction, mask, self.ignore_index)
        return more

    def evaluate(self, size: int) -> dict:
        """Collect from all processes; ``size`` is the number of samples of the split."""
        self._expected, self._batch = size, 0
        return super().evaluate(size)

    def _split_name(self) -> str:
        return self.split or (self.dataset_meta or {}).get('split', 'unnamed')

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return the scores of the counts of all processes."""
        split = self._split_name()
        # A sampler fills up the last round with samples that were counted already.
        unique = {index: rest for index, *rest in reversed(results)}
        if not unique or (self._expected is not None and len(unique) != self._expected):
            raise DataError(
                f'ChangeMetric: {len(unique)} samples of the split {split!r} were counted; '
                f'expected {self._expected or "at least 1"}. Every sample must be '
                'scored: use a loader without drop_last and a sampler that visits all.'
            )
        scores = self._score([(group, counts) for group, counts, *_ in unique.values()])
        self._say(split, len(unique), scores)
        if self.chooses or self.ranks or self.threshold is not None:
            scores |= self._score_thresholds([more for *_, more in unique.values()])
        named_scores = {f'{self.preset}/{split}/{name}': value for name, value in scores.items()}
        # A float: the engine's JSON log drops whole numbers.
        return {**named_scores, f'{self.preset}/{split}/samples': float(len(unique))}

    def _score(self, counted: list[tuple[tuple[int, int], np.ndarray]]) -> dict[str, float]:
        if self.preset == 'strict':
            return change_scores(np.sum([counts for _, counts in counted], axis=0))
        batches: dict[tuple[int, int], np.ndarray] = {}
        for group, counts in counted:
            batches[group] = batches.get(group, 0) + counts
        each = [change_scores(counts) for counts in batches.values()]
        return {name: float(np.mean([scores[name] for scores in each])) for name in each[0]}

    def _score_thresholds(self, counted: list[dict[str, np.ndarray]]) -> dict[str, float]:
        """Return scores at the chosen threshold, the best threshold and the average precision."""
        best_scores: dict[str, float] = {}
        if self.threshold is not None:
            scores = change_scores(np.sum([more['chosen'] for more in counted], axis=0))
            best_scores = {f'{name}_chosen': scores[name] for name in ('precision', 'recall', 'F1')}
            best_scores['threshold'] = self.threshold
            line = f'At the threshold {self.threshold:g}, chosen on validation: F1 '
            print_log(f'{line}{scores["F1"]:.2f}', logger='current')
        if not (self.chooses or self.ranks):
            return best_scores
        counts = np.stack([more['histogram'] for more in counted]).sum(axis=0, dtype=np.int64)
        best = choose_threshold(counts) if self.chooses else None
        if best is not None:
            best_scores['best_threshold'], best_scores['best_F1'] = best
        if self.ranks:
            best_scores['AP'] = average_precision(counts)
        return best_scores

    def _say(self, split: str, samples: int, scores: dict[str, float]) -> None:
        values = '  '.join(f'{name} {value:.2f}' for name, value in scores.items())
        how = 'one count over the split' if self.preset == 'strict' else 'mean over the batches'
        line = f'Change, preset {self.preset} ({how}), split {split}, {samples} samples: {values}'
        line += ''.join(f'\n  ({why}: compare with none of them)' for why in self._not_seco())
        print_log(line, logger='current')

    def _not_seco(self) -> list[str]:
        """What keeps a score of the preset ``seco`` from the tables made with SeCo's code."""
        meta = self.dataset_meta or {}
        if self.preset != 'seco':
            return []
        reasons = []
        if 'image_ids' in meta and set(meta['image_ids']) != set(SECO_CITIES):
            reasons.append('not the 10 cities of the tables made with SeCo')
        if meta.get('pad_label', 0) != 0:
            reasons.append(
                f'pad_label={meta["pad_label"]} in the data set; the tables made with SeCo count '
                'what fills up a tile as no change, pad_label=0'
            )
        return reasons
