"""Scene definitions against independent computations."""

import numpy as np
import pytest
from fixtures.seco import DATES, write_tree

from swimdiff.datasets import (
    BlockScene,
    DistanceScene,
    FileScene,
    LocationScene,
    SeCo,
    TileScene,
)
from swimdiff.datasets.archives.scenes import earth_centred
from swimdiff.datasets.geo.ground import meridian_metres
from swimdiff.errors import ConfigError, LayoutError, RasterError, UnreadableSamplesError


def sample(location, *tiles, raster=''):
    products = tuple(f'20200713T075609_20200713T081050_T{tile}' for tile in tiles)
    return dict(location=location, products=products, raster=raster)


def places(metres, *lonlat):
    """A definition that reads the given places instead of files, and the samples there."""
    samples = [sample(f'{i:06d}', '36QZH', raster=i) for i in range(len(lonlat))]
    return DistanceScene(metres, centre=lonlat.__getitem__).assign(samples).tolist()


def test_location():
    ids = LocationScene().assign([sample('000007'), sample('000002'), sample('000007')])
    assert ids.dtype == np.int64 and ids.tolist() == [1, 0, 1]


def test_tile():
    samples = [sample('000000', '36QZH'), sample('000001', '31UDQ'), sample('000002', '36QZH')]
    assert TileScene().assign(samples).tolist() == [1, 0, 1]


def test_dates_of_a_location_share_the_scene_even_in_two_tiles():
    """The same ground must never be a negative of itself."""
    samples = [
        sample('000000', '31UDQ'),
        sample('000000', '31UDP'),
        sample('000000', '31UDQ'),
        sample('000001', '31UDP'),
    ]
    assert TileScene().assign(samples).tolist() == [1, 1, 1, 0]


def test_product_without_tile_is_named():
    bad = dict(location='000000', products=('20200713_preview',), raster='')
    with pytest.raises(LayoutError, match="'20200713_preview' names no Sentinel-2 tile"):
        TileScene().assign([bad])


def test_earth_centred_against_known_lengths():
    """A quarter meridian's end points, and one degree of longitude on the equator."""
    equator, pole, east = earth_centred(np.array([[0, 0], [0, 90], [1, 0]]))
    assert equator == pytest.approx([6_378_137, 0, 0])
    assert pole == pytest.approx([0, 0, 6_356_752.314], abs=1e-2)
    assert np.linalg.norm(east - equator) == pytest.approx(2 * 6_378_137 * np.sin(np.pi / 360))


def test_distance_is_ground_distance_at_high_latitude():
    """0.1 degrees of longitude: 11.1 km on the equator, 1.9 km at 80 degrees north."""
    assert places(3000, (0, 0), (0.1, 0)) == [0, 1]
    assert places(3000, (0, 80), (0.1, 80)) == [0, 0]


def test_distance_across_the_date_line_and_the_pole():
    assert places(3000, (179.99, 10), (-179.99, 10)) == [0, 0]
    assert places(3000, (0, 89.99), (180, 89.99)) == [0, 0]
    assert places(2000, (0, 89.99), (180, 89.99)) == [0, 1]


def test_distance_joins_chains_and_counts_scenes_without_gaps():
    degree = 1 / 111.32
    chain = [(0, 0), (0.9 * degree, 0), (1.8 * degree, 0), (9 * degree, 0)]
    ids = places(1000, *chain)
    assert ids[0] == ids[1] == ids[2] != ids[3] and set(ids) == {0, 1}


def test_distance_of_random_places_against_brute_force():
    rng = np.random.default_rng(0)
    lonlat = rng.uniform([30, 40], [30.4, 40.3], (60, 2))
    ids = np.array(places(1800, *map(tuple, lonlat)))
    points = earth_centred(lonlat)
    near = np.linalg.norm(points[:, None] - points[None], axis=-1) <= 1800
    reach = near.astype(int)
    for _ in range(6):
        reach = (reach @ reach > 0).astype(int)
    assert ((ids[:, None] == ids[None]) == (reach > 0)).all()
    assert 1 < len(set(ids.tolist())) < 60


