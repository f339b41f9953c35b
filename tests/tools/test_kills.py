"""Runs that are killed, at any moment, and go on as if nothing had been."""

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from fixtures.processes import find_python
from fixtures.runs import ROOT, environment
from fixtures.tiny import write_config
from fixtures.tools import load_tool

from swimdiff.engine.checkpointing.last_checkpoint import find_checkpoint

FORK = multiprocessing.get_context('fork')  # the imports are paid once


def _train(arguments, half_way, variables):
    """A process of its own; ``half_way`` counts the checkpoint in whose writing it is killed."""
    os.environ.update(variables)
    if half_way is not None:
        from mmengine.fileio import LocalBackend

        real, counter = LocalBackend.put, iter(range(1000))

        def put(backend, data, path):
            if next(counter) != half_way:
                return real(backend, data, path)
            with open(path, 'wb') as file:
                file.write(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

        LocalBackend.put = put
    os.setsid()
    load_tool('train.py').main([str(one) for one in arguments])


def start(*arguments, half_way=None, **variables):
    process = FORK.Process(target=_train, args=(arguments, half_way, variables))
    process.start()
    return process


def losses(work_dir):
    """Loss by iteration; what was computed again after a kill has to be the same."""
    rows = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            row = json.loads(line) if line.endswith('}') else {}  # a kill may cut a line
            if 'loss' in row:
                assert rows.setdefault(row['step'], row['loss']) == pytest.approx(
                    row['loss'], abs=1e-6
                )
    return rows


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    """Losses of the run that nobody kills, and its last checkpoint."""
    folder = tmp_path_factory.mktemp('unbroken')
    # In this process: the forked ones find imported what a run imports late.
    load_tool('train.py').main([str(write_config(folder / 'unbroken.py', epochs=4, length=60))])
    return losses(folder / 'run'), torch.load(folder / 'run/epoch_4.pth', weights_only=False)


def check(folder, unbroken):
    rows, last = unbroken
    assert losses(folder / 'run') == pytest.approx(rows, abs=1e-6)
    state = torch.load(folder / 'run/epoch_4.pth', weights_only=False)
    for name, value in last['state_dict'].items():
        assert torch.allclose(state['state_dict'][name], value, rtol=0, atol=1e-6)
    assert not list((folder / 'run').glob('.*.partial'))


def test_killed_again_and_again_it_is_the_unbroken_run(unbroken, tmp_path):
    """SIGKILL at random moments and in the middle of writing a checkpoint."""
    # Of the 60 steps at most 16 are done before a timed kill, 24 before one in a checkpoint.
    options = dict(epochs=4, length=60, delay=0.06)
    config = write_config(tmp_path / 'c.py', checkpoint=dict(interval=1, steps=4), **options)
    chance = random.Random(0)
    kills = 0
    while True:
        half_way = chance.randrange(6) if kills % 2 else None
        process = start(config, '--resume', half_way=half_way)
        if half_way is None and kills < 6:
            time.sleep(chance.uniform(0.3, 1.0))
            process.kill()
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        kills += 1
        assert kills < 20
    assert kills >= 3
    check(tmp_path, unbroken)


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1'])
def test_a_signal_saves_and_ends(name, unbroken, tmp_path):
    config = write_config(tmp_path / 'c.py', epochs=4, length=60, delay=0.03, workers=1)
    process = start(config)
    work_dir = tmp_path / 'run'
    while not list(work_dir.glob('epoch_1.pth')):
        time.sleep(0.05)
    time.sleep(0.2)
    # as clusters do: to every process of the job, loader workers too
    os.killpg(process.pid, getattr(signal, name))
    process.join(30)
    assert process.exitcode == 75
    found = find_checkpoint(work_dir)
    assert found.good.path.name.startswith('iter_') and found.good.iteration > 15
    assert max(losses(work_dir)) == found.good.iteration  # saved after the very last step
    again = start(config, '--resume')
    again.join(60)
    assert again.exitcode == 0
    check(tmp_path, unbroken)


def test_a_second_signal_ends_at_once(unbroken, tmp_path):
    """The step hangs; the first signal has to wait for it."""
    config = write_config(tmp_path / 'c.py', delay=60.0, stop=dict(pause=0.2))
    process = start(config)
    while not list((tmp_path / 'run').glob('*/*.log')) or 'Checkpoints will' not in (
        next((tmp_path / 'run').glob('*/*.log')).read_text()
    ):
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGUSR1)  # the same notice by another way
    time.sleep(0.5)
    assert process.is_alive()
    os.kill(process.pid, signal.SIGTERM)
    process.join(10)
    assert process.exitcode == 128 + signal.SIGTERM


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])


