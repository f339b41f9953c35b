"""Patches a second that one worker hands over: from memory, and read anew in every epoch.

The loaders of a study on a GPU (docs/how-to/studies.md), with and without what LoadPatch keeps;
their epochs alternate within one run. The first epoch of each, in which all is read, is left out.

Examples:
    python tools/benchmarks/kept_patches.py studies/claim_r18-half_oscd
"""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.noise import start_quietly
from swimdiff.studies import Plan, read_plan
from swimdiff.studies.cell_config import build_cell_config
from swimdiff.studies.device_views import move_views


def build_loader(plan: Plan, keep: int | None) -> Any:
    """Build the loader of a training whose views the device makes."""
    cfg = build_cell_config(plan, next(iter(plan.variants.values())), seed=0)
    reason = move_views(cfg)
    if reason:
        raise SystemExit(f'{cfg.filename}: {reason}')
    options = cfg.train_dataloader
    if keep is not None:
        options.dataset.pipeline[0].keep = keep
    options.sampler.update(queue_length=cfg.model.queue.length, batch_size=options.batch_size)
    return Runner.build_dataloader(options, seed=0)


def time_epoch(loader: Any) -> float:
    """Return the patches a second of one epoch."""
    start, count = time.perf_counter(), 0
    for batch in loader:
        count += len(batch['data_samples'])
    return count / (time.perf_counter() - start)


def main(argv: Sequence[str] | None = None) -> None:
    """Print rates and their ratio."""
    parser = CommandParser(__doc__)
    parser.add_argument('plan', help='path of a plan, or its name below configs/')
    parser.add_argument('--epochs', type=int, default=5, help='timed of each (%(default)s)')
    args = parser.parse_args(argv)
    start_quietly()
    init_default_scope('swimdiff')
    plan = read_plan(args.plan)
    loaders = dict(kept=build_loader(plan, None), read=build_loader(plan, 0))
    rates: dict[str, list[float]] = {name: [] for name in loaders}
    for epoch in range(args.epochs + 1):
        for name, loader in loaders.items():
            rate = time_epoch(loader)
            if epoch:
                rates[name].append(rate)
    for name, found in rates.items():
        print(f'{name}: {median(found):,.0f} patches/s ({min(found):,.0f} to {max(found):,.0f})')
    print(f'ratio {median(rates["kept"]) / median(rates["read"]):.1f}')


if __name__ == '__main__':
    main()
