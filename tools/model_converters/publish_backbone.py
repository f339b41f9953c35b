"""Write the backbone of a checkpoint as plain files of tensors, with where it came from.

The ``.pth`` loads with ``torch.load(weights_only=True)`` and wherever the checkpoint itself does,
in mmpretrain and mmseg without this package too: ``init_cfg=dict(type='Pretrained',
checkpoint=FILE, prefix='backbone.')``. The ``.safetensors`` needs no pickle at all; the engine
alone cannot read it: say ``custom_imports=dict(imports=['swimdiff.engine'])`` in the config there.
With ``--bare`` the names lose their prefix, as other libraries expect them. Those of a ResNet are
then torchvision's and timm's; others keep the names of mmpretrain, which these do not know.

Examples:
    python tools/model_converters/publish_backbone.py work_dirs/RUN/epoch_200.pth
    python tools/model_converters/publish_backbone.py work_dirs/RUN/epoch_200.pth --out r50 --bare
"""

import argparse
import hashlib
import json
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from swimdiff import __version__
from swimdiff.bands import canonical_bands, stats_to_mapping
from swimdiff.errors import CheckpointError, SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.weights.checkpoint import Checkpoint, read_checkpoint, some
from swimdiff.weights.input_statistics import META_KEY, read_statistics


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint of pre-training')
    parser.add_argument('--out', help='files to write, without suffix (default: FILE_backbone)')
    parser.add_argument('--prefix', default='backbone.', help='part to take: %(default)s')
    parser.add_argument('--bare', action='store_true', help='leave the prefix out of the names')
    parser.add_argument('--bands', nargs='+', help='bands, where the checkpoint does not say')
    parser.add_argument(
        '--trust', action='store_true', help='read a file that holds code; it is run'
    )
    return parser.parse_args(argv)


def provenance(checkpoint: Checkpoint, bands: list[str] | None) -> dict[str, str]:
    """What a user of the file has to know, as text (safetensors holds nothing else).

    Args:
        checkpoint: The source.
        bands: Bands given on the command line.
    """
    digest = hashlib.sha256(Path(checkpoint.path).expanduser().read_bytes()).hexdigest()
    known = canonical_bands(bands) if bands else checkpoint.bands
    stats = read_statistics(checkpoint)
    about: dict[str, object] = {
        'source': Path(checkpoint.path).name,
        'source_sha256': digest,
        'written_by': f'swimdiff {__version__}, torch {torch.__version__}',
        'bands': ','.join(known) if known else None,
        'stats': checkpoint.stats,
        META_KEY: json.dumps(stats_to_mapping(stats, stats.low)) if stats else None,
        'backbone': json.dumps(checkpoint.backbone) if checkpoint.backbone else None,
        'names': name_convention(checkpoint),
    }
    about.update(
        {
            key: checkpoint.meta.get(key)
            for key in ('epoch', 'iter', 'seed', 'experiment_name', 'mmengine_version')
        }
    )
    return {key: str(value) for key, value in about.items() if value is not None}


def name_convention(checkpoint: Checkpoint) -> str | None:
    """Return whose names the tensors have; None where the backbone is not known.

    Args:
        checkpoint: The source.
    """
    kind = str((checkpoint.backbone or {}).get('type', '')).rsplit('.', 1)[-1]
    if not kind:
        return None
    # Its stem is one convolution as theirs; variants with a deep stem are classes of their own.
    return 'torchvision, timm, mmpretrain' if kind == 'ResNet' else f'mmpretrain.{kind} only'


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f'.{path.name}.{uuid.uuid4().hex}')
    try:
        write(partial)
        # safetensors makes files that only their owner can read.
        mask = os.umask(0)
        os.umask(mask)
        partial.chmod(0o666 & ~mask)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def publish(args: argparse.Namespace) -> list[Path]:
    """Write both files and return their paths.

    Raises:
        CheckpointError: The source cannot be read, or holds weights that are not finite.
    """
    checkpoint = read_checkpoint(args.checkpoint, not args.trust)
    chosen = checkpoint.select(args.prefix)
    broken = [
        name
        for name, value in chosen.items()
        if value.is_floating_point() and not value.isfinite().all()
    ]
    if broken:
        raise CheckpointError(
            f'{checkpoint.path} holds NaN or infinite weights in {some(broken)}: nothing written. '
            'The training that wrote it diverged; take an earlier checkpoint.'
        )
    start = '' if args.bare or not args.prefix else args.prefix.rstrip('.') + '.'
    # Own memory for each, in plain order: a view would carry its whole storage into the file, and
    # weights of a channels-last run are transposed.
    state: dict[str, Tensor] = {
        start + name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in chosen.items()
    }
    about = provenance(checkpoint, args.bands)
    source = Path(args.checkpoint).expanduser()
    stem = Path(args.out).expanduser() if args.out else source.with_name(f'{source.stem}_backbone')
    stem.parent.mkdir(parents=True, exist_ok=True)
    plain, safe = (stem.with_name(stem.name + suffix) for suffix in ('.pth', '.safetensors'))
    replace(plain, lambda path: torch.save(dict(state_dict=state, meta=about), path))
    replace(safe, lambda path: save_file(state, path, metadata={'format': 'pt', **about}))
    count = sum(value.numel() for value in state.values())
    print(f'{len(state)} tensors, {count / 1e6:.2f} M numbers, from {source}')
    for key, value in about.items():
        print(f'  {key}: {value}')
    return [plain, safe]


def main(argv: list[str] | None = None) -> None:
    """Publish; errors made on purpose are printed as one message."""
    try:
        for path in publish(parse_args(argv)):
            print(f'Wrote {path} ({path.stat().st_size / 1e6:.1f} MB)')
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')


if __name__ == '__main__':
    main()
