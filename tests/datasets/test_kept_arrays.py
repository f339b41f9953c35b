"""Arrays kept up to a number of bytes."""

import pickle

import numpy as np
import pytest

from swimdiff.datasets.kept_arrays import KeptArrays


@pytest.mark.parametrize('replaces, left', [(True, ['a', 'c']), (False, ['a', 'b'])])
def test_what_goes_when_there_is_no_room(replaces, left):
    kept = KeptArrays(250, replaces)
    for name in 'ab':
        kept.put(name, np.zeros(100, np.uint8))
    kept.get('a')
    kept.put('c', np.zeros(100, np.uint8))
    kept.put('huge', np.zeros(251, np.uint8))  # does not drive out the others
    assert [name for name in ('a', 'b', 'c', 'huge') if kept.get(name) is not None] == left
    assert kept.used == 200


def test_a_worker_that_is_sent_it_fills_its_own():
    kept = KeptArrays(250, replaces=False)
    kept.put('a', np.zeros(100, np.uint8))
    sent = pickle.loads(pickle.dumps(kept))
    assert (sent.room, sent.replaces, sent.used, sent.get('a')) == (250, False, 0, None)
