"""Names of ``timm`` where it builds a pyramid of features instead of the whole network."""

import re

import torch
from torch import Tensor, nn

from swimdiff.errors import CheckpointError
from swimdiff.weights.converters.counterparts import Counterpart

__all__ = ['rename_for_pyramid']

#: ``stages_0.blocks`` of a pyramid is ``stages.0.blocks`` of the whole network.
_FLATTENED = re.compile(r'^([a-z]+)_(\d+)\.')


@torch.no_grad()
def rename_for_pyramid(
    counterpart: Counterpart, network: nn.Module, images: Tensor
) -> tuple[dict[str, Tensor], float]:
    """Return the weights of a network under the names of its pyramid.

    Args:
        counterpart: The network.
        network: The network with its weights, whole or already a pyramid.
        images: N x C x H x W float32, on which both are compared.

    Returns:
        Tensors by name, and the largest difference of the deepest features as a share of the
        largest.

    Raises:
        CheckpointError: The pyramid has a layer that the network does not.
    """
    import timm

    if counterpart.features_only:
        return dict(network.state_dict()), 0.0
    options = {key: value for key, value in counterpart.options.items() if key != 'head_norm_first'}
    pyramid = timm.create_model(
        counterpart.name, in_chans=images.shape[1], features_only=True, **options
    ).eval()
    state = network.state_dict()
    renamed_state = {}
    for name, value in pyramid.state_dict().items():
        source = name if name in state else _FLATTENED.sub(r'\1.\2.', name)
        if source not in state or state[source].shape != value.shape:
            raise CheckpointError(f'the pyramid of {counterpart.name} has {name}, ours has not')
        renamed_state[name] = state[source]
    pyramid.load_state_dict(renamed_state)
    whole: torch.nn.Module = network
    expected_features = whole.forward_intermediates(  # type: ignore[operator]
        images, indices=1, intermediates_only=True
    )[-1]
    features = pyramid(images)[-1]
    if features.shape != expected_features.shape:  # channels last
        features = features.permute(0, 3, 1, 2)
    return renamed_state, float(
        (features - expected_features).abs().max() / expected_features.abs().max()
    )
