r"""Measure quantiles, mean and standard deviation of the bands of an archive, exactly, in one pass.

The file goes into a config as it is: stats='stats.json' of the data set and of the preprocessor. An
interrupted run goes on where it was when the same command is given again.

Examples:
    python tools/dataset_converters/compute_stats.py data/seco stats.json
    python tools/dataset_converters/compute_stats.py data/my_scenes stats.json --type RasterScenes \
        --dataset-options patch=256 unit="reflectance x 10000"
    python tools/dataset_converters/compute_stats.py configs/swimdiff_r50_seco.py stats.json
"""

import argparse
import os
import sys
from pathlib import Path

from swimdiff.apis.archive_statistics import count_archive
from swimdiff.apis.archives import open_archive
from swimdiff.bands import SENTINEL2, stats_to_json
from swimdiff.errors import ConfigError, SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.config_options import ConfigOptions

_QUANTILES = (0.001, 0.01, 0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 0.98, 0.99, 0.999)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('source', help='folder of the archive, or a config that trains on it')
    parser.add_argument('out', help='the .json file to write')
    parser.add_argument('--type', help='data set by name, where the layout does not tell it')
    parser.add_argument('--bands', nargs='+', help='bands by name; all by default')
    parser.add_argument('--dataset-options', nargs='+', action=ConfigOptions, help='key=value ...')
    parser.add_argument(
        '--stretch', nargs=2, type=float, default=(0.02, 0.98), help='quantiles of the stretch'
    )
    parser.add_argument('--ignore', type=float, default=0, help='value of no data (default 0)')
    parser.add_argument('--limit', type=int, help='read so many patches, spread evenly')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Compute the statistics and write them."""
    args = parse_args(argv)
    try:
        if not args.out.endswith('.json'):
            raise ConfigError(f'{args.out}: expected the name of a .json file to write.')
        dataset = open_archive(args.source, args.type, args.bands, args.dataset_options)
        state = Path(f'{args.out}.partial.npz')
        histogram = count_archive(dataset, state, args.ignore, args.limit, args.workers)
        bands = histogram.summary(_QUANTILES, args.stretch)
        for band in set(bands) & set(SENTINEL2):
            band_entry = SENTINEL2[band]
            bands[band].update(
                wavelength_nm=band_entry.wavelength_nm, resolution_m=band_entry.resolution_m
            )
        patches = len(dataset.index) if args.limit is None else min(args.limit, len(dataset.index))
        source = (
            f'{patches} of {len(dataset.index)} patches of {Path(dataset.data_root).name}; stretch '
            f'from quantile {args.stretch[0]:g} to {args.stretch[1]:g}, {args.ignore:g} left out'
        )
        if dataset.skips.failures:
            print(f'{dataset.skips.failures} patches could not be read and were left out.')
        unit = dataset.source.unit or dataset.source.dtype
        content = dict(name=Path(args.out).stem, unit=unit, source=source, bands=bands)
        stats_to_json(args.out, content)
        state.unlink(missing_ok=True)
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')
    print(f'{"band":6s}{"low":>10s}{"high":>10s}{"raw mean":>10s}{"raw std":>10s}{"no data":>9s}')
    for band, entry in bands.items():
        numbers = ''.join(f'{entry[k]:10.1f}' for k in ('low', 'high', 'raw_mean', 'raw_std'))
        print(f'{band:6s}{numbers}{entry["no_data"]:9.2%}')
    print(f"Wrote {args.out}: stats='{args.out}' for the data set and the preprocessor.")


if __name__ == '__main__':
    main()
