"""The step benchmark: its meters against hand-counted cases, its ratios, one true small run."""

import json
import sys

import pytest
import torch
from fixtures.runs import ROOT
from fixtures.tools import load_tool


@pytest.fixture
def tool(monkeypatch):
    """The script and, as it imports them, its neighbours."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools' / 'benchmarks'))
    return load_tool('benchmarks/step.py')


@pytest.fixture
def meters(tool):
    return sys.modules['_step_meters']


CPU = torch.device('cpu')
COMPONENTS = (
    *('preprocessor', 'query encoder', 'key encoder', 'momentum', 'queue', 'noise', 'noised'),
    *('decoder', 'diffusion branch', 'optimiser'),
)


@pytest.mark.parametrize(
    'read',
    [
        lambda x: x.sum().item(),
        lambda x: bool(x.sum() > 0),
        lambda x: int(x[0]),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.clone().index_put_((x > 0,), torch.ones(())),
        lambda x: x.masked_select(x > 0),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: torch.equal(x, x),
        lambda x: [0, 1, 2][x.long()[0]],
    ],
)
def test_every_read_of_a_value_is_found_with_its_place(meters, read):
    x = torch.ones(4)
    places = meters.host_reads(lambda: (x * 2, read(x), x + 1), CPU)
    assert len(places) == 1
    assert 'test_step_benchmark.py' in places[0]


def test_what_does_not_wait_is_not_counted(meters):
    x = torch.randn(8, 4, requires_grad=True)
    index, mask = torch.tensor([0, 2]), torch.tensor([True, False, True, True])

    def step():
        y = x[index].masked_fill(mask, 0.0)
        y = torch.where(mask, y, 1.0).scatter(1, torch.zeros(2, 1, dtype=torch.long), 0.0)
        y.logsumexp(dim=1).mean().backward()
        torch.optim.AdamW([x]).step()  # its step counters stay on the host

    assert meters.host_reads(step, CPU) == []


def test_saved_bytes_by_hand(meters):
    x, weight = torch.randn(10, 4), torch.randn(4, 6, requires_grad=True)

    def step():
        hidden = x @ weight  # keeps x, which is there anyway
        (hidden.relu() * 2).exp().sum().backward()  # keeps relu's and exp's results

    assert meters.saved_bytes(step, [x, weight]) == 2 * 10 * 6 * 4
    assert meters.saved_bytes(step, [weight]) == 2 * 10 * 6 * 4 + 10 * 4 * 4


def test_rounds_meet_all_rows_and_flops_are_torch_s(meters):
    seen = []
    rows = {name: lambda name=name: seen.append(name) for name in 'abc'}
    times = meters.interleave(rows, rounds=4, warmup=1, device=CPU, inner=2)
    assert {name: len(spent) for name, spent in times.items()} == dict(a=4, b=4, c=4)
    each_round = [set(seen[i : i + 6]) for i in range(0, 30, 6)]
    assert len(seen) == 30 and all(names == set('abc') for names in each_round)
    assert len({tuple(seen[i : i + 6]) for i in range(0, 30, 6)}) > 1  # not always in one order
    call, operations = meters.matmul(CPU, 'fp32', edge=32)
    assert meters.flops(call) == operations == 2 * 32**3


def test_ratios_by_hand(tool):
    rows = {
        'floor': dict(seconds=2.0),
        'moco': dict(seconds=1.8),
        'swimdiff': dict(seconds=3.5),
        'swimdiff, compiled': dict(seconds=2.8),
        'queue product and loss, rule relative': dict(seconds=0.045),
        'queue product and loss, rule none': dict(seconds=0.027),
    }
    assert tool.ratios(rows, 'seconds') == pytest.approx(
        dict(
            moco_vs_floor=0.9,
            swimdiff_vs_floor=1.75,
            matching_overhead=0.01,
            moco_compiled_vs_eager=None,
            swimdiff_compiled_vs_eager=0.8,
        )
    )
    del rows['moco']
    assert tool.ratios(rows, 'seconds')['moco_vs_floor'] is None


def test_a_process_that_shares_its_cores_is_recognised(tool, monkeypatch):
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 2)
    alone = dict(floor=[(1.0, 1.9), (1.0, 1.9)], moco=[(2.0, 4.0)])
    assert tool.occupancy(alone) == pytest.approx((3.8 + 4) / 4 / 2)
    beside = dict(floor=[(2.0, 1.9), (4.0, 1.9)])
    assert tool.occupancy(beside) == pytest.approx(3.8 / 6 / 2)


def test_a_small_run_writes_every_row_and_our_step_never_waits(tool, tmp_path, capsys):
    path, trace = tmp_path / 'step.json', tmp_path / 'trace.json'
    sizes = ['--size', '64', '--batch', '4', '--queue', '64', '--steps', '2', '--warmup', '0']
    steps = ['floor', 'mmpretrain', 'lightly', 'moco', 'swimdiff']
    parts = [f'{name}*' for name in COMPONENTS]
    tool.main([*sizes, '--only', *steps, *parts, '--profile', str(trace), '--json', str(path)])
    result = json.loads(path.read_text())
    assert result['host_syncs'] == 0, result['host_sync_places']
    for key in ('moco_vs_floor', 'swimdiff_vs_floor'):
        assert result[key] > 0
    assert result['matching_overhead'] is not None
    assert result['moco_vs_floor'] == result['ratios'][result['ratios_from']]['moco_vs_floor']
    assert set(result['ratios']) == {'seconds', 'seconds_min', 'cpu_seconds'}
    rows = {row['name']: row for row in result['rows']}
    assert set(steps) <= set(rows)
    assert all(any(row.startswith(name) for row in rows) for name in COMPONENTS)
    # nothing more is computed than the floor computes, and the diffusion branch on top
    assert rows['moco']['flops'] == pytest.approx(rows['floor']['flops'], rel=1e-3)
    assert 1.75 < rows['swimdiff']['flops'] / rows['floor']['flops'] < 2
    assert rows['swimdiff']['saved_bytes'] > rows['moco']['saved_bytes'] > 0
    for row in rows.values():
        assert (row['seconds'] is None and row['why']) or row['rounds'] == 2
    assert trace.stat().st_size > 0
    shown = capsys.readouterr().out
    assert 'host_syncs 0' in shown and 'moco_vs_floor' in shown
