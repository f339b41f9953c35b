"""Score features offline: weighted kNN and a linear probe, beside the floors they must beat.

Features are extracted once. What is chosen (scaling, penalty) is chosen on validation; the test
part is scored once with the choice. Floors: image statistics without a network, and the same
backbone as the first checkpoint with random weights.

Examples:
    python tools/probe.py --data-root data/eurosat --limit 6000
    python tools/probe.py --data-root data/eurosat work_dirs/RUN/epoch_200.pth
    python tools/probe.py --data-root data/eurosat --imagenet resnet18.pth --json o.json
    python tools/probe.py --dataset bigearthnet --data-root data/BigEarthNet-v1.0
    python tools/probe.py --dataset pictures --data-root data/RSSCN7 --size 96
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from mmengine.config import DictAction
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope

from swimdiff import __version__
from swimdiff.bands import RGB, ProductStats, canonical_bands, get_stats, stats_to_mapping
from swimdiff.bands.units import UNITS
from swimdiff.errors import ConfigError, SwiMDiffError
from swimdiff.evaluation.features import POOLS, FeatureBank, NetworkFeatures, image_statistics
from swimdiff.evaluation.probe import build_extractor, build_parts, score_features
from swimdiff.evaluation.probe_table import Row, table
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.config_reading import read_config_file
from swimdiff.launch.noise import start_quietly
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.weights.checkpoint import read_checkpoint
from swimdiff.weights.input_statistics import describe_statistics, read_statistics

#: Pre-training config that each short name takes its backbone from.
BACKBONES = {
    'r18': 'swimdiff_r18_seco',
    'r50': 'swimdiff_r50_seco',
    'swin-t': 'swimdiff_swin-t_seco',
    'convnext-t': 'swimdiff_convnext-t_seco',
}
#: Data set, reader, size in pixels (None: as the files have it), and the statistics that its reader
#: stretches with.
DATA: dict[str, tuple[str, str, int | None, str]] = {
    'eurosat': ('EuroSAT', 'LoadEuroSAT', 64, 'oscd'),
    'bigearthnet': ('BigEarthNet', 'LoadBigEarthNet', 120, 'seco'),
    'pictures': ('LabelledPictures', 'LoadPicture', None, 'pictures'),
}
Parts = dict[str, BaseDataset]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    add = parser.add_argument
    add('checkpoints', nargs='*', help='checkpoints of pre-training, or published backbones')
    add('--dataset', choices=sorted(DATA), default='eurosat')
    add('--data-root', required=True, help='folder of the data set')
    add(
        '--split-dir', help='folder with train, val and test lists, or where to write the drawn one'
    )
    add(
        '--shares',
        nargs='+',
        action=DictAction,
        metavar='PART=SHARE',
        help='with --dataset pictures: the division that pre-training took its part from',
    )
    add('--bands', nargs='+', default=list(RGB), help='bands by name (default: %(default)s)')
    add(
        '--stats',
        help='statistics to stretch and standardise with, for all lines of the table (default: '
        'those of the first checkpoint, or those the data is stretched by)',
    )
    add(
        '--backbone',
        help=f'for the random floor and plain weights: {", ".join(BACKBONES)}, or a config '
        '(default: that of the first checkpoint, or r18)',
    )
    add('--imagenet', help='file with ImageNet weights for --backbone, e.g. of torchvision')
    add('--prefix', default='backbone.', help='part of a checkpoint to take (default: %(default)s)')
    add('--size', type=int, help='image size in pixels (default: as released)')
    add('--limit', type=int, help='use this many images, a stratified subset drawn for each seed')
    add('--seeds', type=int, nargs='+', default=[0, 1, 2], help='default: 0 1 2')
    add('--stage', type=int, help='of the backbone, a ResNet has 0 to 3 (default: the last)')
    add('--pool', choices=POOLS, default='mean', help='default: %(default)s')
    add('--k', type=int, default=20, help='neighbours (default: %(default)s)')
    add('--temperature', type=float, default=0.07, help='of the votes (default: %(default)s)')
    add('--no-floors', action='store_true', help='score the checkpoints only')
    add('--cache', help='folder that keeps features between runs')
    add('--batch-size', type=int, default=256)
    add('--workers', type=int, default=2, help='loading processes (default: %(default)s)')
    add('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add('--json', help='also write everything to this file')
    return parser.parse_args(argv)


def build_dataset_parts(args: argparse.Namespace, seed: int) -> Parts:
    """Train, val and test; with ``--limit`` each has its share of that many images."""
    kind, load, native, _ = DATA[args.dataset]
    pipeline: list[dict[str, Any]] = [dict(type=load)]
    table = choose_statistics(args)
    if args.dataset != 'pictures' and table.unit in UNITS:
        pipeline[0]['stats'] = stats_to_mapping(table, table.low)
    if args.size != native:
        pipeline.append(dict(type='mmcv.Resize', scale=(args.size, args.size)))
    pipeline.append(dict(type='mmpretrain.PackInputs'))
    place = dict(data_root=args.data_root, split_dir=args.split_dir)
    if args.shares:
        place['shares'] = args.shares
    return build_parts(
        dict(place, type=kind, bands=args.bands, pipeline=pipeline), args.limit, seed
    )


def choose_statistics(args: argparse.Namespace) -> ProductStats:
    """The statistics of all lines: those asked for, of the first checkpoint, or of the data."""
    if args.stats:
        return get_stats(args.stats)
    for path in args.checkpoints[:1]:
        stats = read_statistics(read_checkpoint(path))
        if stats is not None and all(band in stats.low for band in args.bands):
            return stats
    return get_stats(DATA[args.dataset][3])


def compare_statistics(args: argparse.Namespace) -> None:
    """Say which statistics are used, and which checkpoints were trained on others."""
    table, bands = choose_statistics(args), args.bands
    statistics_text = describe_statistics(table, bands)
    print(f'Statistics: {statistics_text}', file=sys.stderr)
    for path in args.checkpoints:
        own = read_statistics(read_checkpoint(path))
        if own is None or any(band not in own.low for band in bands):
            continue
        other = describe_statistics(own, bands)
        if other.partition(':')[2] != statistics_text.partition(':')[2]:  # by numbers, not by name
            print(
                f'{path} was trained on images of other statistics, {other}. Score it in a run of '
                'its own.',
                file=sys.stderr,
            )


def _known_backbone(args: argparse.Namespace) -> dict | None:
    """What the first checkpoint says about its backbone, where none is asked for."""
    if args.backbone or not args.checkpoints:
        return None
    return read_checkpoint(args.checkpoints[0]).backbone


def backbone_config(args: argparse.Namespace) -> dict:
    """Backbone for the random floor and for weights that do not say theirs."""
    known_backbone = _known_backbone(args)
    if known_backbone:
        return known_backbone
    name = BACKBONES.get(args.backbone or 'r18', args.backbone)
    return read_config_file(name).model.backbone.to_dict()


def backbone_title(args: argparse.Namespace) -> str:
    """The backbone of the floor in words."""
    known_backbone = _known_backbone(args)
    if not known_backbone:
        return args.backbone or 'r18'
    kind = str(known_backbone['type']).rsplit('.', 1)[-1]
    return f'{kind}-{known_backbone.get("depth", known_backbone.get("arch", ""))}'.rstrip('-')


def network(args: argparse.Namespace, seed: int, path: str | None) -> NetworkFeatures:
    """A backbone with random weights, or with those of a file.

    Raises:
        CheckpointError: The file does not fit the data or the backbone.
    """
    checkpoint = read_checkpoint(path) if path else None
    checkpoint_backbone = checkpoint.backbone if checkpoint else None
    preprocessor = MultiBandPreprocessor(args.bands, choose_statistics(args))
    extract, line = build_extractor(
        checkpoint_backbone or backbone_config(args),
        preprocessor,
        seed,
        checkpoint,
        args.prefix,
        args.device,
        args.stage,
        args.pool,
    )
    if line:
        print(line, file=sys.stderr)
    return extract


def evaluate(row: Row, bank: FeatureBank, parts: Parts, args: argparse.Namespace) -> None:
    """Score one set of features on one seed's parts."""
    scores = score_features(bank, parts, args.k, args.temperature)
    row.dim = scores.dim
    row.knn.append(scores.knn)
    row.linear.append(scores.linear)
    row.chosen.append(scores.chosen)


