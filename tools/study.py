"""Run a study: train the variants of a plan with several seeds, measure them, compare them.

Finished cells are skipped, a killed study goes on where it was; see docs/how-to/studies.md.

Exit codes: 0 nothing is left to do here; 75 stopped by a signal with the state saved, start again
to go on; 1 a cell failed, or an error; 2 a wrong command line.

Examples:
    python tools/study.py PLAN.py --dry-run                # the cells and what is left to do
    python tools/study.py PLAN.py --processes 2            # run them
    python tools/study.py PLAN.py --table                  # means and paired differences
    python tools/study.py PLAN.py --results FILE.jsonl --markdown --plot FILE.png
"""

import argparse
import signal
import sys
from pathlib import Path

from swimdiff.errors import ConfigError, StoppedError, SwiMDiffError
from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.elastic import EXIT_STOPPED
from swimdiff.launch.noise import start_quietly
from swimdiff.launch.shards import SHARD_HELP, read_shard
from swimdiff.studies import (
    Study,
    collect_scores,
    count_cores,
    draw_plot,
    read_plan,
    run_workers,
    write_table,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(__doc__)
    add = parser.add_argument
    add('plan', help='path of a plan, or its name below configs/')
    add('--work-dir', help='folder of the cells (default: work_dirs/studies/PLAN)')
    add('--results', help='file of the results (default: results.jsonl in the work dir)')
    add('--seeds', type=int, nargs='+', help='instead of those of the plan')
    add('--variants', nargs='+', help='only these of the plan')
    add('--processes', type=int, default=1, help='cells that run at once (default: %(default)s)')
    add('--threads', type=int, help='computing threads of a cell (default: cores / processes)')
    add(
        '--views',
        choices=('auto', 'workers', 'device'),
        default='auto',
        help='where views are made (default: on the device where there is a GPU)',
    )
    add('--shard', metavar='I/N', help=SHARD_HELP)
    add(
        '--wait',
        type=float,
        default=60.0,
        help='seconds to wait for cells that other processes hold (default: %(default)s)',
    )
    add('--dry-run', action='store_true', help='list the cells and their states')
    add('--table', action='store_true', help='print the table; runs nothing')
    add('--markdown', action='store_true', help='the same as Markdown')
    add('--plot', metavar='FILE', help='draw the picture; runs nothing')
    add('--scores', nargs='+', help='only these in table and picture, as MEASUREMENT.SCORE with *')
    args = parser.parse_args(argv)
    if args.processes < 1 or (args.threads is not None and args.threads < 1):
        parser.error('--processes and --threads: expected 1 or more')
    try:
        args.shard = read_shard(args.shard)
    except ConfigError as error:
        parser.error(str(error))
    return args


def open_study(args: argparse.Namespace) -> Study:
    """Open the study of the command line."""
    plan = read_plan(args.plan).narrow(args.seeds, args.variants)
    work_dir = Path(args.work_dir or Path('work_dirs', 'studies', plan.name)).absolute()
    results = Path(args.results).absolute() if args.results else None
    threads = args.threads or max(1, count_cores() // args.processes)
    return Study(plan, work_dir, results, threads, args.views, lambda line: print(line, flush=True))


def show(study: Study, args: argparse.Namespace) -> None:
    """Print the table, draw the picture."""
    plan = study.plan
    scores = collect_scores(study.cells, study.results.read_lines())
    title = f'{plan.name}: {plan.images:,} images per training, {len(plan.seeds)} seeds'
    if args.table or args.markdown:
        print(write_table(scores, plan.baseline, title, args.markdown, args.scores))
    if args.plot:
        draw_plot(scores, plan.baseline, title, Path(args.plot), args.scores)
        print(f'Wrote {args.plot}')


def list_states(study: Study) -> None:
    """Print every cell with what is left to do for it."""
    records = study.results.read()
    width = max(len(str(cell)) for cell in study.cells)
    for cell in study.cells:
        record = records.get(cell.config_hash)
        status = record.status if record else ''
        state = study.describe_state(cell, records) or status
        print(f'{cell!s:<{width}}  {cell.config_hash}  {state}')
    print(f'{len(study.list_open())} of {len(study.cells)} cells are open')


def run(study: Study, args: argparse.Namespace, argv: list[str]) -> int:
    """Run what is open; returns the exit code."""
    # A scheduler's notice is heeded as Ctrl-C is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if args.processes > 1:
            worker_argv = [*argv, '--processes', '1']
            code = run_workers(worker_argv, args.processes, study.threads)
        else:
            import torch

            start_quietly()
            torch.set_num_threads(study.threads)
            code = int(study.run(args.shard, args.wait) > 0)
    except (KeyboardInterrupt, StoppedError):
        print('\nStopped; start again with the same command to go on', file=sys.stderr)
        return EXIT_STOPPED
    return code


def main(argv: list[str] | None = None) -> int:
    """Run or show a study; errors made on purpose are printed as one message."""
    argv = sys.argv[1:] if argv is None else argv
    args = parse_args(argv)
    try:
        study = open_study(args)
        if args.table or args.markdown or args.plot:
            show(study, args)
            return 0
        if args.dry_run:
            list_states(study)
            return 0
        return run(study, args, argv)
    except SwiMDiffError as error:
        sys.exit(f'\n{type(error).__name__}: {error}')


if __name__ == '__main__':
    sys.exit(main())
