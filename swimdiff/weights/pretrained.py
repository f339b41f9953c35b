"""Pre-trained weights that fit, or an error: ``init_cfg=dict(type='Pretrained', ...)``.

The engine's loader of that name only warns, even where nothing matched. Under our default scope the
same name means this one; ``_scope_='swimdiff'`` asks for it in an ``mmseg`` or ``mmpretrain``
config. The name has to stay: the engine runs an initialiser called ``Pretrained`` last, and
backbones look for it before they reset layers of their own.
"""

import re
from collections.abc import Mapping, Sequence

import torch
from mmengine.logging import print_log
from mmengine.model import PretrainedInit, update_init_info
from torch import Tensor, nn

from swimdiff.bands import spell_bands
from swimdiff.errors import CheckpointError
from swimdiff.registry import WEIGHT_INITIALIZERS
from swimdiff.weights.checkpoint import Checkpoint, check_finite, read_checkpoint, some

__all__ = ['Pretrained', 'adapt_kernels', 'load_weights']

#: In a file but not in the model, and harmless: a classifier on top, and the output norms of levels
#: that the model does not give (Swin and ConvNeXt have one for each level asked for).
_SPARE = re.compile(r'(fc|head|heads|classifier)\.|norm\d\.')


def adapt_kernels(kernels: Tensor, source: Sequence[str], target: Sequence[str]) -> Tensor:
    """Adapt the kernels of a first convolution to other bands, matched by name.

    A band that both have keeps its kernel; a new band gets the mean kernel over the old bands.

    Args:
        kernels: O x C x h x w, C bands of ``source``.
        source: Bands that the kernels were trained for.
        target: Bands wanted, in order.

    Returns:
        O x C' x h x w kernels.
    """
    have = spell_bands(source)
    mean = kernels.mean(dim=1)
    columns = [
        kernels[:, have.index(band)] if band in have else mean for band in spell_bands(target)
    ]
    return torch.stack(columns, dim=1)


def _first_convolution(module: nn.Module) -> str | None:
    """Name of the kernels that see the bands: of the first 2-D convolution."""
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d):
            return f'{name}.weight'.lstrip('.')
    return None


