"""What a run goes on from."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.runner import Runner

from swimdiff.engine.checkpointing.last_checkpoint import Search, find_checkpoint, require_whole
from swimdiff.errors import CheckpointError

__all__ = ['choose_checkpoint']

#: Touched when a run starts; a restart of the same launch goes on from what is newer.
_STARTED = '.started'


def choose_checkpoint(
    runner: Runner, folders: Sequence[str], optimizer: bool, restarted: bool
) -> str | None:
    """Return the checkpoint to go on from, None to start from scratch.

    A restart within a launch goes on from what the launch has saved; where that is nothing, and at
    the first start, ``resume`` and ``load_from`` of the config decide: ``resume=True`` with
    ``load_from`` names a checkpoint; ``resume=True`` alone and ``resume='auto'`` take the newest
    whole one of the work dir, if there is any.

    Args:
        runner: About to train.
        folders: Where checkpoints may be; the first is the work dir.
        optimizer: Whether its checkpoints hold the state of the optimiser.
        restarted: Whether this is a restart within a launch.

    Raises:
        CheckpointError: The one that was named is damaged, or all there are.
    """

    def find(since: float | None = None) -> Search:
        search = find_checkpoint(*folders, optimizer=optimizer, since=since)
        if search.message:
            runner.logger.warning(search.message)
        return search

    marker = Path(runner.work_dir, _STARTED)
    resume, load_from = runner._resume, runner._load_from
    if restarted:
        search = find(marker.stat().st_mtime if marker.is_file() else None)
        if search.good:
            runner.logger.info(f'Restarted: going on from {search.good}')
            return str(search.good.path)
    else:
        marker.touch()
    if not resume:
        return None
    if resume != 'auto' and load_from is not None:
        if '://' not in str(load_from):
            require_whole(Path(load_from).expanduser(), optimizer)
        return str(load_from)
    search = find()
    if search.good is None and search.rejected:
        raise CheckpointError(
            f'--resume: {search.message} Move them away to start from scratch, or name another '
            'checkpoint.'
        )
    if search.good is None:
        runner.logger.info(f'--resume: no checkpoint in {folders[0]}; starting from scratch')
        return None
    runner.logger.info(f'--resume: going on from {search.good}')
    return str(search.good.path)
