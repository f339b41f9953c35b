"""Count the arithmetic of a training step's parts, forward only, for one image.

Counted by torch's own counter (two operations a multiply-add), so the table is the same on every
machine. A backward pass costs about twice its forward pass.

Example:
    python tools/benchmarks/flops.py configs/swimdiff_r18_seco.py configs/swimdiff_r50_seco.py
"""

import argparse
import sys
from collections.abc import Callable

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch.utils.flop_counter import FlopCounterMode

from swimdiff.errors import SwiMDiffError
from swimdiff.launch.paths import find_config
from swimdiff.models.selfsup.swimdiff import SwiMDiff
from swimdiff.registry import MODELS


def count(part: Callable[[], object]) -> float:
    """GFLOP of a call."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        part()
    return counter.get_total_flops() / 1e9


def rows(model: SwiMDiff, bands: int, size: int) -> dict[str, float]:
    """GFLOP of each part for one image."""
    model.eval()
    x, t = torch.zeros(1, bands, size, size), torch.zeros(1, dtype=torch.long)
    feats = model.backbone(x)
    z = torch.zeros(1, model.queue.keys.shape[1])
    parts = {
        'query encoder': count(lambda: model.neck(model.backbone(x))),
        'key encoder': count(lambda: model.momentum_encoder(x)),
        'similarities to the queue': count(lambda: z @ model.queue.keys.T),
    }
    if model.diffusion is not None:
        diffusion = model.diffusion
        if diffusion.encoder_input == 'noised':
            parts['noised pass'] = diffusion.share * count(lambda: model.backbone(x))
        parts['decoder'] = diffusion.share * count(lambda: diffusion.decoder(feats, x, t))
    return parts


def main(argv: list[str] | None = None) -> None:
    """Print a table a config."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='+')
    parser.add_argument('--size', type=int, default=224, help='edge of the views in pixels')
    args = parser.parse_args(argv)
    for name in args.configs:
        try:
            cfg = Config.fromfile(find_config(name))
            init_default_scope(cfg.default_scope)
            model = MODELS.build(cfg.model)
        except SwiMDiffError as error:
            sys.exit(f'{type(error).__name__}: {error}')
        parts = rows(model, cfg.model.backbone.get('in_channels', 3), args.size)
        print(f'{name}, {args.size} px, one image, forward')
        for part, flops in parts.items():
            print(f'  {part:<28}{flops:8.3f} GFLOP{flops / parts["query encoder"]:8.1%}')


if __name__ == '__main__':
    main()
