"""Converting the weights of a backbone to what another library loads, and proving it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from swimdiff.errors import CheckpointError
from swimdiff.registry import MODELS
from swimdiff.weights.converters.alignment import align_tensors
from swimdiff.weights.converters.counterparts import (
    Counterpart,
    describe_backbone,
    find_timm,
    find_torchvision,
)
from swimdiff.weights.converters.pyramids import rename_for_pyramid
from swimdiff.weights.converters.swin import reorder_swin

__all__ = ['LIBRARIES', 'Conversion', 'build_backbone', 'convert_backbone']

#: Libraries whose names weights can be given.
LIBRARIES = ('timm', 'torchvision', 'torchgeo', 'smp')

_SWIN_NOTE = (
    'Equal where every map divides into windows: images of 448, 672, ... pixels, and of 224 with '
    'pad_small_map=False (True shifts the single window of the last map, here alone). At other '
    'sizes timm shifts before it pads the maps, mmpretrain after it.'
)

#: Largest difference allowed, as a share of the largest feature.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Conversion:
    """Hold weights under the names of another library.

    Args:
        state: Tensors by name.
        library: The library.
        model: Name of the network there.
        options: Options that its builder needs.
        features_only: Whether ``timm`` has to build its pyramid instead of the whole network.
        difference: Largest difference of the features, as a share of the largest feature.
        left_out: Tensors of ours that have no place there.
        note: Where the two differ all the same; '' for nowhere.
    """

    state: dict[str, Tensor]
    library: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    features_only: bool = False
    difference: float = 0.0
    left_out: tuple[str, ...] = ()
    note: str = ''


def build_backbone(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    """Build a backbone of its deepest level, with weights, in evaluation mode.

    Args:
        config: Config of the backbone; one that hides patches is built as one that does not.
        state: Its weights; norms of levels that it does not give may be among them.

    Raises:
        CheckpointError: A tensor is missing or of another shape.
    """
    kind = str(config['type']).rpartition('.')[2]
    changes: dict[str, Any] = {}
    if kind == 'MAEViT':
        changes = dict(type='mmpretrain.VisionTransformer')
    if kind in ('MAEViT', 'VisionTransformer'):
        changes['out_type'] = 'raw'  # all tokens
    if kind == 'SwinTransformer':
        changes['pad_small_map'] = False  # see _SWIN_NOTE
    surplus = ('init_cfg', 'mask_ratio', *(() if kind == 'TIMMBackbone' else ('out_indices',)))
    options = {key: value for key, value in config.items() if key not in surplus}
    backbone = MODELS.build({**options, **changes})
    own = backbone.state_dict()
    absent = [name for name in own if name not in state and 'num_batches_tracked' not in name]
    other = [name for name in own if name in state and state[name].shape != own[name].shape]
    if absent or other:
        raise CheckpointError(
            f'The weights are not those of {describe_backbone(config)}: '
            f'{len(absent)} tensors are missing ({", ".join(absent[:3]) or "none"}), {len(other)} '
            f'of another shape ({", ".join(other[:3]) or "none"}). The deepest level of the '
            'backbone is needed: pre-train with it in out_indices'
        )
    backbone.load_state_dict({name: state[name] for name in own if name in state}, strict=False)
    backbone.eval()  # not chained: the engine's backbones return None here
    return backbone


def _run_ours(backbone: nn.Module, images: Tensor) -> Tensor:
    features = backbone(images)
    return features if isinstance(features, Tensor) else features[-1]


def _draw_images(channels: int, size: int) -> Tensor:
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def _measure_difference(ours: Tensor, theirs: Tensor) -> float:
    if ours.shape != theirs.shape:
        raise CheckpointError(f'features are {tuple(ours.shape)} against {tuple(theirs.shape)}')
    return float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1e-12))


def _convert_to(
    counterpart: Counterpart, config: Mapping[str, Any], state: Mapping[str, Tensor]
) -> tuple[Conversion, nn.Module]:
    """Convert to one network, and return it with the weights loaded."""
    channels = int(config.get('in_channels', 3))
    ours, theirs = build_backbone(config, state), counterpart.build(channels)
    images = _draw_images(channels, counterpart.size)
    renamed_state = align_tensors(ours, _run_ours, theirs, counterpart.run, images)
    if 'SwinTransformer' in str(config['type']):
        reorder_swin(renamed_state, ours, theirs)
    theirs.load_state_dict(renamed_state, strict=False)
    with torch.no_grad():
        features, converted_features = _run_ours(ours, images), counterpart.run(theirs, images)
    difference = _measure_difference(features, converted_features)
    if not difference <= TOLERANCE:
        raise CheckpointError(f'features differ by {difference:.1e} of the largest')
    used_names = set(ours.state_dict())
    left_out = tuple(name for name in state if name not in used_names)
    conversion = Conversion(
        renamed_state,
        counterpart.library,
        counterpart.name,
        counterpart.options,
        counterpart.features_only,
        difference,
        left_out,
        _SWIN_NOTE if 'SwinTransformer' in str(config['type']) else '',
    )
    return conversion, theirs


def _to_timm(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Conversion:
    return _convert_to(find_timm(config), config, state)[0]


def _to_torchvision(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Conversion:
    return _convert_to(find_torchvision(config), config, state)[0]


def _to_torchgeo(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Conversion:
    timm_name = find_timm(config)
    if timm_name.options or timm_name.features_only:
        options = dict(
            timm_name.options, **(dict(features_only=True) if timm_name.features_only else {})
        )
        raise CheckpointError(
            f'torchgeo builds {timm_name.name} without options, and these weights need {options}'
        )
    conversion, _ = _convert_to(timm_name, config, state)
    prefixed_state = {f'model.{name}': value for name, value in conversion.state.items()}
    return replace(conversion, state=prefixed_state, library='torchgeo')


def _to_smp(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Conversion:
    kind = str(config['type']).rpartition('.')[2]
    if kind == 'ResNet':  # the encoders of its own
        return replace(_to_torchvision(config, state), library='smp')
    timm_name = find_timm(config)
    if kind in ('VisionTransformer', 'MAEViT', 'HRNet'):
        raise CheckpointError('its encoders have no such network without layers of their own')
    conversion, network = _convert_to(timm_name, config, state)
    channels = int(config.get('in_channels', 3))
    renamed_state, difference = rename_for_pyramid(
        timm_name, network, _draw_images(channels, timm_name.size)
    )
    if difference > TOLERANCE:
        raise CheckpointError(f'features differ by {difference:.1e} of the largest')
    options = {key: value for key, value in timm_name.options.items() if key != 'head_norm_first'}
    prefixed_state = {f'model.{name}': value for name, value in renamed_state.items()}
    return replace(
        conversion,
        state=prefixed_state,
        library='smp',
        model=f'tu-{timm_name.name}',
        options=options,
        features_only=False,
    )


_CONVERTERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Tensor]], Conversion]] = dict(
    timm=_to_timm, torchvision=_to_torchvision, torchgeo=_to_torchgeo, smp=_to_smp
)


def convert_backbone(
    config: Mapping[str, Any], state: Mapping[str, Tensor], library: str
) -> Conversion:
    """Give a backbone's weights another library's names, and prove that they fit.

    Both networks are run on the same images; their deepest features have to agree to
    :data:`TOLERANCE` of the largest.

    Args:
        config: Config of the backbone, as the registry builds it.
        state: Its tensors by name, without a prefix.
        library: One of :data:`LIBRARIES`.

    Raises:
        CheckpointError: The library has no network that gives the same features; says why.

    Examples:
        >>> config = dict(type='mmpretrain.ResNet', depth=18)
        >>> convert_backbone(config, state, 'timm').model
        'resnet18'
    """
    kind = str(config.get('type', '')).rpartition('.')[2]
    plain = dict(config, type='mmpretrain.VisionTransformer') if kind == 'MAEViT' else dict(config)
    try:
        return _CONVERTERS[library](plain, state)
    except CheckpointError as error:
        raise CheckpointError(
            f'{describe_backbone(config)} cannot be converted for {library}: {error}. Nothing is '
            'written. Use --for mmpretrain or --for onnx, which take every backbone.'
        ) from error
