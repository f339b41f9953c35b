"""tools/slurm_requeue.sh with stand-ins for the commands of Slurm, which is not here."""

import os
import signal
import subprocess
import time

import pytest
from fixtures.runs import ROOT

SRUN = """#!/bin/bash
echo "srun $*" >> "$CALLS"
while [ "$1" != bash ]; do shift; done
"$@" & task=$!
trap 'kill -USR1 $task' USR1
trap 'kill -TERM $task' TERM
code=0; wait $task || code=$?
while kill -0 $task 2>/dev/null; do code=0; wait $task || code=$?; done
exit $code
"""
SCONTROL = """#!/bin/bash
echo "scontrol $*" >> "$CALLS"
[ "$1" = show ] && echo node7 && echo node8
exit 0
"""
TRAIN = """
echo "train $* NNODES=$NNODES NODE_RANK=$NODE_RANK MASTER_ADDR=$MASTER_ADDR PORT=$PORT" >> "$CALLS"
trap 'exit 75' USR1 TERM
touch "$CALLS.started"
[ "$ENDS" = now ] && exit "$CODE"
while true; do sleep 0.05; done
"""


@pytest.fixture
def job(tmp_path):
    """Start the batch script; returns its process and a reader of the calls."""
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'tools').mkdir()
    for name, text in (
        ('bin/srun', SRUN),
        ('bin/scontrol', SCONTROL),
        ('tools/dist_train.sh', TRAIN),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / 'calls'

    def start(ends='', code=0):
        env = {
            **os.environ,
            'PATH': f'{tmp_path / "bin"}:{os.environ["PATH"]}',
            'CALLS': str(calls),
            'ENDS': ends,
            'CODE': str(code),
            'SLURM_SUBMIT_DIR': str(tmp_path),
            'SLURM_JOB_ID': '41',
            'SLURM_JOB_NUM_NODES': '2',
            'SLURM_JOB_NODELIST': 'node[7-8]',
            'SLURM_NODEID': '1',
            'SLURM_GPUS_ON_NODE': '4',
        }
        script = ROOT / 'tools/slurm_requeue.sh'
        process = subprocess.Popen(['bash', script, 'c.py', 'runs/x', '--amp'], env=env)
        while not (tmp_path / 'calls.started').exists() and process.poll() is None:
            time.sleep(0.01)
        return process

    return start, calls


@pytest.mark.parametrize(('name', 'again'), [('SIGUSR1', True), ('SIGTERM', False)])
def test_time_is_up(job, name, again):
    """USR1 is the end of the job's time; TERM is somebody who does not want it any more."""
    start, calls = job
    process = start()
    process.send_signal(getattr(signal, name))
    assert process.wait(20) == 75
    text = calls.read_text()
    train = next(line for line in text.splitlines() if line.startswith('train'))
    assert train == (
        'train c.py 4 --work-dir runs/x --resume auto --amp '
        'NNODES=2 NODE_RANK=1 MASTER_ADDR=node7 PORT=20041'
    )
    assert ('scontrol requeue 41' in text) is again


@pytest.mark.parametrize('code', [0, 1])
def test_what_ended_by_itself_is_not_tried_again(job, code):
    start, calls = job
    process = start(ends='now', code=code)
    assert process.wait(20) == code
    assert 'requeue' not in calls.read_text()
