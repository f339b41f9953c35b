"""What the guards share: verdicts, means, warnings that do not nag, and the stop.

Each guard keeps the engine's own methods, so that it reads from the top to the bottom.
"""

from typing import Any, NoReturn

import torch
from mmengine.dist import barrier
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from swimdiff.engine.agreement import any_process, highest
from swimdiff.engine.logging.report_hook import ReportHook
from swimdiff.errors import DivergedError
from swimdiff.models.selfsup.scene_queue import EMPTY, SceneQueue

__all__ = [
    'DeviceMean',
    'Nag',
    'any_process',
    'bare_model',
    'find_queue',
    'highest',
    'is_full',
    'stop_run',
]


def bare_model(runner: Runner) -> Any:
    """Return the model without the wrapper of distributed training."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def find_queue(runner: Runner) -> SceneQueue | None:
    """Return the queue of keys of the model; None for a model without one."""
    queue = getattr(bare_model(runner), 'queue', None)
    return queue if isinstance(queue, SceneQueue) else None


def is_full(queue: SceneQueue) -> bool:
    """Tell whether each slot of a queue has had a key."""
    return not bool((queue.scenes == EMPTY).any())


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


class DeviceMean:
    """Add up a mean over steps on the device.

    The host waits only when the mean is taken.

    Attributes:
        count: Steps since the mean was last taken.
    """

    def __init__(self) -> None:
        self._sum: Tensor | float = 0.0
        self.count = 0

    def add(self, value: Tensor | float) -> None:
        """Add the value of one step."""
        self._sum = self._sum + torch.as_tensor(value).detach()
        self.count += 1

    def take(self) -> float:
        """Return the mean of what was added, at least one value, and start again."""
        mean = float(self._sum) / self.count
        self._sum, self.count = 0.0, 0
        return mean


class Nag:
    """Say yes at the 1st, 2nd, 4th, 8th ... time in a row of something wrong."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, wrong: bool) -> bool:
        """Count; whether it should be said (again)."""
        self.count = self.count + 1 if wrong else 0
        return wrong and self.count & (self.count - 1) == 0
