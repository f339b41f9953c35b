"""Finding and opening what pre-training left."""

import pytest
import torch

from swimdiff.apis.runs import last_checkpoint
from swimdiff.errors import CheckpointError


def test_the_last_checkpoint_is_found_also_after_a_move(tmp_path):
    with pytest.raises(CheckpointError, match='expected a checkpoint, found none'):
        last_checkpoint(tmp_path)
    (tmp_path / 'last_checkpoint').write_text('/where/it/was/epoch_3.pth\n')
    with pytest.raises(CheckpointError):
        last_checkpoint(tmp_path)
    meta = dict(epoch=3, iter=30, time='20260101_000000')
    torch.save(dict(meta=meta, state_dict={}, message_hub={}), tmp_path / 'epoch_3.pth')
    assert last_checkpoint(tmp_path) == tmp_path / 'epoch_3.pth'
