"""Scene-wide matching: the contrastive loss whose labels know which keys share the query's scene.

Paper: keys cropped from the query's own scene are false negatives; their labels are recalibrated.
Summary: the recalibration is adaptive and rests on a relative distribution of cosine similarities
with its own temperature. Reconstruction: the formulas below, which restrict Adaptive Soft
Contrastive Learning (Feng and Patras, ICPR 2022, arXiv 2207.11163) to the scene.
"""

import math

import torch
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.models.scene_queue import EMPTY
from swimdiff.registry import MODELS

__all__ = ['SceneMatchingHead', 'soft_cross_entropy', 'soft_labels']

RULES = ('soft', 'positive', 'ignore', 'none')


def soft_labels(similarity: Tensor, mates: Tensor, temperature: float, scale: float) -> Tensor:
    """Adaptive soft labels of the false negatives (reconstruction).

    ::

        b = softmax(d / tau')       over the mates S(q) only
        c = 1 - H(b) / log n        confidence; n = |S(q)|, and c = 1 for n = 1
        y = min(1, c * K * b)       on S(q), 0 elsewhere

    Args:
        similarity (Tensor): N x K cosine similarities d of an anchor to the candidates, float32.
        mates (Tensor): N x K bool, True where the candidate is of the query's scene.
        temperature (float): tau', positive.
        scale (float): K of the formula, positive.

    Returns:
        Tensor: N x K labels in [0, 1], before the division by their sum.
    """
    scores = (similarity / temperature).masked_fill_(~mates, -math.inf)
    peak = scores.amax(dim=1, keepdim=True).clamp_(min=torch.finfo(scores.dtype).min)
    weights = scores.sub_(peak).exp_()  # 0 off the scene
    b = weights.div_(weights.sum(dim=1, keepdim=True).clamp_(min=torch.finfo(scores.dtype).tiny))
    entropy = torch.special.entr(b).sum(dim=1)  # N
    n = mates.sum(dim=1)  # N
    confidence = torch.where(n > 1, 1 - entropy / n.clamp(min=2).log(), 1.0).clamp(0, 1)
    return b.mul_(scale * confidence[:, None]).clamp_(max=1)


