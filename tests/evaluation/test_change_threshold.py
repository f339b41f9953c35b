"""The threshold of change, against a sweep over single pixels."""

import socket

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from fixtures.processes import run_ranks
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from swimdiff.errors import ConfigError
from swimdiff.evaluation.change_metric import ChangeMetric
from swimdiff.evaluation.change_threshold import (
    average_precision,
    choose_threshold,
    count_probabilities,
    set_test_threshold,
)


def draw(count=5, seed=0, grain=None):
    """Probabilities that separate change badly, most at low values; some pixels unlabelled."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        mask = (rng.random((12, 16)) < 0.15).astype(np.int64)
        probability = np.clip(rng.beta(2, 9, mask.shape) + 0.12 * mask, 0, 1)
        if grain:
            probability = np.round(probability * grain) / grain
        mask[:, 13:] = 255
        pairs.append((probability.astype(np.float32), mask))
    return pairs


def naive_f1(pairs, threshold: float) -> float:
    hit = wrong = missed = 0
    for probability, mask in pairs:
        for p, m in zip(probability.ravel().tolist(), mask.ravel().tolist(), strict=True):
            if m != 255:
                hit += p > threshold and m == 1
                wrong += p > threshold and m == 0
                missed += p <= threshold and m == 1
    return 100 * 2 * hit / max(2 * hit + wrong + missed, 1)


@pytest.mark.parametrize('grain', [None, 256, 7])  # 256: probabilities that are thresholds
def test_the_best_of_all_thresholds(grain):
    pairs = draw(grain=grain)
    threshold, score = choose_threshold(sum(count_probabilities(*pair) for pair in pairs))
    sweep = {k / 256: naive_f1(pairs, k / 256) for k in range(256)}
    assert score == pytest.approx(max(sweep.values()), abs=1e-9)
    assert sweep[threshold] == max(sweep.values())
    best = [t for t, value in sweep.items() if value == sweep[threshold]]
    assert abs(threshold - 0.5) == min(abs(t - 0.5) for t in best)
    assert sweep[threshold] > sweep[0.5] + 1


def test_extremes_are_in_a_bin_of_their_own():
    mask = np.array([0, 1, 1, 255])
    counts = count_probabilities(np.array([0.0, 1.0, 1e-9, 1.0]), mask)
    assert counts[0, 0] == counts[1, 256] == counts[1, 1] == 1 and counts.sum() == 3
    assert choose_threshold(counts) == (0.0, 100.0)
    assert choose_threshold(count_probabilities(np.zeros(4), mask)) is None
    assert choose_threshold(count_probabilities(np.ones(4), np.zeros(4))) is None


def naive_average_precision(pairs) -> float:
    """Walk down the ranking; pixels of one probability come together."""
    pixels = [
        (p, m == 1)
        for probability, mask in pairs
        for p, m in zip(probability.ravel().tolist(), mask.ravel().tolist(), strict=True)
        if m != 255
    ]
    area = hits = count = 0
    for level in sorted({p for p, _ in pixels}, reverse=True):
        new_hits = sum(change for p, change in pixels if p == level)
        hits += new_hits
        count += sum(p == level for p, _ in pixels)
        area += new_hits * hits / count
    return 100 * area / hits


def test_average_precision_is_that_of_a_walk_down_the_ranking():
    pairs = draw(grain=256)
    counts = sum(count_probabilities(*pair) for pair in pairs)
    assert average_precision(counts) == pytest.approx(naive_average_precision(pairs), abs=1e-9)
    found = evaluate(pairs, ranks=True)
    assert found['AP'] == pytest.approx(average_precision(counts))
    assert 'best_F1' not in found and 'AP' not in evaluate(pairs)
    mask = np.array([0, 1, 1, 0])
    assert average_precision(count_probabilities(np.array([0.1, 0.9, 0.8, 0.2]), mask)) == 100
    assert average_precision(count_probabilities(np.full(4, 0.3), mask)) == 50
    assert average_precision(count_probabilities(np.ones(4), np.zeros(4))) == 0


def sample(index, probability, mask, two_logits=False):
    pixels = torch.from_numpy(probability)[None]
    logits = torch.cat([torch.zeros_like(pixels), torch.logit(pixels)]) if two_logits else pixels
    return SegDataSample(
        seg_logits=PixelData(data=logits),
        pred_sem_seg=PixelData(data=(pixels > 0.5).float()),
        gt_sem_seg=PixelData(data=torch.from_numpy(mask)[None]),
        metainfo=dict(sample_idx=index, img_path='x'),
    )


def evaluate(pairs, indices=None, two_logits=False, threshold=None, chooses=False, ranks=False):
    init_default_scope('swimdiff')
    metric = ChangeMetric(threshold=threshold, ranks=ranks)
    metric.chooses = chooses
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = dict(split='val')
    for i in indices or range(len(pairs)):
        evaluator.process([sample(i, *pairs[i], two_logits)])
    found = evaluator.evaluate(len(pairs))
    return {name.removeprefix('change/strict/val/'): value for name, value in found.items()}


@pytest.mark.parametrize('two_logits', [False, True])
def test_the_metric_reports_both_thresholds(two_logits):
    pairs = draw()
    found = evaluate(pairs, two_logits=two_logits, threshold=0.2, chooses=True)
    assert found['F1'] == pytest.approx(naive_f1(pairs, 0.5))
    assert found['F1_chosen'] == pytest.approx(naive_f1(pairs, 0.2), abs=0.2)
    assert found['threshold'] == 0.2
    best = max(naive_f1(pairs, k / 256) for k in range(256))
    assert found['best_F1'] == pytest.approx(best, abs=0.2 if two_logits else 1e-9)
    assert not any('best' in name for name in evaluate(pairs, threshold=0.2))
    assert 'threshold' not in evaluate(pairs)
    with pytest.raises(ConfigError, match=r'threshold=1.5'):
        ChangeMetric(threshold=1.5)


def _worker(rank, world, port, queue):
    import torch.distributed as dist

    dist.init_process_group('gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=world)
    # The last round is filled up with a sample that was counted already.
    queue.put(evaluate(draw(), [[0, 2, 4], [1, 3, 0]][rank], chooses=True))
    dist.destroy_process_group()


def test_several_processes_choose_the_same():
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    queue = mp.get_context('fork').SimpleQueue()
    run_ranks(_worker, 2, port, queue)
    alone = evaluate(draw(), chooses=True)
    assert [queue.get() for _ in range(2)] == [pytest.approx(alone)] * 2


def test_a_test_takes_the_threshold_of_the_checkpoint():
    one = Config(dict(test_evaluator=dict(type='ChangeMetric')))
    assert set_test_threshold(one, dict(change_threshold=0.25)) == 0.25
    assert one.test_evaluator.threshold == 0.25
    several = [dict(type='swimdiff.ChangeMetric', threshold=0.7), dict(type='SplitIoU')]
    cfg = Config(dict(test_evaluator=several))
    set_test_threshold(cfg, dict(change_threshold=0.25))
    assert cfg.test_evaluator[0].threshold == 0.7 and 'threshold' not in cfg.test_evaluator[1]
    assert set_test_threshold(cfg, {}) is None
    set_test_threshold(Config(dict(test_evaluator=[])), dict(change_threshold=0.25))
