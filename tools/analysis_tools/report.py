"""Write the report of a run: one HTML file with curves, probe, pictures, config and stack.

`tools/train.py` writes it at the end of a run; this does so at any time, also of a run that still
goes on, was killed, or was trained elsewhere. Pictures need the data and a checkpoint.

Examples:
    python tools/analysis_tools/report.py work_dirs/swimdiff_r50_seco
    python tools/analysis_tools/report.py work_dirs/swimdiff_r50_seco --no-pictures -o run.html
"""

import argparse
import sys

from mmengine.dataset import BaseDataset
from torch import nn

from swimdiff.apis.runs import build_dataset, last_checkpoint, open_pretrained
from swimdiff.errors import SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.config_options import add_config_options
from swimdiff.visualization.report import write_report
from swimdiff.visualization.report.record import read_run


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('work_dir', help='work dir of tools/train.py')
    parser.add_argument('-o', '--out', help='default: WORK_DIR/report.html')
    parser.add_argument('--checkpoint', help='for the pictures; default: the latest')
    parser.add_argument('--no-pictures', action='store_true', help='open no checkpoint, no data')
    add_config_options(parser)
    return parser.parse_args(argv)


def open_run(args: argparse.Namespace) -> tuple[nn.Module | None, BaseDataset | None]:
    """Open model and data of the run for the pictures, or say why not."""
    cfg = read_run(args.work_dir).config
    if args.no_pictures or cfg is None or cfg.model.get('type') != 'SwiMDiff':
        return None, None
    cfg.merge_from_dict(args.cfg_options or {})
    try:
        model = open_pretrained(cfg, args.checkpoint or last_checkpoint(args.work_dir))
        return model, build_dataset(cfg)
    except SwiMDiffError as error:
        print(f'no pictures: {type(error).__name__}: {error}', file=sys.stderr)
        return None, None


def main(argv: list[str] | None = None) -> None:
    """Write; errors made on purpose are printed as one message."""
    args = parse_args(argv)
    try:
        model, dataset = open_run(args)
        print(f'report: {write_report(args.work_dir, args.out, model, dataset)}')
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