def sources(args: argparse.Namespace) -> list[tuple[str, str | None, bool]]:
    """Title, file and whether a seed changes the features, for each line of the table."""
    backbone = backbone_title(args)
    floors: list[tuple[str, str | None, bool]] = [
        ('image statistics (floor)', None, False),
        (f'random {backbone} (floor)', None, True),
    ]
    entries = [] if args.no_floors else floors
    if args.imagenet:
        entries.append((f'ImageNet {backbone}', args.imagenet, False))
    entries += [(str(path), path, False) for path in args.checkpoints]
    if not entries:
        raise ConfigError('Nothing to score: name a checkpoint, or leave --no-floors away.')
    for _, path, _ in entries:
        if path:
            read_checkpoint(path)  # before minutes are spent on the floors
    return entries


def run(args: argparse.Namespace) -> tuple[list[Row], Parts]:
    """Score every source on every seed."""
    subset = args.limit is not None
    parts = {
        seed: build_dataset_parts(args, seed) for seed in (args.seeds if subset else args.seeds[:1])
    }
    rows = []
    for title, path, random in sources(args):
        row = Row(title)
        bank: FeatureBank | None = None
        # With fixed weights and all images nothing is random: one seed tells everything.
        for seed in args.seeds if subset or random else args.seeds[:1]:
            if bank is None or random:
                extract: Any = image_statistics
                key = f'statistics_{"-".join(args.bands)}'
                if path or random:
                    extract = network(args, seed, path)
                    key = extract.key
                stretch = choose_statistics(args).name.replace('/', '_')
                stage = '' if args.stage is None else f'_stage{args.stage}'
                name = f'{key}_{stretch}_{args.size}px{stage}.npz'
                cache = Path(args.cache) / name if args.cache else None
                bank = FeatureBank(extract, title, cache, args.batch_size, args.workers)
            evaluate(row, bank, parts[seed if subset else args.seeds[0]], args)
        rows.append(row)
    return rows, next(iter(parts.values()))


def main(argv: list[str] | None = None) -> None:
    """Score and print; errors made on purpose are printed as one message."""
    args = parse_args(argv)
    args.size = args.size or DATA[args.dataset][2]
    start_quietly()
    init_default_scope('swimdiff')
    start = time.perf_counter()
    try:
        if args.shares and args.dataset != 'pictures':
            raise ConfigError(
                f'--shares divides a folder of pictures, and --dataset is {args.dataset}. Leave '
                '--shares out, or name your lists with --split-dir.'
            )
        args.bands = canonical_bands(args.bands)
        compare_statistics(args)
        rows, parts = run(args)
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')
    print(table(vars(args), rows, parts))
    print(f'({time.perf_counter() - start:.0f} s on {args.device})')
    if args.json:
        record = dict(
            rows=[asdict(row) for row in rows],
            split=parts['test'].metainfo['split'].rsplit('/', 1)[0],
            samples={name: len(part) for name, part in parts.items()},
            options=vars(args),
            swimdiff=__version__,
            torch=torch.__version__,
        )
        Path(args.json).write_text(json.dumps(record, indent=1) + '\n')
        print(f'Wrote {args.json}')


if __name__ == '__main__':
    main()
