"""Writing the report of a run at its end."""

import json
import shlex
import sys
import time
from pathlib import Path

from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from swimdiff.environment.diagnosis import first_line
from swimdiff.errors import StoppedError
from swimdiff.registry import HOOKS

__all__ = ['ReportHook', 'report_failure']


@HOOKS.register_module()
class ReportHook(Hook):
    """Write ``report.html`` into the work dir after training or an error.

    At the start it notes what only the run itself knows (stack, commit, processes, command) in
    ``run.json`` beside the log. A report that fails is a warning, never the end of the run.
    ``tools/analysis_tools/report.py`` writes the same page at any time.

    Args:
        enable (bool): Whether anything is written. Defaults to True.

    Example::

        default_hooks = dict(report=dict(type='ReportHook', enable=False))
    """

    priority = 'LOWEST'

    def __init__(self, enable: bool = True) -> None:
        self.enable = enable
        self._facts: dict[str, object] = {}

    def before_train(self, runner: Runner) -> None:
        """Note what the run is made of."""
        if not (self.enable and is_main_process()):
            return
        from swimdiff.doctor import examine

        try:
            stack = examine().stack
        except Exception as error:
            stack = {'unknown': first_line(error)}
        self._facts = dict(
            stack=stack,
            command=shlex.join(sys.argv),
            processes=get_world_size(),
            started=time.time(),
            first_iter=runner.iter,
            max_iters=runner.max_iters,
            state='running',
        )
        self._note(runner)

    def after_train(self, runner: Runner) -> None:
        """Write the report of a run that came to its end, or was asked to stop."""
        self.write(runner)

    def write(self, runner: Runner, stopped: str = '') -> None:
        """Write the report; called by guards too.

        Args:
            runner (Runner): The runner of the training.
            stopped (str): Why the run was stopped. Defaults to '', it was not.
        """
        if not (self.enable and is_main_process()):
            return
        # A run that is asked to stop by its very last iteration has an epoch's end to come.
        is_done = runner.iter >= runner.max_iters and not runner.train_loop.stop_training
        self._facts.update(
            state='stopped' if stopped else 'finished' if is_done else 'interrupted',
            reason=stopped,
            ended=time.time(),
        )
        self._note(runner)
        try:
            from swimdiff.visualization.report import write_report

            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            page = write_report(
                runner.work_dir, model=model, dataset=runner.train_dataloader.dataset
            )
            runner.logger.info(f'Report of the run: {page}')
        except Exception as error:
            runner.logger.warning(f'No report was written: {first_line(error)}')

    def fail(self, runner: Runner, error: Exception) -> None:
        """Write the report of a run that an error ended, unless it is written.

        Of several processes: ``run.json`` only, as a launcher waits to start them again.

        Args:
            runner (Runner): The runner of the training.
            error (Exception): What ended it.
        """
        if self._facts.get('state') != 'running':
            return
        reason = '' if isinstance(error, StoppedError) else first_line(error)
        if get_world_size() == 1:
            self.write(runner, stopped=reason)
            return
        state = 'stopped' if reason else 'interrupted'
        self._facts.update(state=state, reason=reason, ended=time.time())
        self._note(runner)

    def _note(self, runner: Runner) -> None:
        try:
            folder = Path(runner.log_dir)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / 'run.json').write_text(json.dumps(self._facts, indent=1) + '\n')
        except OSError as error:
            runner.logger.warning(f'run.json was not written: {first_line(error)}')


def report_failure(runner: Runner, error: Exception) -> None:
    """Let the run's report, where it has one, say what ended it.

    Args:
        runner (Runner): The runner of the training.
        error (Exception): What ended it.
    """
    for hook in runner.hooks:
        if isinstance(hook, ReportHook):
            hook.fail(runner, error)
