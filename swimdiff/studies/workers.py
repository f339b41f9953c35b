"""Several processes of one study on one machine."""

import os
import sys
from collections.abc import Sequence

import torch

from swimdiff.launch.elastic import EXIT_STOPPED
from swimdiff.launch.paths import find_tool
from swimdiff.studies.child import make_environment, start_child, stop_children
from swimdiff.studies.provenance import describe_now
from swimdiff.studies.study import STARTED

__all__ = ['run_workers']


def run_workers(arguments: Sequence[str], processes: int, threads: int) -> int:
    """Run ``tools/study.py`` in several processes, which claim cells from each other.

    GPUs are dealt out in turn.

    Args:
        arguments (Sequence[str]): Of each process.
        processes (int): Their number.
        threads (int): Computing threads of each.

    Returns:
        The worst exit code.

    Raises:
        KeyboardInterrupt: A signal, passed on once all have saved and ended.
    """
    command = [sys.executable, str(find_tool('study')), *arguments, '--threads', str(threads)]
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    gpus = visible.split(',') if visible else [str(i) for i in range(torch.cuda.device_count())]
    children, start_time = [], describe_now()
    try:
        for number in range(processes):
            environment = {STARTED: start_time, **make_environment(threads)}
            if gpus:
                environment['CUDA_VISIBLE_DEVICES'] = gpus[number % len(gpus)]
            children.append(start_child(command, environment))
        codes = [child.wait() for child in children]
    except KeyboardInterrupt:
        stop_children(children)
        raise
    return EXIT_STOPPED if EXIT_STOPPED in codes else max(codes, key=abs)