def launch(config, processes=1, **variables):
    env = {**environment(), 'PYTHON': find_python(), **variables}
    env['PYTHONPATH'] += os.pathsep + str(ROOT / 'tests')
    return subprocess.Popen(
        ['bash', 'tools/dist_train.sh', str(config), str(processes)],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_a_signal_to_the_launcher_saves_and_says_so(tmp_path):
    config = write_config(tmp_path / 'c.py', epochs=400, delay=0.05)
    process = launch(config)
    for line in process.stdout:
        if 'Saving checkpoint at 1 epochs' in line:
            break
    process.send_signal(signal.SIGTERM)
    output = process.communicate()[0]
    assert process.returncode == 75, output
    assert 'Stopped by SIGTERM after iteration' in output
    assert find_checkpoint(tmp_path / 'run').good.path.name.startswith('iter_')


@pytest.mark.slow
def test_an_error_that_a_restart_does_not_cure_is_not_tried_again(tmp_path):
    """Two processes, of which one has no data: the other is started again, and sent home."""
    process = launch(write_config(tmp_path / 'c.py', broken='no such scene'), 2, MAX_RESTARTS='3')
    output = process.communicate()[0]
    assert process.returncode == 1, output
    assert output.count('RasterError: no such scene') == 1


def process_of_rank(config, rank):
    """Number of the training process with that rank."""
    for folder in Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):  # ended meanwhile, or of somebody else
            command, variables = (folder / name for name in ('cmdline', 'environ'))
            its_own = f'\0RANK={rank}\0'.encode() in variables.read_bytes()
            if its_own and str(config).encode() in command.read_bytes():
                return int(folder.name)
    raise AssertionError(f'no process of rank {rank} that trains {config}')


def run_two(*arguments):
    """Two processes that find each other, without a launcher and its imports."""
    where = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port(), WORLD_SIZE='2')
    pair = [
        start(*arguments, '--launcher', 'pytorch', **where, RANK=rank, LOCAL_RANK=rank)
        for rank in '01'
    ]
    for process in pair:
        process.join(120)
    assert [process.exitcode for process in pair] == [0, 0]


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/environ').exists(), reason='looks for processes in /proc')
def test_a_signal_to_one_of_two_processes_saves_and_ends_both(tmp_path):
    """Agreed on every third update; resumed, it is the run of two that nobody stopped."""
    options = dict(epochs=2, length=64, batch=4, stop=dict(check_every=3))
    for folder in ('whole', 'stopped'):
        (tmp_path / folder).mkdir()
    run_two(write_config(tmp_path / 'whole/c.py', **options))

    config = write_config(tmp_path / 'stopped/c.py', delay=0.4, **options)
    process = launch(config, 2)
    for line in process.stdout:
        if 'Epoch(train)' in line:
            break
    os.kill(process_of_rank(config, 1), signal.SIGTERM)
    output = process.communicate()[0]
    assert process.returncode == 75, output
    assert output.count('Stopped by a signal to another process after iteration') >= 1
    assert output.count('Stopped by SIGTERM after iteration') >= 1
    work_dir = tmp_path / 'stopped/run'
    # On a busy machine the signal may come after the first epoch, which is saved as ever.
    (saved,) = work_dir.glob('iter_*.pth')
    iteration = int(saved.stem.removeprefix('iter_'))
    assert iteration % 3 == 0 and max(losses(work_dir)) == iteration < 16

    run_two(config, '--resume', 'auto')
    expected = losses(tmp_path / 'whole/run')
    assert sorted(expected) == list(range(1, 17))
    assert losses(work_dir) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_two_hosts_recover_from_a_killed_process(unbroken, tmp_path):
    # Four processes that wait for each other with time limits: not beside other tests.
    if not os.environ.get('SWIMDIFF_TWO_HOSTS'):
        pytest.skip('run alone, with SWIMDIFF_TWO_HOSTS=1: a busy machine breaks its time limits')
    if os.geteuid() != 0 or not shutil.which('ip') or not shutil.which('ps'):
        pytest.skip('network namespaces need root, and the commands ip and ps')
    config = write_config(
        tmp_path / 'c.py',
        epochs=4,
        length=60,
        batch=2,
        delay=0.2,
        checkpoint=dict(interval=1, steps=4),
    )
    env = {**environment(), 'PYTHON': sys.executable}
    env['PYTHONPATH'] += os.pathsep + str(ROOT / 'tests')
    done = subprocess.run(
        ['bash', 'tests/tools/two_hosts.sh', str(tmp_path), str(config), '1'],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )
    if done.returncode == 77:
        pytest.skip(done.stderr)
    logs = ''.join(path.read_text() for path in tmp_path.glob('host?.log'))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert 'killed process' in done.stdout and 'Restarted: going on from' in done.stdout
    assert 'exitcode: -9' in done.stdout
    losses(tmp_path / 'run')  # what was computed twice is the same
    state = torch.load(tmp_path / 'run/epoch_4.pth', weights_only=False)
    assert (state['meta']['epoch'], state['meta']['iter']) == (4, 60)
