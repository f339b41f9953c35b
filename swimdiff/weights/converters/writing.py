"""Writing converted weights in the layout that each library opens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from swimdiff.files import open_whole
from swimdiff.weights.checkpoint import check_finite
from swimdiff.weights.converters.conversion import Conversion

__all__ = ['copy_tensors', 'describe_use', 'write_weights']


def copy_tensors(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Return own memory for each tensor, in plain order.

    A view would carry its whole storage into the file, and weights of a channels-last run are
    transposed.

    Args:
        state: Tensors by name.
        source: The file that they are from, for the message.

    Raises:
        CheckpointError: Weights are not finite.
    """
    check_finite(state, source, 'nothing was written')
    return {
        name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
    }


def write_weights(
    stem: Path, library: str, state: dict[str, Tensor], about: Mapping[str, str], model: str = ''
) -> list[Path]:
    """Write tensors in the layout of a library.

    Args:
        stem: Path without suffix.
        library: ``mmpretrain`` (``state_dict`` and ``meta``), ``torchgeo`` (a checkpoint of
            Lightning), or another one, for tensors by name and nothing else.
        state: The tensors.
        about: Where they come from.
        model: Name of the network, for ``torchgeo``.
    """
    content: dict[str, Any] = dict(state)
    suffix = '.pth'
    if library == 'mmpretrain':
        content = dict(state_dict=state, meta=dict(about))
    elif library == 'torchgeo':
        # All that its `extract_backbone` reads.
        content = dict(state_dict=state, hyper_parameters=dict(model=model), meta=dict(about))
        suffix = '.ckpt'
    stem.parent.mkdir(parents=True, exist_ok=True)
    plain, safe = (stem.with_name(stem.name + ending) for ending in (suffix, '.safetensors'))
    with open_whole(plain) as file:
        torch.save(content, file)
    if library == 'torchgeo':  # which opens no other
        return [plain]
    with open_whole(safe) as file:
        # Not `save_file`, whose files only their owner can read.
        file.write(save(state, metadata={'format': 'pt', **about}))
    return [plain, safe]


def _list_arguments(options: Mapping[str, Any]) -> str:
    return ''.join(f', {key}={value!r}' for key, value in options.items())


def describe_use(conversion: Conversion, file: str, channels: int) -> str:
    """Return the lines of Python that load a converted file in its library.

    Args:
        conversion: What was converted.
        file: Name of the file, ``.safetensors`` but for torchgeo.
        channels: Bands.
    """
    options, name = _list_arguments(conversion.options), conversion.model
    load = f"load_file('{file}')"
    opening = 'from safetensors.torch import load_file\n'
    if conversion.library == 'timm':
        kind = 'features_only=True' if conversion.features_only else 'num_classes=0'
        return (
            f'import timm\n{opening}'
            f"model = timm.create_model('{name}', in_chans={channels}, {kind}{options})\n"
            f'model.load_state_dict({load})\n'
        )
    if conversion.library == 'torchvision':
        wide = '' if channels == 3 else f'# first replace its first convolution: {channels} bands\n'
        return (
            f'import torchvision\n{opening}'
            f"model = torchvision.models.get_model('{name}', weights=None)\n{wide}"
            f'model.load_state_dict({load}, strict=False)  # the classifier stays as it is\n'
        )
    if conversion.library == 'torchgeo':
        return (
            '# before torchgeo 0.10: torchgeo.trainers.ClassificationTask\n'
            'from torchgeo.tasks import Classification\n'
            f"task = Classification(model='{name}', weights='{file}', in_channels={channels},\n"
            "                      task='multiclass', num_classes=10)\n"
        )
    return (
        f'import segmentation_models_pytorch as smp\n{opening}'
        f"model = smp.Unet('{name}', encoder_weights=None, in_channels={channels}{options})\n"
        f'model.encoder.load_state_dict({load})\n'
    )
