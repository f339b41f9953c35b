r"""Write a map of whole rasters as a Cloud-Optimised GeoTIFF: of change, or of land cover.

An input is a raster with all bands, or a folder with one file per band (a Sentinel-2 product too);
or an address of a raster (https://..., s3://...), or a STAC item (NAME.json).

Exit codes: 0 all is done; 1 an error, or a scene of a list has failed; 2 a wrong command line; 75 a
list was stopped by a signal, the same command goes on; 130 one map was stopped.

Examples:
    python tools/predict.py change CONFIG CHECKPOINT before.tif after.tif --out change.tif
    python tools/predict.py landcover CONFIG CHECKPOINT scene.tif --out cover.tif
    python tools/predict.py change CONFIG CHECKPOINT before.tif after.tif --out change.tif \
        --bands B02 B03 B04 B08 --cloud-mask before_scl.tif after_scl.tif --probabilities uint8
    python tools/predict.py landcover CONFIG CHECKPOINT S2A_MSIL2A_....SAFE --out cover.tif \
        --bounds 600000 5690000 610000 5700000 --mode crop --seams
    python tools/predict.py change CONFIG CHECKPOINT before.tif after.tif --out change.tif \
        --polygons gpkg --minimum-area 400 --quicklook --page
    python tools/predict.py change CONFIG CHECKPOINT --list scenes.csv --out maps --shard 0/4
    python tools/predict.py landcover CONFIG CHECKPOINT --list scenes.csv --out maps --ray auto
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from mmengine.config import DictAction

from swimdiff.bands.units import UNITS
from swimdiff.errors import SwiMDiffError
from swimdiff.inference import MapJob, build_predictor
from swimdiff.inference.blending import MODES
from swimdiff.inference.command_line import (
    add_list_options,
    add_product_options,
    check_scenes,
    read_products,
    run_list,
)
from swimdiff.inference.making import MadeScene, make_scene
from swimdiff.inference.map_job import CLOUD_VALUES, DATES
from swimdiff.launch.command_line import CommandParser


def _add_arguments(parser: argparse.ArgumentParser, names: tuple[str, ...]) -> None:
    """Add the arguments that every kind of map takes."""
    parser.add_argument('config', help='path of a config, or its name inside the package')
    parser.add_argument('checkpoint', help='checkpoint that tools/train.py wrote with this config')
    for name in names:
        parser.add_argument(
            name,
            nargs='?',
            help='a raster, a folder with one file per band, an address, or a STAC item (.json)',
        )
    parser.add_argument(
        '--out', type=Path, help='the GeoTIFF to write; with --list the folder of the maps'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace files that are there')
    inputs = parser.add_argument_group('inputs')
    inputs.add_argument('--bands', nargs='+', help='names of the bands of the files, in order')
    inputs.add_argument('--unit', help=f'unit of the pixels: {", ".join(UNITS)}')
    inputs.add_argument(
        '--offset', type=int, help='taken off the numbers of the files (default: as they say)'
    )
    inputs.add_argument('--cloud-mask', nargs='+', default=(), help='rasters; cloud has no data')
    inputs.add_argument(
        '--cloud-values',
        nargs='+',
        type=int,
        default=CLOUD_VALUES,
        help='values of the masks that are cloud (default: 3 8 9 10, of the SCL of Sentinel-2)',
    )
    grid = parser.add_argument_group('grid (default: that of the first date)')
    grid.add_argument('--grid', type=Path, help='a raster whose grid the map gets')
    grid.add_argument(
        '--resolution', type=float, help='side of a pixel in units of the grid (degrees, metres)'
    )
    grid.add_argument('--bounds', nargs=4, type=float, metavar=('W', 'S', 'E', 'N'))
    windows = parser.add_argument_group('windows')
    windows.add_argument('--size', type=int, default=512, help='side in pixels (default: 512)')
    windows.add_argument('--margin', type=int, default=64, help='cut or blended (default: 64)')
    windows.add_argument(
        '--align', type=int, default=32, help='windows begin at multiples of this (default: 32)'
    )
    windows.add_argument('--mode', choices=MODES, default='blend', help='(default: blend)')
    windows.add_argument('--batch-size', type=int, default=4, help='per pass (default: 4)')
    windows.add_argument('--seams', action='store_true', help='print a measure of seams')
    output = parser.add_argument_group('output')
    output.add_argument(
        '--probabilities',
        choices=('uint8', 'float32'),
        help='write probabilities too, beside the map as NAME_probability.tif',
    )
    if 'after' in names:
        output.add_argument(
            '--threshold', type=float, help='of change, 0 to 1 (default: as the checkpoint says)'
        )
    add_product_options(parser)
    add_list_options(parser)
    model = parser.add_argument_group('model')
    model.add_argument('--device', help='cpu, cuda, cuda:1 ... (default: a GPU where there is one)')
    model.add_argument('--cfg-options', nargs='+', action=DictAction, help='options of the config')
    model.add_argument('--trust-checkpoint', action='store_true', help='run code that it holds')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    kinds = parser.add_subparsers(dest='kind', required=True)
    inputs = dict(change=('before', 'after'), landcover=('scene',))
    titles = dict(change='what changed between two dates', landcover='the class of every pixel')
    for kind in DATES:
        child = kinds.add_parser(kind, help=titles[kind], description=titles[kind])
        _add_arguments(child, inputs[kind])
        child.set_defaults(inputs=inputs[kind], parser=child)
    args = parser.parse_args(argv)
    check_scenes(args.parser, args)
    return args


def read_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a map, beside its kind, inputs and out."""
    return dict(
        bands=tuple(args.bands) if args.bands else None,
        unit=args.unit,
        offset=args.offset,
        grid=args.grid,
        resolution=args.resolution,
        bounds=tuple(args.bounds) if args.bounds else None,
        cloud_masks=tuple(args.cloud_mask),
        cloud_values=tuple(args.cloud_values),
        size=args.size,
        margin=args.margin,
        align=args.align,
        mode=args.mode,
        batch_size=args.batch_size,
        threshold=getattr(args, 'threshold', None),
        probabilities=args.probabilities,
        overwrite=args.overwrite,
        seams=args.seams,
    )


