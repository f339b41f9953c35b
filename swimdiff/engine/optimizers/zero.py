"""An optimiser whose state is cut into one part a process, and that can be saved."""

from mmengine.dist import is_main_process
from mmengine.optim import ZeroRedundancyOptimizer
from mmengine.runner import Runner

from swimdiff.registry import OPTIMIZERS

__all__ = ['ZeroOptimizer', 'gather_optimizer']


@OPTIMIZERS.register_module()
class ZeroOptimizer(ZeroRedundancyOptimizer):
    """Shard the optimiser's state as ZeRO, stage 1 (arXiv 1910.02054).

    It is the engine's optimiser with another way of saving.

    The engine's gathers the parts when asked for its state, which the runner does on the first
    process alone: it would wait for the others for ever. Here they are gathered before, see
    :func:`gather_optimizer`.

    Args:
        params (Iterable): Parameters or groups of them.
        optimizer_type (str): Name of an optimiser of ``torch.optim``.
        **options: Those of that optimiser.

    Example::

        optim_wrapper = dict(
            optimizer=dict(type='ZeroOptimizer', optimizer_type='AdamW', lr=1.5e-4)
        )
    """

    def state_dict(self) -> dict:
        """Return the whole state on the first process, nothing on the others.

        It was gathered before.
        """
        if not is_main_process():
            return {}
        # Past the engine's own, which gathers.
        return super(ZeroRedundancyOptimizer, self).state_dict()


def gather_optimizer(runner: Runner) -> None:
    """Bring the optimiser's state together on the first process.

    All processes have to call it.

    Args:
        runner: About to save. Nothing happens unless its optimiser is cut into parts.
    """
    optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
    if isinstance(optimizer, ZeroRedundancyOptimizer):
        optimizer.consolidate_state_dict()
