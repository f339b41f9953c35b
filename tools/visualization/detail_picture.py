"""Compare the detail in the shallow features of two runs, as figure 4 of the paper does.

The first run is the one without the diffusion branch, the second the one with it; the pictures are
of the second run's data.

Examples:
    python tools/visualization/detail_picture.py work_dirs/moco work_dirs/swimdiff
    python tools/visualization/detail_picture.py work_dirs/moco work_dirs/swimdiff --level 1
"""

import argparse
import sys
from pathlib import Path

import torch

from swimdiff.apis.runs import open_run, read_images
from swimdiff.errors import SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.config_options import add_config_options
from swimdiff.launch.noise import start_quietly
from swimdiff.visualization.detail import detail_figure, shallow_features


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('without', help='work dir of the run without the branch')
    parser.add_argument('with_', metavar='with', help='work dir of the run with the branch')
    parser.add_argument('--level', type=int, default=0, help='of the pyramid (default: the finest)')
    parser.add_argument('--cutoff', type=float, default=0.5, help='share of the highest frequency')
    parser.add_argument('--out', default='detail.png', help='default: %(default)s')
    parser.add_argument('--images', type=int, default=64, help='images (default: %(default)s)')
    parser.add_argument('--size', type=int, default=64, help='their edge in pixels (default: 64)')
    add_config_options(parser)
    return parser.parse_args(argv)


def draw(args: argparse.Namespace) -> None:
    """Make the picture and print the numbers."""
    _, without = open_run(args.without, args.cfg_options)
    cfg, with_ = open_run(args.with_, args.cfg_options)
    images, bands = read_images(cfg, args.images, args.size), with_.data_preprocessor.bands
    features = {
        'without diffusion': shallow_features(without, images, args.level),
        'with diffusion': shallow_features(with_, images, args.level),
    }
    figure, shares = detail_figure(images, features, bands, cutoff=args.cutoff)
    first, second = shares.values()
    difference = second - first
    error = difference.std() / len(difference) ** 0.5 if len(difference) > 1 else torch.zeros(())
    for name, share in shares.items():
        print(f'{name}: {share.mean():.2%} of the variance of level {args.level} is detail')
    print(
        f'difference over {len(difference)} images: {difference.mean():+.2%}, standard error '
        f'{error:.2%}; more with the branch in {(difference > 0).float().mean():.0%} of them'
    )
    out = Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    print(f'picture: {out}')


def main(argv: list[str] | None = None) -> None:
    """Draw; errors made on purpose are printed as one message."""
    args = parse_args(argv)
    start_quietly()
    try:
        draw(args)
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
