"""Measure the training step: ours, its components, other projects', and a bare floor.

All rows run interleaved in one process on the same tensors, in a new order each round, so that what
else the machine does meets all alike; where it does much, the ratios are of CPU time. The floor is
query forward and backward, key forward, queue product and SGD in contiguous format and nothing
else. Peers that are not installed are skipped.

Examples:
    python tools/benchmarks/step.py --json step.json                    # a CPU: ResNet-18, batch 16
    python tools/benchmarks/step.py --only floor moco swimdiff --steps 30
    python tools/benchmarks/step.py --backbone resnet50 --batch 256 --precision bf16 --compile
    python tools/benchmarks/step.py --only swimdiff --profile trace.json
"""

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import torch
from _step_meters import (
    datasheet_peak,
    flops,
    host_reads,
    interleave,
    matmul,
    peak_bytes,
    saved_bytes,
    tensors_of,
)
from _step_rows import Components, Step, logged_step, steps
from _step_setting import BACKBONES, DTYPES, Setting
from mmengine.registry import init_default_scope
from torch import nn
from torch.profiler import ProfilerActivity, profile

from swimdiff.errors import SwiMDiffError

#: Below this share of the processor, ratios are taken from CPU time.
BUSY = 0.8
WAITS = ('cudaStreamSynchronize', 'cudaDeviceSynchronize', 'cudaEventSynchronize')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--backbone', choices=sorted(BACKBONES), default='resnet18')
    add('--batch', type=int, default=16)
    add('--size', type=int, default=224, help='edge of the views in pixels')
    add('--precision', choices=sorted(DTYPES), default='fp32')
    add(
        '--channels-last',
        action=argparse.BooleanOptionalAction,
        help='memory format of ours (default: as the config says)',
    )
    add('--compile', action='store_true', help='also time our steps under torch.compile')
    add('--queue', type=int, default=65536, help='keys in the queue')
    add('--steps', type=int, default=10, help='measured rounds')
    add('--warmup', type=int, default=2, help='rounds before, not counted')
    add('--inner', type=int, help='calls per measurement (default: 1, 5 on a GPU)')
    add('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add('--only', nargs='+', metavar='NAME', help='rows to run, wildcards allowed')
    add('--profile', metavar='FILE', help="write torch's trace of one full step")
    add('--json', metavar='FILE', help='write every row and the ratios')
    return parser.parse_args(argv)


def wanted(name: str, only: list[str] | None) -> bool:
    """Return whether a row was asked for."""
    return only is None or any(fnmatch(name, pattern) for pattern in only)


def build(
    makers: dict[str, Callable[[], tuple[Step, nn.Module]]], only: list[str] | None
) -> tuple[dict[str, Step], dict[str, nn.Module], dict[str, str]]:
    """Build the steps asked for; what cannot be imported is named with the reason."""
    calls, modules, skips = {}, {}, {}
    for name, make in makers.items():
        if not wanted(name, only):
            continue
        try:
            calls[name], modules[name] = make()
        except ImportError as error:
            skips[name] = f'not installed: {error}'
    return calls, modules, skips


def describe(times: list[tuple[float, float]], batch: int | None) -> dict:
    """Return wall and CPU seconds of a row, and images per second of a step."""
    wall, cpu = [w for w, _ in times], [c for _, c in times]
    seconds = statistics.median(wall)
    return dict(
        seconds=seconds,
        seconds_min=min(wall),
        cpu_seconds=statistics.median(cpu),
        images_per_s=batch / seconds if batch else None,
        rounds=len(times),
    )


def ratios(rows: dict[str, dict], key: str) -> dict[str, float | None]:
    """Compute the ratios that speed is judged by, from one statistic of the rows.

    What matching adds is taken from the component alone, as the difference of two noisy steps does
    not resolve it.
    """

    def seconds(name: str) -> float | None:
        return rows.get(name, {}).get(key)

    def over(above: float | None, below: float | None) -> float | None:
        return above / below if above is not None and below else None

    ours, none = (seconds(f'queue product and loss, rule {rule}') for rule in ('relative', 'none'))
    added_seconds = ours - none if ours is not None and none is not None else None
    return dict(
        moco_vs_floor=over(seconds('moco'), seconds('floor')),
        swimdiff_vs_floor=over(seconds('swimdiff'), seconds('floor')),
        matching_overhead=over(added_seconds, seconds('moco')),
        moco_compiled_vs_eager=over(seconds('moco, compiled'), seconds('moco')),
        swimdiff_compiled_vs_eager=over(seconds('swimdiff, compiled'), seconds('swimdiff')),
    )


def occupancy(times: dict[str, list[tuple[float, float]]]) -> float:
    """Return the share of its threads' time that the process got."""
    wall, cpu = (sum(pair[i] for row_times in times.values() for pair in row_times) for i in (0, 1))
    return cpu / wall / torch.get_num_threads()


def trace(step: Step, setting: Setting, file: str) -> int | None:
    """Write the profiler's trace of a step; on a GPU, how often the host waited in it."""
    activities = [ProfilerActivity.CPU]
    if setting.device.type == 'cuda':
        activities.append(ProfilerActivity.CUDA)
        torch.cuda.synchronize()
    with profile(activities=activities) as profiler:
        step()
        if setting.device.type == 'cuda':
            torch.cuda.synchronize()  # ours: one of the waits counted below
    profiler.export_chrome_trace(file)
    order = 'self_device_time_total' if setting.device.type == 'cuda' else 'self_cpu_time_total'
    print(profiler.key_averages().table(sort_by=order, row_limit=15, max_name_column_width=50))
    if setting.device.type != 'cuda':
        return None
    return sum(event.count for event in profiler.key_averages() if event.key in WAITS) - 1


def processor() -> str:
    """Name of the processor, as the system tells it."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def machine(device: torch.device) -> dict:
    """Describe what the numbers were measured on."""
    gpu = torch.cuda.get_device_name(device) if device.type == 'cuda' else None
    return dict(
        device=gpu or processor(),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        cuda=torch.version.cuda if gpu else None,
        python=platform.python_version(),
    )


def measure(args: argparse.Namespace) -> dict:
    """Run everything and return what ``--json`` writes."""
    setting = Setting(
        backbone=args.backbone,
        batch=args.batch,
        size=args.size,
        precision=args.precision,
        channels_last=args.channels_last,
        queue=args.queue,
        device=torch.device(args.device),
    )
    whole, modules, skips = build(steps(setting, args.compile), args.only)
    parts = {k: v for k, v in Components(setting).rows().items() if wanted(k, args.only)}
    product, operations = matmul(setting.device, args.precision)
    inner = args.inner or (5 if setting.device.type == 'cuda' else 1)
    calls = {**whole, **parts, 'matmul': product}
    times = interleave(calls, args.steps, args.warmup, setting.device, inner)
    sheet = datasheet_peak(setting.device, args.precision)
    fastest = min(wall for wall, _ in times.pop('matmul'))
    peak, source = sheet or (operations / fastest, 'square matrix product measured in this run')

    rows: dict[str, dict] = {name: dict(seconds=None, why=why) for name, why in skips.items()}
    for name, row_times in times.items():
        row = describe(row_times, args.batch if name in whole else None)
        eager = name.removesuffix(', compiled')  # the counter does not see into compiled graphs
        row['flops'] = flops(calls[eager]) if eager in calls else None
        if row['flops'] is not None:
            row['share_of_peak'] = row['flops'] / row['seconds'] / peak
        if name in whole:
            row['peak_bytes'] = peak_bytes(calls[name], setting.device)
        if name in whole and name == eager:
            known_tensors = tensors_of(modules[name], setting.views)
            row['saved_bytes'] = saved_bytes(calls[name], known_tensors)
        rows[name] = row

    step = logged_step(setting)
    for _ in range(3):
        step()
    reads = host_reads(step, setting.device)
    profiled_reads = trace(step, setting, args.profile) if args.profile else None
    by = {key: ratios(rows, key) for key in ('seconds', 'seconds_min', 'cpu_seconds')}
    # Seconds of the wall mean nothing where other work takes the processor away at random.
    share = occupancy(times) if setting.device.type == 'cpu' else 1.0
    statistic = 'seconds' if share > BUSY else 'cpu_seconds'
    return dict(
        **by[statistic],
        ratios_from=statistic,
        processor_share=share,
        host_syncs=len(reads),
        host_sync_places=reads,
        host_syncs_in_profile=profiled_reads,
        ratios=by,
        peak_flops=peak,
        peak_source=source,
        setting={k: v for k, v in vars(args).items() if k != 'json'},
        machine=machine(setting.device),
        rows=[dict(name=name, **row) for name, row in rows.items()],
    )


def report(result: dict) -> str:
    """Return the table for the eye."""
    floor = next((row['seconds'] for row in result['rows'] if row['name'] == 'floor'), None)
    lines = [
        f'{result["machine"]}',
        f'peak {result["peak_flops"] / 1e9:.0f} GFLOP/s ({result["peak_source"]})',
        f'{"":38}{"s":>9}{"min":>9}{"CPU s":>9}{"/floor":>8}{"images/s":>10}{"GFLOP":>9}'
        f'{"peak":>7}{"saved MB":>10}{"peak MB":>9}',
    ]

    def cell(value: float | None, form: str, width: int) -> str:
        return f'{"" if value is None else format(value, form):>{width}}'

    for row in result['rows']:
        if row['seconds'] is None:
            lines.append(f'{row["name"]:38}{row["why"]}')
            continue
        numbers = (
            (row['seconds'], '.4f', 9),
            (row['seconds_min'], '.4f', 9),
            (row['cpu_seconds'], '.4f', 9),
            (row['seconds'] / floor if floor else None, '.3f', 8),
            (row['images_per_s'], '.1f', 10),
            (row['flops'] / 1e9 if row['flops'] else None, '.1f', 9),
            (row.get('share_of_peak') or None, '.0%', 7),
            (row['saved_bytes'] / 1e6 if row.get('saved_bytes') else None, '.0f', 10),
            (row['peak_bytes'] / 1e6 if row.get('peak_bytes') else None, '.0f', 9),
        )
        lines.append(f'{row["name"]:38}' + ''.join(cell(*number) for number in numbers))
    for statistic, values in result['ratios'].items():
        ratio_texts = (f'{k} {v:.3f}' for k, v in values.items() if v is not None)
        lines.append(f'by {statistic}: ' + ', '.join(ratio_texts))
    lines.append(
        f'ratios from {result["ratios_from"]}: this process got {result["processor_share"]:.0%} of '
        f'the time of its threads'
    )
    lines.append(f'host_syncs {result["host_syncs"]} {result["host_sync_places"] or ""}')
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> None:
    """Measure, print, write."""
    args = parse_args(argv)
    init_default_scope('swimdiff')
    torch.backends.cudnn.benchmark = True  # as the configs have it
    try:
        result = measure(args)
    except SwiMDiffError as error:
        sys.exit(f'{type(error).__name__}: {error}')
    print(report(result))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__':
    main()