def soft_cross_entropy(
    l_pos: Tensor, l_neg: Tensor, y: Tensor | None, left_out: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cross-entropy of soft labels over the positive and the candidates, and its slopes.

    ::

        L       = log_sum - (l_+ + sum_j y_j l_j) / (tau (1 + sum_j y_j))
        dL/dl_j = (p_j - y_j / (1 + sum_j y_j)) / tau

    with p the softmax and log_sum the log-sum-exp of l / tau, the positive's label being 1.

    Args:
        l_pos (Tensor): N similarities to the positive, float32.
        l_neg (Tensor): N x K similarities to the candidates, float32.
        y (Tensor, optional): N x K labels, 0 where left out; None for zeros.
        left_out (Tensor): N x K bool, True where a candidate is not in the denominator.
        temperature (float): tau.

    Returns:
        tuple[Tensor, Tensor, Tensor, Tensor]: N losses, N label masses on the candidates, and the
        slopes dL/dl_+ (N) and dL/dl_j (N x K).
    """
    logits = (l_neg / temperature).masked_fill_(left_out, -math.inf)
    log_sum = torch.logaddexp(l_pos / temperature, logits.logsumexp(dim=1))  # N
    slope_pos = (l_pos / temperature - log_sum).exp()  # p_+
    slope_neg = logits.sub_(log_sum[:, None]).exp_()  # p_j
    if y is None:
        attraction, mass, share = l_pos, torch.zeros_like(l_pos), torch.ones_like(l_pos)
    else:
        share = 1 / (1 + y.sum(dim=1))  # N, label of the positive
        attraction, mass = share * (l_pos + (y * l_neg).sum(dim=1)), 1 - share
        slope_neg = slope_neg.addcmul_(y, share[:, None], value=-1)
    value = log_sum - attraction / temperature
    return value, mass, (slope_pos - share) / temperature, slope_neg.div_(temperature)


@MODELS.register_module()
class SceneMatchingHead(nn.Module):
    """Cross-entropy between recalibrated labels and the similarities of a query to all keys.

    ::

        L_C = - sum_j y_j log softmax_j(z_q . z_j / tau)    over {positive key} and the queue

    The positive key has y = 1 and the labels are divided by their sum. What a key of the query's
    own scene (a mate) gets is the rule:

    - ``soft``: the adaptive soft label of :func:`soft_labels`;
    - ``positive``: y = 1 (hard positives, SupCon-like);
    - ``ignore``: it leaves the denominator;
    - ``none``: it stays a negative (MoCo v2).

    A slot of the queue not yet filled is never a negative and is nobody's mate. Keys of the current
    batch reach the head only if the self-supervisor passes them among the candidates, see
    ``batch_keys`` of :class:`~swimdiff.models.swimdiff.SwiMDiff`.

    Only the queries take a gradient, and it is known in closed form once the loss is: both are
    computed together, and nothing of size N x K or K x D is kept for the backward pass. So the
    queue may change before it, and need not be copied in every step.

    Args:
        rule (str): 'soft', 'positive', 'ignore' or 'none'. Defaults to 'soft'.
        temperature (float): tau. Defaults to 0.07 (SeCo's reference setting).
        label_temperature (float): tau' of the soft labels. Defaults to 0.05.
        label_scale (float): K of the soft labels, 1 for large data to 5. Defaults to 1.
        anchor (str): Whose similarity to the mates gives the soft labels: 'query' (as summaries
            of the paper have it) or 'key' (as ASCL). Defaults to 'query'.

    Raises:
        ConfigError: If an option is unknown or out of range.
    """

    def __init__(
        self,
        rule: str = 'soft',
        temperature: float = 0.07,
        label_temperature: float = 0.05,
        label_scale: float = 1.0,
        anchor: str = 'query',
    ) -> None:
        super().__init__()
        if rule not in RULES:
            raise ConfigError(f'SceneMatchingHead: rule must be one of {RULES}, got {rule!r}')
        if anchor not in ('query', 'key'):
            raise ConfigError(f"SceneMatchingHead: anchor must be 'query' or 'key', got {anchor!r}")
        if min(temperature, label_temperature, label_scale) <= 0:
            raise ConfigError(
                'SceneMatchingHead: temperature, label_temperature and label_scale must be '
                f'positive, got {temperature}, {label_temperature} and {label_scale}'
            )
        self.rule = rule
        self.temperature = temperature
        self.label_temperature = label_temperature
        self.label_scale = label_scale
        self.anchor = anchor

    def forward(
        self,
        z_q: Tensor,
        z_k: Tensor,
        scenes: Tensor,
        candidates: Tensor,
        candidate_scenes: Tensor,
        own: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the loss and what is worth logging.

        Args:
            z_q (Tensor): N x D unit-length queries.
            z_k (Tensor): N x D unit-length positive keys, without gradient.
            scenes (Tensor): N int64 scene ids of the queries, not negative.
            candidates (Tensor): K x D unit-length keys that are not the positive.
            candidate_scenes (Tensor): K int64 scene ids, ``EMPTY`` for a slot not yet filled.
            own (Tensor, optional): N indices of each query's positive key among the candidates,
                where it is one of them; it is left out there.

        Returns:
            dict[str, Tensor]: Scalars ``loss``, ``positive_similarity``, ``scene_mates`` (mean
            number of same-scene keys met), ``mates_mass`` (mean soft-label mass on them) and
            ``feature_std`` (mean over dimensions of the queries' standard deviation; 1 / sqrt(D)
            when spread evenly, 0 when collapsed).
        """
        with torch.autocast(device_type=z_q.device.type, enabled=False):
            z_q, z_k, candidates = z_q.float(), z_k.float(), candidates.float()
            with torch.no_grad():
                l_pos = (z_q * z_k).sum(dim=1)  # N
                l_neg = z_q @ candidates.T  # NxK
                mates = scenes[:, None] == candidate_scenes  # NxK
                left_out = (candidate_scenes == EMPTY).expand_as(mates)
                if own is not None:
                    left_out = left_out.scatter(1, own[:, None], True)
                    mates = mates & ~left_out
                y = self._labels(l_neg, z_k, candidates, mates)
                if self.rule == 'ignore':
                    left_out = left_out | mates
                value, mass, slope_pos, slope_neg = soft_cross_entropy(
                    l_pos, l_neg, y, left_out, self.temperature
                )  # N, N, N, NxK
                # dL/dz_q, while the candidates are still what they were
                gradient = torch.addmm(slope_pos[:, None] * z_k, slope_neg, candidates)  # NxD
            # The difference is zero and its derivative one.
            loss = (value + (gradient * (z_q - z_q.detach())).sum(dim=1)).mean()
        return {
            'loss': loss,
            'positive_similarity': l_pos.mean(),
            'scene_mates': mates.sum(dim=1).float().mean(),
            'mates_mass': mass.mean(),
            'feature_std': z_q.detach().std(dim=0, correction=0).mean(),
        }

    @torch.no_grad()
    def _labels(
        self, l_neg: Tensor, z_k: Tensor, candidates: Tensor, mates: Tensor
    ) -> Tensor | None:
        if self.rule == 'positive':
            return mates.to(l_neg.dtype)
        if self.rule == 'soft':
            similarity = l_neg if self.anchor == 'query' else z_k @ candidates.T
            return soft_labels(similarity, mates, self.label_temperature, self.label_scale)
        return None