def _shape(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or 'scalar'


class _Loader:
    """One loading: the module, the file, and what is said about the bands."""

    def __init__(
        self,
        module: nn.Module,
        checkpoint: Checkpoint,
        bands: Sequence[str] | None,
        checkpoint_bands: Sequence[str] | None,
        adapt_bands: bool,
    ) -> None:
        self.module = module
        self.checkpoint = checkpoint
        self.target = spell_bands(bands) if bands else None
        self.source = spell_bands(checkpoint_bands) if checkpoint_bands else checkpoint.bands
        self.adapt = adapt_bands

    def fit_bands(self, state: dict[str, Tensor]) -> str:
        """Compare the bands and adapt the kernels where asked; what was done, for the log."""
        name = _first_convolution(self.module)
        own = self.module.state_dict()
        if name is None or name not in state or state[name].ndim != 4:
            return ''
        have, want = state[name].shape[1], own[name].shape[1]
        # Only a difference in the number of channels is a matter of bands.
        if (
            state[name].shape[:1] + state[name].shape[2:]
            != own[name].shape[:1] + own[name].shape[2:]
        ):
            return ''
        same_order = self.source is None or self.target is None or self.source == self.target
        if have == want and same_order:
            return f', bands {" ".join(self.source)}' if self.source else ''
        source = ' '.join(self.source) if self.source else 'names unknown'
        target = ' '.join(self.target) if self.target else 'names not given'
        if not self.adapt:
            raise CheckpointError(
                f'{self.checkpoint.path} takes {have} bands ({source}), the model {want} '
                f'({target}): {name} is {_shape(state[name])} in the file and {_shape(own[name])} '
                'in the model. Use the bands of pre-training, or add '
                'bands=(the bands of your data), adapt_bands=True to init_cfg: bands of the same '
                'name keep their kernels, new ones get the mean kernel.'
            )
        if self.source is None or self.target is None:
            missing_option = 'checkpoint_bands' if self.source is None else 'bands'
            raise CheckpointError(
                f'{self.checkpoint.path}: adapt_bands=True matches bands by name, and those of '
                f'{"the file" if self.source is None else "the data"} are not known. Add '
                f"{missing_option}=('B04', 'B03', 'B02') or what they are, in order, to init_cfg."
            )
        if len(self.source) != have or len(self.target) != want:
            raise CheckpointError(
                f'{self.checkpoint.path}: {name} has {have} channels for {len(self.source)} named '
                f'bands ({source}), the model {want} for {len(self.target)} ({target}). '
                'Name as many bands as there are channels.'
            )
        state[name] = adapt_kernels(state[name], self.source, self.target)
        new = [band for band in self.target if band not in self.source]
        return (
            f', {name} adapted from {source} to {target} (mean kernel for: {some(new) or "none"})'
        )

    def check(self, state: Mapping[str, Tensor]) -> list[str]:
        """Names in the file that the model has no place for, if that is harmless.

        Raises:
            CheckpointError: The weights are of another architecture, or not finite.
        """
        own = self.module.state_dict()
        missing_names = [
            name for name in own if name not in state and not name.endswith('num_batches_tracked')
        ]
        extra = [name for name in state if name not in own]
        spare = [name for name in extra if _SPARE.match(name)]
        extra = [name for name in extra if name not in spare]
        other = [
            f'{name} (file {_shape(state[name])}, model {_shape(own[name])})'
            for name in own
            if name in state and state[name].shape != own[name].shape
        ]
        problems = [
            f'{what} {len(names)}: {some(names)}.'
            for what, names in (
                ('Missing in the file', missing_names),
                ('Of another shape', other),
                ('In the file but not in the model', extra),
            )
            if names
        ]
        if problems:
            fitting_count = len(own) - len(other) - sum(name not in state for name in own)
            saved_backbone = self.checkpoint.backbone
            by = f' It was written by {_name(saved_backbone)}.' if saved_backbone else ''
            raise CheckpointError(
                f'{self.checkpoint.path} does not fit {type(self.module).__name__}: '
                f'{fitting_count} of {len(own)} tensors match.{by} {" ".join(problems)} Give the '
                'model the backbone that was pre-trained (type, depth or arch, out_indices), or '
                'name another checkpoint or prefix.'
            )
        check_finite(state, self.checkpoint.path)
        return spare


def _name(backbone: Mapping) -> str:
    details = [
        f'{key}={backbone[key]}' for key in ('depth', 'arch', 'in_channels') if key in backbone
    ]
    return ' '.join([str(backbone.get('type', '?')), *details])


def _tensors(module: nn.Module, checkpoint: Checkpoint, prefix: str | None) -> dict[str, Tensor]:
    """Tensors under the prefix; those of a file of bare names, which has none, are its own."""
    own = module.state_dict()
    start = f'{prefix.rstrip(".")}.' if prefix else ''
    names = checkpoint.state_dict
    if start and not any(name.startswith(start) for name in names) and any(n in names for n in own):
        start = ''
    return checkpoint.select(start)


def load_weights(
    module: nn.Module,
    checkpoint: Checkpoint,
    prefix: str | None = 'backbone.',
    bands: Sequence[str] | None = None,
    checkpoint_bands: Sequence[str] | None = None,
    adapt_bands: bool = False,
) -> str:
    """Load every tensor of a module from a checkpoint, or raise.

    Args:
        module: The module, changed in place.
        checkpoint: Where the tensors come from.
        prefix: Part of the checkpoint to take; a file of bare names is taken as it is.
        bands: Bands that the module will see; compared with those of the checkpoint where both
            are known, since the right number in the wrong order would go unseen.
        checkpoint_bands: Bands of the checkpoint, where the file does not say.
        adapt_bands: Adapt the first convolution instead of raising, see :func:`adapt_kernels`.

    Returns:
        One line for the log: how many of how many tensors, from where.

    Raises:
        CheckpointError: Anything is missing, of another shape, or not finite.
    """
    state = _tensors(module, checkpoint, prefix)
    loader = _Loader(module, checkpoint, bands, checkpoint_bands, adapt_bands)
    about_bands = loader.fit_bands(state)
    spare = loader.check(state)
    own = module.state_dict()
    module.load_state_dict({name: state[name] for name in own if name in state}, strict=False)
    loaded_count = sum(name in state for name in own)
    left_note = f', left out {len(spare)} ({some(spare, 3)})' if spare else ''
    return (
        f'{type(module).__name__}: loaded {loaded_count} of {len(own)} tensors from '
        f'{checkpoint.path} (prefix {prefix!r}{about_bands}{left_note})'
    )


@WEIGHT_INITIALIZERS.register_module()
class Pretrained(PretrainedInit):
    """Initialise a module from a file, strictly.

    Args:
        checkpoint: A checkpoint as pre-training wrote it, a published backbone, or another file of
            weights with the same names (torchvision's ResNets are such).
        prefix: Part of the file to take. ``'backbone.'`` is the query encoder of pre-training.
        map_location: Kept for the engine's signature; files are read on the CPU.
        bands: Bands that the module will see, by name.
        checkpoint_bands: Bands of the file, where it does not say.
        adapt_bands: Adapt the first convolution to ``bands`` instead of raising.
        weights_only: Refuse files that hold more than data.

    Raises:
        CheckpointError: See :func:`load_weights`.

    Examples:
        >>> model = dict(
        ...     backbone=dict(
        ...         init_cfg=dict(
        ...             type='Pretrained',
        ...             checkpoint='work_dirs/swimdiff_r18_seco/epoch_200.pth',
        ...             prefix='backbone.',
        ...             bands=('B04', 'B03', 'B02'),
        ...         )
        ...     )
        ... )
    """

    def __init__(
        self,
        checkpoint: str,
        prefix: str | None = None,
        map_location: str = 'cpu',
        bands: Sequence[str] | None = None,
        checkpoint_bands: Sequence[str] | None = None,
        adapt_bands: bool = False,
        weights_only: bool = True,
    ) -> None:
        super().__init__(checkpoint, prefix, map_location)
        self.options = dict(bands=bands, checkpoint_bands=checkpoint_bands, adapt_bands=adapt_bands)
        self.weights_only = weights_only

    def __call__(self, module: nn.Module) -> None:
        """Load, and say in the log what was loaded."""
        checkpoint = read_checkpoint(self.checkpoint, self.weights_only)
        line = load_weights(module, checkpoint, self.prefix, **self.options)  # type: ignore[arg-type]
        print_log(line, logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())
