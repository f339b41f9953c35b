"""Shares of a list of work: which of N processes does what, by the variables of schedulers."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from swimdiff.errors import ConfigError

__all__ = ['SHARD_HELP', 'Shard', 'read_shard']

T = TypeVar('T')

#: Number of this process and number of all, as schedulers write them; None: they do not tell.
_SCHEDULERS: Sequence[tuple[str, str | None]] = (
    ('SLURM_ARRAY_TASK_ID', 'SLURM_ARRAY_TASK_COUNT'),
    ('RANK', 'WORLD_SIZE'),
    ('AWS_BATCH_JOB_ARRAY_INDEX', 'AWS_BATCH_JOB_ARRAY_SIZE'),
    ('JOB_COMPLETION_INDEX', None),  # Kubernetes, indexed jobs
    ('SKYPILOT_NODE_RANK', 'SKYPILOT_NUM_NODES'),
)

SHARD_HELP = (
    'only every N-th, from the I-th of 0..N-1 on (default: what '
    f'{", ".join(number for number, _ in _SCHEDULERS)} say, the first that is set; "/N" takes I '
    'from there)'
)


class Shard(NamedTuple):
    """Choose every ``shares``-th item from the ``number``-th on.

    Args:
        number: 0 to ``shares`` - 1.
        shares: How many there are.
    """

    number: int
    shares: int

    def take(self, items: Sequence[T]) -> Sequence[T]:
        """Return the items of this share."""
        return items[self.number :: self.shares]


def read_shard(text: str | None, environment: Mapping[str, str] | None = None) -> Shard:
    """Read which share is meant, from the command line or a scheduler.

    Args:
        text: ``I/N``; ``/N`` where only the number of shares is not known; None for what the
            environment says, all where it says nothing.
        environment: Variables. Defaults to None, those of the process.

    Raises:
        ConfigError: It cannot be read, or a scheduler does not say how many shares there are.
    """
    environment = os.environ if environment is None else environment
    match = re.fullmatch(r'(\d*)/(\d+)', text or '')
    if text is not None and match is None:
        raise _bad_shard(text)
    index = int(match[1]) if match and match[1] else None
    count = int(match[2]) if match else None
    if index is None:
        index, count = _ask_scheduler(environment, count)
    if count is None or not 0 <= index < count:
        raise _bad_shard(text or f'{index}/{count}')
    return Shard(index, count)


def _bad_shard(text: str) -> ConfigError:
    return ConfigError(f'--shard {text}: expected I/N with 0 <= I < N, such as 0/4, or /N.')


def _ask_scheduler(environment: Mapping[str, str], count: int | None) -> tuple[int, int | None]:
    """Return index and count; the count given counts more."""
    for name, of in _SCHEDULERS:
        if name not in environment:
            continue
        value = environment.get(of) if of else None
        try:
            index, known_count = int(environment[name]), None if value is None else int(value)
        except ValueError:
            raise ConfigError(
                f'{name}={environment[name]!r}, {of}={value!r}: expected whole numbers. Unset '
                'them, or say --shard I/N.'
            ) from None
        if name == 'SLURM_ARRAY_TASK_ID' and count is None:
            index, known_count = _count_from_first(index, environment), known_count or 1
        if count is None and known_count is None:
            raise ConfigError(
                f'{name}={index} says which share is meant, but not how many there are. Say '
                '--shard /N with their number.'
            )
        return index, known_count if count is None else count
    return 0, 1 if count is None else count


def _count_from_first(index: int, environment: Mapping[str, str]) -> int:
    """Return the place of a Slurm task in its array, which may begin anywhere.

    Where the number of shares is given, the task's own number counts: a part of an array that is
    started again (``--array=3``) does the share that it did before.
    """
    first = int(environment.get('SLURM_ARRAY_TASK_MIN', '0'))
    step = int(environment.get('SLURM_ARRAY_TASK_STEP', '1'))
    return (index - first) // max(step, 1)
