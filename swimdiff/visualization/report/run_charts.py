"""The charts of a run, each made from the scalars that were logged."""

from swimdiff.visualization.report.charts import Chart
from swimdiff.visualization.report.record import Curve, RunRecord
from swimdiff.visualization.report.verdicts import floors_of, hook_option

__all__ = ['list_score_charts', 'list_throughput_charts', 'list_training_charts']


def _choose(curves: dict[str, Curve], **named: str) -> dict[str, Curve]:
    """Return the curves that were logged, under their names in the legend."""
    return {title: curves[name] for title, name in named.items() if name in curves}


def _choose_gradient_shares(curves: dict[str, Curve]) -> dict[str, Curve]:
    """Return the share over the whole encoder, and in its first and its last stage."""
    shown_curves = _choose(curves, encoder='gradient_share')
    stages = [name for name in curves if name.startswith('gradient_share_')]
    for name in dict.fromkeys(stages[:1] + stages[-1:]):
        shown_curves[name.removeprefix('gradient_share_')] = curves[name]
    return shown_curves


def _list_losses(record: RunRecord) -> list[Chart]:
    train = record.train
    # Ours logs its two losses, the engine's self-supervisors one that has no other name.
    parts = {'loss_contrast', 'loss_diffusion'} & set(train)
    return [
        Chart('Loss', {} if parts else _choose(train, loss='loss'), smooth=True),
        Chart(
            'Contrastive loss',
            _choose(train, loss='loss_contrast'),
            note='Healthy: rises while the queue fills with keys, then falls and levels off.',
            smooth=True,
        ),
        Chart(
            'Diffusion loss',
            _choose(train, loss='loss_diffusion'),
            note='Mean squared error of the prediction, times its weight.',
            smooth=True,
        ),
    ]


def _list_diffusion(record: RunRecord) -> list[Chart]:
    train = record.train
    reliance = {
        'all steps': 'feature_reliance',
        'little noise': 'feature_reliance_1',
        'deepest level alone': 'feature_reliance_deepest',
    }
    return [
        Chart(
            'Diffusion error, relative',
            _choose(train, error='diffusion_relative_error'),
            note='Over that of the best estimate without a network; 1 is having learned nothing.',
            smooth=True,
            bottom=0,
        ),
        Chart(
            'Reliance on the features',
            _choose(train, **reliance),
            {'least': hook_option(record, 'FeatureRelianceHook', 'least', 0.2)},
            note='1 - error with own features / error with those of another image.',
        ),
        Chart(
            'Gradient of the diffusion loss over that of the contrastive loss',
            _choose_gradient_shares(train),
            note='In the encoder and in its first and last stage; what lambda_d amounts to.',
            bottom=0,
        ),
    ]


def _list_matching(record: RunRecord) -> list[Chart]:
    mates = {'met by a query': 'scene_mates', 'expected': 'mates_expected'}
    return [
        Chart('Learning rate', _choose(record.train, lr='lr')),
        Chart(
            'Scene mates',
            _choose(record.train, **mates),
            {'least': hook_option(record, 'SceneMatesHook', 'least', 0.1)},
            note='Near zero, scene matching does nothing.',
            bottom=0,
        ),
    ]


def _list_spread(record: RunRecord) -> list[Chart]:
    train = record.train
    return [
        Chart(
            'Spread of the keys',
            _choose(train, deviation='key_std', cosine='key_cosine'),
            {
                'least': hook_option(record, 'CollapseHook', 'min_std', 0.1),
                'most': hook_option(record, 'CollapseHook', 'max_cosine', 0.98),
            },
            note='Deviation and mean cosine. Collapsed: 0 and 1. Even: 1 and 0.',
        ),
        Chart(
            'Spread of the queries',
            _choose(train, deviation='feature_spread'),
            {'least': hook_option(record, 'TrendHook', 'least_spread', 0.1)},
            note='Healthy: falls to about half in the first steps, then stays or rises.',
            bottom=0,
        ),
        Chart(
            'Effective rank of the keys',
            _choose(train, rank='key_rank'),
            {'least': hook_option(record, 'CollapseHook', 'min_rank', 5.0)},
            note='Dimensions of the embedding that are in use.',
            bottom=0,
        ),
        Chart(
            'Similarity of query and key',
            _choose(train, similarity='positive_similarity'),
            note='Cosine of the two views of an image.',
            smooth=True,
        ),
    ]


def list_training_charts(record: RunRecord) -> list[Chart]:
    """Return the charts of losses, denoising, scene mates and spread.

    Args:
        record: The run. Charts of what it did not log have no curves.
    """
    lists = (_list_losses, _list_diffusion, _list_matching, _list_spread)
    return [chart for list_charts in lists for chart in list_charts(record)]


def list_score_charts(record: RunRecord) -> list[Chart]:
    """Return the charts of the online probe with its floors, and of other scores.

    Args:
        record: The run.
    """
    curves = record.evaluation
    charts = [
        Chart(
            f'{title}, accuracy in %',
            {title: curves[name]},
            floors_of(record, name),
            note='Of the frozen features; below a broken line pre-training gave nothing.',
            x='epoch',
        )
        for name, title in (('knn/top1', 'Weighted kNN'), ('knn/linear', 'Linear head'))
        if name in curves
    ]
    others = [name for name in curves if not name.startswith('knn/') and 'time' not in name]
    return charts + [Chart(name, {name: curves[name]}, x='epoch') for name in others]


def list_throughput_charts(record: RunRecord) -> list[Chart]:
    """Return the charts of speed, waiting and memory.

    Args:
        record: The run. Charts of what it did not log have no curves.
    """
    train = record.train
    return [
        Chart(
            'Images per second',
            _choose(train, rate='images_per_s'),
            bottom=0,
            note='All processes.',
        ),
        Chart(
            'Share of the step spent waiting for data',
            _choose(train, share='loader_share'),
            {'limit': hook_option(record, 'LoaderStarvationHook', 'limit', 0.2)},
            percent=True,
            bottom=0,
            note='Above the line the loader, not the device, sets the pace.',
        ),
        Chart('Seconds a step', _choose(train, step='time', data='data_time'), bottom=0),
        Chart('Memory of the device, MB', _choose(train, memory='memory'), bottom=0),
    ]
