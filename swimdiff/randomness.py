"""Random streams of a run, a sample and a step, the same on any number of processes.

What a sample draws at random depends on the sample, not on who loads it.

The sampler hands out :class:`SeededIndex`, an index that carries a seed made of the run's seed, the
epoch and the index. A data set opens :func:`sample_randomness` around everything that draws. Dates
and augmentations are then the same for any number of workers and processes, and after a restart.
"""

import operator
import random
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from mmengine.dist import broadcast, get_rank
from mmengine.logging import MessageHub
from mmengine.runner import Runner
from torch.utils.data import get_worker_info

__all__ = [
    'SeededIndex',
    'derive_seeds',
    'run_seed',
    'runner_seed',
    'sample_randomness',
    'sample_seeds',
    'seed_iteration',
]

_UNSEEDED: AbstractContextManager[None] = nullcontext()


class SeededIndex(int):
    """Carry the seed of what a sample draws in its index, which stays an ``int``.

    What wrappers such as ``ConcatDataset`` and ``RepeatDataset`` do to an index (``-``, ``%``)
    keeps the seed. Pickles, so it passes through a DataLoader's queues.

    Args:
        index: Index of the sample.
        seed: 0 to 2**64 - 1.
    """

    seed: int

    def __new__(cls, index: Any, seed: int) -> 'SeededIndex':
        """Make an index that carries ``seed``."""
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __sub__(self, other: Any) -> 'SeededIndex':
        return SeededIndex(int(self) - operator.index(other), self.seed)

    def __mod__(self, other: Any) -> 'SeededIndex':
        return SeededIndex(int(self) % operator.index(other), self.seed)

    def __reduce__(self) -> tuple:
        return SeededIndex, (int(self), self.seed)


def sample_seeds(seed: int, epoch: int, indices: np.ndarray) -> np.ndarray:
    """Return seeds of samples: a 64-bit mix of run, epoch and index.

    It is splitmix64 (Steele et al. 2014).

    Args:
        seed: Seed of the run, any integer.
        epoch: Epoch, from 0.
        indices: int64, of any shape.

    Returns:
        uint64 of the same shape, equal for equal arguments on any machine.
    """
    state = np.zeros(1, np.uint64)
    for word in (seed, epoch):
        state = _mix(state ^ np.uint64(word % 2**64))
    return _mix(state ^ indices.astype(np.uint64))


def _mix(state: np.ndarray) -> np.ndarray:
    z = state + np.uint64(0x9E3779B97F4A7C15)  # unsigned arrays wrap around, as is meant
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def sample_randomness(index: int) -> AbstractContextManager[None]:
    """Seed the global generators for the time of a sample.

    Python's, NumPy's and torch's CPU generators are seeded from ``index.seed``; with a plain
    ``int`` nothing happens. In the main process (``num_workers=0``) they get back afterwards the
    state they had, so that loading does not move the model's random numbers; a worker draws for
    nothing but samples, so there the state (70 microseconds of NumPy's alone) is not kept.

    Args:
        index: What the data set was asked for.
    """
    seed = getattr(index, 'seed', None)
    return _UNSEEDED if seed is None else _Seeded(seed)


class _Seeded(AbstractContextManager[None]):
    """The context of one sample."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._states: tuple | None = None

    def __enter__(self) -> None:
        if get_worker_info() is None:
            self._states = random.getstate(), np.random.get_state(), torch.get_rng_state()
        random.seed(self._seed)
        np.random.seed((self._seed >> 32 ^ self._seed) & 0xFFFFFFFF)  # takes 32 bits
        # Not torch.manual_seed, which sees to the accelerators too and is a hundred times slower.
        torch.default_generator.manual_seed(self._seed)

    def __exit__(self, *_: object) -> None:
        if self._states is not None:
            python, numpy, cpu = self._states
            random.setstate(python)
            np.random.set_state(numpy)
            torch.set_rng_state(cpu)


def derive_seeds(count: int, *keys: int, purpose: str = '') -> np.ndarray:
    """Return seeds of a stream that is named by its purpose and keys.

    Args:
        count: Number of seeds.
        *keys: Seed of the run, and what tells the draw apart (iteration, epoch ...), not negative.
        purpose: Name of the stream, where others are derived from the same keys.

    Returns:
        ``count`` uint64 by NumPy's ``SeedSequence``, equal for equal arguments on any machine.
    """
    words = [int.from_bytes(purpose.encode(), 'big')] if purpose else []
    return np.random.SeedSequence([*words, *keys]).generate_state(count, np.uint64)


def run_seed() -> int | None:
    """Seed of the run that is training, or None where none is.

    With ``diff_rank_seed`` the engine tells each process a seed of its own. Process 0 shares its
    seed once per run, so all processes have to call this alike.
    """
    hub = MessageHub.get_current_instance()
    if hub.get_info('loop_stage') != 'train':
        return None
    return _of_process_0(hub.instance_name, int(hub.get_info('seed') or 0))


@lru_cache(maxsize=8)
def _of_process_0(run: str, seed: int) -> int:
    shared_seed = torch.tensor([seed], dtype=torch.int64)
    broadcast(shared_seed)  # nothing happens in a single process
    return int(shared_seed)


def runner_seed(runner: Runner) -> int:
    """Return the seed of a run from its runner, the same on all processes."""
    differ = runner._randomness_cfg.get('diff_rank_seed', False)
    return runner.seed - (get_rank() if differ else 0)


def seed_iteration(seed: int, iteration: int) -> None:
    """Seed the global generators of this process for one iteration.

    Loading and computing draw from them.

    Args:
        seed: Of the run and the process.
        iteration: Number of the iteration.
    """
    # The samples' seeds count epochs from 0 in the place of the process here.
    mixed_seed = int(sample_seeds(seed, -1 - get_rank(), np.array([iteration]))[0])
    random.seed(mixed_seed)
    np.random.seed(mixed_seed >> 32)
    torch.default_generator.manual_seed(mixed_seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(mixed_seed)
