"""Reading files of ``torch.save`` without running code from them.

Two ways, chosen by the caller, never by a failure of the other:

- data only (default): tensors and the few types that the engine's checkpoints hold beside them;
- ``'trust'``: plain pickle, which runs whatever the file says.

The engine's own list of harmless types has ``getattr`` in it, through which a file reaches
``builtins``; here the name leads to a function that hands out the statistics of log buffers and
nothing else.
"""

import os
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, Literal

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from swimdiff.errors import CheckpointError

__all__ = [
    'HOW_TO_CONVERT',
    'Manner',
    'load_torch',
    'safe_globals',
    'trust_checkpoints',
    'trusting',
]

Manner = Literal['data', 'trust']

#: Ends every refusal.
HOW_TO_CONVERT = (
    'Ask its author for plain tensors (torch.save(model.state_dict(), FILE) or safetensors). If '
    'you trust the author, code from the file is run by --trust-checkpoint (for load_from, '
    '--resume and tools/test.py), weights_only=False (for init_cfg) or --trust (for '
    'publish_backbone.py, which writes plain tensors).'
)


def _buffer_method(owner: Any, name: str) -> Callable:
    """What ``getattr`` means in a checkpoint: a statistic of the engine's log buffer.

    Raises:
        UnpicklingError: Anything else is asked for.
    """
    if owner is not HistoryBuffer or name.startswith('_'):
        raise UnpicklingError(f'GLOBAL builtins.getattr asks for {name!r} of {owner!r}')
    return getattr(HistoryBuffer, name)


def safe_globals() -> list[Any]:
    """Return what a checkpoint may hold beside tensors.

    Slices, NumPy numbers and arrays, log buffers.
    """
    core = np._core.multiarray if hasattr(np, '_core') else np.core.multiarray  # type: ignore[attr-defined]
    # Files keep the names of the NumPy that wrote them.
    arrays = [
        (getattr(core, name), f'numpy.{package}.multiarray.{name}')
        for name in ('_reconstruct', 'scalar')
        for package in ('core', '_core')
    ]
    numbers = [type(np.dtype(code)) for code in '?bBhHiIlLqQefdFDSU']
    return [
        slice,
        np.ndarray,
        np.dtype,
        HistoryBuffer,
        (_buffer_method, 'builtins.getattr'),
        *arrays,
        *dict.fromkeys(numbers),
    ]


_manner: Manner = 'data'


def trust_checkpoints(trust: bool = True) -> None:
    """Let checkpoints run code by default (``--trust-checkpoint``), or not."""
    global _manner
    _manner = 'trust' if trust else 'data'


def trusting() -> bool:
    """Return whether :func:`trust_checkpoints` was called."""
    return _manner == 'trust'


def _refuse_programs(path: str | os.PathLike[str]) -> None:
    """Refuse a TorchScript archive, which ``torch.load`` hands on to ``torch.jit.load``.

    That one runs what the archive says, whatever unpickler was asked for.

    Raises:
        CheckpointError: It is one.
    """
    with open(path, 'rb') as file:
        if file.read(4) != b'PK\3\4':
            return
    # The reader of torch.load itself, so that both see the same records.
    if 'constants.pkl' in torch._C.PyTorchFileReader(os.fspath(path)).get_all_records():
        raise CheckpointError(
            f'{path} is a TorchScript archive, a program; expected a file of weights, and nothing '
            'of it was run. Where it is trusted, export its weights: '
            'torch.save(torch.jit.load(FILE).state_dict(), OTHER).'
        )


def load_torch(
    path: str | os.PathLike[str],
    map_location: Any = 'cpu',
    manner: Manner | None = None,
    mmap: bool = False,
) -> Any:
    """Read a file that ``torch.save`` wrote.

    Args:
        path: The file.
        map_location: As in ``torch.load``.
        manner: ``'data'`` or ``'trust'``, see the module. Defaults to None,
            ``'data'`` unless :func:`trust_checkpoints` was called.
        mmap: Map tensors instead of reading them (data only).

    Returns:
        Its content.

    Raises:
        CheckpointError: The file is damaged, or holds more than ``manner`` allows.
    """
    manner = manner or _manner
    try:
        if manner == 'trust':
            return torch.load(path, map_location=map_location, weights_only=False)
        _refuse_programs(path)
        with torch.serialization.safe_globals(safe_globals()):
            return torch.load(path, map_location=map_location, weights_only=True, mmap=mmap or None)
    except UnpicklingError as error:
        lines = str(error).splitlines()
        reason = next((line for line in lines if 'GLOBAL' in line), str(error)).strip()
        raise CheckpointError(
            f'{path} is no plain file of weights: {reason[:200]}. Expected tensors and the '
            f"engine's own records only; nothing of it was run. {HOW_TO_CONVERT}"
        ) from error
    except (RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        size = os.path.getsize(path) if os.path.exists(path) else 0
        raise CheckpointError(
            f'{path} ({size} bytes) cannot be read: {error}. The file is damaged or '
            'only partly written; take an earlier checkpoint or copy it again.'
        ) from error
