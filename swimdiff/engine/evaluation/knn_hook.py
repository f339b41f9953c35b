"""Weighted kNN of a small labelled set while pre-training, which it leaves as it is."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor, nn

from swimdiff.engine.checkpointing.checkpoint_hook import AtomicCheckpointHook
from swimdiff.engine.guards.guard import bare_model, highest
from swimdiff.errors import ConfigError
from swimdiff.evaluation.features import image_statistics
from swimdiff.evaluation.floors import random_backbone
from swimdiff.evaluation.knn import knn_accuracy
from swimdiff.evaluation.labelled_images import LabelledImages
from swimdiff.evaluation.linear_probe import fit_linear
from swimdiff.evaluation.undisturbed import undisturbed
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.models.selfsup.projection_neck import global_features
from swimdiff.models.selfsup.utils import run_unmasked
from swimdiff.registry import HOOKS

__all__ = ['OnlineKNNHook']

#: Weight of the L2 penalty of the linear head, the middle of those that the offline probe tries.
PENALTY = 1e-3


@HOOKS.register_module()
class OnlineKNNHook(Hook):
    """Log ``knn/top1`` of the query backbone every few epochs and after the last.

    It is in per cent.

    The training part of a labelled set is the bank, its validation part is scored; the images are
    shared among the processes. The test part is not touched. Losses and weights are those of a run
    without the hook.

    Beside each score are the floors, computed once: ``knn/top1_floor_statistics`` (of the image,
    no network) and ``knn/top1_floor_random`` (the backbone before training). A probe that would
    take more of the run's time than ``budget`` is put off to a later epoch, and the log says so.

    The weights with the best score so far are kept as ``best_knn_top1_epoch_N.pth`` beside the
    other checkpoints of the run, if it has any; the file is written whole or not at all.

    Args:
        dataset (dict): A data set of single labels such as ``EuroSAT``, whose pipeline ends in
            ``mmpretrain.PackInputs``, without ``split``. Its bands must be those of the model.
        interval (int): Epochs between two scores. Defaults to 10.
        k (int): Neighbours. Defaults to 20.
        temperature (float): Of the votes, above 0. Defaults to 0.07.
        limit (int, optional): Images of each part, a stratified subset. Defaults to None, all.
        batch_size (int): Images at once. Defaults to 64.
        linear (bool): Whether to fit a linear head on the same features too and log
            ``knn/linear``. Defaults to False.
        floors (bool): Whether to compute the floors. Defaults to True.
        budget (float): Share of the run's time that all probes together may take, 0 to 1.
            Defaults to 0.05.
        save_best (bool): Whether to keep the best checkpoint. Defaults to True.

    Raises:
        ConfigError: An option is out of range, the samples have several labels, or the run counts
            iterations instead of epochs.

    Example::

        custom_hooks = [
            dict(
                type='OnlineKNNHook',
                dataset=dict(
                    type='EuroSAT',
                    data_root='data/eurosat',
                    pipeline=[dict(type='LoadEuroSAT'), dict(type='mmpretrain.PackInputs')],
                ),
                interval=10,
                limit=2000,
            )
        ]
    """

    priority = 'NORMAL'  # before LoggerHook writes the epoch and CheckpointHook saves it

    def __init__(
        self,
        dataset: dict,
        interval: int = 10,
        k: int = 20,
        temperature: float = 0.07,
        limit: int | None = None,
        batch_size: int = 64,
        linear: bool = False,
        floors: bool = True,
        budget: float = 0.05,
        save_best: bool = True,
    ) -> None:
        if interval < 1 or batch_size < 1 or budget <= 0:
            raise ConfigError(
                f'OnlineKNNHook: interval={interval}, batch_size={batch_size}, budget={budget}: '
                'expected an interval and a batch of 1 or more, and a share above 0.'
            )
        self.config = dict(dataset)
        self.interval, self.limit, self.batch_size = interval, limit, batch_size
        self.k, self.temperature = k, temperature
        self.linear, self.with_floors, self.budget = linear, floors, budget
        self.floors: dict[str, float] = {}
        self._start = self._spent = self._cost = 0.0
        self._saver: AtomicCheckpointHook | None = None
        self._save_best = save_best

    def before_train(self, runner: Runner) -> None:
        """Build the set and score the floors, so that a mistake shows at once."""
        self._start, self._spent, self._cost = time.perf_counter(), 0.0, 0.0
        parts = [
            LabelledImages(self.config, split, self.limit, self.batch_size)
            for split in ('train', 'val')
        ]
        self._train, self._val = parts
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ConfigError(
                f'OnlineKNNHook: interval={self.interval} counts epochs, and a run by iterations '
                f'({type(runner.train_loop).__name__}) has none. Give train_cfg a loop by epochs '
                "(type='EpochBasedTrainLoop', max_epochs=...), or leave the hook away and score "
                'checkpoints with tools/probe.py.'
            )
        if self.with_floors:
            self.floors = self._score_floors(runner)
            self._spent += time.perf_counter() - self._start
        self._saver = self._build_saver(runner) if self._save_best else None

    def after_train_epoch(self, runner: Runner) -> None:
        """Score every ``interval`` epochs and after the last, where there is time for it."""
        last = self.is_last_train_epoch(runner)
        if not last and (not self.every_n_epochs(runner, self.interval) or self._put_off(runner)):
            return
        start = time.perf_counter()
        model = bare_model(runner)
        with undisturbed(model):
            scores = self._score(partial(_query_features, model))
        self._cost = time.perf_counter() - start
        self._spent += self._cost
        share = self._spent / (time.perf_counter() - self._start)
        self._log(runner, scores, share)
        # Before the epoch is saved, whose checkpoint then knows which is the best.
        if self._saver is not None:
            self._saver.keep_best(runner, scores, runner.epoch + 1)

    def _score(self, extract: Callable[[Tensor], Tensor], prefix: str = 'knn') -> dict[str, float]:
        """Scores of any features, on the validation part."""
        bank, queries = self._train.features(extract), self._val.features(extract)
        labels, truth = (part.labels.to(bank.device) for part in (self._train, self._val))
        classes = self._train.num_classes
        top1 = knn_accuracy(bank, labels, queries, truth, classes, self.k, self.temperature)
        scores = {'knn/top1': top1}
        if self.linear:
            with torch.enable_grad():
                head = fit_linear(bank, labels, classes, PENALTY, standardise=True)
            right = head(queries).argmax(dim=1) == truth
            scores['knn/linear'] = 100.0 * right.double().mean().item()
        return scores

    def _score_floors(self, runner: Runner) -> dict[str, float]:
        """Scores without training, taken over from the checkpoint where a run is resumed."""
        key = repr((self.config, self.limit, self.k, self.temperature, self.linear))
        known_floors = runner.message_hub.runtime_info.get('knn_floors')
        if known_floors and known_floors['key'] == key:
            return known_floors['scores']
        model = bare_model(runner)
        sources = {'statistics': image_statistics}
        config = (runner.cfg.get('model') or {}).get('backbone')
        if config is not None:
            device = next(model.parameters()).device
            twin = random_backbone(config).to(device)
            sources['random'] = partial(_features, twin, model.data_preprocessor)
        scores = {}
        with undisturbed(model):
            for name, extract in sources.items():
                start = time.perf_counter()
                for kind, value in self._score(extract).items():
                    scores[f'{kind}_floor_{name}'] = value
                # About what a probe will take: the network comes last.
                self._cost = time.perf_counter() - start
        runner.message_hub.update_info('knn_floors', dict(key=key, scores=scores))
        return scores

    def _put_off(self, runner: Runner) -> bool:
        """Whether there is no time for a probe; what the slowest process measured decides."""
        elapsed_seconds = time.perf_counter() - self._start
        share = highest((self._spent + self._cost) / (elapsed_seconds + self._cost))
        if share <= self.budget:
            return False
        runner.logger.info(
            f'kNN probe after epoch {runner.epoch + 1} put off: all probes together would have '
            f'taken {share:.1%} of the run (budget {self.budget:.0%}). A longer interval or a '
            'lower limit makes it cheaper'
        )
        return True

    def _log(self, runner: Runner, scores: dict[str, float], share: float) -> None:
        log_values = {
            **scores,
            **self.floors,
            'knn/samples': float(len(self._val)),
            'knn/time_share': share,
        }
        for name, value in log_values.items():
            runner.message_hub.update_scalar(name, value)
        runner.visualizer.add_scalars(log_values, step=runner.epoch + 1)
        against = ', '.join(f'{name} {value:.2f}' for name, value in self.floors.items())
        score_text = ', '.join(f'{name} {value:.2f}' for name, value in scores.items())
        runner.logger.info(
            f'kNN after epoch {runner.epoch + 1}: {score_text} ({against or "no floors"}) on '
            f'{self._val.split}, {len(self._val)} samples, bank {len(self._train)}, k={self.k}, '
            f'temperature {self.temperature}; probes took {share:.1%} of the run'
        )

    def _build_saver(self, runner: Runner) -> AtomicCheckpointHook | None:
        """Return a hook that saves nothing but the best; None if the run saves nothing.

        The run's own cannot do both unless its config says so, which would then fail in
        every run without a probe.
        """
        own = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
        if own is None:
            return None
        saver = AtomicCheckpointHook(
            interval=-1,
            save_last=False,
            out_dir=own.out_dir,
            save_best='knn/top1',
            rule='greater',
        )
        saver.before_train(runner)
        return saver


def _features(backbone: nn.Module, preprocessor: MultiBandPreprocessor, images: Tensor) -> Tensor:
    return global_features(run_unmasked(backbone, preprocessor.standardise(images))).float()


def _query_features(model: Any, images: Tensor) -> Tensor:
    return _features(model.backbone, model.data_preprocessor, images)
