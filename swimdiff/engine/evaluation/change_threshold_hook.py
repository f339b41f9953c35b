"""Choosing the threshold of a change model on validation, and keeping it in its checkpoints."""

from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from swimdiff.errors import CheckpointError
from swimdiff.evaluation.change_metric import ChangeMetric
from swimdiff.evaluation.change_threshold import THRESHOLD_KEY
from swimdiff.files import open_whole
from swimdiff.registry import HOOKS
from swimdiff.weights.unpickling import load_torch

__all__ = ['ChangeThresholdHook']

#: Where a checkpoint says what its threshold was chosen on.
ABOUT_KEY = 'change_threshold_about'


@HOOKS.register_module()
class ChangeThresholdHook(Hook):
    """Keep the threshold with the best F1 on validation in the checkpoint.

    It lies in ``meta['change_threshold']``.

    ``ChangeMetric`` counts probabilities while it validates, over all processes; the best of 256
    thresholds is kept. Beside it, ``meta['change_threshold_about']`` says the split, the F1 and the
    iteration. A checkpoint that was saved just before its validation gets the threshold of its own
    weights afterwards; one between two validations carries that of the last.

    ``tools/test.py`` and ``tools/predict.py`` read it.

    Examples:
        >>> custom_hooks = [dict(type='ChangeThresholdHook')]
    """

    #: Before the checkpoint hook, which saves the best one after a validation.
    priority = 'NORMAL'

    def __init__(self) -> None:
        self.threshold: float | None = None
        self.about: dict[str, Any] = {}
        self._saved_at: int | None = None

    def before_val(self, runner: Runner) -> None:
        """Let the metrics count probabilities."""
        metrics = [
            metric
            for metric in runner.val_loop.evaluator.metrics
            if isinstance(metric, ChangeMetric) and metric.preset == 'strict'
        ]
        for metric in metrics[:1]:
            metric.chooses = True
        if not metrics:
            runner.logger.warning(
                "ChangeThresholdHook: val_evaluator has no ChangeMetric with preset='strict', so "
                'no threshold is chosen.'
            )

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Take over the best threshold; the scores are the same on all processes."""
        name_by_score = {name.rsplit('/', 1)[-1]: name for name in metrics or {}}
        if metrics is None or 'best_threshold' not in name_by_score:
            return
        name = name_by_score['best_threshold']
        self.threshold = float(metrics[name])
        self.about = dict(
            split=name.split('/')[-2],
            F1=float(metrics[name_by_score['best_F1']]),
            iter=int(runner.iter),
        )
        runner.logger.info(
            f'Threshold of change {self.threshold:g}: F1 {self.about["F1"]:.2f} on the split '
            f'{self.about["split"]!r}, on which it was chosen'
        )
        if self._saved_at == runner.iter and is_main_process():
            self._amend(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the threshold into the checkpoint."""
        meta = checkpoint.setdefault('meta', {})
        self._saved_at = meta.get('iter')
        if self.threshold is not None:
            meta.update({THRESHOLD_KEY: self.threshold, ABOUT_KEY: dict(self.about)})

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Go on with the threshold of the checkpoint."""
        meta = checkpoint.get('meta') or {}
        self.threshold = meta.get(THRESHOLD_KEY, self.threshold)
        self.about = dict(meta.get(ABOUT_KEY) or self.about)

    def before_test(self, runner: Runner) -> None:
        """Let the metrics of a test in the same run report at the threshold, too."""
        for metric in runner.test_loop.evaluator.metrics:
            if isinstance(metric, ChangeMetric) and metric.threshold is None:
                metric.threshold = self.threshold

    def _amend(self, runner: Runner) -> None:
        """Write the threshold into the file that was saved before this validation."""
        path = Path(str(runner.message_hub.runtime_info.get('last_ckpt') or ''))
        if not path.is_file():  # a folder of a sharding strategy, or a remote one
            return
        try:
            content = load_torch(path, map_location='cpu')
            if content['meta'].get('iter') != runner.iter:
                return
            content['meta'].update({THRESHOLD_KEY: self.threshold, ABOUT_KEY: dict(self.about)})
            with open_whole(path) as file:
                torch.save(content, file)
        except (OSError, CheckpointError) as error:
            runner.logger.warning(f'{path} could not be given its threshold: {error}')
