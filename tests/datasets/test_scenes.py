"""Scene definitions against independent computations."""

import numpy as np
import pytest
from fixtures.seco import DATES, write_tree

from swimdiff.datasets import DistanceScene, LocationScene, SeCo, TileScene
from swimdiff.datasets.scenes import earth_centred
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
        'swimdiff.datasets.skipping.print_log', lambda text, **_: texts.append(text)
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
