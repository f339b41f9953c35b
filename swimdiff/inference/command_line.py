"""Options of ``tools/predict.py`` for products and for many scenes, and running a list."""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from swimdiff.errors import ConfigError
from swimdiff.inference.jobs import (
    Ledger,
    MappingRun,
    SceneQueue,
    Summary,
    import_ray,
    read_scene_list,
    run_on_ray,
    run_scenes,
)
from swimdiff.inference.products import ProductOptions
from swimdiff.inference.products.options import POLYGON_FORMATS
from swimdiff.launch.elastic import EXIT_STOPPED
from swimdiff.launch.shards import SHARD_HELP, read_shard

__all__ = [
    'add_list_options',
    'add_product_options',
    'check_scenes',
    'read_products',
    'run_list',
]


def add_product_options(parser: argparse.ArgumentParser) -> None:
    """Add the group of products."""
    group = parser.add_argument_group('products (beside the map, with its name)')
    add = group.add_argument
    add(
        '--polygons',
        nargs='+',
        choices=POLYGON_FORMATS,
        default=(),
        metavar='FORMAT',
        help=f'polygons with class, area and mean probability: {", ".join(POLYGON_FORMATS)}',
    )
    add('--minimum-area', type=float, default=0.0, metavar='M2', help='of a polygon (default: 0)')
    add(
        '--polygon-classes',
        nargs='+',
        metavar='CLASS',
        help='only these (default: what has changed; of land cover all)',
    )
    add('--quicklook', action='store_true', help='a small PNG: the map over the grey image')
    add('--page', action='store_true', help='one HTML page: the dates and the map under a swipe')
    add('--qgis-style', action='store_true', help='the legend, which QGIS loads with the map')
    add(
        '--picture-bands',
        nargs='+',
        metavar='BAND',
        help='one band of the model, or three, for both (default: red, green, blue)',
    )


def add_list_options(parser: argparse.ArgumentParser) -> None:
    """Add the groups of many scenes and of Ray."""
    group = parser.add_argument_group('many scenes')
    add = group.add_argument
    add('--list', type=Path, metavar='FILE', help='CSV or JSON of inputs and out, one map each')
    add('--shard', metavar='I/N', help=SHARD_HELP)
    add(
        '--results',
        type=Path,
        metavar='FILE',
        help='one JSON line per scene (default: LIST.results.jsonl); finished scenes are skipped',
    )
    add('--retry-failed', action='store_true', help='try scenes again that have failed before')
    ray = parser.add_argument_group('many scenes on a Ray cluster')
    add = ray.add_argument
    add(
        '--ray',
        nargs='?',
        const='local',
        metavar='ADDRESS',
        help='of a cluster, or auto for the one of this machine (default: one for this run)',
    )
    add('--ray-cpus', type=int, default=1, metavar='N', help='cores of a worker (default: 1)')
    add('--ray-gpus', type=float, metavar='N', help='GPUs of a worker (default: 1 if there are)')


def check_scenes(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Check that the command line names one scene, or a list.

    Args:
        parser: Ends the program with a message.
        args: With ``inputs``, the names of the positional inputs.
    """
    given_inputs = [name for name in args.inputs if getattr(args, name) is not None]
    if args.list is None:
        missing_inputs = [name.upper() for name in args.inputs if name not in given_inputs]
        if missing_inputs:
            parser.error(f'{" and ".join(missing_inputs)} missing; name the inputs, or --list FILE')
        if args.out is None:
            parser.error('--out missing; name the GeoTIFF to write')
        for option in ('shard', 'results', 'retry_failed', 'ray'):
            if getattr(args, option):
                parser.error(f'--{option.replace("_", "-")} is for many scenes: add --list FILE')
        return
    if given_inputs:
        parser.error('name one scene, or --list FILE, not both')
    if args.cloud_mask:
        parser.error('--cloud-mask is for one scene; a list has a column cloud_masks')
    if args.out is not None and args.out.suffix.lower() in ('.tif', '.tiff'):
        parser.error(f'--out {args.out}: with --list expected the folder of the maps')
    if args.ray and args.shard:
        parser.error('--ray shares the scenes out itself; leave --shard out')


def read_products(args: argparse.Namespace) -> ProductOptions:
    """Return the products that the command line asks for."""
    return ProductOptions(
        tuple(dict.fromkeys(args.polygons)),
        args.minimum_area,
        tuple(args.polygon_classes) if args.polygon_classes else None,
        args.quicklook,
        args.page,
        tuple(args.picture_bands) if args.picture_bands else None,
        args.qgis_style,
    )


def run_list(args: argparse.Namespace, options: dict[str, Any]) -> int:
    """Map the scenes of a list and return the exit code.

    Args:
        args: The command line.
        options: Of a map, beside kind, inputs and out.

    Returns:
        0 where all are finished, 1 where one has failed, 75 after a signal: the same command goes
        on.
    """
    run = MappingRun(
        args.kind,
        _make_absolute(args.config),
        _make_absolute(args.checkpoint),
        options,
        read_products(args),
        args.device,
        args.cfg_options or {},
        args.trust_checkpoint,
        shows_progress=args.ray is None and sys.stderr.isatty(),
    )
    # A scheduler's notice is heeded as Ctrl-C is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        summary = _run(args, run)
    except KeyboardInterrupt:
        print('\nStopped; start again with the same command to go on', file=sys.stderr)
        return EXIT_STOPPED
    print(summary.describe(), flush=True)
    return summary.exit_code


def _make_absolute(name: str) -> str:
    """Return a path that other processes find from any folder; a name of a config stays."""
    return str(Path(name).absolute()) if Path(name).exists() else name


def _run(args: argparse.Namespace, run: MappingRun) -> Summary:
    scenes = read_scene_list(args.list, args.kind, args.out)
    ledger = Ledger(args.results or args.list.with_suffix('.results.jsonl'))
    if args.ray is None:
        scenes = list(read_shard(args.shard).take(scenes))
    else:
        import_ray()
        if not args.ray.strip():
            raise ConfigError("--ray '': expected the address of a cluster, auto, or nothing.")
    queue = SceneQueue(
        scenes,
        run.hash_settings(),
        ledger,
        args.retry_failed,
        say=lambda line: print(line, flush=True),
        list_files=run.list_files,
    )
    if args.ray is None:
        return run_scenes(queue, run.build)
    return run_on_ray(
        queue,
        run.build,
        None if args.ray == 'local' else args.ray,
        args.ray_cpus,
        args.ray_gpus,
    )
