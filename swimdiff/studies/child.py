"""Tools of the toolkit in processes of their own, which end when the study does."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from swimdiff.launch.elastic import EXIT_STOPPED
from swimdiff.launch.paths import PACKAGE, find_tool

__all__ = ['Outcome', 'make_environment', 'run_tool', 'start_child', 'stop_children']

#: Seconds that a child has to save its state.
_PATIENCE = 120
_ERROR = re.compile(r'(?:[\w.]+\.)?(\w+(?:Error|Exception)): (.+)')
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux


@dataclass(frozen=True)
class Outcome:
    """Describe how a tool ended.

    Args:
        code: Exit code; negative for a signal.
        error: Name of the error's class, '' where none was printed.
        message: The last error, or the last line that was printed.
    """

    code: int
    error: str = ''
    message: str = ''

    @property
    def stopped(self) -> bool:
        """Return whether a signal ended it with its state saved."""
        return self.code == EXIT_STOPPED

    def __str__(self) -> str:
        how = f'signal {-self.code}' if self.code < 0 else f'exit code {self.code}'
        return f'{self.error or how}: {self.message}'


def make_environment(threads: int) -> dict[str, str]:
    """Return the environment of a child that computes.

    On a machine with other work, threads that spin while they wait make a step several times
    slower; and memory given back after each step costs page faults in the next.

    Args:
        threads (int): Computing threads.
    """
    settings = {
        'OMP_WAIT_POLICY': 'PASSIVE',
        'MALLOC_MMAP_MAX_': '0',
        'MALLOC_TRIM_THRESHOLD_': str(2**40),
    }
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get('PYTHONPATH')]))
    return {**settings, **os.environ, 'OMP_NUM_THREADS': str(threads), 'PYTHONPATH': path}


def _die_with_parent() -> Callable[[], None] | None:
    """What a child calls first: it gets SIGTERM when its parent is killed. Linux only."""
    if not sys.platform.startswith('linux'):
        return None
    prctl = ctypes.CDLL(None).prctl  # before the fork, in which little is safe
    return lambda: prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)


def start_child(
    command: Sequence[str],
    environment: dict[str, str],
    output: IO | None = None,
    lock: IO | None = None,
) -> subprocess.Popen:
    """Start a process that does not get the signals of the terminal.

    Args:
        command (Sequence[str]): Program and arguments.
        environment (dict[str, str]): All variables.
        output (IO, optional): Takes stdout and stderr. Defaults to None, those of the study.
        lock (IO, optional): A locked file; the child holds the lock, too, so that nobody else
            starts the same work while a child outlives a killed study.
    """
    return subprocess.Popen(
        list(command),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        pass_fds=[lock.fileno()] if lock else [],
        start_new_session=True,
        preexec_fn=_die_with_parent(),
    )


def stop_children(processes: Sequence[subprocess.Popen]) -> None:
    """Let children save their state and end; a second interrupt ends them at once."""
    for process in processes:
        process.terminate()
    try:
        for process in processes:
            process.wait(_PATIENCE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_tool(
    name: str, arguments: Sequence[str], log: Path, threads: int, lock: IO | None = None
) -> Outcome:
    """Run a tool to its end; pass an interrupt on once its state is saved.

    Args:
        name (str): As :func:`swimdiff.launch.paths.find_tool` takes it.
        arguments (Sequence[str]): Of the command line.
        log (Path): File that its output is added to.
        threads (int): Computing threads.
        lock (IO, optional): See :func:`start_child`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(find_tool(name)), *arguments]
    with log.open('ab') as output:
        before = output.tell()
        process = start_child(command, make_environment(threads), output, lock)
        try:
            code = process.wait()
        except KeyboardInterrupt:
            stop_children([process])
            raise
    with log.open('rb') as file:
        file.seek(before)
        return read_outcome(code, file.read().decode(errors='replace'))


def read_outcome(code: int, text: str) -> Outcome:
    """Read from the output of a tool how it ended.

    Args:
        code (int): Its exit code.
        text (str): What it printed.
    """
    if code == 0:
        return Outcome(0)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        match = _ERROR.match(line)
        if match:
            return Outcome(code, match[1], match[2])
    return Outcome(code, '', lines[-1] if lines else 'nothing was printed')
