"""Which loss moves the encoder: the gradients of the two losses, stage by stage.

Reconstruction: a weight says little, as a mean over pixels and a cross-entropy have other scales.
What counts is the share of each loss in the gradient of the encoder.
"""

import torch
from torch import Tensor, nn

__all__ = ['group_by_stage', 'measure_gradients']


def group_by_stage(backbone: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Group the parameters with a gradient by the stage of the backbone.

    A stage is a direct child, or an entry of a list that is one: ``layer1`` of a ResNet,
    ``stages.1`` of a Swin.

    Args:
        backbone (nn.Module): Any backbone.

    Returns:
        dict[str, list[nn.Parameter]]: By the name of the stage, in the order of the backbone.
    """
    stages: dict[str, list[nn.Parameter]] = {}
    for name, parameter in backbone.named_parameters():
        if parameter.requires_grad:
            child, *rest = name.split('.')
            stage = f'{child}.{rest[0]}' if rest and rest[0].isdigit() else child
            # A stage of a ResNet is a list of blocks itself.
            stage = child if child.startswith('layer') else stage
            stages.setdefault(stage, []).append(parameter)
    return stages


@torch.compiler.disable
def measure_gradients(losses: dict[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """Measure |g_D| / |g_C|, diffusion gradient over contrastive one.

    Args:
        losses (dict[str, Tensor]): ``loss_contrast`` and ``loss_diffusion`` with their weights and
            their graph, which is kept.
        backbone (nn.Module): The query backbone.

    Returns:
        dict[str, Tensor]: ``gradient_share`` over all parameters and ``gradient_share_STAGE`` by
        stage; empty where one of the losses is not there, or nothing of the backbone trains.
    """
    if not {'loss_contrast', 'loss_diffusion'} <= set(losses):
        return {}
    stages = group_by_stage(backbone)
    parameters = [parameter for stage in stages.values() for parameter in stage]
    if not parameters:  # of a frozen backbone
        return {}
    norms = []  # two lists of squared norms, one per parameter
    for name in ('loss_contrast', 'loss_diffusion'):
        gradients = torch.autograd.grad(
            losses[name], parameters, retain_graph=True, allow_unused=True
        )
        zero = losses[name].new_zeros(())
        norms.append([zero if g is None else g.float().square().sum() for g in gradients])
    shares = {'gradient_share': _ratio(norms[1], norms[0])}
    start = 0
    for stage, members in stages.items():
        end = start + len(members)
        shares[f'gradient_share_{stage}'] = _ratio(norms[1][start:end], norms[0][start:end])
        start = end
    return shares


def _ratio(above: list[Tensor], below: list[Tensor]) -> Tensor:
    tiny = torch.finfo(torch.float32).tiny
    return (torch.stack(above).sum() / torch.stack(below).sum().clamp(min=tiny)).sqrt()
