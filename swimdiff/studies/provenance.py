"""Where a number comes from: code, packages, machine and data."""

import contextlib
import functools
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from swimdiff.environment.cores import count_cores
from swimdiff.version import __version__

__all__ = [
    'describe_commit',
    'describe_hardware',
    'describe_now',
    'describe_stack',
    'digest_data',
]

_PACKAGES = ('torch', 'torchvision', 'numpy', 'scipy')
#: The engine's distributions, maintained or as first published.
_ENGINE = ('mmengine', 'mmcv', 'mmpretrain', 'mmsegmentation')


def describe_commit() -> str:
    """Return the commit of the code; ``-dirty`` where changed, '' if unknown."""
    package = Path(__file__).resolve().parents[1]
    command = ['git', '-C', str(package), 'describe', '--always', '--dirty', '--exclude', '*']
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        process = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return process.stdout.strip()
    return ''


def describe_now() -> str:
    """Return the time, ISO 8601 in UTC to the second."""
    return datetime.now(timezone.utc).isoformat(timespec='seconds')


def describe_stack() -> dict[str, str]:
    """Return the versions of what computes."""
    stack = dict(python=platform.python_version(), swimdiff=__version__)
    for name in _PACKAGES + _ENGINE:
        for distribution in (f'onedl-{name}', name) if name in _ENGINE else (name,):
            with contextlib.suppress(metadata.PackageNotFoundError):
                stack[distribution] = metadata.version(distribution)
                break
    return stack


def describe_hardware(threads: int) -> dict[str, Any]:
    """Return what the cell ran on.

    Args:
        threads (int): Computing threads of the cell.
    """
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        names = (line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
        cpu = next(names, cpu)
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return dict(cpu=cpu, cores=count_cores(), threads=threads, gpu=gpu)


def _list_sizes(root: str) -> Iterator[tuple[str, int]]:
    for folder, below, names in os.walk(root):
        # What the toolkit itself writes beside data: hidden caches, and drawn splits.
        below[:] = [name for name in below if not name.startswith('.') and name != 'splits']
        for name in names:
            if not name.startswith('.'):
                path = os.path.join(folder, name)
                yield os.path.relpath(path, root), os.path.getsize(path)


@functools.cache
def digest_data(root: str) -> str:
    """Return 12 hex digits over sorted names and sizes of a data set's files.

    Contents are not read; hidden files and folders named ``splits`` are left out. '' where there
    is no such folder or file.

    Args:
        root (str): Folder of the data set.
    """
    place = os.path.expanduser(root)
    if os.path.isfile(place):
        file_sizes = [(os.path.basename(place), os.path.getsize(place))]
    elif os.path.isdir(place):
        file_sizes = sorted(_list_sizes(place))
    else:
        return ''
    digest = hashlib.sha256()
    for name, size in file_sizes:
        digest.update(f'{name}\0{size}\n'.encode())
    return digest.hexdigest()[:12]
