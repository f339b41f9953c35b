"""Meters of ``step.py``: interleaved time, arithmetic, saved activations, peak, host reads."""

import random
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from swimdiff.progress import track

Call = Callable[[], object]

#: Dense peak in FLOP/s by name of the device and type, from the makers' data sheets.
DATASHEETS = {
    'H200': dict(bf16=989e12, fp16=989e12, tf32=494e12, fp32=67e12),
    'H100': dict(bf16=989e12, fp16=989e12, tf32=494e12, fp32=67e12),
    'A100': dict(bf16=312e12, fp16=312e12, tf32=156e12, fp32=19.5e12),
    'L40S': dict(bf16=362e12, fp16=362e12, tf32=183e12, fp32=91.6e12),
    'V100': dict(fp16=125e12, fp32=15.7e12),
}
DTYPES = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)

#: What makes the host wait for the values of a tensor on a GPU.
READS = {
    '_local_scalar_dense',  # item, bool, int, float, a tensor as an index
    '_unique2',
    'bincount',
    'equal',
    'is_nonzero',
    'masked_select',
    'nonzero',
    'unique_consecutive',
    'unique_dim',
}
METHODS = {Tensor.cpu, Tensor.numpy, Tensor.tolist, Tensor.__array__}


def interleave(
    rows: dict[str, Call], rounds: int, warmup: int, device: torch.device, inner: int = 1
) -> dict[str, list[tuple[float, float]]]:
    """Time all rows in every round, in a new order each, so that drift meets all alike.

    Args:
        rows: What to time, by name.
        rounds: Measured rounds.
        warmup: Rounds before, not counted.
        device: Waited for around each measurement.
        inner: Calls a measurement.

    Returns:
        Wall and CPU seconds of a call, a round, by name.
    """
    wait = torch.cuda.synchronize if device.type == 'cuda' else lambda: None
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    order = random.Random(0)
    for turn in track(range(warmup + rounds), warmup + rounds, 'Rounds'):
        for name in order.sample(list(rows), len(rows)):
            wait()
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(inner):
                rows[name]()
            wait()
            seconds = (time.perf_counter() - wall) / inner, (time.process_time() - cpu) / inner
            if turn >= warmup:
                times[name].append(seconds)
    return times


def flops(call: Call) -> int:
    """Count the operations of a call, two per multiply-add, by torch's counter."""
    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return counter.get_total_flops()


def saved_bytes(call: Call, known: list[Tensor]) -> int:
    """Count the bytes that autograd keeps for the backward pass, each storage once.

    Args:
        call: Runs forward and backward.
        known: Parameters, buffers and inputs, which are there anyway.
    """
    there = {tensor.untyped_storage().data_ptr() for tensor in known}
    bytes_by_storage: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in there:
            bytes_by_storage[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        call()
    return sum(bytes_by_storage.values())


def peak_bytes(call: Call, device: torch.device) -> int | None:
    """Highest memory that torch held on a GPU during a call; None elsewhere."""
    if device.type != 'cuda':
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


def matmul(device: torch.device, precision: str, edge: int | None = None) -> tuple[Call, int]:
    """Return a square product to measure the peak with, and its operations."""
    edge = edge or (8192 if device.type == 'cuda' else 1536)
    a, b = (torch.randn(edge, edge, device=device, dtype=DTYPES[precision]) for _ in range(2))
    return lambda: torch.mm(a, b), 2 * edge**3


def datasheet_peak(device: torch.device, precision: str) -> tuple[float, str] | None:
    """Return the peak of a known GPU and its source; None for everything else."""
    if device.type != 'cuda':
        return None
    name = torch.cuda.get_device_name(device)
    kind = 'tf32' if precision == 'fp32' and torch.backends.cudnn.allow_tf32 else precision
    for gpu, peaks in DATASHEETS.items():
        if gpu in name and kind in peaks:
            return peaks[kind], f'data sheet, {name}, {kind}, dense'
    return None


class _Calls(TorchFunctionMode):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func in METHODS:
            self.found.append(_where())
        return func(*args, **(kwargs or {}))


class _Operators(TorchDispatchMode):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        indices = args[1] if name in ('index', 'index_put', 'index_put_') else ()
        by_mask = any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in indices)
        if name in READS or by_mask:
            stack = [frame.filename for frame in traceback.extract_stack()]
            # An optimiser's counters of its steps are tensors of the host, there as here.
            if not any('/torch/optim/' in file for file in stack):
                self.found.append(_where())
        return func(*args, **(kwargs or {}))


def _where() -> str:
    """The innermost line outside of torch and of this file."""
    for frame in reversed(traceback.extract_stack()):
        if '/torch/' not in frame.filename and frame.filename != __file__:
            return f'{frame.filename}:{frame.lineno}'
    return 'unknown'


@contextmanager
def _watched(device: torch.device, found: list[str]) -> Iterator[None]:
    if device.type != 'cuda':
        with _Calls(found), _Operators(found):
            yield
        return
    with warnings.catch_warnings(record=True) as caught_warnings:
        warnings.simplefilter('always')
        torch.cuda.set_sync_debug_mode('warn')
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode('default')
    found += [
        f'{w.filename}:{w.lineno}' for w in caught_warnings if 'synchronizing' in str(w.message)
    ]


def host_reads(call: Call, device: torch.device) -> list[str]:
    """Return where a call makes the host wait for the device.

    On a GPU torch itself says so (``torch.cuda.set_sync_debug_mode``). On a CPU the operators that
    would wait on a GPU are counted: reads of a value, and results whose size depends on values.

    Returns:
        A file and line for each wait, file names cut to their last three parts.
    """
    places: list[str] = []
    with _watched(device, places):
        call()
    return ['/'.join(Path(where).parts[-3:]) for where in places]


def tensors_of(*things: nn.Module | Tensor | list) -> list[Tensor]:
    """Parameters, buffers and plain tensors in one list."""
    tensors: list[Tensor] = []
    for thing in things:
        if isinstance(thing, nn.Module):
            tensors += [*thing.parameters(), *thing.buffers()]
        elif isinstance(thing, list):
            tensors += tensors_of(*thing)
        else:
            tensors.append(thing)
    return tensors
