"""Weighted k-nearest-neighbour classification of features, by cosine (Wu et al., CVPR 2018).

Plain functions, so that a tool and a hook during pre-training score in the same way.
"""

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, get_world_size
from torch import Tensor

from swimdiff.errors import ConfigError

__all__ = ['gather_rows', 'knn_accuracy', 'knn_scores']


@torch.no_grad()
def gather_rows(rows: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Bring the rows of all processes together, once each, in the data set's order.

    Samplers repeat samples so that every process gets as many, and processes may still differ in
    the number of rows; both are repaired here.

    Args:
        rows: N x ... tensor of this process; N may differ between processes.
        index: N int64 numbers of the samples in the data set.

    Returns:
        M x ... rows and their M numbers, ascending and each once, the same on every process.
    """
    if get_world_size() > 1:
        count = torch.tensor([len(rows)], device=rows.device)
        counts = [int(other) for other in all_gather(count)]
        most = max(counts)
        padded_rows = rows.new_zeros(most, *rows.shape[1:])
        padded_rows[: len(rows)] = rows
        numbers = index.new_zeros(most)
        numbers[: len(index)] = index
        parts = list(zip(all_gather(padded_rows), all_gather(numbers), counts, strict=True))
        rows = torch.cat([part[:count] for part, _, count in parts])
        index = torch.cat([part[:count] for _, part, count in parts])
    index, order = torch.sort(index, stable=True)
    first = torch.ones_like(index, dtype=torch.bool)
    first[1:] = index[1:] != index[:-1]
    return rows[order[first]], index[first]


@torch.no_grad()
def knn_scores(
    bank: Tensor,
    bank_targets: Tensor,
    queries: Tensor,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
    chunk: int = 1024,
) -> Tensor:
    """Score classes by the k nearest of the bank.

    Each votes with weight exp(cosine / temperature).

    Args:
        bank: M x D features of the training part; need not be of unit length.
        bank_targets: M int64 labels, or M x C targets of 0 and 1 for several labels.
        queries: N x D features.
        num_classes: C.
        k: Number of neighbours, at most M are used.
        temperature: Above 0; the smaller, the more the nearest decide.
        chunk: Queries compared at once, which bounds the memory.

    Returns:
        N x C float32; each row of single labels sums to 1.

    Raises:
        ConfigError: k or the temperature is not positive, or the bank is empty.
    """
    if k < 1 or temperature <= 0 or not len(bank):
        raise ConfigError(
            f'kNN needs k >= 1, temperature > 0 and a bank; got k={k}, temperature={temperature} '
            f'and {len(bank)} bank features.'
        )
    unit = F.normalize(bank.float(), dim=1)
    if bank_targets.ndim == 1:
        votes = F.one_hot(bank_targets, num_classes).float()
    else:
        votes = bank_targets.float()
    scores = []
    for part in queries.split(chunk):
        similarity = F.normalize(part.float(), dim=1) @ unit.T  # n x M
        near, which = similarity.topk(min(k, len(unit)), dim=1)  # n x k
        # A softmax is the weighted mean, safe for small temperatures.
        weight = (near / temperature).softmax(dim=1)
        scores.append(torch.einsum('nk,nkc->nc', weight, votes[which]))
    return torch.cat(scores) if scores else votes.new_zeros(0, num_classes)


def knn_accuracy(
    bank: Tensor,
    bank_labels: Tensor,
    queries: Tensor,
    labels: Tensor,
    num_classes: int,
    k: int = 20,
    temperature: float = 0.07,
) -> float:
    """Return the percentage of queries whose highest-scored class is theirs.

    Args:
        bank: M x D features of the training part.
        bank_labels: M int64 labels.
        queries: N x D features.
        labels: N int64 labels.
        num_classes: C.
        k: Number of neighbours.
        temperature: See :func:`knn_scores`.
    """
    scores = knn_scores(bank, bank_labels, queries, num_classes, k, temperature)
    return 100.0 * (scores.argmax(dim=1) == labels).double().mean().item()
