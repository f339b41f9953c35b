r"""Train a config: pre-training, change detection or classification.

On several processes: bash tools/dist_train.sh CONFIG PROCESSES.

Exit codes: 0 finished; 75 stopped by Ctrl-C, SIGTERM or SIGUSR1 with the state saved, go on with
--resume; 1 an error, or ended before training began; 2 a wrong command line.

Examples:
    python tools/train.py configs/swimdiff_r50_seco.py --work-dir work_dirs/run
    python tools/train.py configs/swimdiff_r50_seco.py --resume          # newest whole one, if any
    python tools/train.py configs/swimdiff_r50_seco.py --resume work_dirs/run/epoch_10.pth
    python tools/train.py swimdiff_r18_raster-scenes --cfg-options \
        train_dataloader.dataset.data_root=FOLDER
"""

import argparse
import os
import shlex
import sys

from mmengine.config import Config
from mmengine.runner import FlexibleRunner, Runner

from swimdiff.apis.statistics_transfer import transfer_statistics
from swimdiff.engine.scaling.batch_recipe import scale_recipe
from swimdiff.errors import StoppedError, SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.elastic import EXIT_STOPPED, current_launch
from swimdiff.launch.launch import (
    adapt_to_device,
    add_run_arguments,
    build_runner,
    count_processes,
    make_restartable,
    match_accumulation,
    read_config,
    set_precision,
    settle_resume,
)
from swimdiff.launch.unknown_names import explain_unknown_name


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='path of a config, or its name inside the package')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='auto|CHECKPOINT',
        help='go on from the newest whole checkpoint of the work dir, from scratch if there is '
        'none (auto, the default); or from the one named',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='float16',
        choices=['float16', 'bfloat16'],
        help='mixed precision (float16, which needs a GPU, unless bfloat16 is named)',
    )
    batch = parser.add_mutually_exclusive_group()
    batch.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate, and nothing else, by the global batch over '
        'auto_scale_lr.base_batch_size',
    )
    batch.add_argument(
        '--scale-recipe',
        action='store_true',
        help='scale learning rate, momentum of the key encoder and queue to the global batch '
        '(docs/how-to/scaling.md); give it again with --resume. A config asks for it by '
        'scale_recipe=True',
    )
    add_run_arguments(parser)
    return parser.parse_args(argv)


def build_config(args: argparse.Namespace) -> Config:
    """Merge the command line into the config."""
    cfg = read_config(args)
    if args.amp:
        set_precision(cfg, args.amp)
    if args.resume == 'auto':
        cfg.resume = 'auto'  # weights named by load_from start the run where there is no checkpoint
    elif args.resume:
        cfg.resume, cfg.load_from = True, args.resume
    match_accumulation(cfg)
    first = os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) == '0'
    for line in make_restartable(cfg):
        if first:
            print(line, flush=True)
    if args.auto_scale_lr or args.scale_recipe or cfg.get('scale_recipe'):
        processes = count_processes(cfg.launcher)
        scaling_text = scale_recipe(cfg, processes, rate_alone=args.auto_scale_lr)
        if first:
            print(f'Scaled to the global batch: {scaling_text}', flush=True)
    return cfg


def train(runner: Runner | FlexibleRunner) -> None:
    """Train; an error is noted in the report of the run before it goes on."""
    try:
        runner.train()
    except Exception as error:
        from swimdiff.engine.logging.report_hook import report_failure

        report_failure(runner, error)
        raise


def say_how_to_go_on(argv: list[str] | None) -> str:
    """Return the command that goes on with a run of one process; '' below a launcher."""
    if 'RANK' in os.environ:
        return ''
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not any(word == '--resume' or word.startswith('--resume=') for word in arguments):
        arguments[1:1] = ['--resume', 'auto']
    return f':\n{shlex.join([sys.executable, sys.argv[0], *arguments])}'


def main(argv: list[str] | None = None) -> None:
    """Train; errors made on purpose are printed as one message, without a traceback."""
    launch = current_launch()
    if launch.ended:  # by an error that a restart does not cure
        sys.exit(launch.follow())
    ready = False
    try:
        cfg = build_config(parse_args(argv))
        adapt_to_device(cfg)
        notes = transfer_statistics(cfg)
        runner = build_runner(cfg)
        for level, note in notes:
            runner.logger.log(level, note)
        settle_resume(runner)
        ready = True
        train(runner)
    except StoppedError as stop:
        print(f'\nStopped by {stop}{say_how_to_go_on(argv)}', file=sys.stderr)
        sys.exit(launch.end(EXIT_STOPPED))
    except KeyboardInterrupt:
        launch.end(1)
        sys.exit('\nInterrupted outside of training: nothing was saved.')
    except SwiMDiffError as error:
        launch.end(1)
        sys.exit(f'\n{type(error).__name__}: {error}')
    except SystemExit as usage:
        launch.end(int(bool(usage.code)))
        raise
    except Exception as error:
        if explanation := explain_unknown_name(error):
            launch.end(1)
            sys.exit(f'\nConfigError: {explanation}')
        # A typo in the config, a missing package: the same the next time. Not so what torch raises
        # where another process was lost, or the device is full.
        if not ready and not isinstance(error, (RuntimeError, ConnectionError)):
            launch.end(1)
        raise


if __name__ == '__main__':
    main()
