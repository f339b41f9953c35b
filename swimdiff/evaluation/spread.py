"""How far embeddings spread: three numbers that tell a collapse without labels."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['Spread', 'embedding_spread']


@dataclass(frozen=True)
class Spread:
    """Describe what :func:`embedding_spread` measures.

    Args:
        std: Mean over dimensions of the standard deviation, times sqrt(D): 1 when spread evenly
            over the sphere, 0 when collapsed to a point.
        cosine: Mean cosine of two different embeddings: 0 when spread evenly, 1 when collapsed.
        rank: Effective rank, 1 to D: the dimensions that are in use.
    """

    std: float
    cosine: float
    rank: float


@torch.no_grad()
def embedding_spread(embeddings: Tensor) -> Spread:
    """Measure how far embeddings spread over the sphere.

    The effective rank is the exponential of the entropy of the singular values (Roy and Vetterli,
    EUSIPCO 2007), as RankMe takes it of embeddings (Garrido et al., ICML 2023, arXiv 2210.02885).
    The host waits for the device once.

    Args:
        embeddings (Tensor): N x D with N of 2 or more; need not be of unit length.

    Returns:
        Spread: Each number NaN where an embedding is not finite.
    """
    z = F.normalize(embeddings.double(), dim=1)  # NxD
    n, dim = z.shape
    # D x D and D numbers are all that leaves the device. In float64, as squares halve the digits.
    gram, total = torch.cat([z.T @ z, z.sum(dim=0, keepdim=True)]).cpu().split([dim, 1])
    if not gram.isfinite().all():
        return Spread(math.nan, math.nan, math.nan)
    variance = (gram.diagonal() / n - (total[0] / n).square()).clamp(min=0)
    singular = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    share = singular / singular.sum()
    return Spread(
        std=float(variance.sqrt().mean() * math.sqrt(dim)),
        cosine=float((total.square().sum() - gram.trace()) / (n * (n - 1))),
        rank=float(torch.special.entr(share).sum().exp()),
    )
