import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from fixtures.processes import run_ranks
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from swimdiff.errors import ConfigError, DataError
from swimdiff.evaluation.change_metric import (
    SECO_CITIES,
    ChangeMetric,
    change_counts,
    change_scores,
)


def naive(pairs):
    """Every score from a loop over single pixels; kappa by its definition."""
    table = np.zeros((2, 2))
    for predictions, masks in pairs:
        for p, m in zip(predictions.ravel(), masks.ravel(), strict=True):
            if m != 255:
                table[m, p] += 1
    n = table.sum()
    precision = table[1, 1] / table[:, 1].sum()
    recall = table[1, 1] / table[1].sum()
    observed = np.trace(table) / n
    chance = (table.sum(0) / n * (table.sum(1) / n)).sum()
    values = dict(
        precision=precision,
        recall=recall,
        F1=2 * precision * recall / (precision + recall),
        IoU=table[1, 1] / (table[1].sum() + table[:, 1].sum() - table[1, 1]),
        kappa=(observed - chance) / (1 - chance),
    )
    return {name: 100 * value for name, value in values.items()}


def draw(count, seed=0):
    rng = np.random.default_rng(seed)
    masks = [(rng.random((12, 16)) < rng.random() * 0.6).astype(np.int64) for _ in range(count)]
    for mask in masks:
        mask[:, 13:] = 255
    flips = [rng.random(mask.shape) < 0.2 for mask in masks]
    return [((mask == 1) ^ flip, mask) for mask, flip in zip(masks, flips, strict=True)]


def sample(index, prediction, mask):
    result = SegDataSample(
        pred_sem_seg=PixelData(data=torch.from_numpy(prediction[None].astype(np.float32))),
        metainfo=dict(sample_idx=index, img_path='x'),
    )
    if mask is not None:
        result.gt_sem_seg = PixelData(data=torch.from_numpy(mask[None]))
    return result


def run(pairs, batch_size=3, **options):
    init_default_scope('swimdiff')
    metric = ChangeMetric(**options)
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = dict(split='mine')
    samples = [sample(i, p.astype(np.int64), m) for i, (p, m) in enumerate(pairs)]
    for start in range(0, len(samples), batch_size):
        evaluator.process(samples[start : start + batch_size])
    return evaluator.evaluate(len(pairs))


def as_int(pairs):
    return [(p.astype(int), m) for p, m in pairs]


def test_strict_is_one_count_over_the_split():
    pairs = draw(7)
    found = run(pairs)
    for name, value in naive(as_int(pairs)).items():
        assert found[f'change/strict/mine/{name}'] == pytest.approx(value, abs=1e-9)
    assert found['change/strict/mine/samples'] == 7


def test_seco_is_the_mean_over_batches_and_differs():
    pairs = draw(7)
    found = run(pairs, preset='seco')
    batches = [naive(as_int(pairs[i : i + 3])) for i in (0, 3, 6)]
    strict = naive(as_int(pairs))
    for name in strict:
        expected = np.mean([batch[name] for batch in batches])
        assert found[f'change/seco/mine/{name}'] == pytest.approx(expected, abs=1e-9)
    assert abs(found['change/seco/mine/F1'] - strict['F1']) > 0.1


def test_strict_does_not_depend_on_the_batch_size():
    assert run(draw(7), batch_size=1) == run(draw(7), batch_size=7)


@pytest.fixture
def said(monkeypatch):
    """Lines that were logged."""
    lines = []
    log = 'swimdiff.evaluation.change_metric.print_log'
    monkeypatch.setattr(log, lambda line, logger: lines.append(line))
    return lines


def test_the_log_line_says_preset_split_and_samples(said):
    run(draw(4))
    line = 'preset strict (one count over the split), split mine, 4 samples: precision'
    assert line in said[0]


def test_seco_on_other_cities_says_so(said):
    metric = ChangeMetric(preset='seco')
    metric.dataset_meta = dict(split='mine', image_ids=('beihai',))
    metric.compute_metrics([(0, (0, 1), np.array([1, 1, 1, 1]))])
    assert 'not the 10 cities' in said[0]
    assert 'pad_label' not in said[0]
    metric.dataset_meta = dict(split='mine', image_ids=SECO_CITIES, pad_label=255)
    metric.compute_metrics([(0, (0, 1), np.array([1, 1, 1, 1]))])
    assert 'not the 10 cities' not in said[1]
    assert 'pad_label=255 in the data set' in said[1]
    metric.dataset_meta = dict(split='mine', image_ids=SECO_CITIES, pad_label=0)
    metric.compute_metrics([(0, (0, 1), np.array([1, 1, 1, 1]))])
    assert 'compare with none' not in said[2]


def test_extreme_counts():
    nothing = change_scores(np.array([0, 0, 0, 50]))
    assert all(value == 0 for value in nothing.values())
    perfect = change_scores(np.array([5, 0, 0, 45]))
    assert all(value == 100 for value in perfect.values())
    assert change_counts(np.ones((2, 2)), np.full((2, 2), 255)).tolist() == [0, 0, 0, 0]


def test_empty_split_missing_masks_and_dropped_samples():
    with pytest.raises(DataError, match="0 samples of the split 'mine'"):
        run([])
    with pytest.raises(DataError, match='no mask'):
        run([(np.zeros((4, 4)), None)])
    metric = ChangeMetric()
    metric.results = [(0, (0, 1), np.ones(4)), (0, (0, 2), np.ones(4))]
    with pytest.raises(DataError, match=r'1 samples .* expected 2'):
        metric.evaluate(2)
    with pytest.raises(ConfigError, match="'loose'"):
        ChangeMetric(preset='loose')


def _worker(rank, world, port, queue):
    import torch.distributed as dist
    from torch.utils.data import DataLoader

    dist.init_process_group('gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=world)
    from mmengine.dataset import DefaultSampler

    init_default_scope('swimdiff')
    pairs = draw(7)
    found = {}
    for round_up in (True, False):
        evaluator = Evaluator([ChangeMetric()])
        evaluator.dataset_meta = dict(split='mine')
        sampler = DefaultSampler(pairs, shuffle=False, round_up=round_up)
        loader = DataLoader(list(range(7)), batch_size=2, sampler=sampler)
        for indices in loader:
            batch = [(i, *pairs[i]) for i in indices.tolist()]
            evaluator.process([sample(i, p.astype(np.int64), m) for i, p, m in batch])
        found[round_up] = evaluator.evaluate(7)
    queue.put(found)
    dist.destroy_process_group()


def test_several_processes_give_the_same_scores():
    import socket

    world = 3  # 7 samples: no rank count and batch size divides them

    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    queue = mp.get_context('fork').SimpleQueue()
    run_ranks(_worker, world, port, queue, world=world)
    alone = run(draw(7))
    for _ in range(world):
        found = queue.get()
        for round_up in (True, False):
            assert found[round_up] == pytest.approx(alone)
