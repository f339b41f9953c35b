"""Reading weights from any file the toolkit or its users have, without running code from it.

What a file may hold is decided in :mod:`swimdiff.weights.unpickling`. The config that a checkpoint
carries as text is read as data (:func:`parse_config_text`), never executed.
"""

import ast
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from torch import Tensor

from swimdiff.bands import spell_bands
from swimdiff.errors import BandError, CheckpointError
from swimdiff.weights.unpickling import Manner, load_torch

__all__ = [
    'Checkpoint',
    'check_finite',
    'fetched',
    'parse_config_text',
    'read_checkpoint',
    'some',
]


def some(items: list[str], most: int = 6) -> str:
    """Return the first items of a list for a message, and how many more there are.

    Args:
        items: All items.
        most: Items that are named.
    """
    more = f', ... and {len(items) - most} more' if len(items) > most else ''
    return ', '.join(items[:most]) + more


def check_finite(state: Mapping[str, Tensor], source: str, outcome: str = '') -> None:
    """Refuse weights that are not numbers.

    Args:
        state: Tensors by name.
        source: The file that they are from, for the message.
        outcome: Words for the message: what was not done with them. Defaults to none.

    Raises:
        CheckpointError: Weights are NaN or infinite.
    """
    broken_names = [
        name
        for name, value in state.items()
        if value.is_floating_point() and not value.isfinite().all()
    ]
    if broken_names:
        raise CheckpointError(
            f'{source} holds NaN or infinite weights in {len(broken_names)} tensors: '
            f'{some(broken_names)}'
            f'{outcome and f"; {outcome}"}. The training that wrote it diverged; take an earlier '
            'checkpoint.'
        )


def _literal(node: ast.expr) -> Any:
    """Value of an expression made of literals and ``dict(...)`` calls.

    Raises:
        ValueError: The expression does anything else.
    """
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        if node.args:
            raise ValueError('dict() with positional arguments')
        return {str(pair.arg): _literal(pair.value) for pair in node.keywords}
    if isinstance(node, ast.Dict):
        return {
            _literal(key): _literal(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None
        }
    if isinstance(node, ast.List):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_literal(item) for item in node.elts)
    return ast.literal_eval(node)


def parse_config_text(text: str) -> dict[str, Any]:
    """Read the config that the engine writes into a checkpoint, without executing it.

    Args:
        text: Python assignments of literals and ``dict(...)`` calls, as ``Config.pretty_text`` has
            them.

    Returns:
        The variables; those that are no plain data are left out.
    """
    try:
        statements = ast.parse(text).body
    except SyntaxError:
        return {}
    values: dict[str, Any] = {}
    for statement in statements:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            try:
                values[statement.targets[0].id] = _literal(statement.value)
            except ValueError:
                continue
    return values


@dataclass(frozen=True)
class Checkpoint:
    """Hold the tensors of a file and what it says about itself.

    Args:
        path: The file.
        state_dict: Tensors by name, on the CPU.
        meta: The engine's ``meta`` of a checkpoint, or the text fields of a published file.
    """

    path: str
    state_dict: Mapping[str, Tensor]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def _config(self) -> dict[str, Any]:
        text = self.meta.get('cfg')
        return parse_config_text(text) if isinstance(text, str) else {}

    def _preprocessor(self) -> dict[str, Any]:
        config = self._config()
        preprocessor = config.get('data_preprocessor') or config.get('model', {}).get(
            'data_preprocessor'
        )
        return preprocessor if isinstance(preprocessor, dict) else {}

    @property
    def bands(self) -> tuple[str, ...] | None:
        """Return the bands that the first layer takes, in order, or None."""
        saved_bands = self.meta.get('bands')
        names = (
            saved_bands.split(',')
            if isinstance(saved_bands, str)
            else self._preprocessor().get('bands')
        )
        try:
            return spell_bands(names) if names else None
        except BandError:
            return None

    @property
    def stats(self) -> str | None:
        """Name of the statistics that the images were standardised with, where known.

        The numbers are read by :func:`swimdiff.weights.input_statistics.read_statistics`.
        """
        stats_entry = self.meta.get('stats') or self._preprocessor().get('stats')
        return stats_entry.get('name') if isinstance(stats_entry, Mapping) else stats_entry

    @property
    def backbone(self) -> dict[str, Any] | None:
        """Return the config of the backbone that wrote the weights, where known."""
        saved_config = self.meta.get('backbone')
        if isinstance(saved_config, str):
            return json.loads(saved_config)
        return self._config().get('model', {}).get('backbone')

    def select(self, prefix: str | None) -> dict[str, Tensor]:
        """Return the tensors under a prefix, without it.

        ``backbone.`` takes the query encoder of a pre-training checkpoint; the key encoder's
        ``momentum_encoder.backbone.`` starts otherwise and stays out.

        Args:
            prefix: With or without the last dot; None or '' takes everything.

        Raises:
            CheckpointError: No tensor has the prefix.
        """
        if not prefix:
            return dict(self.state_dict)
        start = prefix if prefix.endswith('.') else f'{prefix}.'
        tensors = {
            name[len(start) :]: value
            for name, value in self.state_dict.items()
            if name.startswith(start)
        }
        if not tensors:
            heads = sorted({name.split('.')[0] + '.' for name in self.state_dict})
            raise CheckpointError(
                f'{self.path}: no tensor starts with prefix={start!r}. Expected a checkpoint with '
                f'such a part; its {len(self.state_dict)} tensors start with {some(heads, 10)}. '
                'Name one of these as prefix, or leave prefix out to take all.'
            )
        return tensors


