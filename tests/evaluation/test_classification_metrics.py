import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from swimdiff.errors import DataError
from swimdiff.evaluation.average_precision import average_precision, mean_average_precision
from swimdiff.registry import METRICS


def naive_ap(scores, targets):
    """Precision and recall counted again at every threshold."""
    area, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        above = [t for s, t in zip(scores, targets, strict=True) if s >= threshold]
        recall = sum(above) / sum(targets)
        area += (recall - recall_before) * sum(above) / len(above)
        recall_before = recall
    return area


@pytest.mark.parametrize('ties', [False, True])
def test_average_precision_by_counting(ties):
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.integers(0, 5, 30) / 4 if ties else rng.random(30)
        targets = rng.integers(0, 2, 30)
        assert average_precision(scores, targets) == pytest.approx(
            naive_ap(scores.tolist(), targets.tolist())
        )


def test_equal_scores_do_not_depend_on_the_order():
    targets = np.array([1, 0, 0, 0])
    assert average_precision(np.full(4, 0.5), targets) == 0.25
    assert average_precision(np.full(4, 0.5), targets[::-1]) == 0.25


def test_macro_skips_absent_classes_and_micro_weighs_by_frequency():
    scores = np.array([[0.9, 0.2, 0.1], [0.8, 0.3, 0.1], [0.7, 0.9, 0.1]])
    targets = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]])
    found = mean_average_precision(scores, targets)
    assert found['classes'] == 2
    assert found['mAP_macro'] == pytest.approx(100 * (1 + 1 / 3) / 2)
    assert found['mAP_micro'] == pytest.approx(
        100 * naive_ap(scores.ravel().tolist(), targets.ravel().tolist())
    )


@pytest.fixture
def metric():
    with DefaultScope.overwrite_default_scope('swimdiff'):
        built = METRICS.build(dict(type='MultiLabelAP'))
    built.dataset_meta = dict(split='toy@12345678/test')
    return built


def test_whole_split_not_a_mean_over_batches(metric):
    rng = torch.Generator().manual_seed(1)
    scores, targets = torch.rand(11, 4, generator=rng), torch.randint(0, 2, (11, 4), generator=rng)
    samples = [
        dict(pred_score=score, gt_label=target.nonzero().flatten())
        for score, target in zip(scores, targets, strict=True)
    ]
    for first in (0, 5, 10):
        metric.process(None, samples[first : first + 5])
    found = metric.evaluate(11)
    expected = mean_average_precision(scores.numpy(), targets.numpy())
    assert found['multi-label/mAP_micro'] == pytest.approx(expected['mAP_micro'])
    assert found['multi-label/mAP_macro'] == pytest.approx(expected['mAP_macro'])
    assert found['multi-label/split'] == 'toy@12345678/test'
    assert found['multi-label/samples'] == 11
    hit = ((scores >= 0.5) & (targets == 1)).sum(0).double()
    both = ((scores >= 0.5).sum(0) + targets.sum(0)).double()
    assert found['multi-label/F1_micro'] == pytest.approx(200 * (hit.sum() / both.sum()).item())
    assert found['multi-label/F1_macro'] == pytest.approx(100 * (2 * hit / both).mean().item())


def test_accuracy_names_its_split():
    with DefaultScope.overwrite_default_scope('swimdiff'):
        metric = METRICS.build(dict(type='SplitAccuracy'))
    metric.dataset_meta = dict(split='toy@12345678/val')
    for label, truth in ((0, 0), (1, 0), (1, 1)):
        score = torch.nn.functional.one_hot(torch.tensor(label), 2).float()
        metric.process(None, [dict(pred_score=score, gt_label=torch.tensor([truth]))])
    found = metric.evaluate(3)
    assert found['accuracy/top1'] == pytest.approx(200 / 3)
    assert (found['accuracy/split'], found['accuracy/samples']) == ('toy@12345678/val', 3)


@pytest.mark.parametrize('kind', ['MultiLabelAP', 'SplitAccuracy'])
def test_a_part_of_the_split_is_not_scored_as_the_whole(kind):
    with DefaultScope.overwrite_default_scope('swimdiff'):
        part = METRICS.build(dict(type=kind))
    part.dataset_meta = dict(split='toy@12345678/test')
    sample = dict(pred_score=torch.tensor([0.2, 0.8]), gt_label=torch.tensor([1]))
    part.process(None, [sample] * 3)
    with pytest.raises(DataError, match=rf'{kind}: 3 samples of .*/test were scored; expected 4'):
        part.evaluate(4)
    part.results.clear()
    part.process(None, [sample] * 4)
    assert part.evaluate(4)[f'{part.prefix}/samples'] == 4


def test_empty_split_is_an_error(metric):
    with pytest.raises(DataError, match=r'No sample was evaluated of the split toy@12345678/test'):
        metric.compute_metrics([])
