"""The networks of other libraries that compute what backbones of ``mmpretrain`` compute.

One function per family of backbones gives the name that ``timm`` has for it and the options that
make both the same; :data:`TORCHVISION` has the names of torchvision. An entry here is a candidate:
the weights are converted only where both networks give the same output.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from swimdiff.errors import CheckpointError

__all__ = ['Counterpart', 'describe_backbone', 'find_timm', 'find_torchvision']

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Counterpart:
    """Hold a network of another library.

    Args:
        library: ``timm`` or ``torchvision``.
        name: Its name there.
        options: Options that its builder is given besides channels and classes.
        features_only: Whether only the pyramid of ``timm`` has the layers of ours, which end
            before a classifier that theirs has.
        size: Edge of the image on which both are compared, in pixels.
    """

    library: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    features_only: bool = False
    size: int = 64

    def build(self, channels: int) -> nn.Module:
        """Build the network without a classifier, in evaluation mode.

        Args:
            channels: Bands of its first layer.

        Raises:
            CheckpointError: The library is missing, or has no network of that name.
        """
        network = (
            self._build_timm(channels) if self.library == 'timm' else self._build_torchvision()
        )
        if self.library == 'torchvision' and channels != 3:
            _widen_first_layer(network, channels)
        return network.eval()

    def _build_timm(self, channels: int) -> nn.Module:
        try:
            import timm
        except ImportError as error:
            raise CheckpointError(
                'timm is not installed, and the names of its layers are read from it: pip install '
                "'swimdiff[export]'"
            ) from error
        kind: dict[str, Any] = dict(features_only=True) if self.features_only else {}
        if not self.features_only:
            kind['num_classes'] = 0
        try:
            return timm.create_model(self.name, in_chans=channels, **kind, **self.options)
        except (RuntimeError, TypeError) as error:
            raise CheckpointError(
                f'timm {timm.__version__} cannot build {self.name!r}: {error}'
            ) from error

    def _build_torchvision(self) -> nn.Module:
        from torchvision.models import get_model

        try:
            return get_model(self.name, weights=None, **self.options)
        except ValueError as error:
            raise CheckpointError(f'torchvision has no network {self.name!r}.') from error

    def run(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return its last features: N x C x h x w, N x C or N x tokens x C.

        Args:
            network: What :meth:`build` returned.
            images: N x bands x H x W.
        """
        module: Any = network
        if self.features_only:
            return module(images)[-1]
        if self.library == 'timm':
            features = module.forward_features(images)
            swin = features.ndim == 4 and features.shape[1] == features.shape[2]
            last = features.permute(0, 3, 1, 2) if swin and _is_swin(self.name) else features
            return last
        return _run_torchvision(module, images)


def _is_swin(name: str) -> bool:
    return name.startswith('swin')  # the one family here whose channels come last


def _run_torchvision(module: Any, images: Tensor) -> Tensor:
    if hasattr(module, 'layer4'):  # ResNet: all children before the average
        for name, child in module.named_children():
            if name == 'avgpool':
                break
            images = child(images)
        return images
    features = module.features(images)
    norm = module.classifier[0]  # of ConvNeXt, where it comes before the average is taken
    return norm(features) if isinstance(norm, nn.LayerNorm) else features


def _widen_first_layer(network: nn.Module, channels: int) -> None:
    """Replace the first convolution by one for other bands, as torchvision's users do."""
    for name, part in network.named_modules():
        if isinstance(part, nn.Conv2d):
            wide = nn.Conv2d(
                channels,
                part.out_channels,
                part.kernel_size,  # type: ignore[arg-type]
                part.stride,  # type: ignore[arg-type]
                part.padding,  # type: ignore[arg-type]
                bias=part.bias is not None,
            )
            network.set_submodule(name, wide)
            return


def _kind(config: Config) -> str:
    return str(config.get('type', '')).rsplit('.', 1)[-1]


def describe_backbone(config: Config) -> str:
    """Return the type of a backbone with its depth or architecture, for messages."""
    size = next((config[key] for key in ('depth', 'arch', 'model_name') if config.get(key)), '')
    return f'{config.get("type", "?")}{f" ({size})" if size else ""}'


def _resnet(config: Config) -> Counterpart:
    ending = {'ResNetV1c': 'c', 'ResNetV1d': 'd'}.get(_kind(config), '')
    return Counterpart('timm', f'resnet{config["depth"]}{ending}')


def _resnext(config: Config) -> Counterpart:
    groups, width = config.get('groups', 32), config.get('width_per_group', 4)
    return Counterpart('timm', f'resnext{config["depth"]}_{groups}x{width}d')


def _regnet(config: Config) -> Counterpart:
    size = str(config['arch']).removeprefix('regnetx_')  # '400mf', '1.6gf'
    number = float(size[:-2]) * (1 if size.endswith('gf') else 0.001)
    return Counterpart('timm', f'regnetx_{round(number * 10):03d}')


