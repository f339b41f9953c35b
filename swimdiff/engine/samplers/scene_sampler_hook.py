"""Between the runner and the sampler of pre-training: the queue, the log, the checkpoint."""

import logging
from typing import Any

from mmengine.hooks import DistSamplerSeedHook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, Runner

from swimdiff.engine.loops import ResumableEpochLoop, ResumableIterLoop, global_batch, sampler_of
from swimdiff.engine.samplers import SceneSampler
from swimdiff.errors import ConfigError
from swimdiff.registry import HOOKS

__all__ = ['SceneSamplerHook']

_KEY = 'sampler'  # of a checkpoint


@HOOKS.register_module()
class SceneSamplerHook(DistSamplerSeedHook):
    """Serve a :class:`~swimdiff.engine.samplers.SceneSampler`.

    With other samplers it is the engine's hook.

    It tells the sampler what the model's queue and the batch are like, logs ``mates_expected``
    beside the head's ``scene_mates``, says once what is to be expected, and keeps in the checkpoint
    what the sampler needs to go on at the same sample.

    Example::

        default_hooks = dict(sampler_seed=dict(type='SceneSamplerHook'))
    """

    def __init__(self) -> None:
        self._saved: dict[str, Any] | None = None
        self._expected: tuple[int, float] | None = None  # epoch, and what is met in it

    # The queue and the log

    def before_train(self, runner: Runner) -> None:
        """Settle the sampler, and where the run goes on."""
        self._go_on(runner)
        sampler, dataloader = sampler_of(runner.train_dataloader), runner.train_dataloader
        if not isinstance(sampler, SceneSampler):
            return
        if not isinstance(runner.train_loop, (ResumableEpochLoop, ResumableIterLoop)):
            print_log(
                f'{type(runner.train_loop).__name__} cannot resume exactly within an epoch; set '
                "train_cfg.type='ResumableEpochLoop' or 'ResumableIterLoop'",
                logger='current',
                level=logging.WARNING,
            )
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        sampler.settle(
            queue_length=getattr(getattr(model, 'queue', None), 'length', None),
            batch_size=global_batch(dataloader),
            batch_keys=getattr(model, 'batch_keys', False),
            drop_last=getattr(dataloader.batch_sampler, 'drop_last', False),
        )
        self._report(runner, sampler)

    def _report(self, runner: Runner, sampler: SceneSampler) -> None:
        try:
            expected_mates = sampler.grouping().expected
        except ConfigError:
            if sampler.mates:
                raise
            return  # a plain shuffle of a data set without scenes, or no queue
        self._expected = sampler.epoch, sampler.expected_mates()
        text = (
            f'SceneSampler: a query is expected to meet {expected_mates:.3g} keys of its own scene'
        )
        wanted_mates = sampler.mates or expected_mates
        if expected_mates < 0.95 * wanted_mates:
            sizes = sampler.scene_sizes()
            runner.logger.warning(
                f'{text}, not the mates={wanted_mates:g} asked for, which cannot be had: the data '
                f'set has {len(sizes)} scenes of {sizes.mean():.3g} samples on average (at most '
                f'{sizes.max()}) and the queue {sampler.meetings().queue_length} keys. Coarser '
                'scenes (train_dataloader.dataset.scene) or a longer queue (model.queue.length) '
                'would give more.'
            )
            return
        more = f', more than mates={wanted_mates:g}: so many a plain shuffle gives'
        runner.logger.info(
            f'{text}{more if expected_mates > wanted_mates * 1.05 else ""}, once the queue is full'
        )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Log the expectation beside what was met; a number of the host's, nothing waits."""
        if self._expected is None or 'scene_mates' not in (outputs or {}):
            return
        sampler = sampler_of(runner.train_dataloader)
        if sampler.epoch != self._expected[0]:
            self._expected = sampler.epoch, sampler.expected_mates()
        runner.message_hub.update_scalar('train/mates_expected', self._expected[1])

    # The checkpoint

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the sampler's state and the place in the epoch."""
        sampler, dataloader = sampler_of(runner.train_dataloader), runner.train_dataloader
        if isinstance(sampler, SceneSampler):
            meta = checkpoint['meta']
            steps_seen = meta['iter'] - meta['epoch'] * len(dataloader)
            batch = global_batch(dataloader)
            checkpoint[_KEY] = dict(
                sampler.state_dict(),
                batch=batch,
                steps=len(dataloader),
                consumed=steps_seen * batch,
            )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the state for when the run goes on.

        Weights that are only started from have none.
        """
        self._saved = checkpoint.get(_KEY) if runner._resume else None

    def _go_on(self, runner: Runner) -> None:
        state, self._saved = self._saved, None
        sampler, dataloader = sampler_of(runner.train_dataloader), runner.train_dataloader
        if state is None or not isinstance(sampler, SceneSampler):
            return
        sampler.load_state_dict(state)
        batch, steps = global_batch(dataloader), len(dataloader)
        samples = len(sampler.dataset)
        if (batch, steps, samples) == (state['batch'], state['steps'], state['samples']):
            return
        loop = runner.train_loop
        if isinstance(loop, EpochBasedTrainLoop):
            steps_done = min(state['consumed'] // batch, steps)
            loop._iter = loop._epoch * steps + steps_done
        runner.logger.warning(
            f'This is not the run that was broken off: the checkpoint is of {state["samples"]} '
            f'samples in steps of {state["batch"]}, this run has {samples} in steps of {batch}. It '
            'goes on near the same place of the epoch; schedules by iteration keep the '
            "checkpoint's counts. For the same run, keep train_dataloader.batch_size times the "
            'number of processes, and the data.'
        )
