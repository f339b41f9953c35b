"""Kill a training again and again, and lay its loss curve over that of the unbroken run.

The run is killed with SIGKILL at random moments, every third time in the middle of writing a
checkpoint, and started again with ``--resume``. Every loss that it computes, also the ones computed
twice, has to be that of the unbroken run.

Exit code 0 where the losses agree within the tolerance, 1 otherwise.

Example:
    python tools/benchmarks/kills.py configs/swimdiff_r18_seco-small.py --kills 10 \
        --work-dir work_dirs/kills --out docs/images/kills.png \
        --cfg-options train_dataloader.dataset.data_root=data/seco train_cfg.max_epochs=10
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Every step in the log, as it is; a checkpoint every few steps.
LOGGED = ('default_hooks.logger.interval=1', 'log_processor.window_size=1')
Losses = dict[int, float]


@dataclass
class Piece:
    """Hold one life of the killed run."""

    losses: Losses
    killed: str  # 'in a step', 'while saving', or 'finished'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='a pre-training config')
    parser.add_argument('--kills', type=int, default=10, help='default: %(default)s')
    parser.add_argument('--every', type=int, default=3, help='steps between two checkpoints')
    parser.add_argument('--work-dir', default='work_dirs/kills', help='emptied first')
    parser.add_argument('--out', default='kills.png', help='picture (default: %(default)s)')
    parser.add_argument('--json', help='write the numbers to this file')
    parser.add_argument('--seed', type=int, default=0, help='of the moments of the kills')
    parser.add_argument('--tolerance', type=float, default=1e-6, help='default: %(default)s')
    parser.add_argument('--cfg-options', nargs='+', default=[], help='as for tools/train.py')
    return parser.parse_args(argv)


def start(args: argparse.Namespace, work_dir: Path, *more: str) -> subprocess.Popen:
    """Start the training, in a session of its own, its output added to a file."""
    checkpoint = f'default_hooks.checkpoint.steps={args.every}'
    options = [*LOGGED, checkpoint, *args.cfg_options]
    command = [sys.executable, str(ROOT / 'tools/train.py'), args.config, '--work-dir']
    work_dir.mkdir(parents=True, exist_ok=True)
    with (work_dir / 'output.txt').open('a') as output:
        return subprocess.Popen(
            [*command, str(work_dir), '--cfg-options', *options, *more],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, 'PYTHONPATH': f'{ROOT}:{os.environ.get("PYTHONPATH", "")}'},
        )


def read_losses(work_dir: Path, skip: int = 0) -> Losses:
    """Loss by iteration from the JSON logs, without the first ``skip`` of them."""
    losses: Losses = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json'))[skip:]:
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:  # the line that the kill cut off
                continue
            if 'loss' in row:
                losses[row['step']] = row['loss']
    return losses


def live(
    args: argparse.Namespace, folder: Path, chance: random.Random, number: int, most: int
) -> Piece:
    """Start the run, let it compute some steps (at most ``most``), kill it."""
    before = len(list(folder.glob('*/vis_data/scalars.json')))
    process = start(args, folder, '--resume') if number else start(args, folder)
    steps = chance.randint(2, max(2, most))
    saving = number % 3 == 2
    while process.poll() is None:
        if len(read_losses(folder, before)) >= steps:
            break
        time.sleep(0.02)
    if saving:
        while process.poll() is None and not list(folder.glob('.*.partial')):
            time.sleep(0.0002)
    else:
        time.sleep(chance.uniform(0, 0.5))
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    if code not in (0, -signal.SIGKILL):
        sys.exit(f'the run ended with {code}, see {folder / "output.txt"}')
    has_partial = bool(list(folder.glob('.*.partial')))
    moment = 'finished' if code == 0 else 'while saving' if has_partial else 'in a step'
    return Piece(read_losses(folder, before), moment)


def draw(whole: Losses, pieces: list[Piece], out: Path, title: str) -> None:
    """Both curves, the kills, and the difference."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, (top, below) = pyplot.subplots(
        2, 1, figsize=(10, 6), sharex=True, height_ratios=(3, 1), layout='constrained'
    )
    top.plot(list(whole), list(whole.values()), color='0.75', linewidth=6, label='unbroken')
    marks = {'in a step': 'x', 'while saving': 'v'}
    unnamed_marks = set(marks)
    for number, piece in enumerate(pieces):
        steps, values = list(piece.losses), list(piece.losses.values())
        style = dict(color=f'C{number % 10}', marker='.', linewidth=1)
        top.plot(steps, values, markersize=3, **style)
        gaps = [abs(piece.losses[step] - whole[step]) for step in steps]
        below.plot(steps, gaps, markersize=4, **style)
        if piece.killed in marks:
            name = f'killed {piece.killed}' if piece.killed in unnamed_marks else None
            unnamed_marks.discard(piece.killed)
            top.plot(steps[-1], values[-1], 'k' + marks[piece.killed], markersize=8, label=name)
            again = min(pieces[number + 1].losses)
            label = None if number else 'computed twice'
            top.axvspan(again - 0.5, steps[-1] + 0.5, color='0.9', label=label, linewidth=0)
    below.axhline(1e-6, color='k', linewidth=0.6, linestyle='--')
    below.set_yscale('symlog', linthresh=1e-8)
    below.set_ylim(-1e-9, 1e-4)
    below.set(xlabel='iteration', ylabel='difference')
    below.text(0.995, 1.2e-6, '1e-6', transform=below.get_yaxis_transform(), ha='right')
    top.set(ylabel='loss', title=title)
    top.legend()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)


