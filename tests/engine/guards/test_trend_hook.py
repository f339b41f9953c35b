"""Trends of a run: hand-made series, and runs that were healthy or not."""

import logging
import math
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub

from swimdiff.engine.guards.trend_hook import TrendHook
from swimdiff.errors import ConfigError
from swimdiff.models.selfsup.scene_queue import SceneQueue

#: feature_std and loss_contrast of a run at batch 8 and the learning rate for 256 (D = 128).
SHRINKING = [0.0435, 0.0484, 0.0295, 0.0148, 0.0124, 0.0089, 0.0066, 0.0060, 0.0060, 0.0048]
#: feature_std of the run of tools/quickstart.sh, every 16th of 240 iterations.
HEALTHY = [0.0708, 0.0517, 0.0466, 0.0493, 0.0465, 0.0460, 0.0430, 0.0441, 0.0470, 0.0483, 0.0484]
HEALTHY += [0.0489, 0.0513, 0.0503, 0.0504]
#: Contrastive loss and similarity to the positive of a run with better features than image
#: statistics (docs/evidence/guards.md), means over 25 iterations; the queue was full at 64.
RISING = [5.05, 5.57, 4.70, 4.43, 4.61, 4.71, 4.69, 4.36, 4.18, 4.04, 4.06, 4.16, 4.19, 4.20, 4.22]
RISING += [4.22, 4.22, 4.30, 4.43, 4.59]
NEARING = [0.52, 0.37, 0.45, 0.60, 0.66, 0.71, 0.64, 0.61, 0.62, 0.66, 0.72, 0.70, 0.73, 0.77, 0.75]
NEARING += [0.76, 0.79, 0.80, 0.85, 0.89]


@pytest.fixture
def follow(monkeypatch):
    """Feed series to a hook; what it warned, by iteration, and the scalars."""
    logger = logging.getLogger('trend')

    def run(
        losses=None,
        deviations=None,
        similarities=None,
        full_at=0,
        hub=None,
        first=0,
        length=64,
        **options,
    ):
        warnings = {}
        runner = SimpleNamespace(
            model=SimpleNamespace(queue=SceneQueue(length, 128), lambda_c=2.0),
            message_hub=hub or MessageHub.get_instance(f'trend{id(losses)}{id(deviations)}'),
            logger=logger,
            iter=first,
        )
        note = lambda text: warnings.__setitem__(runner.iter + 1, text)  # noqa: E731
        monkeypatch.setattr(logger, 'warning', note)
        hook = TrendHook(**options)
        hook.before_train(runner)
        for runner.iter in range(first, first + len(losses or deviations)):
            if runner.iter + 1 >= full_at:
                runner.model.queue.scenes.zero_()
            outputs = {}
            if losses:  # as logged, with the weight lambda_C
                outputs['loss_contrast'] = torch.tensor(2 * losses[runner.iter - first])
            if similarities:
                outputs['positive_similarity'] = torch.tensor(similarities[runner.iter - first])
            if deviations:
                outputs['feature_std'] = torch.tensor(deviations[runner.iter - first])
            hook.after_train_iter(runner, 0, None, outputs)
        scalars = runner.message_hub.log_scalars
        return warnings, {name: log.current() for name, log in scalars.items()}

    return run


def line(start, end, count):
    return [start + (end - start) * i / (count - 1) for i in range(count)]


def test_queries_that_move_away_from_their_keys_are_told(follow):
    """The loss from 3.85 at iteration 96, when the queue was full, to 4.28 at 175."""
    losses = [*line(0.0, 3.85, 96), *line(3.85, 4.28, 80)[1:]]
    near = [*line(0.2, 0.74, 96), *line(0.74, 0.38, 80)[1:]]
    warnings, scalars = follow(losses, similarities=near, full_at=96)
    assert list(warnings) == [175]
    lowest, last = (sum(losses[end - 25 : end]) / 25 for end in (125, 175))
    highest, now = (sum(near[end - 25 : end]) / 25 for end in (125, 175))
    assert scalars['train/contrast_rise'] == pytest.approx(last - lowest, abs=1e-5)
    assert scalars['train/similarity_lost'] == pytest.approx(highest - now, abs=1e-5)
    assert f'is {now:.3f}, {highest - now:.3f} below' in warnings[175]
    assert f'is {last:.3f}, {last - lowest:.3f} above' in warnings[175]


