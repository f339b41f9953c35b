"""Shares of a list, from the command line and from each scheduler."""

import pytest

from swimdiff.errors import ConfigError
from swimdiff.launch.shards import read_shard


@pytest.mark.parametrize(
    ('text', 'environment', 'expected'),
    [
        (None, {}, (0, 1)),
        ('1/3', {'RANK': '7', 'WORLD_SIZE': '8'}, (1, 3)),
        (
            None,
            dict(SLURM_ARRAY_TASK_ID='7', SLURM_ARRAY_TASK_MIN='5', SLURM_ARRAY_TASK_COUNT='4'),
            (2, 4),
        ),
        (
            None,
            dict(
                SLURM_ARRAY_TASK_ID='9',
                SLURM_ARRAY_TASK_MIN='1',
                SLURM_ARRAY_TASK_STEP='4',
                SLURM_ARRAY_TASK_COUNT='3',
            ),
            (2, 3),
        ),
        # One task of an array started again does its own share.
        ('/4', dict(SLURM_ARRAY_TASK_ID='3', SLURM_ARRAY_TASK_MIN='3'), (3, 4)),
        (None, dict(SLURM_ARRAY_TASK_ID='1', SLURM_ARRAY_TASK_COUNT='2', RANK='5'), (1, 2)),
        (None, dict(RANK='5', WORLD_SIZE='8'), (5, 8)),
        (None, dict(AWS_BATCH_JOB_ARRAY_INDEX='2', AWS_BATCH_JOB_ARRAY_SIZE='3'), (2, 3)),
        ('/6', dict(JOB_COMPLETION_INDEX='4'), (4, 6)),
        (None, dict(SKYPILOT_NODE_RANK='1', SKYPILOT_NUM_NODES='2'), (1, 2)),
    ],
)
def test_share_by_scheduler(text, environment, expected):
    assert read_shard(text, environment) == expected


@pytest.mark.parametrize(
    ('text', 'environment', 'message'),
    [
        ('3/3', {}, r'--shard 3/3: expected I/N with 0 <= I < N'),
        ('-1/3', {}, r'--shard -1/3'),
        ('', {}, 'expected I/N'),
        (None, dict(JOB_COMPLETION_INDEX='4'), r'JOB_COMPLETION_INDEX=4 .*Say --shard /N'),
        (None, dict(RANK='x', WORLD_SIZE='2'), r"RANK='x', WORLD_SIZE='2': expected whole numbers"),
        (None, dict(RANK='2', WORLD_SIZE='2'), '--shard 2/2'),
    ],
)
def test_bad_shares(text, environment, message):
    with pytest.raises(ConfigError, match=message):
        read_shard(text, environment)


def test_shares_are_disjoint_and_whole():
    items = list(range(11))
    shares = [read_shard(f'{i}/4').take(items) for i in range(4)]
    assert sorted(item for share in shares for item in share) == items
