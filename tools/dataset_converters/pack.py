r"""Pack an archive into a few large files that are read at many times the speed.

Afterwards name the pack in place of the archive: data_root='data/seco_pack'. Nothing else changes.
`verify` and `info` in place of SRC check a pack and say what it holds.

Run the same command again after a stop of any kind: finished shards are kept, and nothing is lost
or doubled. docs/how-to/packs.md says what a pack is and what was measured.

Examples:
    python tools/dataset_converters/pack.py data/seasonal_contrast_100k data/seco_pack
    python tools/dataset_converters/pack.py swimdiff_r50_seco.py data/seco_rgb --bands B04 B03 B02
    python tools/dataset_converters/pack.py scenes data/mine --type RasterScenes \
        --dataset-options patch=256
    python tools/dataset_converters/pack.py verify data/seco_pack
    python tools/dataset_converters/pack.py info data/seco_pack
"""

import argparse
import json
import os
import re
import sys
import time

from swimdiff.apis.archives import open_archive
from swimdiff.datasets.packs import (
    CODECS,
    PackOptions,
    PackSource,
    is_pack,
    make_pack,
    verify_pack,
)
from swimdiff.errors import DatasetNotFoundError, SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.config_options import ConfigOptions

_UNITS = {'': 1, 'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30, 'T': 1 << 40}


def size(text: str) -> int:
    """Bytes from a number with a unit: ``512M``, ``1G``."""
    match = re.fullmatch(r'(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?', text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f'{text!r} is no size like 512M or 1G')
    return int(float(match.group(1)) * _UNITS[match.group(2).upper()])


def _workers(parser: argparse.ArgumentParser) -> None:
    count = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    parser.add_argument('--workers', type=int, default=count, help=f'processes ({count})')


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Read the command line; ``verify`` and ``info`` in place of SRC are commands."""
    parser = CommandParser(__doc__)
    if argv[:1] in (['verify'], ['info']):
        parser.add_argument('command')
        parser.add_argument('target', metavar='DST', help='the pack')
        if argv[0] == 'verify':
            _workers(parser)
        return parser.parse_args(argv)
    parser.add_argument(
        'source', metavar='SRC', help='verify, info, folder of the archive, or config (.py)'
    )
    parser.add_argument('target', metavar='DST', help='folder of the pack')
    parser.add_argument('--type', help='data set of the archive; guessed from its folders')
    parser.add_argument(
        '--dataset-options', nargs='+', action=ConfigOptions, help='of that data set, key=value'
    )
    parser.add_argument('--bands', nargs='+', help='bands to pack (all)')
    parser.add_argument(
        '--codec',
        choices=CODECS,
        default='raw',
        help='raw pixels, or the JPEG streams of the files as they are (raw)',
    )
    parser.add_argument('--shard-size', type=size, default='1G', help='bytes of a file, about (1G)')
    _workers(parser)
    parser.add_argument(
        '--max-unreadable',
        type=float,
        default=0.0,
        help='share of patches, and of locations, that may be left out (0: stop at the first)',
    )
    return parser.parse_args([*argv], argparse.Namespace(command='pack'))


def pack(args: argparse.Namespace) -> int:
    """Make a pack, and say what was made."""
    start = time.monotonic()
    dataset_options = dict(args.dataset_options or {})
    if args.max_unreadable:
        dataset_options.setdefault('max_unreadable', args.max_unreadable)
    # The bands matter here as well: scenes are cut and judged by those that are wanted.
    dataset = open_archive(args.source, args.type, args.bands, dataset_options)
    options = PackOptions(
        bands=args.bands,
        codec=args.codec,
        shard_bytes=args.shard_size,
        workers=args.workers,
        max_unreadable=args.max_unreadable,
    )
    manifest = make_pack(dataset.source, type(dataset).__name__, args.target, options)
    for message in manifest.unreadable:
        print(f'left out: {message}', file=sys.stderr)
    left_out_text = f', {len(manifest.unreadable)} left out' if manifest.unreadable else ''
    about = PackSource(args.target).about()
    print(
        f'{args.target}: {about["rows"]} patches{left_out_text}, {len(manifest.bands)} bands, '
        f'{about["bytes"] / 1e6:.1f} MB in {manifest.shards} shards, '
        f'{time.monotonic() - start:.0f} s'
    )
    return 0


def verify(args: argparse.Namespace) -> int:
    """Check every byte of a pack."""
    if not is_pack(args.target):
        raise DatasetNotFoundError(f'{args.target} is no pack: it has no pack.json.')
    wrong = verify_pack(args.target, args.workers)
    for message in wrong:
        print(message, file=sys.stderr)
    print(f'{args.target}: {f"{len(wrong)} faults" if wrong else "whole"}')
    return 1 if wrong else 0


def info(args: argparse.Namespace) -> int:
    """Say what a pack holds."""
    if not is_pack(args.target):
        raise DatasetNotFoundError(f'{args.target} is no pack: it has no pack.json.')
    print(json.dumps(PackSource(args.target).about(), indent=1))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Do what is asked; errors of data and options end in one message."""
    args = parse_args(sys.argv[1:] if argv is None else argv)
    try:
        return {'pack': pack, 'verify': verify, 'info': info}[args.command](args)
    except SwiMDiffError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('Stopped. Run the same command again to go on.', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
