"""One run cut into 1, 2 and 4 processes: are losses and queue the same, and what is sent?

A small SwiMDiff on the CPU (gloo) sees the same global batches whatever the number of processes.
Printed for each way of normalising: the largest difference of a loss and of a key in the queue from
the run of one process, whether ids and pointer are the same, and the collectives of a step besides
the averaging of gradients. The yardstick of rounding is one process again, its weights changed at
the start by 1e-7 of their size. With --config: what a step of that model sends, on paper.

Examples:
    python tools/benchmarks/processes.py
    python tools/benchmarks/processes.py --config configs/swimdiff_r50_seco.py --batch 32
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample
from torch import Tensor, distributed, multiprocessing
from torch.nn.modules.batchnorm import _BatchNorm

from swimdiff.errors import SwiMDiffError
from swimdiff.launch.paths import find_config
from swimdiff.registry import MODELS

#: What is varied: options of the model.
CASES: dict[str, dict] = {
    'group norm': dict(backbone=dict(norm_cfg=dict(type='GN', num_groups=4))),
    'batch norm, global (SyncBN)': dict(batch_norm='global'),
    'batch norm, 4 groups, shuffled': dict(batch_norm=4),
    'batch norm of each process, shuffled': dict(batch_norm='process'),
}
COLLECTIVES = (
    'all_gather',
    'all_gather_into_tensor',
    'all_gather_object',
    'all_reduce',
    'all_to_all',
    'all_to_all_single',
    'barrier',
    'broadcast',
    'broadcast_object_list',
    'gather',
    'reduce',
    'reduce_scatter',
    'reduce_scatter_tensor',
    'scatter',
)


@dataclass
class Outcome:
    """Hold a process's losses (steps x 2), queue, and last step's collectives."""

    losses: Tensor
    keys: Tensor
    scenes: Tensor
    pointer: int
    collectives: Counter = field(default_factory=Counter)


def model_config(case: str, length: int = 60) -> dict:
    """Return a SwiMDiff on the first stage of a narrow ResNet, with 60 slots."""
    options = {**CASES[case]}
    backbone = dict(
        type='mmpretrain.ResNet',
        depth=18,
        stem_channels=8,
        base_channels=8,
        num_stages=1,
        strides=(1,),
        dilations=(1,),
        out_indices=(0,),
        **options.pop('backbone', {}),
    )
    return dict(
        type='SwiMDiff',
        backbone=backbone,
        neck=dict(type='ProjectionNeck', out_channels=16),
        head=dict(type='SceneMatchingHead', rule='scene', temperature=0.2),
        queue=dict(type='SceneQueue', length=length),
        momentum_encoder=dict(type='MomentumEncoder', momentum=0.999),
        diffusion=dict(
            type='DiffusionBranch',
            share=0.5,
            schedule=dict(least_signal=0),
            decoder=dict(levels=(0,), channels=(8,), skip_noised=True),
            loss=dict(prediction='eps'),
        ),
        lambda_d=1,
        data_preprocessor=dict(type='MultiBandPreprocessor', bands=('B04', 'B03', 'B02')),
        **options,
    )


def global_batch(step: int, size: int) -> dict[str, Any]:
    """Draw two views of ``size`` images of twelve scenes, the same for all."""
    generator = torch.Generator().manual_seed(step)
    scenes = torch.randint(12, (size,), generator=generator)
    patterns = torch.rand(12, 3, 4, 4, generator=torch.Generator().manual_seed(-1))
    images = torch.nn.functional.interpolate(patterns[scenes], 32, mode='bilinear')
    views = [images + 0.2 * torch.randn(images.shape, generator=generator) for _ in range(2)]
    return dict(
        inputs=[(255 * view).clamp(0, 255).to(torch.uint8) for view in views],
        data_samples=[DataSample(metainfo=dict(scene_id=int(scene))) for scene in scenes],
    )


def train(case: str, rank: int, world: int, steps: int, batch: int, nudge: float = 0.0) -> Outcome:
    """Train one case in this process, as the engine's runner would; MoCo v2's rates for the batch.

    Args:
        case (str): Key of ``CASES``.
        rank (int): Of this process.
        world (int): Number of processes.
        steps (int): Optimiser steps.
        batch (int): Images of the global batch.
        nudge (float): By which share of their size all weights are changed at the start, at random.
    """
    init_default_scope('swimdiff')
    hub = MessageHub.get_current_instance()
    hub.update_info_dict(dict(loop_stage='train', seed=0))
    torch.manual_seed(0)
    model = MODELS.build(model_config(case))
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1 + nudge * torch.randn_like(weight))
    module = model
    if world > 1:
        model = MMDistributedDataParallel(model, broadcast_buffers=False)
    rates = dict(lr=0.03 * batch / 256, momentum=0.9, weight_decay=1e-4)
    wrapper = OptimWrapper(torch.optim.SGD(module.parameters(), **rates))
    losses = []
    for step in range(steps):
        hub.update_info('iter', step)
        whole = global_batch(step, batch)
        mine = dict(
            inputs=[view[rank::world] for view in whole['inputs']],
            data_samples=whole['data_samples'][rank::world],
        )
        with Counted() as counts:
            log = model.train_step(mine, wrapper)
        losses.append([float(log['loss_contrast']), float(log['loss_diffusion'])])
    queue = module.queue
    return Outcome(
        torch.tensor(losses, dtype=torch.float64),
        queue.keys.clone(),
        queue.scenes.clone(),
        int(queue.pointer),
        counts,
    )


class Counted:
    """Count the collectives called from Python inside a ``with`` block."""

    def __enter__(self) -> Counter[str]:
        """Put a counter before each collective."""
        self._real = {name: getattr(distributed, name) for name in COLLECTIVES}
        counts: Counter[str] = Counter()
        for name, function in self._real.items():
            setattr(distributed, name, _counting(name, function, counts))
        return counts

    def __exit__(self, *_: object) -> None:
        """Put the collectives back."""
        for name, function in self._real.items():
            setattr(distributed, name, function)


def _counting(name: str, function: Any, counts: Counter[str]) -> Any:
    def counted(*arguments: Any, **options: Any) -> Any:
        counts[name] += 1
        return function(*arguments, **options)

    return counted


def _worker(rank: int, world: int, folder: str, cases: list[str], *arguments: Any) -> None:
    torch.set_num_threads(1)
    if world > 1:
        store = f'file://{folder}/store{world}'
        distributed.init_process_group('gloo', init_method=store, rank=rank, world_size=world)
    outcomes = {case: vars(train(case, rank, world, *arguments)) for case in cases}
    torch.save(outcomes, Path(folder) / f'{world}-{rank}.pth')
    if world > 1:
        distributed.destroy_process_group()


def run(
    cases: list[str], world: int, steps: int, batch: int, nudge: float = 0.0
) -> dict[str, list[Outcome]]:
    """Train cases in ``world`` processes, see :func:`train`.

    Returns:
        dict[str, list[Outcome]]: A case's outcome on each rank.
    """
    with TemporaryDirectory() as folder:
        multiprocessing.start_processes(
            _worker, (world, folder, cases, steps, batch, nudge), nprocs=world, start_method='fork'
        )
        # Written just now by the processes above: nothing foreign is unpickled.
        ranks = [
            torch.load(Path(folder) / f'{world}-{rank}.pth', weights_only=False)
            for rank in range(world)
        ]
    return {case: [Outcome(**outcomes[case]) for outcomes in ranks] for case in cases}


def global_losses(ranks: list[Outcome]) -> Tensor:
    """Average the losses over processes, steps x 2."""
    return torch.stack([outcome.losses for outcome in ranks]).mean(0)


def compare(cases: list[str], worlds: list[int], steps: int, batch: int) -> None:
    """Print the table."""
    single = run(cases, 1, steps, batch)
    outcomes_by_label = {'1, nudged': run(cases, 1, steps, batch, nudge=1e-7)}
    outcomes_by_label |= {str(world): run(cases, world, steps, batch) for world in worlds}
    print(f'{steps} steps, global batch {batch}; differences from one process')
    print(f'{"":<38}{"processes":>10}{"loss":>10}{"keys":>10}  ids  pointer  collectives per step')
    for case in cases:
        for label, outcomes in outcomes_by_label.items():
            ranks, one = outcomes[case], single[case][0]
            loss = (global_losses(ranks) - one.losses).abs().max()
            keys = max(float((rank.keys - one.keys).abs().max()) for rank in ranks)
            ids = all(torch.equal(rank.scenes, one.scenes) for rank in ranks)
            pointer = all(rank.pointer == one.pointer for rank in ranks)
            collectives_text = (
                ', '.join(f'{n} {name}' for name, n in ranks[0].collectives.items()) or 'none'
            )
            print(
                f'{case:<38}{label:>10}{loss:>10.1e}{keys:>10.1e}  '
                f'{"same" if ids else "OTHER":<5}{"same" if pointer else "OTHER":<9}'
                f'{collectives_text}'
            )


def bytes_a_step(name: str, rows: int, size: int, worlds: list[int]) -> None:
    """Print what one process sends in a step of a config, from the sizes of its tensors."""
    cfg = Config.fromfile(find_config(name))
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    dimension = model.queue.keys.shape[1]
    bands = cfg.model.backbone.get('in_channels', 3)
    weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
    layers = [m for part in (model.backbone, model.neck) for m in part.modules()]
    widths = [layer.num_features for layer in layers if isinstance(layer, _BatchNorm)]
    is_noised = model.diffusion is not None and model.diffusion.encoder_input == 'noised'
    forward, backward = (3, 2) if is_noised else (2, 1)  # the key encoder has no backward pass
    sums = sum(widths)
    bytes_sent: dict[str, Callable[[int], float]] = {
        # gathered: those of all others arrive
        'keys and ids': lambda w: (w - 1) * rows * (dimension + 2) * 4,
        # dealt out again: all but one in W leave
        'images of shuffled batch norm': lambda w: (w - 1) / w * rows * bands * size**2 * 4,
        # gathered forward, reduced in a ring backward
        'SyncBN instead': lambda w: (w - 1) * 4 * sums * (2 * forward + 4 * backward / w),
        'gradients': lambda w: 2 * (w - 1) / w * weights * 4,
    }
    print(f'{name}: {rows} images of {bands} x {size} x {size} per process, MB sent per step')
    print(f'{"":<32}' + ''.join(f'{world:>10}' for world in worlds) + '   processes')
    for what, amount in bytes_sent.items():
        print(f'{what:<32}' + ''.join(f'{amount(world) / 1e6:>10.3f}' for world in worlds))
    print(
        f'SyncBN: {len(widths) * (forward + backward)} collectives per step, {len(widths)} layers'
    )


def main(argv: list[str] | None = None) -> None:
    """Compare processes, or print the bytes of a config."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--processes', type=int, nargs='+', help='(2 4); with --config (2 8 64)')
    parser.add_argument('--steps', type=int, default=50)
    parser.add_argument(
        '--batch', type=int, help='global batch (16); of a process with --config (32)'
    )
    parser.add_argument('--config', help='print what a step of this config sends instead')
    parser.add_argument('--size', type=int, default=224, help='edge of the views, with --config')
    args = parser.parse_args(argv)
    try:
        if args.config:
            bytes_a_step(args.config, args.batch or 32, args.size, args.processes or [2, 8, 64])
        else:
            compare(list(CASES), args.processes or [2, 4], args.steps, args.batch or 16)
    except SwiMDiffError as error:
        sys.exit(f'{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
