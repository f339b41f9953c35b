"""Whether the four engine packages are there, whole, and fit torch and NumPy."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

from swimdiff.environment.diagnosis import (
    Report,
    first_line,
    load_module,
    pip_line,
    quiet,
    release,
    version,
)

__all__ = ['PROVIDERS', 'TESTED', 'check_openmmlab', 'pinned']

#: Tested together; the same numbers as in requirements/constraints.txt.
TESTED = {
    'torch': '2.12.0',
    'torchvision': '0.27.0',
    'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6',
    'onedl-mmpretrain': '1.3.6',
    'onedl-mmsegmentation': '1.4.2',
}
#: Distributions that provide an engine module: the maintained fork, then as first published.
PROVIDERS = {
    'mmengine': ('onedl-mmengine', 'mmengine', 'mmengine-lite'),
    'mmcv': ('onedl-mmcv', 'mmcv', 'mmcv-lite', 'mmcv-full'),
    'mmpretrain': ('onedl-mmpretrain', 'mmpretrain'),
    'mmseg': ('onedl-mmsegmentation', 'mmsegmentation'),
}


def pinned(*names: str) -> list[str]:
    """Return what to ask pip for to get the tested versions of distributions."""
    return [f'{name}=={TESTED[name]}' for name in names]


def check_openmmlab(report: Report) -> None:
    """Check the four engine packages: original or forks, alone, importable."""
    there = {
        module: [name for name in names if version(name)] for module, names in PROVIDERS.items()
    }
    upstream = [name for names in there.values() for name in names if not name.startswith('onedl-')]
    to_forks = pip_line('install', *pinned(*(names[0] for names in PROVIDERS.values())))
    if upstream:
        # A fork beside an original goes as well: both write into one folder, and removing one takes
        # files of the other.
        names_to_remove = [
            name for names in there.values() for name in names if set(names) & set(upstream)
        ]
        to_forks = f'{pip_line("uninstall", "-y", *names_to_remove)} && {to_forks}'
    # Where torch or OpenCV is broken the engine cannot be imported either: one remedy at a time.
    sound = report.ok
    for module, distributions in there.items():
        loaded_module, why = load_module(module)
        if loaded_module is None and not distributions:
            report.fail(module, 'is missing', to_forks)
            continue
        kind = (
            'maintained fork'
            if [*distributions, ''][0].startswith('onedl-')
            else 'as first published'
        )
        names = ', '.join(f'{name} {version(name)}' for name in distributions) or 'from a folder'
        report.stack[module] = (
            f'{getattr(loaded_module, "__version__", "does not import")} ({names}; {kind})'
        )
        if len(distributions) > 1:
            report.fail(module, f'{" and ".join(distributions)} overwrite each other', to_forks)
        elif loaded_module is None and sound:
            report.fail(module, f'cannot be imported ({why})', to_forks)
    numpy = version('numpy')
    if numpy and release(numpy) >= (2, 0) and upstream:
        problem = (
            f'{numpy} is newer than NumPy 1, which these were written for: {", ".join(upstream)}'
        )
        report.warn('numpy', problem, to_forks)
    if sound and 'mmengine' in sys.modules and 'torch' in sys.modules:
        _try_checkpoint(report, to_forks)


def _try_checkpoint(report: Report, remedy: str) -> None:
    """Let the engine load what it saves: mmengine as first published cannot from torch 2.6 on."""
    torch = importlib.import_module('torch')
    try:
        with quiet(), tempfile.TemporaryDirectory() as folder:
            history = importlib.import_module('mmengine.logging').HistoryBuffer([1.0], [1])
            path = str(Path(folder, 'iter_1.pth'))
            torch.save({'state_dict': {}, 'message_hub': {'loss': history}}, path)
            load = importlib.import_module('mmengine.runner').CheckpointLoader.load_checkpoint
            load(path, map_location='cpu', logger='silent')
    except Exception as error:
        problem = (
            f'cannot load its own checkpoints with torch {torch.__version__} ({first_line(error)})'
        )
        report.fail('mmengine', problem, remedy)
