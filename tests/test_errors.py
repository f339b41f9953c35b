import pytest
from torch.utils.data import DataLoader, Dataset

from swimdiff.errors import RasterError, SwiMDiffError

MESSAGE = 'x.tif cannot be read.\nUnpack it again.'


class Broken(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, item):
        raise RasterError(MESSAGE)


@pytest.mark.parametrize('workers', [0, 1])
def test_a_workers_error_says_no_more_than_ours(workers):
    with pytest.raises(RasterError) as caught:
        next(iter(DataLoader(Broken(), num_workers=workers)))
    assert str(caught.value) == MESSAGE


def test_other_messages_are_left_alone():
    assert str(SwiMDiffError('Caught SwiMDiffError in a net')) == 'Caught SwiMDiffError in a net'
