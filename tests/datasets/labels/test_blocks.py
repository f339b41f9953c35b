"""Splits by ground: shares, and no two splits nearer than the margins."""

import numpy as np
import pytest
from fixtures.labels import square, write_polygons
from fixtures.rasters import NORTH, WEST, write
from scipy.ndimage import distance_transform_cdt

from swimdiff.datasets.archives.scenes import BlockScene
from swimdiff.datasets.geo.ground import to_lonlat
from swimdiff.datasets.labels.blocks import BlockOptions, assign_blocks, split_ground
from swimdiff.datasets.labels.classes import ClassTable
from swimdiff.datasets.labels.labelled_ground import LabelledGround, open_ground
from swimdiff.datasets.labels.lists import read_list
from swimdiff.errors import ConfigError, LayoutError

SHAPE = (300, 360)
CLASSES = ClassTable.for_cover(dict(attribute='kind', names=['wood', 'pond']))


@pytest.fixture
def ground(tmp_path) -> LabelledGround:
    """3 x 3.6 km, all of it labelled."""
    write(tmp_path / 'a.tif', np.full(SHAPE, 500, np.uint16), names=('B04',))
    shapes = [(square(0, 0, *SHAPE), dict(kind='wood')), (square(0, 0, 300, 40), dict(kind='pond'))]
    labels = write_polygons(tmp_path / 'l.gpkg', shapes)
    (row,) = read_list([dict(image=tmp_path / 'a.tif', labels=labels)], ('image',), 'Set')
    return open_ground(row, ('B04',), None, CLASSES, None, True)


def naive_blocks(metres: float) -> np.ndarray:
    """The block under the centre of each pixel, each carried on its own."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    points = np.stack([WEST + (columns + 0.5) * 10, NORTH - (rows + 0.5) * 10], axis=-1)
    lonlat = to_lonlat(points.reshape(-1, 2).astype(float), 'EPSG:32633')
    found = BlockScene(metres).blocks(lonlat)
    return (found[:, 0] * (1 << 32) + found[:, 1]).reshape(SHAPE)


@pytest.mark.parametrize('margin', [0, 60, 100])
def test_neighbours_do_not_leak(ground, margin):
    options = BlockOptions.from_config(dict(metres=400, margin=margin, seed=3))
    whole = (0, 0, *SHAPE)
    covers, assigned = {}, None
    for name in options.shares:
        split = split_ground([ground], options, name, 32, 'Set')
        assert assigned is None or split.assigned == assigned  # the same for every split
        assigned = split.assigned
        covers[name] = split.cover(ground, whole)
        part = split.cover(ground, (50, 90, 64, 32))
        assert np.array_equal(part, covers[name][50:114, 90:122])
    blocks = naive_blocks(400)
    names = np.vectorize(assigned.get)(blocks)
    for name, cover in covers.items():
        assert cover.any() and (names[cover] == name).all()
        # Pixels from the nearest one of another split, diagonals too.
        away = distance_transform_cdt(names == name, 'chessboard') > margin // 10
        assert (cover != away).mean() < (1e-3 if margin == 0 else 0.02)
        others = np.any([covers[other] for other in covers if other != name], axis=0)
        gap = distance_transform_cdt(~others, 'chessboard')[cover].min() - 1
        assert gap >= 2 * (margin // 10) - 1


def test_every_split_gets_its_share_of_every_class():
    rng = np.random.default_rng(0)
    counts = {number: rng.integers(0, 900, 3) * (rng.random(3) < 0.4) for number in range(200)}
    shares = dict(train=0.5, val=0.2, test=0.3)
    assigned = assign_blocks(counts, shares, 0)
    totals = sum(counts.values())
    for name, share in shares.items():
        got = sum(counts[number] for number, split in assigned.items() if split == name)
        assert np.abs(got / totals - share).max() < 0.05
    assert assigned == assign_blocks(counts, shares, 0) != assign_blocks(counts, shares, 1)


def test_no_split_is_left_without_a_block():
    counts = {number: np.array([10 - number]) for number in range(3)}
    assert set(assign_blocks(counts, dict(a=0.9, b=0.05, c=0.05), 0).values()) == {'a', 'b', 'c'}
    with pytest.raises(LayoutError, match='2 blocks have labels, fewer than the 3 splits'):
        assign_blocks({0: np.array([1]), 1: np.array([1])}, dict(a=0.4, b=0.3, c=0.3), 0)


def test_options_that_cannot_be_meant(ground):
    for given in (0, dict(metres=100, shares=dict(train=0.5)), dict(metres=100, margin=60)):
        with pytest.raises(ConfigError, match='blocks='):
            BlockOptions.from_config(given)
    with pytest.raises(ConfigError, match='side'):
        BlockOptions.from_config(dict(metres=100, side=3))
    with pytest.raises(
        ConfigError, match="split='exam', but blocks has the splits train, val, test"
    ):
        split_ground([ground], BlockOptions.from_config(400), 'exam', 32, 'Set')
