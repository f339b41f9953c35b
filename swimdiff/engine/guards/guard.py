"""What the guards share: one verdict for all processes, a warning that does not nag, the stop."""

from typing import Any, NoReturn

from mmengine.dist import barrier
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from swimdiff.engine.agreement import any_process, highest
from swimdiff.engine.logging.report_hook import ReportHook
from swimdiff.errors import DivergedError

__all__ = ['Nag', 'any_process', 'bare_model', 'highest', 'stop_run']


def bare_model(runner: Runner) -> Any:
    """The model without the wrapper of distributed training."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def stop_run(runner: Runner, message: str, together: bool = True) -> NoReturn:
    """Say why in the log, write the report where the run has one, and stop.

    Args:
        runner (Runner): The runner of the training.
        message (str): What was measured, and what to do.
        together (bool): Whether every process calls. Then the others wait for the report, as a
            launcher ends them all once the first has gone. Defaults to True.

    Raises:
        DivergedError: Always; ``tools/train.py`` turns it into a non-zero exit.
    """
    runner.logger.error(f'Stopping: {message}')
    for hook in runner.hooks:
        if isinstance(hook, ReportHook):
            hook.write(runner, stopped=message)
    if together:
        barrier()
    raise DivergedError(message)


class Nag:
    """Says yes at the 1st, 2nd, 4th, 8th ... time in a row that something is wrong."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, wrong: bool) -> bool:
        """Count; whether it should be said (again)."""
        self.count = self.count + 1 if wrong else 0
        return wrong and self.count & (self.count - 1) == 0