def build_job(args: argparse.Namespace) -> MapJob:
    """Return the map that the command line asks for."""
    inputs = tuple(getattr(args, name) for name in args.inputs)
    return MapJob(args.kind, inputs, args.out, **read_options(args))


def describe_result(made: MadeScene) -> str:
    """Return what a map holds, for a terminal."""
    result = made.result
    known_pixels = max(1, sum(result.counts))
    lines = [
        f'{name}: {count} pixels ({100 * count / known_pixels:.2f} %)'
        for name, count in zip(result.classes, result.counts, strict=True)
    ]
    if result.nodata_count:
        lines.append(f'no data: {result.nodata_count} pixels')
    if result.threshold is not None:
        lines.append(f'threshold: {result.threshold:g}')
    if result.seams is not None:
        lines.append(result.seams.describe())
    if made.polygons:
        counts = ', '.join(f'{count} of {name}' for name, count in made.polygons.items())
        lines.append(f'polygons: {counts}')
    paths = ', '.join(map(str, made.files))
    return '\n'.join([*lines, f'{paths}: the map in {result.seconds:.1f} s'])


def main(argv: list[str] | None = None) -> None:
    """Write the map; errors made on purpose are printed as one message."""
    args = parse_args(argv)
    try:
        if args.list is not None:
            sys.exit(run_list(args, read_options(args)))
        job, products = build_job(args), read_products(args)
        predictor = build_predictor(
            args.config, args.checkpoint, args.device, args.cfg_options, args.trust_checkpoint
        )
        print(describe_result(make_scene(job, predictor, products)))
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')
    except KeyboardInterrupt:
        print(f'\nstopped; {args.out} is not written', file=sys.stderr)
        sys.exit(130)


if __name__ == '__main__':
    main()
