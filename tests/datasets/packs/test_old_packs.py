"""Packs that earlier versions made are read as they were, to the bit.

``fixtures/packs_of_format_1.tar.xz`` holds three packs of one small archive in SeCo's layout (two
locations, two dates, B04 and B11 at 36 and 18 pixels) as the first writer of this format made them,
without their parts, and what its reader returned (expected.npz). The command, at the commit that
added the file: ``make_pack(SeCo(tree, bands=('B04', 'B11'), patch_size=36), NAME,
PackOptions(bands=('B04', 'B11'), shard_bytes=3368))`` (plain), and so with ``codec='jpeg'`` and
``stretch='seco'``.
"""

import tarfile

import numpy as np
import pytest
from fixtures.runs import ROOT

from swimdiff.datasets import SeCo
from swimdiff.datasets.packs import verify_pack
from swimdiff.errors import ConfigError

LOAD = [dict(type='LoadPatch')]
BANDS = ('B11', 'B04')


@pytest.fixture(scope='module')
def packs(tmp_path_factory):
    root = tmp_path_factory.mktemp('packs')
    with tarfile.open(ROOT / 'tests' / 'fixtures' / 'packs_of_format_1.tar.xz') as archive:
        archive.extractall(root)  # our own file; Python 3.11.2 knows no filter
    return root


@pytest.mark.parametrize('name', ['plain', 'jpeg', 'stretched'])
def test_old_packs_give_the_same_pixels(packs, name):
    assert verify_pack(packs / name) == []
    with np.load(packs / 'expected.npz', allow_pickle=False) as expected:
        for stretch in (True, False) if name != 'stretched' else (True,):
            dataset = SeCo(str(packs / name), bands=BANDS, pipeline=LOAD, stretch=stretch)
            images = np.stack([item['img'] for item in dataset])
            np.testing.assert_array_equal(images, expected[f'{name}-{stretch}'])
        source = dataset.source
        dates = [source.row_date(row) for row in range(4)]
        assert dates == expected[f'{name}-dates'].tolist()
        transforms = [source.georeference(row)[0] for row in range(4)]
        np.testing.assert_array_equal(transforms, expected[f'{name}-transforms'])
    assert len(SeCo(str(packs / name), bands=BANDS, patch_size=36)) == 4


def test_a_pack_stretched_when_packed_is_read_as_such_or_refused(packs):
    root = str(packs / 'stretched')
    with pytest.raises(ConfigError, match=r'asks for stretch=False\. Pack the archive again'):
        SeCo(root, bands=BANDS, stretch=False)
    other = {band: dict(low=0, high=9, mean=1, std=1) for band in BANDS}
    table = dict(name='mine', unit='reflectance x 255', bands=other)
    with pytest.raises(ConfigError, match=r"by the statistics 'seco' when packed.* names 'mine'"):
        SeCo(root, stats=table, bands=BANDS)
