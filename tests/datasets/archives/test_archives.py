"""SSL4EO-S12 and SEN12MS: samples, pixels and scenes against the numbers their fixtures wrote."""

import numpy as np
import pytest
from fixtures.archives import SEASONS, reflectance, write_sen12ms, write_ssl4eo
from fixtures.seco import SIDES, write_tree
from fixtures.tools import load_tool

from swimdiff.apis.archives import open_archive
from swimdiff.datasets import SEN12MS, SSL4EO, LoadPatch
from swimdiff.errors import BandError, ConfigError, DatasetNotFoundError, LayoutError, RasterError

LOAD = [dict(type='LoadPatch')]


def test_ssl4eo_samples_and_pixels(tmp_path):
    root = write_ssl4eo(tmp_path)
    dataset = SSL4EO(str(root), bands=['B4', 'B5'], stretch=False, pipeline=LOAD)
    assert len(dataset) == 4 and dataset.scene_ids().tolist() == [0, 0, 1, 1]
    item = dataset[2]
    assert item['img'].dtype == np.uint16 and item['img'].shape == (264, 264, 2)
    assert item['location'] == '0000001' and item['date'] == ['20200317']
    red = reflectance(1, 0, list(SIDES).index('B4'), 264)
    assert np.array_equal(item['img'][..., 0], red)
    # The 20 m band: each of its pixels lies amid four of the 10 m grid.
    edge = reflectance(1, 0, list(SIDES).index('B5'), 132)
    inner = item['img'][1:-1, 1:-1, 1].astype(float)
    mean_of_four = (inner[::2, ::2] + inner[1::2, ::2] + inner[::2, 1::2] + inner[1::2, 1::2]) / 4
    around = edge.astype(float)
    expected = (around[:-1, :-1] + around[1:, :-1] + around[:-1, 1:] + around[1:, 1:]) / 4
    assert np.abs(mean_of_four - expected).max() <= 1


def test_stretch_of_level_2a_by_hand(tmp_path):
    root = write_ssl4eo(tmp_path, bands=['B4'])
    image = SSL4EO(str(root), bands=['B04'], pipeline=LOAD)[0]['img']
    raw = reflectance(0, 0, list(SIDES).index('B4'), 264).astype(float)
    high = 1297.47289228 + 2 * 1368.11351514  # mean + 2 std; mean - 2 std is below 0
    assert image.dtype == np.uint8
    assert np.array_equal(image[..., 0], (np.clip(raw / high, 0, 1) * 255).astype(np.uint8))


def test_ssl4eo_levels_lie_side_by_side(tmp_path):
    write_ssl4eo(tmp_path, 's2a', bands=['B2'])
    root = write_ssl4eo(tmp_path, 's2c', bands=['B2', 'B10'])
    assert SSL4EO(str(root), 'L1C', ['B10'], pipeline=LOAD)[0]['img'].shape == (44, 44, 1)
    assert len(SSL4EO(str(root / 's2a'), bands=['B2'])) == 4
    with pytest.raises(BandError, match='has no B10'):
        SSL4EO(str(root), 'L2A', ['B10'])
    with pytest.raises(ConfigError, match="level='L3'"):
        SSL4EO(str(root), 'L3')
    with pytest.raises(DatasetNotFoundError, match=r'(?s)0000000/.*mediatum'):
        SSL4EO(str(tmp_path / 'nowhere'))


def test_two_seasons_of_a_place(tmp_path):
    root = write_ssl4eo(tmp_path, bands=['B2'])
    options = dict(bands=['B2'], samples='locations', views_from='different_dates')
    dataset = SSL4EO(str(root), **options, pipeline=LOAD)
    assert len(dataset) == 2
    drawn = {tuple(path[-38:] for path in dataset[0]['img_path']) for _ in range(20)}
    assert drawn == {SEASONS, SEASONS[::-1]}


def test_sen12ms_samples_scenes_and_pixels(tmp_path):
    root = write_sen12ms(tmp_path)
    dataset = SEN12MS(str(root), bands=['B12', 'B8A', 'B1'], stretch=False, pipeline=LOAD)
    assert len(dataset) == 4 and dataset.scene_ids().tolist() == [0, 0, 1, 1]
    names = [dataset.get_data_info(i)['location'] for i in range(4)]
    assert names[:2] == ['ROIs1158_spring_s2_1_p7', 'ROIs1158_spring_s2_1_p30']
    image = dataset[3]['img']
    expected = [reflectance(146, 30, band, 256) for band in (12, 8, 0)]
    assert np.array_equal(image, np.stack(expected, axis=2))
    assert dataset[3]['date'] == ['ROIs1970_fall']


