"""The sampler of pre-training: seeded indices, scenes near each other in time, exact resume."""

import math
from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from swimdiff.engine.samplers.dataset_scenes import dataset_scenes
from swimdiff.engine.samplers.scene_order import Grouping, Meetings, plan_groups, scene_order
from swimdiff.errors import ConfigError
from swimdiff.randomness import SeededIndex, sample_seeds
from swimdiff.registry import DATA_SAMPLERS

__all__ = ['SceneSampler']

_CHUNK = 4096  # indices made into Python objects at a time


@DATA_SAMPLERS.register_module()
class SceneSampler(Sampler[int]):
    """Draw every sample once per epoch, images of a scene near each other.

    They are near in time, where that is asked for.

    Without ``mates`` the order is the engine's ``DefaultSampler``'s, number by number. With it,
    each scene's images are cut into groups, and a group's images lie at random places of a stretch
    as long as the queue, so that a query meets keys of its own scene there. The order depends on
    seed and epoch, not on the number of processes, which are dealt to round robin.

    What the queue is like is filled in by :class:`~swimdiff.engine.SceneSamplerHook` from the model
    and the data loader where it is not given here.

    Args:
        dataset: The data set; knows its ``scene_ids()``.
        mates: Keys of its own scene that a query is to meet on average once the queue is full.
            Defaults to None, as many as a plain shuffle gives.
        queue_length: K, keys in the queue.
        batch_size: B, samples per step over all processes.
        batch_keys: Whether the other keys of a query's own batch are candidates.
        drop_last: Whether an incomplete last batch is left out.
        window: Samples of the stretch that a group is spread over. Defaults to None, K.
        shuffle: False for the order of the data set.
        seed: Seed of the run. Defaults to None, one that all processes agree on.
        round_up: Whether samples are seen again to give all processes equally many.

    Raises:
        ConfigError: Options that are out of range or do not fit together.

    Example::

        train_dataloader = dict(sampler=dict(type='SceneSampler', mates=1.5))
    """

    def __init__(
        self,
        dataset: Sized,
        mates: float | None = None,
        queue_length: int | None = None,
        batch_size: int | None = None,
        batch_keys: bool | None = None,
        drop_last: bool | None = None,
        window: int | None = None,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        if mates is not None and (mates < 0 or (mates > 0 and not shuffle)):
            raise ConfigError(
                f'SceneSampler: mates={mates} with shuffle={shuffle}; expected None or a number '
                'from 0, and shuffle=True'
            )
        for name, value in dict(
            queue_length=queue_length, batch_size=batch_size, window=window
        ).items():
            if value is not None and value < 1:
                raise ConfigError(f'SceneSampler: {name}={value}; expected None or 1 or more')
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.mates = mates or None
        self.window = window
        self.shuffle = shuffle
        self.round_up = round_up
        self.seed = sync_random_seed() if seed is None else int(seed)
        self.epoch = 0
        self._queue: dict[str, Any] = dict(
            queue_length=queue_length,
            batch_size=batch_size,
            batch_keys=batch_keys,
            drop_last=drop_last,
        )
        self._start = 0
        self._scenes: tuple[np.ndarray, np.ndarray] | None = None
        self._grouping: Grouping | None = None
        self._resumed: tuple[int, Grouping] | None = None

    # Where a pass begins

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch that the next pass is."""
        self.epoch = epoch

    def set_start(self, consumed: int) -> None:
        """Let the next pass, and only that, begin after some samples of the epoch.

        Args:
            consumed: Samples of the epoch that all processes together have seen.
        """
        self._start = consumed

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint has to hold for the order to be the same."""
        plan = self.grouping() if self.mates else None
        group = None if plan is None else (plan.size, plan.more, plan.pairs, plan.expected)
        return dict(seed=self.seed, epoch=self.epoch, samples=len(self.dataset), group=group)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the seed, and for the epoch that was left the groups."""
        self.seed = state['seed']
        if state['group'] is not None:
            self._resumed = state['epoch'], Grouping(*state['group'])

    # Scenes

    def settle(self, **queue: Any) -> None:
        """Fill in what is known of the queue; what was given to the sampler stands.

        Args:
            **queue: ``queue_length``, ``batch_size``, ``batch_keys``, ``drop_last``.
        """
        for name, value in queue.items():
            if self._queue[name] is None:
                self._queue[name] = value
        self._grouping = None

    def scene_sizes(self) -> np.ndarray:
        """Return the samples of each scene."""
        return self._coded()[1]

    def _coded(self) -> tuple[np.ndarray, np.ndarray]:
        if self._scenes is None:
            ids = dataset_scenes(self.dataset)
            _, codes, sizes = np.unique(ids, return_inverse=True, return_counts=True)
            self._scenes = codes.astype(np.int32), sizes
        return self._scenes

    def meetings(self) -> Meetings:
        """Return the queue that queries meet.

        Raises:
            ConfigError: Its length is not known.
        """
        length = self._queue['queue_length']
        if length is None:
            raise ConfigError(
                f'SceneSampler: mates={self.mates}, but the length of the queue is not known. Set '
                "default_hooks.sampler_seed=dict(type='SceneSamplerHook'), which takes it from the "
                'model, or give train_dataloader.sampler queue_length and batch_size.'
            )
        return Meetings(
            samples=len(self.dataset),
            queue_length=length,
            batch_size=self._queue['batch_size'] or 1,
            window=self.window,
            batch_keys=bool(self._queue['batch_keys']),
            drop_last=bool(self._queue['drop_last']),
        )

    def grouping(self) -> Grouping:
        """Return how scenes are cut into groups in this epoch."""
        if self._resumed is not None and self._resumed[0] == self.epoch:
            return self._resumed[1]
        if self._grouping is None:
            self._grouping = plan_groups(self.scene_sizes(), self.mates or 0, self.meetings())
        return self._grouping

    def expected_mates(self) -> float:
        """Return the mates that a query of this epoch meets, the expected mean."""
        pairs = self.grouping().pairs
        return self.meetings().expected(self.scene_sizes(), pairs, epochs_before=self.epoch)

    # The order

    def order(self) -> np.ndarray:
        """Order of the epoch over all processes: N int64 indices, each once."""
        count = len(self.dataset)
        if not self.shuffle:
            return np.arange(count)
        grouping = self.grouping() if self.mates else None
        if grouping is None or grouping.pairs == 0:
            generator = torch.Generator().manual_seed(self.seed + self.epoch)
            return torch.randperm(count, generator=generator).numpy()
        window = self.window or self.meetings().queue_length
        return scene_order(self._coded()[0], grouping, window, self.seed, self.epoch)

    def __iter__(self) -> Iterator[int]:
        start, self._start = self._start, 0
        return self._pass(start)

    def _pass(self, start: int) -> Iterator[int]:
        order = self.order()
        if self.round_up:
            order = np.resize(order, len(order) + (start - len(order)) % self.world_size)
        mine = order[start + self.rank :: self.world_size]
        for begin in range(0, len(mine), _CHUNK):
            chunk = mine[begin : begin + _CHUNK]
            seeds = sample_seeds(self.seed, self.epoch, chunk)
            yield from map(SeededIndex, chunk.tolist(), seeds.tolist())

    def __len__(self) -> int:
        """Samples of this process in a whole epoch."""
        count = len(self.dataset) if self.round_up else len(self.dataset) - self.rank
        return math.ceil(count / self.world_size)
