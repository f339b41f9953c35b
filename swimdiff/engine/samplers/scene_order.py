"""How images of a scene are brought near each other in time, and how many mates that gives.

Reconstruction: the paper says which keys are recalibrated, not how a query comes to meet them. The
derivation is in ``docs/concepts/sampling.md``; this module knows numbers and arrays only.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ['Grouping', 'Meetings', 'plan_groups', 'scene_order']


@dataclass(frozen=True)
class Meetings:
    """Compute what a query meets: keys of a ring queue, by the order of samples.

    Args:
        samples: N, samples of the data set.
        queue_length: K, keys in the queue.
        batch_size: B, samples per step over all processes. Their keys enter the queue after the
            step, so a query does not meet them there.
        window: W, the stretch of the order that a group's samples are spread over, at most N.
        batch_keys: Whether the other keys of the query's own batch are candidates too.
        drop_last: Whether the samples of an incomplete last batch are left out of the epoch.
    """

    samples: int
    queue_length: int
    batch_size: int = 1
    window: int | None = None
    batch_keys: bool = False
    drop_last: bool = False

    def _steps(self) -> tuple[np.ndarray, np.ndarray]:
        """First place and number of samples of each step of an epoch."""
        starts = np.arange(0, self.samples, self.batch_size)
        sizes = np.minimum(self.batch_size, self.samples - starts)
        if self.drop_last and len(starts) > 1 and sizes[-1] < self.batch_size:
            return starts[:-1], sizes[:-1]
        return starts, sizes

    def by_chance(self) -> float:
        """Return the probability that a query meets another sample's key this epoch."""
        starts, sizes = self._steps()
        met_keys = np.minimum(starts, self.queue_length) + self.batch_keys * (sizes - 1)
        return float((sizes * met_keys).sum() / (sizes.sum() * max(self.samples - 1, 1)))

    def from_before(self, epochs: int | None = None) -> float:
        """Return the expected keys of a sample that a query meets from epochs before.

        Args:
            epochs: How many there were; by default as many as the queue reaches back to.
        """
        starts, sizes = self._steps()
        used_samples = int(sizes.sum())
        reach = -(-self.queue_length // used_samples)
        places_left = self.queue_length - starts
        met_keys = sum(
            np.clip(places_left - epoch * used_samples, 0, used_samples)
            for epoch in range(reach if epochs is None else min(epochs, reach))
        )
        return float((sizes * met_keys).sum() / (used_samples * self.samples))

    def in_a_group(self) -> float:
        """Return how often, in a pair of one group, one's query meets the other's key.

        With D the distance of the pair in the order and f the place of the later one in its batch,
        the two meet where f < D <= f + K, and in one batch where D <= f.
        """
        window = min(self.window or self.queue_length, self.samples)
        later = np.arange(self.batch_size) + 0.5  # D is whole

        def farther(x: np.ndarray) -> np.ndarray:  # P(D > x)
            return np.clip(1 - x / window, 0, None) ** 2 * np.clip(1 - x / self.samples, 0, None)

        apart = farther(later)
        meet = apart - farther(later + self.queue_length)
        return float((meet + 2 * self.batch_keys * (1 - apart)).mean())

    def expected(
        self, sizes: np.ndarray, pairs: float = 0.0, epochs_before: int | None = None
    ) -> float:
        """Return the expected mates of a query.

        Args:
            sizes: Samples of each scene.
            pairs: Pairs of samples that share a group; 0 for a plain shuffle.
            epochs_before: Epochs that have passed, from 0; by default enough to fill the queue.
        """
        apart = float(_pairs(sizes).sum()) - pairs
        now = pairs * self.in_a_group() + apart * 2 * self.by_chance()
        before = self.from_before(epochs_before) * float((sizes.astype(float) ** 2).sum())
        return (now + before) / self.samples


@dataclass(frozen=True)
class Grouping:
    """Describe how scenes are cut into groups.

    Args:
        size: Samples a group; 1 is a plain shuffle.
        more: Share of scenes, drawn again each epoch, whose groups have one sample more.
        pairs: Expected number of pairs of samples in one group.
        expected: Expected mates of a query, once the queue has been filled.
    """

    size: int
    more: float
    pairs: float
    expected: float


def plan_groups(sizes: np.ndarray, mates: float, meetings: Meetings) -> Grouping:
    """Find groups that give a number of mates, or as near to it as the scenes allow.

    Args:
        sizes: Samples of each scene.
        mates: Mates a query is to meet on average.
        meetings: The queue.
    """
    by_chance = meetings.expected(sizes)
    gain = (meetings.in_a_group() - 2 * meetings.by_chance()) / meetings.samples
    largest = int(sizes.max(initial=1))
    everywhere = (meetings.window or meetings.queue_length) >= meetings.samples
    if mates <= by_chance or gain <= 0 or largest == 1 or everywhere:
        return Grouping(1, 0.0, 0.0, by_chance)
    kinds, counts = np.unique(sizes, return_counts=True)
    wanted_pairs = (mates - by_chance) / gain

    def pairs(size: int) -> float:
        full, rest = np.divmod(kinds, size)
        return float(((full * _pairs(np.int64(size)) + _pairs(rest)) * counts).sum())

    # pairs(low) <= wanted_pairs, and pairs(high) above it or the most there is
    low, high = 1, largest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if pairs(middle) <= wanted_pairs else (low, middle)
    few, many = pairs(low), pairs(high)
    more = min((wanted_pairs - few) / (many - few), 1.0) if many > few else 1.0
    there = few + more * (many - few)
    return Grouping(low, more, there, meetings.expected(sizes, there))


def scene_order(
    scenes: np.ndarray, grouping: Grouping, window: int, seed: int, epoch: int
) -> np.ndarray:
    """Order of an epoch: each group's samples at random places of a random stretch.

    Every place of the order is as likely for a sample as any other. At the ends of the epoch a
    stretch is folded back, which moves its samples nearer to each other, never apart.

    Args:
        scenes: N integers from 0 to the number of scenes - 1.
        grouping: How scenes are cut.
        window: Samples a stretch.
        seed: Seed of the run, and
        epoch: number of the epoch: equal ones give the same order.

    Returns:
        N int64 indices, each once.
    """
    count = len(scenes)
    rng = np.random.default_rng([seed % 2**64, epoch])
    shuffled_rows = rng.permutation(count)
    by_scene = shuffled_rows[np.argsort(scenes[shuffled_rows], kind='stable')]
    scene = scenes[by_scene]
    number = int(scene[-1]) + 1
    first = np.searchsorted(scene, np.arange(number))
    size = grouping.size + (rng.random(number) < grouping.more)
    opens = (np.arange(count) - first[scene]) % size[scene] == 0
    group = np.cumsum(opens) - 1
    middle = rng.uniform(0, count, int(group[-1]) + 1)
    width = min(window, count)
    place = np.abs(middle[group] + rng.uniform(-width / 2, width / 2, count))
    place = np.where(place > count, 2 * count - place, place)
    return by_scene[np.argsort(place, kind='stable')]


def _pairs(sizes: np.ndarray | np.int64) -> np.ndarray:
    return np.asarray(sizes, np.int64) * (sizes - 1) // 2