def test_sen12ms_neighbours_by_distance(tmp_path):
    """Patches 7 and 30 are 23 sides of 2560 m apart, and both scenes lie on the same ground."""
    root = write_sen12ms(tmp_path)
    near = SEN12MS(str(root), scene=dict(type='DistanceScene', metres=1000))
    a, b, c, d = near.scene_ids().tolist()
    assert a == c != b == d
    far = SEN12MS(str(root), scene=dict(type='DistanceScene', metres=59_000))
    assert far.scene_ids().tolist() == [0, 0, 0, 0]


def test_sen12ms_bad_input(tmp_path):
    with pytest.raises(LayoutError, match=r'(?s)no scene like .* an empty folder.*mediatum'):
        (tmp_path / 'empty').mkdir()
        SEN12MS(str(tmp_path / 'empty'))
    root = write_sen12ms(tmp_path / 'data')
    path = root / 'ROIs1158_spring' / 's2_1' / 'ROIs1158_spring_s2_1_p7.tif'
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(RasterError, match=r'p7\.tif cannot be read'):
        SEN12MS(str(root), index_cache=None)
    for patch in path.parent.iterdir():
        patch.unlink()
    with pytest.raises(LayoutError, match='s2_1 has no patch like s2_1_p30'):
        SEN12MS(str(root))
    assert len(SEN12MS(str(root), max_unreadable=0.9)) == 2


def test_values_of_another_unit_are_refused_with_the_numbers_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(
        'fixtures.archives.reflectance',
        lambda *key: (reflectance(*key) // 40).astype(np.uint16),  # 0..100, as if x 255
    )
    root = write_ssl4eo(tmp_path, bands=['B2', 'B3', 'B4'])
    with pytest.raises(RasterError, match=r"x 10000', but .* and 9\d.*unit='reflectance x 255'"):
        SSL4EO(str(root))
    with pytest.raises(ConfigError, match="'seco' are of 'reflectance x 255'"):
        SSL4EO(str(root), stats='seco')


def test_long_floats_have_no_table():
    with pytest.raises(ConfigError, match='float64'):
        from swimdiff.datasets.index.planes import stretch_table

        stretch_table([0], [1], 'float64')
    assert repr(LoadPatch(size=96)) == 'LoadPatch(size=96)'


def test_a_pack_of_the_other_level_is_refused(tmp_path):
    root = write_ssl4eo(tmp_path, bands=['B2'])
    pack = tmp_path / 'pack'
    command = ['--type', 'SSL4EO', '--bands', 'B2', '--workers', '1']
    load_tool('dataset_converters/pack.py').main([str(root), str(pack), *command])
    assert len(SSL4EO(str(pack), 'L2A', ['B2'])) == 4
    with pytest.raises(
        ConfigError, match=r'pack of SSL4EO-S12 L2A, and .* asks for SSL4EO-S12 L1C'
    ):
        SSL4EO(str(pack), 'L1C', ['B2'])
    with pytest.raises(ConfigError, match='patch_size'):
        SSL4EO(str(pack), 'L2A', ['B2'], patch_size=96)


def test_folders_of_the_other_level_are_refused(tmp_path):
    write_ssl4eo(tmp_path, 's2c', bands=['B2'])
    for root in (tmp_path, tmp_path / 's2c'):
        with pytest.raises(LayoutError, match=r"holds s2c, level L1C, and level='L2A'"):
            SSL4EO(str(root), bands=['B2'])
        assert open_archive(root, bands=['B2']).source.key() == dict(layout='SSL4EO-S12 L1C')


def test_layout_is_recognised_and_its_own_error_is_shown(tmp_path):
    root = write_sen12ms(tmp_path / 'sen12ms')
    assert type(open_archive(root)) is SEN12MS
    seco = write_tree(tmp_path / 'seco', locations=2, dates=1, bands=('B4',))
    (seco / '000007').mkdir()
    with pytest.raises(LayoutError, match='000007 has no dates'):
        open_archive(seco)


def test_units_are_judged_by_what_can_be_read(tmp_path):
    root = write_sen12ms(tmp_path)
    path = next(root.rglob('*s2_1_p7.tif'))
    path.write_bytes(path.read_bytes()[:5000])
    assert len(SEN12MS(str(root), max_unreadable=0.5)) == 4
