"""Turn scenes into a table of vectors, a row per patch: GeoParquet for search, maps and clusters.

Nothing is trained and no labels are needed. Scenes are files (GeoTIFF, COG, JPEG 2000, VRT),
folders of them, *.SAFE products or patterns in quotes; bands, stretch and statistics are those of
the checkpoint. A run that was killed goes on where it was; finished scenes are skipped.

Examples:
    python tools/embed.py epoch_200.pth scenes/ --out embeddings.parquet
    python tools/embed.py epoch_200.pth 'scenes/*.tif' --patch 64 --stride 32 --half --out e.parquet
    python tools/embed.py epoch_200.pth scenes/ --out e.parquet --raster map.tif --components 3
    python tools/embed.py epoch_200.pth scenes/ --out e.parquet --clusters 8 --map clusters.tif
    python tools/embed.py epoch_200.pth scenes/ --out e.parquet --shard 0/4   # and 1/4, 2/4, 3/4

Exit codes: 0 all is done; 75 stopped by a signal, start again to go on; 1 a scene failed, or an
error; 2 a wrong command line.
"""

import argparse
import signal
import sys
from pathlib import Path

from swimdiff.datasets.rasters import RasterOptions
from swimdiff.errors import SwiMDiffError
from swimdiff.evaluation.features import POOLS
from swimdiff.inference.embedding import (
    Clusters,
    Embedder,
    EmbeddingOptions,
    EmbeddingRun,
    EmbeddingTable,
    list_scenes,
    write_cluster_maps,
    write_vector_maps,
)
from swimdiff.inference.embedding.cells import LONLAT
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.elastic import EXIT_STOPPED
from swimdiff.launch.shards import SHARD_HELP, read_shard


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    add = parser.add_argument
    add('checkpoint', help='checkpoint of pre-training, or a file of publish_backbone.py')
    add('scenes', nargs='+', help='files, folders, *.SAFE products or patterns in quotes')
    add('--out', default='embeddings.parquet', help='the table (default: %(default)s)')
    add('--patch', type=int, default=64, help='side of a patch in pixels of the finest band')
    add('--stride', type=int, help='pixels from one patch to the next (default: --patch)')
    add(
        '--stage',
        type=int,
        help='of the backbone, that gives the vectors; a ResNet has 0 to 3 (default: the last)',
    )
    add(
        '--pool',
        choices=POOLS,
        default='mean',
        help='of a patch: the mean, or mean and deviation (default: %(default)s)',
    )
    add('--unit', help="unit of the pixels, e.g. 'reflectance x 10000' (default: the checkpoint's)")
    add('--offset', type=int, help='taken off the numbers of the files (default: as they say)')
    add('--max-nodata', type=float, default=0.5, metavar='SHARE', help='default: %(default)s')
    add('--half', action='store_true', help='vectors as float16: half the size')
    add(
        '--crs', default=LONLAT, help="of the geometry: %(default)s, or 'scene' for the scenes' own"
    )
    add('--file-bands', nargs='+', metavar='BAND', help='names of the bands of each file in order')
    add('--sensor', help='sensor that bands named B1, B2, ... are of')
    add('--clouds', help='cloud mask: SCL or QA60')
    add('--min-clear', type=float, default=0.0, metavar='SHARE', help='of a patch free of cloud')
    add('--raster', metavar='FILE', help='also a GeoTIFF of the vectors, a pixel per patch')
    add('--components', type=int, metavar='K', help='--raster: the first K principal components')
    add('--clusters', type=int, metavar='K', help='also a map of K groups of like patches')
    add('--map', metavar='FILE', help='file of --clusters (default: OUT_clustersK.tif)')
    add('--seed', type=int, default=0, help='of --clusters (default: %(default)s)')
    add('--device', help='cpu, cuda, ... (default: cuda where there is one)')
    add('--batch-size', type=int, default=64, help='patches at a time (default: %(default)s)')
    add('--threads', type=int, help='reading threads (default: one per core, up to 4)')
    add('--shard', metavar='I/N', help=SHARD_HELP)
    add('--overwrite', action='store_true', help='replace a table of other scenes or settings')
    args = parser.parse_args(argv)
    if args.components and not args.raster:
        parser.error('--components: expected --raster FILE with it')
    if args.map and not args.clusters:
        parser.error('--map: expected --clusters K with it')
    return args


def choose_options(args: argparse.Namespace) -> EmbeddingOptions:
    """Return the options of the command line."""
    rasters = RasterOptions(
        file_bands=args.file_bands,
        sensor=args.sensor,
        clouds=args.clouds,
        min_clear=args.min_clear,
        offset=args.offset,
    )
    return EmbeddingOptions(
        patch=args.patch,
        stride=args.stride,
        unit=args.unit,
        max_nodata=args.max_nodata,
        half=args.half,
        system=args.crs,
        rasters=rasters,
        threads=args.threads,
    )


def embed(args: argparse.Namespace) -> int:
    """Embed the scenes and write the maps; returns the exit code."""
    import torch

    options, shard = choose_options(args), read_shard(args.shard)
    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    embedder = Embedder(args.checkpoint, device, args.batch_size, stage=args.stage, pool=args.pool)
    print(embedder.note)
    scenes = list_scenes(args.scenes, embedder.bands, options.rasters)
    run = EmbeddingRun(embedder, scenes, args.out, options, args.overwrite, say=_say)
    outcome = run.run(shard)
    failure_count = len(outcome.failed)
    _say(
        f'{outcome.done} scenes embedded, {outcome.kept} were finished before, {failure_count} '
        'failed' + (f'; {outcome.waiting} are left to other shards' if outcome.waiting else '')
    )
    if outcome.joined:
        table = EmbeddingTable(run.out)
        _say(f'{run.out}: {len(table)} vectors of {table.dims} numbers, {len(table.scenes)} scenes')
        write_maps(table, args)
    if failure_count:
        _say('Start again with the same command to try these once more:')
        for name, message in outcome.failed.items():
            _say(f'  {name}: {message}')
    return 1 if failure_count else 0


def write_maps(table: EmbeddingTable, args: argparse.Namespace) -> None:
    """Write the maps that the command line asks for."""
    if args.raster:
        for path in write_vector_maps(table, args.raster, args.components):
            _say(f'Wrote {path}')
    if args.clusters:
        clusters = Clusters.fit(table, args.clusters, args.seed)
        stem = Path(args.out).expanduser()
        out = args.map or stem.with_name(f'{stem.stem}_clusters{args.clusters}.tif')
        for path in write_cluster_maps(table, out, clusters):
            _say(f'Wrote {path}')
        sizes = clusters.sizes.tolist()
        _say('Patches of each cluster: ' + ', '.join(f'{n}: {s}' for n, s in enumerate(sizes, 1)))


def _say(line: str) -> None:
    print(line, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Embed; errors made on purpose are printed as one message."""
    args = parse_args(argv)
    # A scheduler's notice is heeded as Ctrl-C is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return embed(args)
    except KeyboardInterrupt:
        print('\nStopped; start again with the same command to go on', file=sys.stderr)
        return EXIT_STOPPED
    except (SwiMDiffError, OSError) as error:
        sys.exit(f'\n{type(error).__name__}: {error}')


if __name__ == '__main__':
    sys.exit(main())
