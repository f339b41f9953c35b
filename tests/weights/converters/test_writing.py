"""Files of converted weights: readable as any file of the user, the same from the same weights."""

import os
import stat

import pytest
import torch
from safetensors import safe_open

from swimdiff.errors import CheckpointError
from swimdiff.weights.checkpoint import check_finite
from swimdiff.weights.converters.writing import write_weights


def test_files_follow_the_users_mask_and_carry_no_name_of_the_machine(tmp_path):
    state = {'a.weight': torch.arange(6.0).reshape(2, 3), 'b': torch.tensor(3)}
    mask = os.umask(0o027)
    try:
        runs = [write_weights(tmp_path / run / 'net', 'timm', state, {}) for run in 'xy']
    finally:
        os.umask(mask)
    for one, other in zip(*runs, strict=True):
        assert stat.S_IMODE(one.stat().st_mode) == 0o640
        assert one.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in (tmp_path / 'x').iterdir()) == [
        'net.pth',
        'net.safetensors',
    ]
    with safe_open(runs[0][1], 'pt') as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        assert file.metadata() == {'format': 'pt'}
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], value) for name, value in state.items())


@pytest.mark.parametrize('value', [float('nan'), float('-inf')])
def test_weights_that_are_not_numbers_are_named(value):
    state = {'good': torch.ones(2), 'count': torch.tensor(1), 'sick': torch.tensor([1, value])}
    with pytest.raises(CheckpointError, match=r'^x.pth holds NaN .* in 1 tensors: sick\. The'):
        check_finite(state, 'x.pth')
    with pytest.raises(CheckpointError, match=r': sick; not read\. The training'):
        check_finite(state, 'x.pth', 'not read')
    check_finite({'good': state['good']}, 'x.pth')
