"""tools/slurm_predict.sh as Slurm runs it, with a stand-in for Python."""

import os
import subprocess

import pytest
from fixtures.runs import ROOT

from swimdiff.launch.shards import read_shard

SCRIPT = ROOT / 'tools' / 'slurm_predict.sh'
ARRAY = dict(SLURM_ARRAY_TASK_ID='5', SLURM_ARRAY_TASK_MIN='0', SLURM_ARRAY_TASK_COUNT='8')


def test_a_task_maps_its_share(tmp_path):
    subprocess.run(['bash', '-n', SCRIPT], check=True)
    stand_in = tmp_path / 'python'
    stand_in.write_text('#!/bin/sh\necho "$OMP_NUM_THREADS|$*"\nexit 75\n')
    stand_in.chmod(0o755)
    # Slurm runs a copy; the folder of submission is the checkout.
    copy = tmp_path / 'slurm_script'
    copy.write_text(SCRIPT.read_text())
    slurm = dict(ARRAY, SLURM_SUBMIT_DIR=str(ROOT), SLURM_CPUS_PER_TASK='3')
    environment = dict(os.environ, SWIMDIFF_PYTHON=str(stand_in), **slurm)
    words = ['change', 'CONFIG', 'my model.pth', '--list', 'scenes.csv', '--out', 'maps']
    done = subprocess.run(
        ['bash', copy, *words], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 75
    assert done.stdout.strip() == f'3|{ROOT}/tools/predict.py {" ".join(words)}'
    assert read_shard(None, environment) == (5, 8)


@pytest.mark.parametrize('words', [[], ['change', 'CONFIG']])
def test_usage(words):
    done = subprocess.run(['bash', SCRIPT, *words], capture_output=True, text=True)
    assert done.returncode == 2 and 'usage: sbatch --array' in done.stderr
