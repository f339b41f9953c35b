"""Download a published data set, verify it, and unpack it where a config looks for it.

Run the same command again after a stop of any kind: what was loaded is kept and gone on with.
Behind a proxy, set HTTPS_PROXY. docs/how-to/data.md says more.

Examples:
    python tools/download.py --list
    python tools/download.py seco-100k
    python tools/download.py sen12ms --to data/sen12ms --only '*spring*'
    python tools/download.py eurosat-rgb --to data/eurosat --dry-run
    python tools/download.py oscd --archives DIR      # downloaded by hand: verify and unpack
"""

import argparse
import sys

from swimdiff.downloads import (
    PUBLISHED,
    FetchOptions,
    Plan,
    describe_size,
    download_dataset,
    get_dataset,
    plan_download,
)
from swimdiff.errors import SwiMDiffError
from swimdiff.launch.command_line import CommandParser


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('name', nargs='?', metavar='NAME', help='data set, a name of --list')
    parser.add_argument('--list', action='store_true', help='say what there is, with addresses')
    parser.add_argument('--to', metavar='DIR', help='target folder (the one the configs look in)')
    parser.add_argument(
        '--only', nargs='+', default=[], metavar='PATTERN', help="of its archives, like '*spring*'"
    )
    parser.add_argument('--dry-run', action='store_true', help='say what would be done')
    parser.add_argument('--archives', metavar='DIR', help='archives that were downloaded by hand')
    parser.add_argument('--mirror', metavar='URL', help='folder with the same archives elsewhere')
    parser.add_argument('--keep', action='store_true', help='keep archives once unpacked')
    parser.add_argument(
        '--timeout', type=float, default=60.0, help='seconds without a byte that break (60)'
    )
    parser.add_argument(
        '--tries', type=int, default=5, help='attempts in a row that may bring nothing (5)'
    )
    args = parser.parse_args(argv)
    if not args.list and args.name is None:
        parser.error('name a data set; --list says which there are')
    return args


def print_table(name: str | None) -> None:
    """Print the table: all data sets, or the files of one."""
    for dataset in PUBLISHED.values() if name is None else [get_dataset(name)]:
        sizes = [archive.size for archive in dataset.archives if archive.size is not None]
        whole = len(sizes) == len(dataset.archives) and sizes
        size = describe_size(sum(sizes) if whole else None) if dataset.archives else 'by hand'
        print(f'{dataset.name:15} {size:13} {dataset.about}')
        print(f'{"":15} {dataset.page}; to {dataset.folder}')
        if dataset.by_hand:
            print(f'{"":15} {dataset.by_hand}')
        for file in [f for a in dataset.archives for f in a.parts] if name else []:
            print(f'  {file.name}: {describe_size(file.size)}, {file.checksum or "no checksum"}')
            print('    ' + '\n    '.join(file.urls) + f'\n    source: {file.source}')


def print_plan(plan: Plan) -> None:
    """Print what a download would do."""
    for archive in plan.present:
        print(f'in {plan.root} already: {archive.name}')
    for archive in plan.missing:
        for file in archive.parts:
            check = 'verified' if file.checksum else 'not verified: no checksum is published'
            print(f'to load: {file.name}, {describe_size(file.size)}, {check}\n  {file.urls[0]}')
    if plan.missing:
        print(f'needs in {plan.root}: {describe_size(plan.need)} at the fullest moment, about')


def main(argv: list[str] | None = None) -> int:
    """Do what is asked; errors end in one message."""
    args = parse_args(sys.argv[1:] if argv is None else argv)
    try:
        plan_options = dict(root=args.to, only=args.only, archives=args.archives, keep=args.keep)
        if args.list:
            print_table(args.name)
        elif args.dry_run:
            print_plan(plan_download(args.name, **plan_options))
        else:
            options = FetchOptions(timeout=args.timeout, tries=args.tries, mirror=args.mirror)
            root = download_dataset(args.name, options=options, **plan_options)
            print(f'{root}: ready. Use it: {PUBLISHED[args.name].use.format(root=root)}')
    except SwiMDiffError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('Stopped. Run the same command again to go on.', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
