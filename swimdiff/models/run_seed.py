"""The seed of a run, the same on every process."""

from functools import lru_cache

import torch
from mmengine.dist import broadcast
from mmengine.logging import MessageHub

__all__ = ['run_seed']


def run_seed() -> int | None:
    """Seed of the run that is training, or None where none is.

    With ``diff_rank_seed`` the engine tells each process a seed of its own. Process 0 shares its
    seed once a run, so all processes have to call this alike.
    """
    hub = MessageHub.get_current_instance()
    if hub.get_info('loop_stage') != 'train':
        return None
    return _of_process_0(hub.instance_name, int(hub.get_info('seed') or 0))


@lru_cache(maxsize=8)
def _of_process_0(run: str, seed: int) -> int:
    shared = torch.tensor([seed], dtype=torch.int64)
    broadcast(shared)  # nothing happens in a single process
    return int(shared)