def _missing(path: Path, option: str | None) -> CheckpointError:
    folder = path if path.is_dir() else path.parent
    what = 'is a folder, not a file' if path.is_dir() else 'does not exist'
    beside = sorted(
        entry.name
        for pattern in ('*.pth', '*.safetensors')
        for entry in (folder.glob(pattern) if folder.is_dir() else ())
    )
    there = f'{folder} holds {some(beside)}' if beside else f'{folder} holds no checkpoint'
    return CheckpointError(
        f'Checkpoint {path} {what}; {there}. Pre-training writes epoch_N.pth into its work dir '
        '(tools/train.py prints it); name one of those'
        + (f', on the command line with --cfg-options {option}=FILE' if option else '')
    )


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework='pt', device='cpu') as file:
            meta = dict(file.metadata() or {})
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f'{path} ({path.stat().st_size} bytes) cannot be read as safetensors: {error}. The '
            'file is damaged or only partly copied; copy or write it again.'
        ) from error


@contextmanager
def fetched(address: str) -> Iterator[Path]:
    """Copy a file at an address here for as long as it is read.

    Raises:
        CheckpointError: The address is unknown or cannot be reached.
    """
    from mmengine.fileio import get_local_path
    from mmengine.runner.checkpoint import get_torchvision_models

    scheme, _, name = address.partition('://')
    try:
        source = get_torchvision_models()[name] if scheme == 'torchvision' else address
        local = get_local_path(source)
        path = Path(local.__enter__())
    except Exception as error:  # each of the engine's backends has errors of its own
        raise CheckpointError(
            f'{address} cannot be fetched: {type(error).__name__}: {error}. Expected the address '
            'of a file that a backend of the engine reads (https://, s3://, torchvision://NAME); '
            'check it, or download the file and name the copy.'
        ) from error
    try:
        yield path
    finally:
        local.__exit__(None, None, None)


def _read_file(file: Path, suffix: str, manner: Manner) -> tuple[Any, dict[str, Any]]:
    """Content of a file, and the meta information beside the tensors."""
    if suffix == '.safetensors':
        return _read_safetensors(file)
    return load_torch(file, manner=manner), {}


def read_checkpoint(
    path: str | os.PathLike[str],
    weights_only: bool = True,
    option: str | None = None,
) -> Checkpoint:
    """Read a checkpoint of the engine, a published backbone or a file of weights.

    Args:
        path: ``.pth`` or ``.safetensors``, or an address that the engine's file backends read
            (``https://...``, ``s3://...``) or ``torchvision://NAME``.
        weights_only: Refuse everything that is no data. False runs code from the file.
        option: Dotted place in the config that names the file, for the message if it is missing.

    Returns:
        Its tensors and meta information.

    Raises:
        CheckpointError: The file is missing, damaged or no file of weights.
    """
    name = os.fspath(path)
    manner: Manner = 'data' if weights_only else 'trust'
    if '://' in name:
        suffix = Path(urlsplit(name).path).suffix
        with fetched(name) as copy:
            try:
                content, meta = _read_file(copy, suffix, manner)
            except CheckpointError as error:
                raise CheckpointError(str(error).replace(str(copy), name)) from error
    else:
        file = Path(name).expanduser()
        if not file.is_file():
            raise _missing(file, option)
        content, meta = _read_file(file, file.suffix, manner)
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f'{name} holds a {type(content).__name__}. Expected tensors by name, or a dict with '
            "'state_dict'."
        )
    state = content.get('state_dict', content)
    tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(
            f'{name} holds no tensors; its keys are {some([str(key) for key in content])}. '
            "Expected tensors by name, or a dict with 'state_dict'."
        )
    if state is not content:
        meta = content.get('meta', {})
    return Checkpoint(name, tensors, meta if isinstance(meta, Mapping) else {})
