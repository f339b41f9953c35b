"""A progress bar for someone who watches the run in a terminal."""

import atexit
import logging
import sys

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from swimdiff.registry import HOOKS

__all__ = ['ProgressBarHook']


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """Show iterations done, images per second and time left below the log.

    Only of the first process, and only where standard error is a terminal: neither a file nor a
    pipe ever gets a bar. Nothing on the device is looked at.

    Args:
        enable (bool): False shows no bar anywhere. Defaults to True.

    Example::

        default_hooks = dict(progress_bar=dict(type='ProgressBarHook', enable=False))
    """

    priority = 'LOWEST'

    def __init__(self, enable: bool = True) -> None:
        self.enable = enable
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._moved: list[logging.StreamHandler] = []

    def before_train(self, runner: Runner) -> None:
        """Show the bar."""
        if not (self.enable and sys.stderr.isatty() and is_main_process()):
            return
        columns = (
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('{task.fields[rate]}'),
            TimeElapsedColumn(),
            TextColumn('left'),
            TimeRemainingColumn(),
        )
        # What goes to another place than the terminal is left alone.
        self._bar = Progress(
            *columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()
        )
        self._task = self._bar.add_task(
            'training', total=runner.max_iters, completed=runner.iter, rate=''
        )
        outputs = [h for h in runner.logger.handlers if getattr(h, 'stream', None) is sys.stdout]
        self._bar.start()
        # Lines of the log go through the bar's own standard output, which writes above the bar.
        self._moved = [h for h in outputs if isinstance(h, logging.StreamHandler)]
        for handler in self._moved:
            handler.setStream(sys.stdout)
        # A run that ends with an error must give the terminal back as well.
        atexit.register(self._stop)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Move the bar on."""
        if self._bar is None:
            return
        rates = runner.message_hub.log_scalars.get('train/images_per_s')
        rate = f'{rates.current():.0f} images/s' if rates else ''
        epochs = '' if runner.max_epochs is None else f'/{runner.max_epochs}'
        self._bar.update(
            self._task,
            completed=runner.iter + 1,
            description=f'epoch {runner.epoch + 1}{epochs}',
            rate=rate,
        )

    def after_train(self, runner: Runner) -> None:
        """Leave the bar as it is at the end."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is None:
            return
        self._bar.stop()
        self._bar = None
        for handler in self._moved:
            handler.setStream(sys.stdout)
        atexit.unregister(self._stop)
