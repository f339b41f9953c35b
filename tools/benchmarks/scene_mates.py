"""How many keys of its own scene a query meets: the formula beside a queue stepped through.

No images and no network: the order of the sampler, the queue's scenes and counting. The table of
``docs/concepts/sampling.md`` is this script's output.

Examples:
    python tools/benchmarks/scene_mates.py                                  # SeCo-100k
    python tools/benchmarks/scene_mates.py --scenes 200000                  # SeCo-1M
    python tools/benchmarks/scene_mates.py --scenes 252 --samples 715 --mates 0 100
"""

import argparse
import time

import numpy as np

from swimdiff.engine.samplers import SceneSampler


class EqualScenes:
    """Scenes of equally many samples."""

    def __init__(self, scenes: int, samples: int) -> None:
        self._ids = np.repeat(np.arange(scenes), samples)

    def __len__(self) -> int:
        return len(self._ids)

    def scene_ids(self) -> np.ndarray:
        """Scene of every sample."""
        return self._ids


def count_mates(sampler: SceneSampler, queue: int, batch: int, epochs: int) -> list[np.ndarray]:
    """Count the mates of every query of some epochs, from an empty queue."""
    ids = sampler.dataset.scene_ids()
    key_counts, ring = np.zeros(ids.max() + 1, np.int64), np.zeros(0, np.int64)
    mates_by_epoch = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        order = ids[sampler.order()]
        mates_met = []
        for start in range(0, len(order) - batch + 1, batch):
            scenes = order[start : start + batch]
            mates_met.append(key_counts[scenes])
            ring = np.concatenate([ring, scenes])
            np.add.at(key_counts, scenes, 1)
            np.subtract.at(key_counts, ring[:-queue], 1)
            ring = ring[-queue:]
        mates_by_epoch.append(np.concatenate(mates_met))
    return mates_by_epoch


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--scenes', type=int, default=20_000)
    parser.add_argument('--samples', type=int, default=5, help='samples per scene: %(default)s')
    parser.add_argument('--queue', type=int, default=16_384, help='keys: %(default)s')
    parser.add_argument('--batch', type=int, default=256, help='of all processes: %(default)s')
    parser.add_argument('--mates', type=float, nargs='+', default=[0, 1, 1.5, 2, 9])
    parser.add_argument('--epochs', type=int, default=3, help='the first apart: %(default)s')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args(argv)
    dataset = EqualScenes(args.scenes, args.samples)
    print(f'{len(dataset)} samples, {args.scenes} scenes, queue {args.queue}, batch {args.batch}')
    print(
        'asked | groups | expected (epoch 1) | met (epoch 1) | expected | met | none | s an order'
    )
    for mates in args.mates:
        queue = dict(queue_length=args.queue, batch_size=args.batch, drop_last=True)
        sampler = SceneSampler(dataset, mates=mates, seed=args.seed, **queue)
        plan, first = sampler.grouping(), sampler.expected_mates()
        mates_by_epoch = count_mates(sampler, args.queue, args.batch, args.epochs)
        later = np.concatenate(mates_by_epoch[1:])
        start = time.process_time()
        sampler.order()
        took = time.process_time() - start
        print(
            f'{mates:g} | {plan.size + plan.more:.2f} | {first:.3f} | '
            f'{mates_by_epoch[0].mean():.3f} | {plan.expected:.3f} | {later.mean():.3f} | '
            f'{(later == 0).mean():.0%} | {took:.2f}'
        )


if __name__ == '__main__':
    main()
