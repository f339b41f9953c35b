"""The ring buffer against a list."""

import pytest
import torch

from swimdiff.errors import ConfigError
from swimdiff.models.selfsup.scene_queue import EMPTY, SceneQueue


@pytest.mark.parametrize('batches', [[4, 4, 4], [5, 5, 5, 5], [1, 7, 3], [23, 2], [8, 30]])
def test_against_a_list(batches):
    """Batches that divide the queue or not, and ones longer than it."""
    length = 8
    queue = SceneQueue(length, 3)
    untouched = queue.keys.clone()
    slots = [(untouched[i], EMPTY) for i in range(length)]
    position = 0
    for size in batches:
        keys, scenes = torch.randn(size, 3), torch.randint(9, (size,))
        queue.push(keys, scenes)
        for key, scene in zip(keys, scenes, strict=True):
            slots[position % length] = (key, int(scene))
            position += 1
    assert torch.equal(queue.keys, torch.stack([key for key, _ in slots]))
    assert queue.scenes.tolist() == [scene for _, scene in slots]
    assert queue.pointer.item() == position % length


def test_everything_is_in_the_checkpoint():
    queue = SceneQueue(6, 2)
    queue.push(torch.randn(4, 2), torch.arange(4))
    restored = SceneQueue(6, 2)
    restored.load_state_dict(queue.state_dict())
    for each in (queue, restored):
        each.push(torch.ones(4, 2), torch.full((4,), 9))
    assert torch.equal(queue.keys, restored.keys)
    assert restored.scenes.tolist() == [9, 9, 2, 3, 9, 9]


def test_half_precision_keys_are_kept_in_full_precision():
    queue = SceneQueue(4, 2)
    queue.push(torch.full((2, 2), 0.5, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.long))
    assert queue.keys.dtype == torch.float32


def test_bad_options():
    with pytest.raises(ConfigError, match='positive'):
        SceneQueue(0, 4)