def test_harder_negatives_are_let_be(follow):
    """The loss of a healthy run rises by half a nat while its queries come nearer to their keys."""
    losses, near = ([value for value in row for _ in range(25)] for row in (RISING, NEARING))
    warnings, scalars = follow(losses, similarities=near, full_at=64)
    assert warnings == {}
    assert scalars['train/contrast_rise'] == pytest.approx(4.59 - 4.04, abs=1e-5)
    assert scalars['train/similarity_lost'] == 0


def test_similarity_that_is_lost_while_the_loss_falls_is_let_be(follow):
    losses, near = line(5.0, 3.0, 200), line(0.9, 0.4, 200)
    assert follow(losses, similarities=near)[0] == {}


def test_a_healthy_curve_is_let_be(follow):
    """Up while the queue fills and turns over, then down, noise of .1 on it."""
    torch.manual_seed(0)
    curve = [*line(0, 4.5, 30), *line(4.5, 3.4, 300), *[3.4] * 200]
    curve = [value + 0.1 * torch.randn(()).item() for value in curve]
    warnings, scalars = follow(curve, similarities=line(0.3, 0.8, len(curve)), full_at=20)
    assert warnings == {}
    assert scalars['train/contrast_rise'] < 0.1


def test_a_filling_queue_is_not_judged(follow):
    near = line(0.9, 0.1, 200)
    warnings, scalars = follow(line(0.0, 6.0, 200), similarities=near, full_at=10**9)
    assert warnings == {} and 'train/contrast_rise' not in scalars


def test_queries_that_draw_together_are_told_within_the_first_steps(follow):
    warnings, scalars = follow(deviations=SHRINKING)
    assert list(warnings) == [8]
    assert '14% of what it was' in warnings[8]
    assert scalars['train/feature_spread'] == pytest.approx(0.0060 * math.sqrt(128))


@pytest.mark.parametrize(
    'series', [HEALTHY, [0.0885] * 4, line(0.08, 0.012, 100), line(0.0086, 0.004, 100)]
)
def test_spread_that_is_enough_or_was_never_there_is_let_be(follow, series):
    """Both must be low: what is left of 1 / sqrt(D), and of the start."""
    assert follow(deviations=series, interval=1)[0] == {}


def test_it_goes_on_where_the_run_was_stopped(follow):
    hub = MessageHub.get_instance('trend_resumed')
    whole, near = [*line(3.0, 2.0, 50), *line(2.0, 2.6, 50)], [*line(0.5, 0.9, 50), *[0.6] * 50]
    assert follow(whole[:50], similarities=near[:50], hub=hub, interval=10)[0] == {}
    resumed = MessageHub('trend_resumed_again')
    resumed.load_state_dict(hub.state_dict())
    warnings, _ = follow(whole[50:], similarities=near[50:], hub=resumed, first=50, interval=10)
    alone, _ = follow(whole, similarities=near, interval=10, full_at=0)
    assert list(warnings) == list(alone) and warnings


def test_the_state_of_older_checkpoints_is_read(follow):
    hub = MessageHub.get_instance('trend_older')
    hub.update_info('contrast_trend', (0.5, 2.0, True))
    losses, near = line(2.1, 2.6, 50), line(0.8, 0.2, 50)
    assert follow(losses, similarities=near, hub=hub, first=50, interval=10)[0]


def test_models_without_these_scalars_are_let_be(follow):
    assert follow(losses=[1.0] * 3, deviations=None, interval=1)[0] == {}
    rising = line(1.0, 4.0, 100)  # the engine's own contrast gives no similarity
    assert follow(losses=rising)[0] == {}
    with pytest.raises(ConfigError, match='most_rise=0'):
        TrendHook(most_rise=0)
    with pytest.raises(ConfigError, match='most_lost=-1'):
        TrendHook(most_lost=-1)
