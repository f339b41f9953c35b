"""Find the patches that look like a place or a picture, in a table of tools/embed.py.

Every vector is compared (cosine similarity), in blocks that stream through the table. The patches
found are written as GeoJSON, and as a contact sheet cut out of the scenes that the table names. The
place itself, at other dates or in patches that overlap with it, does not count as found.

Examples:
    python tools/search.py embeddings.parquet --like 12.95 52.41
    python tools/search.py embeddings.parquet --like 12.95 52.41 --date 2017-02-16 -n 40 --out found
    python tools/search.py embeddings.parquet --picture crop.tif --checkpoint epoch_200.pth
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from swimdiff.datasets.rasters import RasterOptions
from swimdiff.errors import ConfigError, SwiMDiffError
from swimdiff.inference.embedding import (
    Embedder,
    EmbeddingTable,
    Match,
    PatchPictures,
    embed_picture,
    find_overlapping,
    find_patch,
    search_vectors,
    write_geojson,
    write_sheet,
)
from swimdiff.launch.command_line import CommandParser

#: Of the files written; an --out that ends in one of them is taken without it.
_WRITTEN_SUFFIXES = ('.geojson', '.png')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    add = parser.add_argument
    add('table', help='GeoParquet that tools/embed.py has written')
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument('--like', nargs=2, type=float, metavar=('LON', 'LAT'), help='a place, degrees')
    how.add_argument('--picture', metavar='FILE', help='a raster with the bands, or a JPEG or PNG')
    add('-n', type=int, default=20, help='patches wanted (default: %(default)s)')
    add('--date', metavar='YYYY-MM-DD', help='--like: date of the patch (default: the last one)')
    add('--overlaps', action='store_true', help='--like: the place at other dates counts, too')
    add('--checkpoint', help='--picture: of the table (default: the file that the table names)')
    add('--unit', help='--picture: unit of the pixels of a raster (default: that of the table)')
    add('--offset', type=int, help='--picture: taken off the numbers of a raster')
    add('--file-bands', nargs='+', metavar='BAND', help='--picture: names of its bands in order')
    add('--sensor', help='--picture: sensor that bands named B1, B2, ... are of')
    add('--device', default='cpu', help='--picture: where to compute (default: %(default)s)')
    add('--root', default='.', help='folder that the names of scenes are relative to')
    add('--out', help='files to write, without suffix (default: TABLE_search)')
    add('--no-sheet', action='store_true', help='write no contact sheet')
    return parser.parse_args(argv)


def open_embedder(table: EmbeddingTable, args: argparse.Namespace) -> Embedder:
    """Open the backbone that made a table.

    Raises:
        ConfigError: Nothing names it, or another one is named.
    """
    checkpoint_record = table.about.get('checkpoint', {})
    path = args.checkpoint or checkpoint_record.get('path')
    if path is None:
        raise ConfigError(
            f'{table.path} does not name its checkpoint. Expected the one that it was made with: '
            '--checkpoint FILE.'
        )
    embedder = Embedder(
        path,
        args.device,
        stage=checkpoint_record.get('stage'),
        pool=checkpoint_record.get('pool', 'mean'),
    )
    if checkpoint_record.get('key', embedder.key) != embedder.key:
        raise ConfigError(
            f'{path} is not the checkpoint that {table.path} was made with (weights or statistics '
            'differ): vectors of two networks cannot be compared. Expected '
            f'{checkpoint_record.get("path")}.'
        )
    return embedder


def search(table: EmbeddingTable, args: argparse.Namespace) -> None:
    """Search, and write what was found."""
    hidden_rows: Sequence[int] = ()
    picture: np.ndarray | None = None
    row = None
    if args.like:
        row = find_patch(table, *args.like, day=args.date)
        vector = np.array(table.take([row], ['vector'])[0]['vector'], np.float32)
        hidden_rows = [row] if args.overlaps else find_overlapping(table, row)
    else:
        embedder = open_embedder(table, args)
        unit = args.unit or table.about.get('unit')
        options = RasterOptions(file_bands=args.file_bands, sensor=args.sensor, offset=args.offset)
        vector, picture = embed_picture(embedder, args.picture, unit, options)
    (matches,) = search_vectors(table, vector, args.n, hidden_rows)
    stem = Path(args.out or table.path.with_name(f'{table.path.stem}_search')).expanduser()
    if stem.suffix.lower() in _WRITTEN_SUFFIXES:
        stem = stem.with_suffix('')
    stem.parent.mkdir(parents=True, exist_ok=True)
    write_geojson(table, matches, stem.with_name(f'{stem.name}.geojson'), row)
    print(f'Wrote {stem}.geojson: {len(matches)} patches of {len(table)}')
    print_matches(table, matches)
    if not args.no_sheet:
        draw(table, matches, row, picture, stem, args)


def print_matches(table: EmbeddingTable, matches: Sequence[Match]) -> None:
    """Print rank, score and place of each patch."""
    records = table.take([match.row for match in matches], ['file', 'date', 'row', 'col'])
    for rank, (match, record) in enumerate(zip(matches, records, strict=True), 1):
        place = f'row {record["row"]} col {record["col"]}'
        print(f'{rank:4d}  {match.score:.4f}  {record["file"]}  {record["date"] or ""}  {place}')


def draw(
    table: EmbeddingTable,
    matches: Sequence[Match],
    row: int | None,
    picture: np.ndarray | None,
    stem: Path,
    args: argparse.Namespace,
) -> None:
    """Draw the contact sheet: what was searched for, then what was found."""
    cutter = PatchPictures(table, Path(args.root))
    first = [] if row is None else [row]
    rows = [*first, *(match.row for match in matches)]
    pictures = cutter.cut_patches(rows)
    captions = [['searched for', Path(args.picture).name if args.picture else _place(args.like)]]
    columns = ['file', 'date', 'row', 'col']
    records = table.take([match.row for match in matches], columns)
    for rank, (match, record) in enumerate(zip(matches, records, strict=True), 1):
        place = f'{record["date"] or ""} row {record["row"]} col {record["col"]}'
        captions.append([f'{rank}: {match.score:.3f}', place, Path(record['file']).name])
    if picture is not None:
        pictures = [_as_bright(picture, pictures), *pictures]
    write_sheet(pictures, captions, stem.with_name(f'{stem.name}.png'))
    print(f'Wrote {stem}.png')
    for message in cutter.failures.values():
        print_log(f'Drawn grey: {message}', logger='current', level=logging.WARNING)


def _as_bright(picture: np.ndarray, others: Sequence[np.ndarray | None]) -> np.ndarray:
    """A picture of another unit in the range of the others, as all share one stretch."""
    there = [other.reshape(-1, 3) for other in others if other is not None]
    if not there:
        return picture
    pixels = np.concatenate(there)
    low, high = np.percentile(pixels, [1, 99], axis=0)
    own_low, own_high = np.percentile(picture.reshape(-1, 3), [1, 99], axis=0)
    return (picture - own_low) / np.maximum(own_high - own_low, 1e-9) * (high - low) + low


def _place(lonlat: Sequence[float]) -> str:
    return f'{lonlat[0]:.5f} {lonlat[1]:.5f}'


def main(argv: list[str] | None = None) -> None:
    """Search; errors made on purpose are printed as one message."""
    try:
        args = parse_args(argv)
        search(EmbeddingTable(args.table), args)
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
