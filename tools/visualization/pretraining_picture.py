r"""Draw what a pre-training run learned: losses, denoising, nearest neighbours.

Examples:
    python tools/visualization/pretraining_picture.py configs/swimdiff_r18_seco.py work_dirs/run
    python tools/visualization/pretraining_picture.py CONFIG.py work_dirs/run --images 20 \
        --out run.png
"""

import argparse
import sys
from pathlib import Path

import torch
from mmengine.config import Config

from swimdiff.apis.runs import build_dataset, last_checkpoint, open_pretrained
from swimdiff.errors import SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.config_options import add_config_options
from swimdiff.launch.config_reading import read_config_file
from swimdiff.launch.noise import start_quietly
from swimdiff.visualization.pretraining import pretraining_figure, read_losses


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config')
    parser.add_argument('work_dir', help='work dir of the run')
    parser.add_argument('--checkpoint', help='default: the latest of the work dir')
    parser.add_argument('--out', help='default: WORK_DIR/pretraining.png')
    parser.add_argument('--images', type=int, default=10, help='images the patches are cut from')
    parser.add_argument('--size', type=int, default=64, help='edge of the patches in pixels')
    add_config_options(parser)
    return parser.parse_args(argv)


def draw(cfg: Config, args: argparse.Namespace) -> Path:
    """Make the picture, print what it shows, and return where it is."""
    model = open_pretrained(cfg, args.checkpoint or last_checkpoint(args.work_dir))
    dataset = build_dataset(cfg, cfg.train_dataloader.dataset.pipeline[:1])
    sample_numbers = (
        torch.linspace(0, len(dataset) - 1, min(args.images, len(dataset))).long().tolist()
    )
    images = [torch.from_numpy(dataset[i]['img']).permute(2, 0, 1) for i in sample_numbers]
    figure, remarks = pretraining_figure(
        read_losses(args.work_dir),
        model,
        images,
        bands=cfg.train_dataloader.dataset.bands,
        filling=cfg.model.queue.length // cfg.train_dataloader.batch_size,
        size=args.size,
    )
    out = Path(args.out or Path(args.work_dir) / 'pretraining.png')
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    for remark in remarks:
        print(remark)
    return out


def main(argv: list[str] | None = None) -> None:
    """Draw; errors made on purpose are printed as one message."""
    args = parse_args(argv)
    try:
        start_quietly()
        cfg = read_config_file(args.config)
        cfg.merge_from_dict(args.cfg_options or {})
        print(f'picture: {draw(cfg, args)}')
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