def test_distance_must_be_positive():
    with pytest.raises(ConfigError, match='metres=0'):
        DistanceScene(0)


def test_distance_from_the_files(tmp_path):
    """Two neighbours 2.5 km apart and a stranger; every date gets its location's scene."""
    corners = [(35.0, 20.0), (36.0, 20.0), (35.024, 20.0)]
    root = write_tree(tmp_path, dates=2, bands=('B4',), places=corners)
    scene = dict(type='DistanceScene', metres=3000)
    dataset = SeCo(str(root), bands=['B4'], scene=scene)
    assert dataset.scene_ids().tolist() == [0, 0, 1, 1, 0, 0]
    alone = dict(type='DistanceScene', metres=2000)
    assert SeCo(str(root), bands=['B4'], scene=alone).scene_ids().max() == 2


def test_distance_reads_one_raster_a_location(tmp_path, monkeypatch):
    root = write_tree(tmp_path, dates=3, bands=('B4',))
    opened = []
    scene = DistanceScene(10, centre=lambda path: opened.append(path) or (len(opened), 0))
    SeCo(str(root), bands=['B4'], scene=scene)
    assert opened == [str(root / f'{i:06d}' / DATES[0] / 'B4.tif') for i in range(3)]


def test_unreadable_georeference_is_named(tmp_path):
    root = write_tree(tmp_path, dates=1, bands=('B4',))
    bad = root / '000001' / DATES[0] / 'B4.tif'
    bad.write_bytes(b'')
    with pytest.raises(RasterError, match=f'{bad} cannot be read'):
        SeCo(str(root), bands=['B4'], scene=dict(type='DistanceScene', metres=10))


def test_unreadable_georeference_is_taken_from_another_file_or_left_out(tmp_path, monkeypatch):
    texts = []
    monkeypatch.setattr(
        'swimdiff.datasets.index.skipping.print_log', lambda text, **_: texts.append(text)
    )
    root = write_tree(tmp_path, dates=2, bands=('B4', 'B3'))
    scene = dict(type='DistanceScene', metres=10)
    files = sorted((root / '000001').glob('2*/*.tif'))
    for path in files:
        # Up to the last file, another band or date of the location gives the place.
        assert len(SeCo(str(root), bands=['B4', 'B3'], scene=scene)) == 6
        path.write_bytes(b'')
    assert not texts
    dataset = SeCo(str(root), bands=['B4', 'B3'], scene=scene, max_unreadable=0.5)
    assert dataset.scene_ids().tolist() == [0, 0, 1, 1]
    assert {dataset[i]['location'] for i in range(4)} == {'000000', '000002'}
    assert len(texts) == 1 and f'{root / "000001" / DATES[0] / "B4.tif"} cannot' in texts[0]
    with pytest.raises(UnreadableSamplesError, match=r'1 of 3 .*max_unreadable=0\.3 allows'):
        SeCo(str(root), bands=['B4', 'B3'], scene=scene, max_unreadable=0.3)
    with pytest.raises(RasterError, match='cannot be read'):
        SeCo(str(root), bands=['B4', 'B3'], scene=scene, index_cache=None)


# Blocks of the ground


def test_meridian_against_a_sum_of_small_arcs():
    """Radius of curvature, added up in small steps; and the length the metre was made of."""
    lat = np.radians(np.linspace(0, 63.5, 200_001))
    middle = (lat[1:] + lat[:-1]) / 2
    radius = (
        6_378_137 * (1 - 6.69437999014e-3) / (1 - 6.69437999014e-3 * np.sin(middle) ** 2) ** 1.5
    )
    assert meridian_metres(np.array(63.5)) == pytest.approx((radius * np.diff(lat)).sum(), abs=1e-3)
    assert meridian_metres(np.array([-90, 0, 90])) == pytest.approx([-10_001_966, 0, 10_001_966])