def _efficientnet(config: Config) -> Counterpart:
    # mmpretrain pads as TensorFlow does and has its epsilon in batch norm.
    return Counterpart('timm', f'tf_efficientnet_{config.get("arch", "b0")}')


def _mobilenet(config: Config) -> Counterpart:
    size, _, width = str(config.get('arch', 'small')).partition('_')
    name = f'mobilenetv3_{size}_{width or "100"}'
    return Counterpart('timm', name, dict(bn_eps=1e-3), features_only=True)


def _hrnet(config: Config) -> Counterpart:
    # Without the convolutions for classification that theirs puts behind each resolution.
    name = f'hrnet_{config.get("arch", "w32")}'
    return Counterpart('timm', name, dict(feature_location=''), features_only=True)


_LETTERS = {'t': 'tiny', 's': 'small', 'b': 'base', 'l': 'large', 'h': 'huge'}


def _swin(config: Config) -> Counterpart:
    arch = str(config.get('arch', 'tiny'))
    size = 384 if config.get('img_size') == 384 else 224
    window = 12 if size == 384 else 7
    name = f'swin_{_LETTERS.get(arch, arch)}_patch4_window{window}_{size}'
    return Counterpart('timm', name, size=size)


def _convnext(config: Config) -> Counterpart:
    name = f'convnext{"v2" if config.get("use_grn") else ""}_{config.get("arch", "tiny")}'
    if config.get('gap_before_final_norm', True):
        raise CheckpointError(
            'it averages before its last norm, so that it has no feature map of its last level; '
            'pre-train with gap_before_final_norm=False'
        )
    return Counterpart('timm', name, dict(head_norm_first=True))


def _vit(config: Config) -> Counterpart:
    arch = str(config.get('arch', 'base'))
    letters = arch.removeprefix('deit-').removeprefix('dinov2-')
    patch, size = config.get('patch_size', 16), config.get('img_size', 224)
    name = f'vit_{_LETTERS.get(letters, letters)}_patch16_224'
    options = {
        key: value
        for key, value, usual in (('patch_size', patch, 16), ('img_size', size, 224))
        if value != usual
    }
    return Counterpart('timm', name, options, size=size)


def _timm(config: Config) -> Counterpart:
    names = ('type', 'model_name', 'features_only', 'pretrained', 'checkpoint_path', 'init_cfg')
    options = {key: value for key, value in config.items() if key not in (*names, 'in_channels')}
    only = bool(config.get('features_only', False))
    return Counterpart('timm', config['model_name'], options, only, size=224)


_TIMM: Mapping[str, Callable[[Config], Counterpart]] = {
    **dict.fromkeys(('ResNet', 'ResNetV1c', 'ResNetV1d'), _resnet),
    'ResNeXt': _resnext,
    'RegNet': _regnet,
    'EfficientNet': _efficientnet,
    'MobileNetV3': _mobilenet,
    'HRNet': _hrnet,
    'SwinTransformer': _swin,
    'ConvNeXt': _convnext,
    'VisionTransformer': _vit,
    'TIMMBackbone': _timm,
}

#: Of torchvision, by the name in timm; the others there compute something else (EfficientNet pads
#: in another way) or hold their weights in another form (Swin, ViT) or order (RegNet).
TORCHVISION: Mapping[str, str] = {
    **{name: name for name in (f'resnet{depth}' for depth in (18, 34, 50, 101, 152))},
    'resnext50_32x4d': 'resnext50_32x4d',
    'resnext101_32x8d': 'resnext101_32x8d',
    'mobilenetv3_small_100': 'mobilenet_v3_small',
    'mobilenetv3_large_100': 'mobilenet_v3_large',
    **{f'convnext_{size}': f'convnext_{size}' for size in ('tiny', 'small', 'base', 'large')},
}


def find_timm(config: Config) -> Counterpart:
    """Return the network of ``timm`` that a backbone is held against.

    Args:
        config: Of the backbone, as the registry builds it.

    Raises:
        CheckpointError: There is none.
    """
    kind = _kind(config)
    if kind not in _TIMM:
        raise CheckpointError(f'known are {", ".join(_TIMM)}')
    if isinstance(config.get('arch'), Mapping):
        raise CheckpointError('its architecture is a dict of its own, which has no name there')
    return _TIMM[kind](config)


def find_torchvision(config: Config) -> Counterpart:
    """Return the network of torchvision that a backbone is held against.

    Args:
        config: Of the backbone, as the registry builds it.

    Raises:
        CheckpointError: There is none.
    """
    timm = find_timm(config)
    if timm.name not in TORCHVISION or _kind(config) == 'TIMMBackbone':
        raise CheckpointError(f'known are {", ".join(TORCHVISION.values())}')
    return Counterpart('torchvision', TORCHVISION[timm.name], size=timm.size)
