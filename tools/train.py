"""Train a config: pre-training, change detection or classification.

Examples:
    python tools/train.py configs/swimdiff_r50_seco.py
    python tools/train.py configs/swimdiff_r50_seco.py --resume            # the latest in work_dir
    python tools/train.py configs/swimdiff_r50_seco.py --resume work_dirs/run/epoch_10.pth
    bash tools/dist_train.sh configs/swimdiff_r50_seco.py 8
"""

import argparse
import sys

from mmengine.config import Config
from mmengine.runner import Runner

from swimdiff.errors import SwiMDiffError
from swimdiff.utils.launch import adapt_to_device, add_run_arguments, check_amp, read_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='path of a config, or its name inside the package')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='go on from the latest checkpoint of the work dir, or from the one named',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='float16',
        choices=['float16', 'bfloat16'],
        help='mixed precision on a GPU (float16 unless bfloat16 is named)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the global batch over auto_scale_lr.base_batch_size',
    )
    add_run_arguments(parser)
    return parser.parse_args(argv)


def build_config(args: argparse.Namespace) -> Config:
    """Merge the command line into the config."""
    cfg = read_config(args)
    if args.amp:
        check_amp()
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.dtype = args.amp
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        cfg.auto_scale_lr.enable = True
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    return cfg


def main(argv: list[str] | None = None) -> None:
    """Train; errors made on purpose are printed as one message, without a traceback."""
    args = parse_args(argv)
    try:
        cfg = build_config(args)
        adapt_to_device(cfg)
        Runner.from_cfg(cfg).train()
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
