"""Scene-wide matching: the contrastive loss whose labels know which keys share the query's scene.

Paper: keys cropped from the query's own scene are false negatives; their labels are recalibrated.
What a label is recalibrated to is the label rule, see :mod:`swimdiff.models.selfsup.label_rules`.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swimdiff.errors import ConfigError
from swimdiff.models.selfsup.label_rules import LabelRule, Matches
from swimdiff.models.selfsup.scene_queue import EMPTY
from swimdiff.registry import LABEL_RULES, MODELS

__all__ = ['SceneMatchingHead', 'plain_cross_entropy', 'soft_cross_entropy']


def plain_cross_entropy(
    l_pos: Tensor, l_neg: Tensor, y: Tensor, left_out: Tensor, temperature: float
) -> Tensor:
    """Return the loss of :func:`soft_cross_entropy` in its plain form, for autograd.

    The definition to read; the tests hold the closed form against it.

    Args:
        l_pos (Tensor): N similarities to the positive.
        l_neg (Tensor): N x K similarities to the candidates.
        y (Tensor): N x K labels, 0 where left out.
        left_out (Tensor): N x K bool, True where a candidate is not in the denominator.
        temperature (float): tau.

    Returns:
        Tensor: N losses.
    """
    labels = torch.cat([torch.ones_like(l_pos)[:, None], y], dim=1)  # the positive's label is 1
    labels = labels / labels.sum(dim=1, keepdim=True)
    logits = torch.cat([l_pos[:, None], l_neg.masked_fill(left_out, -1e9)], dim=1) / temperature
    return F.cross_entropy(logits, labels, reduction='none')


def soft_cross_entropy(
    l_pos: Tensor, l_neg: Tensor, y: Tensor | None, left_out: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the cross-entropy of soft labels over all keys, and its slopes.

    All keys are the positive and the candidates.

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
    """Compute the cross-entropy of recalibrated labels and similarities.

    The similarities are those of a query to all keys.

    ::

        L_C = - sum_j y_j log softmax_j(z_q . z_j / tau)    over {positive key} and the queue

    The positive key has y = 1 and the labels are divided by their sum. What a key of the query's
    own scene (a mate) gets is the label rule: ``relative``, ``queue``, ``scene``,
    ``with_positive``, ``floor``, ``positive``, ``ignore`` or ``none`` (MoCo v2), see
    :mod:`swimdiff.models.selfsup.label_rules`, or one of your own.

    Example::

        head = dict(type='SceneMatchingHead', rule='relative', temperature=0.1)
        head = dict(type='SceneMatchingHead', rule=dict(type='relative', temperature=0.1))

    A slot of the queue not yet filled is never a negative and is nobody's mate. Keys of the current
    batch reach the head only if the self-supervisor passes them among the candidates, see
    ``batch_keys`` of :class:`~swimdiff.models.selfsup.swimdiff.SwiMDiff`.

    Only the queries take a gradient, and it is known in closed form once the loss is
    (:func:`plain_cross_entropy` is the plain form of both). They are computed together, and nothing
    of size N x K or K x D is kept for the backward pass. So the queue may change before it, and
    need not be copied in every step.

    Args:
        rule (str | dict): The label rule: its name, or a dict with ``type`` and its options.
            Defaults to 'relative'.
        temperature (float): tau. Defaults to 0.07 (SeCo's reference setting).
        anchor (str): Whose similarity to the mates the rule is shown: 'query' (as summaries of the
            paper have it) or 'key' (as ASCL). Defaults to 'query'.
        **former: Refused, with a message about options of earlier versions.

    Raises:
        ConfigError: If an option is unknown or out of range.
    """

    def __init__(
        self,
        rule: str | dict = 'relative',
        temperature: float = 0.07,
        anchor: str = 'query',
        **former: Any,
    ) -> None:
        super().__init__()
        if former:
            raise ConfigError(
                f'SceneMatchingHead: {", ".join(former)}: expected rule, temperature and anchor. '
                'label_temperature and label_scale of an earlier version are options of the label '
                'rule now, rule=dict(type=..., temperature=...); a run of that version goes on '
                'with its defaults of the time as well: model.diffusion.decoder.skip_noised=True, '
                'model.diffusion.decoder.drop_levels=0, model.diffusion.schedule.least_signal=0.'
            )
        if anchor not in ('query', 'key'):
            raise ConfigError(f"SceneMatchingHead: anchor must be 'query' or 'key', got {anchor!r}")
        if temperature <= 0:
            raise ConfigError(f'SceneMatchingHead: temperature must be positive, got {temperature}')
        self.label_rule, self.rule = _build_rule(rule)
        self.temperature = temperature
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
                labels = self.label_rule.assign(
                    Matches(
                        similarity=l_neg if self.anchor == 'query' else z_k @ candidates.T,
                        positive=l_pos,
                        mates=mates,
                        known=~left_out,
                    )
                )
                if labels.ignored is not None:
                    left_out = left_out | labels.ignored
                value, mass, slope_pos, slope_neg = soft_cross_entropy(
                    l_pos, l_neg, labels.y, left_out, self.temperature
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


def _build_rule(rule: str | dict) -> tuple[LabelRule, str]:
    """Build a label rule from its name or config, and tell its name."""
    config = dict(type=rule) if isinstance(rule, str) else dict(rule)
    try:
        is_known = LABEL_RULES.get(config['type']) is not None
    except KeyError:
        is_known = False
    if not is_known:
        raise ConfigError(
            f'SceneMatchingHead: no label rule {config.get("type")!r}; known are '
            f'{", ".join(sorted(LABEL_RULES.module_dict))}. A rule of your own is registered in '
            'LABEL_RULES by a module that custom_imports of the config names'
        )
    return LABEL_RULES.build(config), config['type']
