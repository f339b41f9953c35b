import math

import pytest
import torch
import torch.distributed as dist
from fixtures.processes import run_ranks

from swimdiff.errors import ConfigError
from swimdiff.evaluation.knn import gather_rows, knn_accuracy, knn_scores


def naive(bank, targets, query, num_classes, k, temperature):
    def cosine(a, b):
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        return dot / math.hypot(*a) / math.hypot(*b)

    near = sorted(((cosine(query, row), i) for i, row in enumerate(bank)), reverse=True)[:k]
    votes = [0.0] * num_classes
    total = sum(math.exp(value / temperature) for value, _ in near)
    for value, i in near:
        for c in range(num_classes):
            hit = targets[i] == c if isinstance(targets[i], int) else targets[i][c]
            votes[c] += math.exp(value / temperature) / total * hit
    return votes


@pytest.mark.parametrize(('k', 'temperature'), [(1, 0.07), (5, 0.07), (20, 1.0), (99, 0.5)])
@pytest.mark.parametrize('several', [False, True])
def test_against_a_naive_loop(k, temperature, several):
    torch.manual_seed(0)
    bank, queries = torch.randn(30, 6), torch.randn(7, 6)
    targets = torch.randint(0, 2, (30, 4)) if several else torch.randint(0, 4, (30,))
    scores = knn_scores(bank, targets, queries, 4, k, temperature, chunk=3)
    for row, query in zip(scores.tolist(), queries.tolist(), strict=True):
        expected = naive(bank.tolist(), targets.tolist(), query, 4, k, temperature)
        assert row == pytest.approx(expected, abs=1e-5)


def test_small_temperature_stays_finite():
    bank = torch.eye(3)
    scores = knn_scores(bank, torch.arange(3), bank, 3, k=3, temperature=1e-4)
    assert torch.allclose(scores, torch.eye(3))


def test_accuracy_in_per_cent():
    bank = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    labels = torch.tensor([0, 1])
    queries = torch.tensor([[2.0, 0.1], [0.1, 3.0], [1.0, 0.9], [0.2, 0.1]])
    truth = torch.tensor([0, 1, 1, 0])
    assert knn_accuracy(bank, labels, queries, truth, 2, k=1) == 75.0


@pytest.mark.parametrize('options', [dict(k=0), dict(temperature=0.0)])
def test_bad_options(options):
    with pytest.raises(ConfigError, match='kNN needs k >= 1'):
        knn_scores(torch.eye(2), torch.arange(2), torch.eye(2), 2, **options)


def test_one_process_drops_repeated_samples():
    rows, index = gather_rows(torch.tensor([[3.0], [1.0], [3.0]]), torch.tensor([3, 1, 3]))
    assert rows.tolist() == [[1.0], [3.0]]
    assert index.tolist() == [1, 3]


def _worker(rank, folder):
    dist.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2)
    # Five samples dealt round robin; the sampler repeats the first to make both parts even.
    index = torch.tensor([1, 3, 0] if rank else [0, 2, 4])
    rows, found = gather_rows(index.float()[:, None] * 10, index)
    torch.save((rows, found), f'{folder}/{rank}.pt')
    uneven, _ = gather_rows(index[: 1 + rank].float()[:, None], index[: 1 + rank])
    torch.save(uneven, f'{folder}/uneven{rank}.pt')
    dist.destroy_process_group()


def test_two_processes(tmp_path):
    run_ranks(_worker, str(tmp_path))
    for rank in range(2):
        rows, index = torch.load(tmp_path / f'{rank}.pt')
        assert index.tolist() == [0, 1, 2, 3, 4]
        assert rows.flatten().tolist() == [0, 10, 20, 30, 40]
        assert torch.load(tmp_path / f'uneven{rank}.pt').flatten().tolist() == [0, 1, 3]
