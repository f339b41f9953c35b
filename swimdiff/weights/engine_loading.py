"""The engine's loader of checkpoints, replaced by one that refuses foreign code.

The engine tries to read a file as data and, where that fails, reads it again as plain pickle, with
a warning: the author of the file runs code here. It also executes a config text that it finds in a
checkpoint it resumes from. Loaders are registered with the engine by the scheme of an address;
:func:`guard_engine` registers ours for all of them. Everything that goes through the engine then
goes through it: ``load_from``, ``--resume``, the engine's ``Pretrained``, ``load_checkpoint`` in
scripts, backbones of ``mmpretrain`` and ``mmseg`` that load their own weights.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mmengine.logging import print_log
from mmengine.runner import checkpoint as engine

from swimdiff.errors import CheckpointError
from swimdiff.weights.checkpoint import fetched, read_checkpoint
from swimdiff.weights.unpickling import load_torch, trusting

__all__ = ['guard_engine']

_SCHEMES = (
    '',
    'http://',
    'https://',
    'pavi://',
    r'(\S+\:)?s3://',
    r'(\S+\:)?petrel://',
    'modelzoo://',
    'torchvision://',
    'open-mmlab://',
    'openmmlab://',
    'mmcls://',
)


def _address(name: str) -> str:
    """Where a file of one of the engine's collections is.

    Raises:
        CheckpointError: The collection has no such model.
    """
    scheme, _, model = name.partition('://')
    if scheme in ('open-mmlab', 'openmmlab'):
        model = engine.get_deprecated_model_names().get(model, model)
        known_models = engine.get_external_models()
    elif scheme == 'mmcls':
        known_models = engine.get_mmcls_models()
    elif scheme in ('modelzoo', 'torchvision'):
        known_models = engine.get_torchvision_models()
    else:
        return name
    if model not in known_models:
        raise CheckpointError(
            f'{name}: the engine knows no such model, only {len(known_models)} others of {scheme}. '
            'Check the name, or download the file and name the copy.'
        )
    return known_models[model]


def _load_file(path: Path, suffix: str, map_location: Any) -> Any:
    if suffix == '.safetensors':
        checkpoint_read = read_checkpoint(path)
        return dict(state_dict=dict(checkpoint_read.state_dict), meta=dict(checkpoint_read.meta))
    if trusting():
        print_log(f'{path}: read as pickle, its code is run (--trust-checkpoint)', 'current')
    content = load_torch(path, map_location)
    if not trusting() and isinstance(content, dict) and isinstance(content.get('meta'), dict):
        # The engine would execute this text on resuming; it writes `cfg` itself, never `config`.
        content['meta'].pop('config', None)
    return content


def load_from_guarded(filename: str, map_location: Any = None) -> Any:
    """Load a checkpoint as data; see the module.

    Args:
        filename: A path, an address or the name of a model in one of the engine's collections.
        map_location: As in ``torch.load``.

    Raises:
        CheckpointError: It is missing, damaged, or holds more than data.
    """
    address = _address(str(filename))
    if '://' in address:
        with fetched(address) as copy:
            try:
                content = _load_file(copy, Path(urlsplit(address).path).suffix, map_location)
            except CheckpointError as error:
                raise CheckpointError(str(error).replace(str(copy), address)) from error
    else:
        path = Path(address).expanduser()
        if not path.is_file():
            raise CheckpointError(f'Checkpoint {path} does not exist (or is a folder).')
        content = _load_file(path, path.suffix, map_location)
    if str(filename).startswith('mmcls://'):
        return engine._process_mmcls_checkpoint(content)
    return content


def guard_engine() -> None:
    """Register the loader that refuses code with the engine, for this process."""
    engine.CheckpointLoader.register_scheme(_SCHEMES, load_from_guarded, force=True)
