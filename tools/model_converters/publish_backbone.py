"""Write the backbone of a checkpoint for another program, with a model card beside it.

    python tools/model_converters/publish_backbone.py work_dirs/RUN/epoch_200.pth
    python tools/model_converters/publish_backbone.py work_dirs/RUN/epoch_200.pth --for timm

--for mmpretrain (the default) keeps the names: the .pth loads in any config of mmpretrain and
mmsegmentation, this package need not be installed there: init_cfg=dict(type='Pretrained',
checkpoint=FILE, prefix='backbone.'). The .safetensors needs no pickle, but the engine by itself
cannot read it: take the .pth, or our loader with _scope_='swimdiff' in the same init_cfg.

--for timm, torchvision, torchgeo or smp gives the tensors the names of that library. Both networks
are run, and nothing is written unless they give the same features; a backbone that the library does
not have is refused with the reason. --for onnx writes a graph, equal to PyTorch in ONNX Runtime.
docs/how-to/exports.md has the lines that load each file.
"""

import argparse
import sys
from pathlib import Path

from mmengine.registry import DefaultScope
from torch import Tensor

from swimdiff.errors import CheckpointError, SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.weights.checkpoint import Checkpoint, read_checkpoint
from swimdiff.weights.converters.cards import write_cards
from swimdiff.weights.converters.conversion import LIBRARIES, Conversion, convert_backbone
from swimdiff.weights.converters.counterparts import describe_backbone
from swimdiff.weights.converters.facts import (
    ModelFacts,
    list_provenance,
    parse_scores,
    read_facts,
)
from swimdiff.weights.converters.graphs import export_backbone
from swimdiff.weights.converters.writing import copy_tensors, describe_use, write_weights

_TARGETS = ('mmpretrain', *LIBRARIES, 'onnx')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint of pre-training')
    parser.add_argument('--for', dest='target', choices=_TARGETS, default='mmpretrain')
    parser.add_argument('--out', help='files to write, without suffix (default: FILE_backbone)')
    parser.add_argument('--prefix', default='backbone.', help='part to take: %(default)s')
    parser.add_argument('--bare', action='store_true', help='leave the prefix out of the names')
    parser.add_argument('--bands', nargs='+', help='bands, where the checkpoint does not say')
    parser.add_argument(
        '--trust', action='store_true', help='read a file that holds code; it is run'
    )
    graph = parser.add_argument_group('for onnx')
    graph.add_argument('--tile', type=int, help='fix the edge of the images, in pixels')
    graph.add_argument(
        '--stored-pixels',
        action='store_true',
        help='stretch in the graph: it takes the pixels of the product (divided by 255)',
    )
    card = parser.add_argument_group('for the model card')
    card.add_argument('--licence', default='', help='of the weights, for example CC-BY-4.0')
    card.add_argument('--data', help='what it was trained on, where the checkpoint does not say')
    card.add_argument('--resolution', type=float, help="metres of a pixel, if not the bands' own")
    card.add_argument(
        '--score',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='a score, with the name of the split: "EuroSAT test top-1=94.1"',
    )
    return parser.parse_args(argv)


def choose_stem(args: argparse.Namespace) -> Path:
    """Return the path of the files without suffix."""
    if args.out:
        return Path(args.out).expanduser()
    source = Path(args.checkpoint).expanduser()
    ending = '' if args.target == 'mmpretrain' else f'_{args.target}'
    return source.with_name(f'{source.stem}_backbone{ending}')


