r"""Write pictures of the views a config trains on, each with its scene id.

Examples:
    python tools/browse_dataset.py configs/swimdiff_r50_seco.py -n 12 -o work_dirs/browse
    python tools/browse_dataset.py swimdiff_r18_raster-scenes --shuffle --cfg-options \
        train_dataloader.dataset.data_root=FOLDER
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope

from swimdiff.errors import SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.config_reading import read_config_file
from swimdiff.launch.noise import start_quietly
from swimdiff.models import DeviceViews
from swimdiff.registry import DATASETS, MODELS
from swimdiff.visualization.view_sheet import ViewStrip, as_picture, draw_sheet, draw_strip


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='path of a config, or its name inside the package')
    parser.add_argument('-n', '--number', type=int, default=12, help='samples to draw')
    parser.add_argument('-o', '--out', default='work_dirs/browse', help='folder for the pictures')
    parser.add_argument('--shuffle', action='store_true', help='random samples, not evenly spaced')
    parser.add_argument('--seed', type=int, default=0, help='of the views and of --shuffle')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override options, key=value'
    )
    return parser.parse_args(argv)


def strip_of(item: dict[str, Any]) -> ViewStrip:
    """Views and caption of an item as the pipeline packs it."""
    info = item['data_samples']
    views = [as_picture(view.numpy(), info.band_names) for view in item['inputs']]
    place = f'scene {info.scene_id}   sample {info.sample_idx}'
    if 'location' in info:
        place += f'   location {info.location}'
    dates = ' / '.join(info.date) if 'date' in info else ''
    return ViewStrip(views, [place, f'{dates}   {", ".join(info.band_names)}'.strip()])


def maker_of(cfg: Config) -> DeviceViews | None:
    """What makes the views where the workers do not."""
    options = cfg.get('data_preprocessor')
    preprocessor = MODELS.build(options) if options else None
    return preprocessor if isinstance(preprocessor, DeviceViews) else None


def make_views(maker: DeviceViews, images: list[torch.Tensor]) -> list[torch.Tensor]:
    """C x H x W uint8 views of one sample, as the model gets them."""
    views = maker.views([image[None] for image in images])
    return [maker.destandardise(view)[0] for view in views]


def browse(args: argparse.Namespace) -> Path:
    """Draw the samples; the path of the contact sheet."""
    start_quietly()
    cfg = read_config_file(args.config)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'swimdiff'))
    dataset, maker = DATASETS.build(cfg.train_dataloader.dataset), maker_of(cfg)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    count = min(args.number, len(dataset))
    if args.shuffle:
        sample_numbers = np.sort(np.random.choice(len(dataset), count, replace=False))
    else:
        sample_numbers = np.linspace(0, len(dataset) - 1, count).round().astype(int)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    strips = []
    for index in sample_numbers.tolist():
        item = dataset[index]
        if maker is not None:
            item['inputs'] = make_views(maker, item['inputs'])
        strips.append(strip_of(item))
        info = item['data_samples']
        name = f'sample{info.sample_idx:07d}_scene{info.scene_id}.png'
        draw_strip(strips[-1]).save(out / name)
    sheet = out / 'sheet.png'
    draw_sheet(strips).save(sheet)
    print(f'{len(dataset)} samples; {count} drawn to {out}, all together in {sheet}')
    return sheet


def main(argv: list[str] | None = None) -> int:
    """Run the tool; errors of data and config end in one message."""
    try:
        browse(parse_args(argv))
    except SwiMDiffError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
