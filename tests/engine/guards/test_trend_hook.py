"""Trends of a run: hand-made series, and two runs that earlier passed without a word."""

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


@pytest.fixture
def follow(monkeypatch):
    """Feed series to a hook; what it warned, by iteration, and the scalars."""
    logger = logging.getLogger('trend')

    def run(losses=None, deviations=None, full_at=0, hub=None, first=0, length=64, **options):
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
            if deviations:
                outputs['feature_std'] = torch.tensor(deviations[runner.iter - first])
            hook.after_train_iter(runner, 0, None, outputs)
        scalars = runner.message_hub.log_scalars
        return warnings, {name: log.current() for name, log in scalars.items()}

    return run


def line(start, end, count):
    return [start + (end - start) * i / (count - 1) for i in range(count)]


def test_a_rise_after_the_queue_was_filled_is_told(follow):
    """17 scenes: from 3.85 at iteration 96, when the queue was full, to 4.28 at 175."""
    losses = [*line(0.0, 3.85, 96), *line(3.85, 4.28, 80)[1:]]
    warnings, scalars = follow(losses, full_at=96)
    assert list(warnings) == [175]
    lowest, last = (sum(losses[end - 25 : end]) / 25 for end in (125, 175))
    assert scalars['train/contrast_rise'] == pytest.approx(last - lowest, abs=1e-5)
    assert f'is {last:.3f}, {last - lowest:.3f} above' in warnings[175]


def test_a_healthy_curve_is_let_be(follow):
    """Up while the queue fills and turns over, then down, noise of .1 on it."""
    torch.manual_seed(0)
    curve = [*line(0, 4.5, 30), *line(4.5, 3.4, 300), *[3.4] * 200]
    curve = [value + 0.1 * torch.randn(()).item() for value in curve]
    warnings, scalars = follow(curve, full_at=20)
    assert warnings == {}
    assert scalars['train/contrast_rise'] < 0.1


def test_a_filling_queue_is_not_judged(follow):
    warnings, scalars = follow(line(0.0, 6.0, 200), full_at=10**9)
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
    whole = [*line(3.0, 2.0, 50), *line(2.0, 2.6, 50)]
    assert follow(whole[:50], hub=hub, interval=10)[0] == {}
    resumed = MessageHub('trend_resumed_again')
    resumed.load_state_dict(hub.state_dict())
    warnings, _ = follow(whole[50:], hub=resumed, first=50, interval=10)
    alone, _ = follow(whole, interval=10, full_at=0)
    assert list(warnings) == list(alone) and warnings


def test_models_without_these_scalars_are_let_be(follow):
    assert follow(losses=[1.0] * 3, deviations=None, interval=1)[0] == {}
    with pytest.raises(ConfigError, match='most_rise=0'):
        TrendHook(most_rise=0)
