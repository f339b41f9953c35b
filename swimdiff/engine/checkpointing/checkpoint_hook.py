"""Checkpoints that a kill, a full disk or a power cut cannot spoil."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from swimdiff.engine.agreement import any_process
from swimdiff.engine.checkpointing.atomic_saving import save_atomically, updated
from swimdiff.engine.checkpointing.last_checkpoint import NOTE
from swimdiff.engine.checkpointing.resuming import choose_checkpoint
from swimdiff.engine.guards.finite_loss_hook import look_before_saving
from swimdiff.engine.optimizers import gather_optimizer
from swimdiff.errors import CheckpointError, ConfigError
from swimdiff.files import clean_partials, replace_text
from swimdiff.launch.elastic import current_launch
from swimdiff.registry import HOOKS

__all__ = ['AtomicCheckpointHook']


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """Write whole checkpoints or none, and find the last whole one.

    Otherwise it is the engine's hook.

    A checkpoint is written beside its place, flushed to the disk and renamed; only then is anything
    older deleted. What ``resume`` goes on from is the newest whole checkpoint, see
    :func:`choose_checkpoint`.

    With gradient accumulation, what is due while gradients wait is saved at the next update: sums
    of gradients are in no checkpoint.

    Besides the engine's ``interval``, ``iter_N.pth`` may be saved in between; of these, only such
    as are among the newest two checkpoints stay.

    Args:
        *args: See the engine's ``CheckpointHook``.
        steps (int, optional): Iterations between two saves in between. Defaults to None.
        minutes (float, optional): Minutes after the last save at which to save in between.
            Defaults to None.
        check_every (int): Updates of the weights between two looks at the clock, on which all
            processes agree. Defaults to 10.
        max_failures (int): Saves in a row that may fail (disk full) before training stops; each is
            warned of. Defaults to 3.
        **kwargs: See the engine's ``CheckpointHook``.

    Raises:
        ConfigError: One of ours is not positive.
        TypeError: An option that neither of the two has.

    Example::

        default_hooks = dict(
            checkpoint=dict(type='AtomicCheckpointHook', interval=10, max_keep_ckpts=3, minutes=30)
        )
    """

    file_backend: Any
    last_ckpt: str | None
    best_ckpt_path: str | None
    best_ckpt_path_dict: dict[str, str | None]

    def __init__(
        self,
        *args: Any,
        steps: int | None = None,
        minutes: float | None = None,
        check_every: int = 10,
        max_failures: int = 3,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        # The engine hands on what it does not know, and fails at the first save, hours later.
        for name in self.args:
            raise TypeError(
                f"AtomicCheckpointHook.__init__() got an unexpected keyword argument '{name}'"
            )
        own = dict(steps=steps, minutes=minutes, check_every=check_every, max_failures=max_failures)
        for name, value in own.items():
            if value is not None and value <= 0:
                raise ConfigError(f'AtomicCheckpointHook: {name}={value}, expected more than 0')
        self.steps, self.minutes, self.check_every = steps, minutes, check_every
        self.max_failures = max_failures
        self._settled = False
        self._waiting: int | None = None  # number of a checkpoint that is due at the next update
        self._failures, self._updates = 0, 0
        self._saved_at, self._saved_when = -1, time.monotonic()

    def before_run(self, runner: Runner) -> None:
        """Decide what to go on from, where :func:`settle_resume` has not."""
        self.settle(runner)

    def settle(self, runner: Runner) -> None:
        """Decide what to go on from, once for all processes."""
        if self._settled:
            return
        self._settled = True
        launch = current_launch()
        choice: list[Any] = [None, None]
        if is_main_process():
            folders = (runner.work_dir, self._folder(runner))
            # What the first process raises has to be raised by all.
            try:
                choice[0] = choose_checkpoint(
                    runner, folders, self.save_optimizer, launch.restarted
                )
            except CheckpointError as error:
                choice[1] = error
            except OSError as error:
                choice[1] = CheckpointError(
                    f'The checkpoints in {runner.work_dir} cannot be looked through: {error}. Make '
                    'the folder readable, or take another work_dir.'
                )
        broadcast_object_list(choice)
        path, problem = choice
        if problem is not None:
            raise problem
        if path is not None:
            runner._load_from = path
        runner._resume = path is not None
        if is_main_process():
            launch.begin()

    def _folder(self, runner: Runner) -> str:
        """Where checkpoints go: the engine puts the name of the work dir below ``out_dir``."""
        if self.out_dir is None or str(self.out_dir) == runner.work_dir:
            return runner.work_dir
        return os.path.join(self.out_dir, os.path.basename(runner.work_dir.rstrip(os.sep)))

    def before_train(self, runner: Runner) -> None:
        """Clean up after killed writers, and start the clock."""
        super().before_train(runner)
        self._saved_when = time.monotonic()
        self._local = isinstance(self.file_backend, LocalBackend)
        if is_main_process():
            for folder in {runner.work_dir, str(self.out_dir)} if self._local else ():
                for path in clean_partials(Path(folder)):
                    runner.logger.info(f'Deleted {path}, which a killed writer left unfinished')

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """Save what is due by the engine's interval, or in between."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        if not updated(runner):
            return
        if self._waiting is not None:
            meta = dict(epoch=runner.epoch, iter=runner.iter + 1)
            look_before_saving(runner)
            step = self._waiting if self.by_epoch else meta['iter']
            self._save_checkpoint_with_step(runner, step, meta)
        self._updates += 1
        is_due = self.steps is not None and self.every_n_train_iters(runner, self.steps)
        if self.minutes is not None and self._updates % self.check_every == 0:
            is_late = time.monotonic() - self._saved_when >= 60 * self.minutes
            # The first process has the clock.
            is_due = any_process(is_late and is_main_process()) or is_due
        if is_due:
            self.save_between(runner)

    def save_between(self, runner: Runner) -> bool:
        """Save after an iteration, unless that was just done; all processes have to call.

        Args:
            runner: In ``after_train_iter``.

        Returns:
            Whether it is saved, on the first process; True on the others.
        """
        iterations_done = runner.iter + 1
        if self._saved_at != iterations_done:
            runner.logger.info(f'Saving checkpoint at {iterations_done} iterations')
            look_before_saving(runner)
            meta = dict(epoch=runner.epoch, iter=iterations_done)
            self._save(runner, f'iter_{iterations_done}.pth', meta, between=True)
        return self._failures == 0

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Save a checkpoint of the engine's interval."""
        name = self.filename_tmpl.format(step)
        if not updated(runner):
            self._waiting = step
            runner.logger.info(f'{name} is saved at the next update: gradients are waiting for it')
            return
        self._waiting = None
        if self.max_keep_ckpts <= 0:
            self._save(runner, name, meta)
            return
        before = list(self.keep_ckpt_ids)
        ids = [*(one for one in before if one != step), step]
        self._keep(runner, ids[-self.max_keep_ckpts :])
        if self._save(runner, name, meta):
            self._remove(self.filename_tmpl.format(one) for one in ids[: -self.max_keep_ckpts])
        else:
            self._keep(runner, before)

    def _keep(self, runner: Runner, ids: list[int]) -> None:
        self.keep_ckpt_ids.clear()
        self.keep_ckpt_ids.extend(ids)
        runner.message_hub.update_info('keep_ckpt_ids', ids)

    def _save(self, runner: Runner, name: str, meta: dict, between: bool = False) -> bool:
        """Save one file, note it as the last, delete older ones in between."""
        hub, before = runner.message_hub, self.last_ckpt
        # by which FlexibleRunner sets the meta: whether the epoch has ended and is not counted yet
        has_ended = self.by_epoch and meta['epoch'] > runner.epoch
        other_names = [one for one in self._between(runner) if one != name]
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        hub.update_info('last_ckpt', self.last_ckpt)
        hub.update_info('between_ckpts', [*other_names, name] if between else other_names)
        options = dict(
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=dict(meta, written=time.time()),
            by_epoch=has_ended,
            backend_args=self.backend_args,
            **self.args,
        )
        self._saved_at, self._saved_when = meta['iter'], time.monotonic()
        try:
            self._write(runner, name, **options)
            if is_main_process():
                replace_text(Path(runner.work_dir, NOTE), str(self.last_ckpt))
        except OSError as error:
            self.last_ckpt = before
            hub.update_info('last_ckpt', before)
            hub.update_info('between_ckpts', other_names)
            self._failed(runner, name, error)
            return False
        self._failures = 0
        newest = {name, os.path.basename(str(before))}
        now = self._between(runner)
        hub.update_info('between_ckpts', [one for one in now if one in newest])
        self._remove(one for one in now if one not in newest)
        return True

    def _write(self, runner: Runner, name: str, **options: Any) -> None:
        """Write one file, whole or not at all where that is up to us."""
        if self._local:
            save_atomically(runner, self.out_dir, name, self.file_client_args, **options)
            return
        if options['save_optimizer']:
            gather_optimizer(runner)
        runner.save_checkpoint(self.out_dir, name, self.file_client_args, **options)

    def _between(self, runner: Runner) -> list[str]:
        return list(runner.message_hub.runtime_info.get('between_ckpts', ()))

    def _remove(self, names: Iterable[str]) -> None:
        """Delete checkpoints that newer ones replace."""
        self._delete(self.file_backend.join_path(self.out_dir, name) for name in names)

    def _delete(self, paths: Iterable[str]) -> list[str]:
        """Delete files, or folders of a sharding strategy; what was there, on the first process."""
        deleted_paths = []
        for path in paths if is_main_process() else ():
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
            elif self.file_backend.isdir(path):
                self.file_backend.rmtree(path)
            else:
                continue
            deleted_paths.append(path)
        return deleted_paths

    def _failed(self, runner: Runner, name: str, error: OSError) -> None:
        """Say that nothing was saved.

        Raises:
            CheckpointError: It was once too often.
        """
        self._failures += 1
        failures_left = self.max_failures - self._failures
        text = (
            f'{name} could not be written to {self.out_dir}: {error}. Nothing older was deleted; '
            f'the last checkpoint is {self.last_ckpt or "none"}. Make room there, or save '
            'elsewhere (default_hooks.checkpoint.out_dir)'
        )
        if failures_left <= 0:
            raise CheckpointError(
                f'{text}. {self._failures} saves in a row failed; go on with --resume.'
            ) from error
        runner.logger.warning(
            f'{text}; training goes on and stops after {failures_left} more failures.'
        )

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Save the best after a validation, which the engine runs once an epoch is counted."""
        self.keep_best(runner, metrics, runner.epoch)

    def keep_best(self, runner: Runner, metrics: dict, epoch: int) -> None:
        """Save what scores better than ever, and delete the one before afterwards.

        Names, notes and messages are those of the engine's own method, which deletes first.

        Args:
            runner (Runner): The runner; all processes have to call.
            metrics (dict): Scores by name; those of the first process count.
            epoch (int): Epochs that are done. ``runner.epoch`` counts one as soon as
                ``after_train_epoch`` is over.

        Raises:
            CheckpointError: A save failed once too often.
        """
        if not self.save_best:
            return
        # All processes save or none, though their scores may differ in the last bits.
        shared_metrics = [metrics]
        broadcast_object_list(shared_metrics)
        (scores,) = shared_metrics
        if 'auto' in self.key_indicators:
            self._init_rule(self.rules, [next(iter(scores))])
        meta = dict(epoch=epoch, iter=runner.iter)
        improvements = [
            self._replace_best(runner, indicator, scores[indicator], rule, meta)
            for indicator, rule in zip(self.key_indicators, self.rules, strict=True)
        ]
        # Once more, for the last checkpoint has to name the best one when a run goes on from it.
        if any(improvements) and self.last_ckpt is not None:
            number = epoch if self.by_epoch else runner.iter
            self._save_checkpoint_with_step(runner, number, meta)

    def _replace_best(
        self, runner: Runner, indicator: str, score: Any, rule: str, meta: dict
    ) -> bool:
        """Save the best by one score and delete the one before; False where it is not the best."""
        runtime_info, several = runner.message_hub.runtime_info, len(self.key_indicators) > 1
        tail = f'_{indicator}' if several else ''
        keys = (f'best_score{tail}', f'best_ckpt{tail}')
        before = {key: runtime_info[key] for key in keys if key in runtime_info}
        to_beat = before.get(keys[0], self.init_value_map[rule])
        if score is None or not self.is_better_than[indicator](score, to_beat):
            return False
        unit = 'epoch' if self.by_epoch else 'iter'
        name = f'best_{indicator}_{self.filename_tmpl.format(meta[unit])}'.replace('/', '_')
        path = self.file_backend.join_path(self.out_dir, name)
        older = self.best_ckpt_path_dict[indicator] if several else self.best_ckpt_path
        for key, value in zip(keys, (score, path), strict=True):
            runner.message_hub.update_info(key, value)  # before saving: the file has them too
        try:
            self._write(
                runner,
                name,
                save_optimizer=False,
                save_param_scheduler=False,
                meta=dict(meta),
                by_epoch=meta['epoch'] > runner.epoch,
                backend_args=self.backend_args,
            )
        except OSError as error:
            for key in keys:
                del runtime_info[key]
            runtime_info.update(before)
            self._failed(runner, 'The best checkpoint', error)
            return False
        if several:
            self.best_ckpt_path_dict[indicator] = path
        else:
            self.best_ckpt_path = path
        runner.logger.info(
            f'The best checkpoint with {score:0.4f} {indicator} at {meta[unit]} {unit} is '
            f'saved to {name}.'
        )
        if older and older != path and self._delete([older]):
            runner.logger.info(f'The previous best checkpoint {older} is removed')
        return True
