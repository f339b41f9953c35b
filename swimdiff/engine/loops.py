"""Training loops that go on in the middle of an epoch as if they had never stopped.

The engine's epoch loop begins the epoch again, and its iteration loop reads what it skips unless
the sampler is infinite. Here the sampler starts at the right sample, and each iteration draws from
generators seeded by (seed of the run, process, iteration), so that no random state has to be saved,
on any process.
"""

import logging
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from swimdiff.errors import ConfigError
from swimdiff.randomness import runner_seed, seed_iteration
from swimdiff.registry import LOOPS

__all__ = [
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'batches_from',
    'check_length',
    'global_batch',
    'sampler_of',
]


def sampler_of(dataloader: DataLoader) -> Any:
    """Return the sampler of a data loader, also inside a batch sampler."""
    return getattr(dataloader.batch_sampler, 'sampler', dataloader.sampler)


def global_batch(dataloader: DataLoader) -> int:
    """Return the samples of a step over all processes."""
    size = dataloader.batch_size or getattr(dataloader.batch_sampler, 'batch_size', None) or 1
    return size * get_world_size()


def batches_from(dataloader: DataLoader, epoch: int, start: int) -> Iterator[Any]:
    """Yield the batches of an epoch from the one with number ``start`` on.

    Args:
        dataloader: Its sampler gets the epoch, and where to start.
        epoch: Number of the epoch.
        start: Batches of the epoch that have been seen.
    """
    sampler = sampler_of(dataloader)
    if hasattr(sampler, 'set_epoch'):
        sampler.set_epoch(epoch)
    if hasattr(sampler, 'set_start'):
        sampler.set_start(start * global_batch(dataloader))
        return iter(dataloader)
    if start == 0:
        return iter(dataloader)
    print_log(
        f'{type(sampler).__name__} cannot start in the middle of an epoch: {start} batches are '
        'loaded for nothing, and their augmentations drawn. A SceneSampler starts at once '
        "(train_dataloader.sampler=dict(type='SceneSampler')).",
        logger='current',
        level=logging.WARNING,
    )
    batches = iter(dataloader)
    for _ in range(start):
        next(batches, None)
    return batches


def check_length(dataloader: DataLoader) -> None:
    """Refuse a loader that gives no batch.

    Args:
        dataloader: Of the training, on this process.

    Raises:
        ConfigError: There are fewer samples than a batch takes.
    """
    if len(dataloader) or hasattr(sampler_of(dataloader), 'skip'):  # the latter has no end
        return
    samples, batch = len(dataloader.dataset), global_batch(dataloader)  # type: ignore[arg-type]
    processes = get_world_size()
    root = getattr(dataloader.dataset, 'data_root', None)
    fits = samples // processes
    # One image has no batch statistics: most networks need two.
    advice = (
        f'Take a smaller one (--cfg-options train_dataloader.batch_size={fits})'
        if fits > 1
        else 'Give more data'
    )
    raise ConfigError(
        f'{root or "The training data"}: {samples} samples are fewer than one batch: '
        f'train_dataloader.batch_size={batch // processes} x {processes} processes, and '
        f'train_dataloader.drop_last leaves out what is no whole batch. {advice}; of scenes that '
        'are cut into patches, smaller or overlapping patches (train_dataloader.dataset.patch, '
        'stride) give more samples.'
    )


def end_workers(batches: Iterator[Any] | None) -> None:
    """End the workers of some batches, also where an error keeps the iterator alive.

    Left to the exit of the interpreter they would be sent one SIGTERM and waited for; workers may
    be asked to let one pass (``StopSignalHook``).
    """
    if isinstance(batches, _MultiProcessingDataLoaderIter):
        batches._shutdown_workers()


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """Run the engine's epoch loop; go on within an epoch after a resume.

    A hook may end the run after any iteration by ``runner.train_loop.stop_training = True``. The
    epoch then counts as unfinished.

    Example::

        train_cfg = dict(type='ResumableEpochLoop', max_epochs=100, val_interval=10)
    """

    _batches: Iterator[Any] | None = None

    def __init__(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        super().__init__(runner, *args, **kwargs)
        check_length(self.dataloader)

    def run(self) -> torch.nn.Module:
        """Train."""
        try:
            return self._run()
        finally:
            self.runner.call_hook('after_loop')
            end_workers(self._batches)

    def _run(self) -> torch.nn.Module:
        self.runner.call_hook('before_train')
        while self._epoch < self._max_epochs and not self.stop_training:
            epoch = self._epoch
            self.run_epoch()
            if self._epoch == epoch:  # a hook has ended the run
                break
            self._decide_current_val_interval()
            if self._validates():
                self.runner.val_loop.run()
        self.runner.call_hook('after_train')
        return self.runner.model

    def _validates(self) -> bool:
        is_due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        return self.runner.val_loop is not None and self._epoch >= self.val_begin and is_due

    def run_epoch(self) -> None:
        """Run one epoch, or what is left of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        start = self._iter - self._epoch * len(self.dataloader)
        seed = runner_seed(self.runner)
        self._batches = batches_from(self.dataloader, self._epoch, start)
        for index in range(start, len(self.dataloader)):
            seed_iteration(seed, self._iter)
            self.run_iter(index, next(self._batches))
            if self.stop_training:
                return
        if not self.dataloader.persistent_workers:
            self._batches = None  # not a second set of workers beside the next epoch's
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@LOOPS.register_module()
class ResumableIterLoop(IterBasedTrainLoop):
    """Run the engine's iteration loop; epochs follow each other without a pause.

    Example::

        train_cfg = dict(type='ResumableIterLoop', max_iters=1000)
    """

    def __init__(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        super().__init__(runner, *args, **kwargs)
        check_length(self.dataloader)
        self.dataloader_iterator = _Stream(runner, self.dataloader)

    def run(self) -> torch.nn.Module:
        """Train."""
        try:
            return super().run()
        finally:
            self.runner.call_hook('after_loop')
            end_workers(self.dataloader_iterator.batches)


class _Stream:
    """The batches of epoch after epoch.

    Args:
        runner: Knows the seed of the run.
        dataloader: Gives the batches of an epoch, or of all of them where its sampler is infinite.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader) -> None:
        self.runner, self.dataloader = runner, dataloader
        self._done = 0
        self.batches: Iterator[Any] | None = None

    def skip_iter(self, iterations: int) -> None:
        """Start after some iterations of the run; the engine's loop calls this on resume."""
        self._done = iterations

    def _open(self) -> Iterator[Any]:
        sampler = sampler_of(self.dataloader)
        if hasattr(sampler, 'skip'):  # infinite, as the engine has it: one epoch without an end
            sampler.skip(self._done * global_batch(self.dataloader) // get_world_size())
            return iter(self.dataloader)
        return batches_from(self.dataloader, *divmod(self._done, len(self.dataloader)))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.batches is None:
            self.batches = self._open()
        seed_iteration(runner_seed(self.runner), self._done)
        try:
            batch = next(self.batches)
        except StopIteration:
            self.batches = self._open()
            seed_iteration(runner_seed(self.runner), self._done)
            batch = next(self.batches)
        self._done += 1
        return batch
