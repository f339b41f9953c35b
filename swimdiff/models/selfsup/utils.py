"""Small helpers of the self-supervisor that are not the method."""

import inspect
from collections.abc import Sequence

import torch
from mmengine.dist import all_gather, get_rank, get_world_size
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from swimdiff.errors import ConfigError

__all__ = [
    'embedding_channels',
    'freeze_unused',
    'gather_keys',
    'probe_pyramid',
    'run_unmasked',
    'scene_ids',
]


@torch.compiler.disable  # each id would become an input of the compiled graph
def scene_ids(data_samples: list[DataSample], device: torch.device) -> Tensor:
    """Collect the scene ids of a batch.

    Args:
        data_samples (list[DataSample]): N samples, each with the integer ``scene_id``.
        device (torch.device): Where the ids are wanted.

    Returns:
        Tensor: N int64 scene ids.

    Raises:
        ConfigError: If a sample has no scene id.
    """
    if not data_samples or 'scene_id' not in data_samples[0]:
        raise ConfigError(
            'SwiMDiff: the data samples carry no `scene_id`; end the pipeline with '
            "dict(type='PackViews') and give the data set a scene definition (scene=dict(...))"
        )
    ids = torch.tensor([sample.scene_id for sample in data_samples], dtype=torch.long)
    return ids.to(device, non_blocking=True)


@torch.no_grad()
def gather_keys(
    keys: Tensor, scenes: Tensor, order: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Bring keys and scene ids of all processes together, in one collective.

    The ids travel as two float columns of the same bits. The gathered order is the sampler's: the
    engine deals samples round robin, so item i of rank r was sample i * world + r of the batch. The
    queue is thus the same for any number of processes.

    Args:
        keys (Tensor): N x D keys of this process; N is the same on every rank.
        scenes (Tensor): N int64 scene ids of this process.
        order (Tensor, optional): M places, where the keys are those of a shuffled batch: key s of
            the global batch belongs to the image of place ``order[s]``. Defaults to None.

    Returns:
        tuple[Tensor, Tensor, Tensor]: M x D float32 keys and M ids of the global batch, and the N
        positions of this process's keys in it.
    """
    world, rank = get_world_size(), get_rank()
    positions = torch.arange(len(keys), device=keys.device) * world + rank
    keys = keys.float()
    home = None if order is None else order.argsort().to(keys.device, non_blocking=True)
    if world == 1:
        return keys if home is None else keys[home], scenes, positions
    bits = scenes.contiguous().view(torch.float32).view(len(keys), 2)
    parcel = torch.cat([keys, bits], dim=1)
    gathered_parcels = torch.stack(all_gather(parcel), dim=1).flatten(0, 1)  # (N * world) x (D + 2)
    ids = gathered_parcels[:, -2:].contiguous().view(torch.long).flatten()
    keys = gathered_parcels[:, :-2]
    return keys.contiguous() if home is None else keys[home], ids, positions


@torch.no_grad()
def probe_pyramid(backbone: nn.Module, image_channels: int, size: int = 224) -> dict:
    """Ask a backbone for the channels and strides of its output by running it once.

    Args:
        backbone (nn.Module): Any backbone that returns a feature map or a tuple of them.
        image_channels (int): C, the number of bands it takes.
        size (int): Edge of the image of zeros it is shown, in pixels. Defaults to
            224, which every window of a Swin divides.

    Returns:
        dict: ``in_channels`` and ``strides`` of the levels, finest first, and ``image_channels``.
        A level that is a vector (an averaged last level) has the stride 0.
    """
    was_training = backbone.training
    parameter = next(backbone.parameters())
    backbone.eval()  # not chained: the engine's backbones return None here
    feats = backbone(torch.zeros(1, image_channels, size, size, device=parameter.device))
    backbone.train(was_training)
    levels = [feats] if isinstance(feats, Tensor) else list(feats)
    return {
        'in_channels': [level.shape[1] for level in levels],
        'strides': [size // level.shape[-1] if level.dim() == 4 else 0 for level in levels],
        'image_channels': image_channels,
    }


def run_unmasked(backbone: nn.Module, images: Tensor) -> Tensor | tuple[Tensor, ...]:
    """Run a backbone on whole images, also one that hides patches by itself.

    Backbones of masked image modelling in ``mmpretrain`` (``MAEViT``, ``SimMIMSwinTransformer``)
    mask their input unless they are given ``mask=None``, and return other things then.

    Args:
        backbone (nn.Module): Any backbone.
        images (Tensor): N x C x H x W, standardised.

    Returns:
        Tensor | tuple[Tensor, ...]: One feature map or vector, or one for each level.
    """
    if 'mask' in inspect.signature(backbone.forward).parameters:
        return backbone(images, mask=None)
    return backbone(images)


@torch.no_grad()
def embedding_channels(neck: nn.Module, in_channels: list[int]) -> int:
    """Return the length of the embedding, by running the neck once on zeros.

    Args:
        neck (nn.Module): Takes a pyramid, returns N x D.
        in_channels (list[int]): Channels of the levels.

    Returns:
        int: D.
    """
    was_training = neck.training
    neck.eval()
    embedding = neck([torch.zeros(1, channels, 2, 2) for channels in in_channels])
    neck.train(was_training)
    return embedding.shape[1]


@torch.enable_grad()
def freeze_unused(
    backbone: nn.Module, levels: list[int], image_channels: int, size: int = 224
) -> list[str]:
    """Stop parameters that no used level depends on from asking for a gradient.

    Transformers and ConvNeXt normalise each level they return; the norm of a level that nothing
    reads gets no gradient, at which distributed training stops.

    Args:
        backbone (nn.Module): The query backbone, changed in place.
        levels (list[int]): The levels that neck and decoder read.
        image_channels (int): C.
        size (int): Edge of the image of zeros it is shown. Defaults to 224.

    Returns:
        list[str]: Names of the parameters frozen.
    """
    named_parameters = [(name, p) for name, p in backbone.named_parameters() if p.requires_grad]
    was_training = backbone.training
    backbone.eval()
    feats = backbone(torch.zeros(1, image_channels, size, size))
    backbone.train(was_training)
    pyramid = [feats] if isinstance(feats, Tensor) else feats
    total = torch.stack([pyramid[level].sum() for level in levels]).sum()
    gradients: Sequence[Tensor | None] = [None] * len(named_parameters)
    if total.requires_grad:  # not where all that these levels depend on is frozen by its config
        gradients = torch.autograd.grad(total, [p for _, p in named_parameters], allow_unused=True)
    unused_parameters = [
        (n, p) for (n, p), g in zip(named_parameters, gradients, strict=True) if g is None
    ]
    for _, parameter in unused_parameters:
        parameter.requires_grad_(False)
    return [name for name, _ in unused_parameters]
