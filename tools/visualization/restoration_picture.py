"""Draw noised images with their restorations, as figure 3 of the paper does.

Examples:
    python tools/visualization/restoration_picture.py work_dirs/swimdiff_r18_seco
    python tools/visualization/restoration_picture.py work_dirs/RUN --images 6 --steps 50 200 400
"""

import argparse
import sys
from pathlib import Path

from swimdiff.apis.runs import open_run, read_images
from swimdiff.errors import ConfigError, SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.config_options import add_config_options
from swimdiff.launch.noise import start_quietly
from swimdiff.visualization.restoration import restoration_figure


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('work_dir', help='work dir of the run')
    parser.add_argument('--steps', type=int, nargs='+', help='default: four of the training')
    parser.add_argument('--out', help='default: WORK_DIR/restoration.png')
    parser.add_argument('--images', type=int, default=5, help='images (default: %(default)s)')
    parser.add_argument('--size', type=int, default=64, help='their edge in pixels (default: 64)')
    add_config_options(parser)
    return parser.parse_args(argv)


def draw(args: argparse.Namespace) -> Path:
    """Make the picture, print the errors, return where it is."""
    cfg, model = open_run(args.work_dir, args.cfg_options)
    if model.diffusion is None:
        raise ConfigError(
            f'{args.work_dir}: the run has no diffusion branch (lambda_d=0), nothing is restored; '
            'give the work dir of a run with one'
        )
    images = read_images(cfg, args.images, args.size)
    figure, errors = restoration_figure(model, images, model.data_preprocessor.bands, args.steps)
    for step, error in errors.items():
        print(f't = {step}: the restoration is off by {error:.1f} of 255 on average')
    out = Path(args.out or Path(args.work_dir) / 'restoration.png')
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    return out


def main(argv: list[str] | None = None) -> None:
    """Draw; errors made on purpose are printed as one message."""
    args = parse_args(argv)
    start_quietly()
    try:
        print(f'picture: {draw(args)}')
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
