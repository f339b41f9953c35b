"""What the guards found, one line each, from what they logged and the limits they ran with."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from swimdiff.visualization.report.record import Curve, RunRecord

__all__ = ['Verdict', 'floors_of', 'hook_option', 'verdicts']

#: Last lines of the log that a verdict is taken over.
_RECENT = 20


@dataclass(frozen=True)
class Verdict:
    """Hold one line of the table.

    Args:
        what: What was watched.
        state: ``good``, ``warn``, ``bad``, or ``none`` where nothing was logged.
        found: The numbers, in words.
    """

    what: str
    state: str
    found: str


def hook_option(record: RunRecord, kind: str, option: str, default: Any) -> Any:
    """Return an option of a hook as the run's config has it.

    Args:
        record: The run.
        kind: Type of the hook.
        option: Name of the option.
        default: Value where the config does not state it.
    """
    config = record.config or {}
    hooks = [*(config.get('default_hooks') or {}).values(), *(config.get('custom_hooks') or [])]
    for hook in hooks:
        if hook and str(hook.get('type', '')).rsplit('.', 1)[-1] == kind:
            return hook.get(option, default)
    return default


def floors_of(record: RunRecord, score: str = 'knn/top1') -> dict[str, float]:
    """Return the floors of a score, by their name in words.

    Args:
        record: The run.
        score: Name of the score, such as ``knn/top1``.
    """
    names = {'statistics': 'image statistics', 'random': 'untrained network'}
    return {
        title: record.evaluation[f'{score}_floor_{key}'].last
        for key, title in names.items()
        if f'{score}_floor_{key}' in record.evaluation
    }


def _recent(curve: Curve) -> float:
    return float(np.mean(curve.values[-_RECENT:]))


def _finite(record: RunRecord) -> Verdict:
    what = 'Loss and weights are finite'
    if 'loss' not in record.train:
        return Verdict(what, 'none', 'no loss was logged')
    sick = [name for name, curve in record.train.items() if not np.isfinite(curve.last)]
    reason = str(record.facts.get('reason', ''))
    if sick or reason.startswith(('The loss is', 'Weights are')):
        return Verdict(what, 'bad', reason or f'not finite at the end: {", ".join(sick)}')
    return Verdict(what, 'good', f'last loss {record.train["loss"].last:.4g}')


def _collapse(record: RunRecord) -> Verdict:
    what = 'Embeddings are spread'
    names = ('key_std', 'key_cosine', 'key_rank')
    if not set(names) <= set(record.train):
        return Verdict(what, 'none', 'not measured: no queue of keys, or a run too short')
    std, cosine, rank = (record.train[name].last for name in names)
    finding = f'standard deviation {std:.2f}, mean cosine {cosine:.2f}, effective rank {rank:.1f}'
    if str(record.facts.get('reason', '')).startswith('The embeddings collapse'):
        return Verdict(what, 'bad', finding)
    poor = (
        std < hook_option(record, 'CollapseHook', 'min_std', 0.1)
        or cosine > hook_option(record, 'CollapseHook', 'max_cosine', 0.98)
        or rank < hook_option(record, 'CollapseHook', 'min_rank', 5.0)
    )
    return Verdict(what, 'warn' if poor else 'good', finding)


def _spread(record: RunRecord) -> Verdict:
    what = 'Queries keep their spread'
    if 'feature_spread' not in record.train:
        return Verdict(what, 'none', 'not measured: no TrendHook, or a model without a queue')
    curve, limit = (
        record.train['feature_spread'],
        hook_option(record, 'TrendHook', 'least_spread', 0.1),
    )
    finding = (
        f'standard deviation {curve.last:.2f} of an even spread at the end, lowest '
        f'{curve.values.min():.2f}, {curve.values[0]:.2f} at the first log (at least {limit})'
    )
    return Verdict(what, 'warn' if curve.values.min() < limit else 'good', finding)


def _trend(record: RunRecord) -> Verdict:
    what = 'Queries stay close to their keys'
    if 'similarity_lost' not in record.train:
        return Verdict(what, 'none', 'not measured: the queue was not full long enough')
    rise, lost_similarity = record.train['contrast_rise'], record.train['similarity_lost']
    most_rise = hook_option(record, 'TrendHook', 'most_rise', 0.2)
    most_lost = hook_option(record, 'TrendHook', 'most_lost', 0.2)
    finding = (
        f'similarity to the positive at most {lost_similarity.values.max():.2f} below its highest '
        f'since the queue was full (limit {most_lost}); contrastive loss {rise.last:.2f} above its '
        'lowest at the end. The loss alone may rise in a healthy run, as negatives become harder'
    )
    # Runs that older code began log the rise alone.
    rise_values = rise.values[-len(lost_similarity.values) :]
    ill = bool(((rise_values > most_rise) & (lost_similarity.values > most_lost)).any())
    return Verdict(what, 'warn' if ill else 'good', finding)


def _loader(record: RunRecord) -> Verdict:
    what = 'The loader keeps up'
    if 'loader_share' not in record.train:
        return Verdict(what, 'none', 'not measured: a run too short')
    share = _recent(record.train['loader_share'])
    limit = hook_option(record, 'LoaderStarvationHook', 'limit', 0.2)
    finding = f'{share:.0%} of the step spent waiting for data (limit {limit:.0%})'
    return Verdict(what, 'warn' if share > limit else 'good', finding)


def _mates(record: RunRecord) -> Verdict:
    what = 'Queries meet their scene'
    rule = (((record.config or {}).get('model') or {}).get('head') or {}).get('rule', 'relative')
    rule = rule['type'] if isinstance(rule, dict) else rule
    if 'scene_mates' not in record.train or rule == 'none':
        return Verdict(what, 'none', 'no scene matching in this run')
    mates = _recent(record.train['scene_mates'])
    least = hook_option(record, 'SceneMatesHook', 'least', 0.1)
    finding = f'{mates:.2f} keys of its own scene per query (at least {least})'
    return Verdict(what, 'warn' if mates < least else 'good', finding)


def _reliance(record: RunRecord) -> Verdict:
    what = 'Denoising needs the encoder'
    if 'feature_reliance' not in record.train:
        return Verdict(what, 'none', 'not measured: no diffusion branch, or a run too short')
    reliance = record.train['feature_reliance'].last
    least = hook_option(record, 'FeatureRelianceHook', 'least', 0.2)
    finding = (
        f'with the features of another image the error would be {1 / max(1 - reliance, 1e-3):.1f} '
        f'times as large (reliance {reliance:.2f}, at least {least})'
    )
    if 'gradient_share' in record.train:
        share = record.train['gradient_share'].last
        finding += f'; its gradient in the encoder is {share:.0%} of the contrastive one'
    return Verdict(what, 'warn' if reliance < least else 'good', finding)


def _probe(record: RunRecord) -> Verdict:
    what = 'Features beat the floors'
    if 'knn/top1' not in record.evaluation:
        return Verdict(what, 'none', 'no online probe: see configs/_base_/online_probe_eurosat.py')
    best, floors = record.evaluation['knn/top1'].values.max(), floors_of(record)
    against = ', '.join(f'{name} {value:.1f} %' for name, value in floors.items())
    has_beaten_floors = all(best > value for value in floors.values())
    return Verdict(
        what,
        'good' if has_beaten_floors else 'warn',
        f'best kNN {best:.1f} % ({against or "no floors"})',
    )


def verdicts(record: RunRecord) -> list[Verdict]:
    """Return one line per guard."""
    checks = (_finite, _trend, _spread, _collapse, _loader, _mates, _reliance, _probe)
    return [check(record) for check in checks]