@pytest.mark.parametrize('lat', [-71.3, -20.1, 0.4, 35.7, 59.9, 82.0])
def test_blocks_are_as_large_everywhere(lat):
    """Walking east and north in small steps, a new block begins every so many metres."""
    metres = 5000
    scene = BlockScene(metres)
    n = 20_000
    for axis, step in ((1, 0.0005), (0, 0.0001)):
        lonlat = np.tile([[17.3, lat]], (n, 1))
        lonlat[:, 1 - axis] += np.arange(n) * step
        points = earth_centred(lonlat)
        way = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
        edges = (np.diff(scene.blocks(lonlat)[:, axis]) != 0).sum()
        assert edges == pytest.approx(way / metres, abs=2 + 0.003 * way / metres)


def test_blocks_cover_the_globe_without_a_seam():
    scene = BlockScene(100_000)
    rng = np.random.default_rng(0)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, 40_000)))
    lon = rng.uniform(-180, 180, 40_000)
    blocks = scene.blocks(np.stack([lon, lat], axis=1))
    assert (blocks >= 0).all() and blocks[:, 0].max() == 199
    _, counts = np.unique(blocks, axis=0, return_counts=True)
    # 510 million square kilometres in squares of 100 km, of which 40,000 points at random meet so
    # many: as large everywhere, or fewer would be met.
    squares = 51_007
    met = squares * (1 - np.exp(-40_000 / squares))
    assert len(counts) == pytest.approx(met, rel=0.02) and counts.max() < 12
    # One side of the date line is the block of the other only at the line itself.
    line = scene.blocks(np.array([[180.0, 10], [-180.0, 10], [-179.9, 10], [179.9, 10]]))
    assert (line[0] == line[1]).all() and (line[0] == line[2]).all() and (line[0] != line[3]).any()
    shifted = scene.blocks(np.stack([lon + 360, lat], axis=1))
    np.testing.assert_array_equal(shifted, blocks)
    poles = scene.blocks(np.array([[0, 90.0], [120, 90.0], [0, -90.0]]))
    assert poles[:, 0].tolist() == [199, 199, 0]


def test_block_does_not_chain_nor_hang_on_the_others():
    degree = 1 / 111.32
    samples = [
        dict(location=f'{i}', group=f'{i}', products=(), centre=(10 + i * degree, 0.01))
        for i in range(40)
    ]
    ids = BlockScene(10_000).assign(samples)
    sizes = np.bincount(ids)
    assert len(sizes) in (4, 5) and sizes.max() <= 11 and set(np.diff(ids)) == {0, 1}
    some = BlockScene(10_000).assign(samples[::3])
    assert ((ids[::3, None] == ids[::3]) == (some[:, None] == some)).all()
    with pytest.raises(ConfigError, match='expected a side above 0'):
        BlockScene(0)


def test_blocks_and_files_of_seco(tmp_path):
    """Centres are read from the rasters; each location is a file of its own."""
    places = [(35.0, 20.0), (35.01, 20.0), (36.0, 20.0)]
    root = write_tree(tmp_path, locations=3, bands=('B4',), places=places)
    blocks = SeCo(str(root), bands=['B04'], scene=dict(type='BlockScene', metres=20_000))
    assert blocks.scene_ids().tolist() == [0, 0, 0, 0, 1, 1]
    files = SeCo(str(root), bands=['B04'], scene=dict(type='FileScene'))
    assert files.scene_ids().tolist() == [0, 0, 1, 1, 2, 2]
    (root / '000001' / DATES[0] / 'B4.tif').write_bytes(b'')
    (root / '000001' / DATES[1] / 'B4.tif').write_bytes(b'')
    scene = dict(type='BlockScene', metres=20_000)
    left = SeCo(str(root), bands=['B04'], scene=scene, max_unreadable=0.5, index_cache=None)
    assert left.scene_ids().tolist() == [0, 0, 1, 1]


def test_file_is_what_stands_before_the_last_slash():
    names = ['a/b/1', 'a/b/2', 'a/3']
    groups = [dict(location=name, group=name.rpartition('/')[0]) for name in names]
    assert FileScene().assign(groups).tolist() == [1, 1, 0]