def main(argv: list[str] | None = None) -> None:
    """Run unbroken, run killed, compare."""
    args = parse_args(argv)
    folder = Path(args.work_dir)
    shutil.rmtree(folder, ignore_errors=True)
    if start(args, folder / 'unbroken').wait():
        sys.exit(f'the unbroken run failed, see {folder / "unbroken/output.txt"}')
    whole = read_losses(folder / 'unbroken')
    chance, pieces = random.Random(args.seed), []
    most = 2 * len(whole) // (args.kills + 1)
    for number in range(args.kills):
        pieces.append(live(args, folder / 'killed', chance, number, most))
        steps = list(pieces[-1].losses)
        print(
            f'{number + 1}: iterations {steps[0]} to {steps[-1]}, {pieces[-1].killed}', flush=True
        )
        if pieces[-1].killed == 'finished':
            break
    else:
        before = len(list((folder / 'killed').glob('*/vis_data/scalars.json')))
        if start(args, folder / 'killed', '--resume').wait():
            sys.exit(f'the last start failed, see {folder / "killed/output.txt"}')
        pieces.append(Piece(read_losses(folder / 'killed', before), 'finished'))
        print(f'last: iterations {min(pieces[-1].losses)} to {max(pieces[-1].losses)}, finished')
    gaps = [abs(piece.losses[step] - whole[step]) for piece in pieces for step in piece.losses]
    computed_count = sum(len(piece.losses) for piece in pieces)
    missing_steps = set(whole).difference(*(piece.losses for piece in pieces))
    kills = sum(piece.killed != 'finished' for piece in pieces)
    saving = sum(piece.killed == 'while saving' for piece in pieces)
    text = (
        f'{kills} kills ({saving} while saving), {len(whole)} iterations, '
        f'{computed_count - len(whole)} computed again, largest difference {max(gaps):.1e}'
    )
    print(text)
    draw(whole, pieces, Path(args.out), text)
    print(f'Wrote {args.out}')
    if args.json:
        record = dict(unbroken=whole, pieces=[asdict(piece) for piece in pieces], text=text)
        Path(args.json).write_text(json.dumps(record, indent=1))
    if missing_steps or max(gaps) > args.tolerance:
        sys.exit(f'The killed run is another: iterations missing: {sorted(missing_steps)}')


if __name__ == '__main__':
    main()
