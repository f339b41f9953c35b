"""Write a whole model of change detection or land cover as ONNX, for QGIS and others.

    python tools/model_converters/export_onnx.py work_dirs/RUN/epoch_100.pth
    python tools/model_converters/export_onnx.py work_dirs/RUN/epoch_100.pth --qgis --stored-pixels

The graph takes pixels of 0..255 divided by 255 (float32, N x bands x H x W; two dates lie one after
the other) and gives probabilities of the same size: one channel for change, one per class for land
cover. It standardises by itself. --stored-pixels puts the stretch into the graph as well: it then
takes the pixels of the product, divided by 255 all the same.

Height and width are open unless --tile fixes them. --qgis does what QGIS's plug-in Deepness asks
for: tiles of 512 pixels (or --tile), and two channels for change, of which the larger one is taken.
docs/how-to/qgis.md shows the way to a map.
"""

import argparse
import sys
from pathlib import Path

from swimdiff.errors import SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.weights.checkpoint import read_checkpoint
from swimdiff.weights.converters.cards import write_cards
from swimdiff.weights.converters.facts import list_provenance, parse_scores
from swimdiff.weights.converters.graphs import export_segmentor, open_segmentor


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint of change detection or land cover')
    parser.add_argument('--out', help='file to write (default: the checkpoint, as .onnx)')
    parser.add_argument('--tile', type=int, help='fix the edge of the images, in pixels')
    parser.add_argument('--qgis', action='store_true', help='as QGIS asks for it')
    parser.add_argument('--stored-pixels', action='store_true', help='stretch in the graph')
    parser.add_argument('--threshold', type=float, help="of change (default: the model's)")
    parser.add_argument('--overlap', type=int, default=15, help='of tiles in QGIS, in percent')
    parser.add_argument(
        '--small-segment', type=int, default=0, help='median filter in QGIS, in pixels'
    )
    parser.add_argument('--classes', nargs='+', help='names, where the checkpoint does not say')
    parser.add_argument('--resolution', type=float, help="metres of a pixel, if not the bands' own")
    parser.add_argument('--licence', default='', help='of the weights, for example CC-BY-4.0')
    parser.add_argument('--data', help='what it was trained on, where the checkpoint does not say')
    parser.add_argument('--score', action='append', default=[], metavar='NAME=VALUE')
    return parser.parse_args(argv)


def export(args: argparse.Namespace) -> list[Path]:
    """Write the graph and its card, and return the files.

    Raises:
        CheckpointError: The source holds no such model, or the graph computes something else.
    """
    checkpoint = read_checkpoint(args.checkpoint)
    path = Path(args.out or Path(args.checkpoint).with_suffix('.onnx')).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    segmentor, facts, threshold = open_segmentor(
        checkpoint,
        args.classes,
        name=path.stem,
        resolution_m=args.resolution,
        data=args.data,
        scores=parse_scores(args.score),
        licence=args.licence,
        provenance=list_provenance(checkpoint, None, {}),
    )
    if args.threshold is not None:
        threshold = args.threshold
    tile = args.tile or (512 if args.qgis else None)
    difference = export_segmentor(
        segmentor,
        facts,
        path,
        tile,
        args.stored_pixels,
        threshold if args.qgis else None,
        args.overlap,
        args.small_segment,
    )
    print(f'Outputs of ONNX Runtime: equal to {difference:.0e}')
    return [path, *write_cards(facts, [path])]


def main(argv: list[str] | None = None) -> None:
    """Export; errors made on purpose are printed as one message."""
    try:
        for path in export(parse_args(argv)):
            print(f'Wrote {path} ({path.stat().st_size / 1e6:.3g} MB)')
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
