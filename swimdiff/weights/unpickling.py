"""Reading files of ``torch.save`` without running code from them.

Three ways, from strict to careless, each chosen by whoever reads, never by a failure of another:

- data only (default): tensors and the few types that the engine's checkpoints hold beside them;
- ``'inert'``: anything else becomes an empty stand-in, so that the tensors of a stranger's file can
  be had without his classes and without his code;
- ``'trust'``: plain pickle, which runs whatever the file says.

The engine's own list of harmless types has ``getattr`` in it, through which a file reaches
``builtins``; here the name leads to a function that hands out the statistics of log buffers and
nothing else.
"""

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pickle import UnpicklingError
from types import SimpleNamespace
from typing import IO, Any, Literal

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from swimdiff.errors import CheckpointError

__all__ = [
    'HOW_TO_CONVERT',
    'Manner',
    'flat_tensors',
    'load_torch',
    'safe_globals',
    'trust_checkpoints',
    'trusting',
]

Manner = Literal['data', 'inert', 'trust']

#: Ends every refusal.
HOW_TO_CONVERT = (
    'To use its weights without running its code, write them as plain tensors: '
    'python tools/model_converters/publish_backbone.py FILE --salvage. If you trust whoever wrote '
    'it, code from the file is run by --trust-checkpoint (for load_from, --resume and '
    'tools/test.py), weights_only=False (for init_cfg) or --trust (for publish_backbone.py).'
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
    """What a checkpoint may hold beside tensors: slices, NumPy numbers and arrays, log buffers."""
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


class _Inert(dict):
    """Stands for an object of a class that is not loaded; keeps what the file puts into it."""

    def __new__(cls, *_args: Any, **_options: Any) -> '_Inert':
        return super().__new__(cls)

    def __init__(self, *_args: Any, **_options: Any) -> None:
        super().__init__()

    def __call__(self, *_args: Any, **_options: Any) -> '_Inert':
        return _Inert()

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, Mapping):
            self.update(state)

    def append(self, _item: Any) -> None:
        """Take the item of a list, which nobody will read."""

    def extend(self, _items: Any) -> None:
        """Take the items of a list, which nobody will read."""

    add = append


class _InertUnpickler(pickle.Unpickler):
    """Knows tensors and ordered dicts; every other name is a stand-in."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('collections', 'OrderedDict'):
            return OrderedDict
        if module == 'torch._utils' and name in (
            '_rebuild_tensor',
            '_rebuild_tensor_v2',
            '_rebuild_parameter',
        ):
            return getattr(torch._utils, name)
        if module == 'torch' and (name.endswith('Storage') or name in ('Size', 'device')):
            return getattr(torch, name)
        if module == 'torch' and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        return _Inert


def _load_inert(file: IO[bytes], **options: Any) -> Any:
    return _InertUnpickler(file, **options).load()


_manner: Manner = 'data'


def trust_checkpoints(trust: bool = True) -> None:
    """Run code from checkpoints where nobody says otherwise (``--trust-checkpoint``), or not."""
    global _manner
    _manner = 'trust' if trust else 'data'


def trusting() -> bool:
    """Whether :func:`trust_checkpoints` was called."""
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


_INERT = SimpleNamespace(Unpickler=_InertUnpickler, load=_load_inert, __name__='inert')


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
        manner: ``'data'``, ``'inert'`` or ``'trust'``, see the module. Defaults to None,
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
        if manner == 'inert':
            return torch.load(
                path, map_location=map_location, weights_only=False, pickle_module=_INERT
            )
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


def flat_tensors(content: Any, name: str = '') -> dict[str, torch.Tensor]:
    """All tensors of nested dicts, by dotted name.

    A module that was pickled whole gives the names of its ``state_dict``.

    Args:
        content: What :func:`load_torch` returned.
        name: Name so far.
    """
    if isinstance(content, torch.Tensor):
        return {name: content.detach()}
    found: dict[str, torch.Tensor] = {}
    if isinstance(content, Mapping):
        for key, value in content.items():
            own = '' if key in ('_parameters', '_buffers', '_modules') else str(key)
            found |= flat_tensors(value, '.'.join(filter(None, (name, own))))
    return found