def convert(
    args: argparse.Namespace, checkpoint: Checkpoint, state: dict[str, Tensor], stem: Path
) -> list[Path]:
    """Write weights and card for the target, and return the files.

    Raises:
        CheckpointError: The target does not take this backbone.
    """
    config = checkpoint.backbone
    if config is None and args.target != 'mmpretrain':
        raise CheckpointError(
            f'{checkpoint.path} does not say which backbone it is of, and --for {args.target} has '
            'to build it. Expected a checkpoint of pre-training, or a file written with --for '
            'mmpretrain.'
        )
    more: dict[str, object] = dict(names=describe_names(args, config))
    notes: list[str] = []
    how_to = ''
    if args.target in LIBRARIES and config is not None:
        conversion = convert_backbone(config, state, args.target)
        state = copy_tensors(conversion.state, checkpoint.path)
        names = f'{args.target} {conversion.model}'
        more |= dict(names=names, options=dict(conversion.options) or None)
        notes = list_notes(conversion)
        suffix = '.ckpt' if args.target == 'torchgeo' else '.safetensors'
        channels = int(config.get('in_channels', 3))
        how_to = describe_use(conversion, f'{stem.name}{suffix}', channels)
        print(f'Features of {names}: equal to {conversion.difference:.0e}')
    about = list_provenance(checkpoint, args.bands, more)
    facts = read_facts(
        checkpoint,
        stem.name,
        describe_backbone(config) if config else 'not known',
        'features',
        bands=args.bands,
        resolution_m=args.resolution,
        data=args.data,
        scores=parse_scores(args.score),
        licence=args.licence,
        parameters=sum(value.numel() for value in state.values() if value.is_floating_point()),
        how_to=how_to,
        notes=tuple(notes),
        provenance=about,
    )
    files = write_files(args, config, state, facts, stem)
    count = sum(value.numel() for value in state.values())
    print(f'{len(state)} tensors, {count / 1e6:.2f} M numbers, from {args.checkpoint}')
    for text in (*(f'{key}: {value}' for key, value in about.items()), *notes):
        print(f'  {text}')
    return [*files, *write_cards(facts, files)]


def list_notes(conversion: Conversion) -> list[str]:
    """Return what a user has to know of a conversion."""
    notes = [conversion.note] if conversion.note else []
    if conversion.left_out:
        notes.append(f'Left out, without a place there: {", ".join(conversion.left_out)}.')
    return notes


def write_files(
    args: argparse.Namespace,
    config: dict | None,
    state: dict[str, Tensor],
    facts: ModelFacts,
    stem: Path,
) -> list[Path]:
    """Write the tensors, or the graph, and return the files."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    if args.target != 'onnx' or config is None:
        model = facts.provenance.get('names', '').rpartition(' ')[2]
        return write_weights(stem, args.target, state, facts.provenance, model)
    path = stem.with_name(f'{stem.name}.onnx')
    difference = export_backbone(config, state, facts, path, args.tile, args.stored_pixels)
    print(f'Outputs of ONNX Runtime: equal to {difference:.0e}')
    return [path]


def describe_names(args: argparse.Namespace, config: dict | None) -> str | None:
    """Return whose names the tensors have; None where the backbone is not known."""
    kind = str((config or {}).get('type', '')).rsplit('.', 1)[-1]
    if not kind:
        return None
    # Its stem is one convolution as theirs; variants with a deep stem are classes of their own.
    if kind == 'ResNet':
        return 'torchvision, timm, mmpretrain'
    return f'mmpretrain.{kind} only (--for timm and others convert them)'


def publish(args: argparse.Namespace) -> list[Path]:
    """Write the files and return their paths.

    Raises:
        CheckpointError: The source cannot be read, or holds weights that are not finite.
    """
    checkpoint = read_checkpoint(args.checkpoint, not args.trust)
    state = copy_tensors(checkpoint.select(args.prefix), checkpoint.path)
    if args.target == 'mmpretrain':
        start = '' if args.bare or not args.prefix else args.prefix.rstrip('.') + '.'
        state = {start + name: value for name, value in state.items()}
    with DefaultScope.overwrite_default_scope('swimdiff'):
        return convert(args, checkpoint, state, choose_stem(args))


def main(argv: list[str] | None = None) -> None:
    """Publish; errors made on purpose are printed as one message."""
    try:
        for path in publish(parse_args(argv)):
            print(f'Wrote {path} ({path.stat().st_size / 1e6:.3g} MB)')
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
