"""Saving through the engine, whole or not at all."""

import shutil
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from swimdiff.engine.optimizers import gather_optimizer
from swimdiff.files import partial_name, replace_file

__all__ = ['save_atomically', 'updated']


def save_atomically(runner: Runner, folder: str, filename: str, *args: Any, **options: Any) -> None:
    """Run ``runner.save_checkpoint``, whole or not at all.

    Args:
        runner: The engine's runner; with its plain one, only the first process writes.
        folder: Where to.
        filename: Name of the checkpoint.
        *args: As for ``save_checkpoint``.
        **options: As for ``save_checkpoint``.

    Raises:
        OSError: It could not be written; nothing is left of it.
    """
    partial, final = Path(folder, partial_name(filename)), Path(folder, filename)
    if options.get('save_optimizer', True):
        gather_optimizer(runner)
    try:
        runner.save_checkpoint(folder, partial.name, *args, **options)
        if partial.is_dir():  # a sharding strategy: one file per process
            final.mkdir(exist_ok=True)
            for part in partial.iterdir():
                replace_file(part, final / part.name)
        elif is_main_process():
            replace_file(partial, final)
    finally:
        # A strategy may let all processes write.
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)


def updated(runner: Runner) -> bool:
    """Return whether the last iteration moved the weights.

    Otherwise gradients are waiting to be added to.
    """
    wrapper = runner.optim_wrapper
    return wrapper.should_update() if hasattr(wrapper, 'should_update') else True
