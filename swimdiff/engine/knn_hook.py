"""Weighted kNN of a small labelled set while pre-training, which it leaves as it is."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.evaluation.features import targets_of
from swimdiff.evaluation.knn import gather_rows, knn_accuracy
from swimdiff.registry import DATASETS, HOOKS

__all__ = ['OnlineKNNHook']


@contextmanager
def _undisturbed(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradient; afterwards modes and random states are as before."""
    modes = {part: part.training for part in module.modules()}
    python, numpy = random.getstate(), np.random.get_state()
    devices = {tensor.device for tensor in module.state_dict().values()}
    # The CPU's state is always kept.
    cuda = [device for device in devices if device.type == 'cuda']
    try:
        with torch.random.fork_rng(cuda), torch.no_grad():
            module.eval()
            yield
    finally:
        for part, training in modes.items():
            part.training = training
        random.setstate(python)
        np.random.set_state(numpy)


@HOOKS.register_module()
class OnlineKNNHook(Hook):
    """Logs ``knn/top1`` of the query backbone, in per cent, every few epochs.

    The training part of a labelled set is the bank, its validation part is scored; the images are
    shared among the processes. The test part is not touched. Losses and weights are those of a run
    without the hook.

    Args:
        dataset (dict): A data set of single labels such as ``EuroSAT``, whose pipeline ends in
            ``mmpretrain.PackInputs``, without ``split``. Its bands must be those of the model.
        interval (int): Epochs between two scores. Defaults to 10.
        k (int): Neighbours. Defaults to 20.
        temperature (float): Of the votes, above 0. Defaults to 0.07.
        limit (int, optional): Images of each part, a stratified subset. Defaults to None, all.
        batch_size (int): Images at once. Defaults to 64.

    Raises:
        ConfigError: ``interval`` is not positive, or the samples have several labels.
    """

    priority = 'NORMAL'  # before LoggerHook writes the epoch

    def __init__(
        self,
        dataset: dict,
        interval: int = 10,
        k: int = 20,
        temperature: float = 0.07,
        limit: int | None = None,
        batch_size: int = 64,
    ) -> None:
        if interval < 1 or batch_size < 1:
            raise ConfigError(
                f'OnlineKNNHook: interval={interval}, batch_size={batch_size}: expected 1 or more.'
            )
        self.config = dict(dataset)
        self.interval, self.limit, self.batch_size = interval, limit, batch_size
        self.k, self.temperature = k, temperature
        self._parts: list[tuple[BaseDataset, Tensor]] = []

    def before_train(self, runner: Runner) -> None:
        """Build the set before training, so that a mistake shows at once."""
        for split in ('train', 'val'):
            part = DATASETS.build(dict(self.config, split=split))
            if self.limit is not None and self.limit < len(part):
                part = DATASETS.build(dict(self.config, split=split, limit=self.limit))
            targets = targets_of(part)
            if targets.ndim != 1:
                raise ConfigError(
                    f'OnlineKNNHook: {self.config["type"]} has several labels a sample. Expected a '
                    'data set with one, such as EuroSAT.'
                )
            self._parts.append((part, targets))

    def after_train_epoch(self, runner: Runner) -> None:
        """Score every ``interval`` epochs and put the score into the log."""
        if not self.every_n_epochs(runner, self.interval):
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        with _undisturbed(model):
            bank, queries = (self._embed(model, part) for part, _ in self._parts)
            (train, labels), (val, truth) = self._parts
            top1 = knn_accuracy(
                bank,
                labels.to(bank.device),
                queries,
                truth.to(bank.device),
                len(train.metainfo['classes']),
                self.k,
                self.temperature,
            )
        scores = {'knn/top1': top1, 'knn/samples': float(len(val))}
        for name, value in scores.items():
            runner.message_hub.update_scalar(name, value)
        runner.visualizer.add_scalars(scores, step=runner.epoch + 1)
        runner.logger.info(
            f'kNN after epoch {runner.epoch + 1}: knn/top1 {top1:.2f} on {val.metainfo["split"]}, '
            f'{len(val)} samples, bank {len(train)}, k={self.k}, temperature {self.temperature}'
        )

    def _embed(self, model: Any, dataset: BaseDataset) -> Tensor:
        """Features of a data set, N x D on the device, the same on every process."""
        mine = list(range(get_rank(), len(dataset), get_world_size()))
        # A process without an image embeds one that another has, and drops it after the gathering.
        mine = mine or [0]
        rows = []
        for start in range(0, len(mine), self.batch_size):
            chosen = mine[start : start + self.batch_size]
            images = torch.stack([dataset[i]['inputs'] for i in chosen])
            inputs = model.data_preprocessor.standardise(images)
            feats = model.backbone(inputs)
            last = feats if isinstance(feats, Tensor) else feats[-1]
            rows.append(last.float().flatten(2).mean(dim=2) if last.ndim > 2 else last.float())
        found = torch.cat(rows)
        return gather_rows(found, torch.tensor(mine, device=found.device))[0]
