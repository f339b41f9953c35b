"""tools/dist_train.sh: two processes on one node, two nodes on one machine."""

import socket
import subprocess

import pytest
import torch
from fixtures.processes import find_python
from fixtures.runs import ROOT, THIN, environment, options, scalars


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])


def launch(arguments, **variables):
    return subprocess.Popen(
        ['bash', 'tools/dist_train.sh', *map(str, arguments)],
        cwd=ROOT,
        env={**environment(), 'PYTHON': find_python(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize('nodes', [1, 2])
def test_keys_of_all_processes_enter_the_queue(nodes, shared_seco_root, tmp_path):
    port, processes = free_port(), 2 // nodes
    shrink = options(
        shared_seco_root, **THIN, **{'train_dataloader.batch_size': 1, 'model.queue.length': 7}
    )
    agents = [
        launch(
            ['configs/swimdiff_r18_seco.py', processes, '--work-dir', tmp_path, *shrink],
            NNODES=str(nodes),
            NODE_RANK=str(node),
            PORT=port,
        )
        for node in range(nodes)
    ]
    for agent in agents:
        output = agent.communicate()[0]
        assert agent.returncode == 0, output
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']
    # six samples, two per step: all six keys are in, in a queue that two does not divide
    assert state['queue.pointer'] == 6
    assert sorted(state['queue.scenes'].tolist()) == [-1, 0, 0, 1, 1, 2, 2]
    assert len(scalars(tmp_path)) == 3
