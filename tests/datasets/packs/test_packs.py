"""Packs hold what the archive's own reader returns, to the bit, however they were made."""

import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import cv2
import numpy as np
import pytest
from fixtures.packs import content, pack_dataset, pack_seco
from fixtures.rasters import scene_bands, write_bands
from fixtures.seco import pattern, write_band, write_tree
from osgeo import gdal

from swimdiff.bands import SECO_BANDS
from swimdiff.datasets import SSL4EO, RasterScenes, SeCo
from swimdiff.datasets.geo import same_system
from swimdiff.datasets.packs import PackSource, decode_jpeg, encode_jpeg
from swimdiff.errors import BandError, ConfigError, LayoutError, UnreadableSamplesError

LOAD = [dict(type='LoadPatch')]
RGB = ('B04', 'B03', 'B02')


def items(root, **options):
    dataset = SeCo(str(root), pipeline=LOAD, **options)
    return [dataset[i] for i in range(len(dataset))]


def assert_same(packed, raw):
    assert len(packed) == len(raw) > 0
    for ours, theirs in zip(packed, raw, strict=True):
        np.testing.assert_array_equal(ours['img'], theirs['img'])
        assert ours['img'].dtype == theirs['img'].dtype
        for key in ('location', 'date', 'scene_id', 'band_names', 'sample_idx'):
            assert ours[key] == theirs[key]


@pytest.fixture(scope='module', params=['raw', 'jpeg'])
def pack(request, shared_seco_root, tmp_path_factory):
    return pack_seco(
        shared_seco_root, tmp_path_factory.mktemp('packs') / 'pack', codec=request.param
    )


@pytest.mark.parametrize('stretch', [True, False])
@pytest.mark.parametrize(
    'bands', [RGB, ('B02', 'B03', 'B04'), ('B12', 'B01', 'B8A'), ('B09',), SECO_BANDS]
)
def test_bit_equal_with_the_archive(pack, shared_seco_root, bands, stretch):
    options = dict(bands=bands, stretch=stretch)
    assert_same(items(pack, **options), items(shared_seco_root, **options))


def test_two_dates_and_the_whole_pipeline(pack, shared_seco_root):
    options = dict(samples='locations', views_from='different_dates')
    np.random.seed(3)
    packed = items(pack, **options)
    np.random.seed(3)
    raw = items(shared_seco_root, **options)
    for ours, theirs in zip(packed, raw, strict=True):
        np.testing.assert_array_equal(ours['img'], theirs['img'])
        assert ours['date'] == theirs['date'] and len(ours['img']) == 2


def test_a_subset_chosen_when_packing(shared_seco_root, tmp_path):
    root = pack_seco(shared_seco_root, tmp_path / 'rgb', bands=['B2', 'B04', 'B11'])
    some = dict(bands=['B11', 'B04'])
    assert_same(items(root, **some), items(shared_seco_root, **some))
    assert SeCo(root, **some).source.bands == ('B02', 'B04', 'B11')
    with pytest.raises(BandError, match=r'has no B03; it has B02, B04, B11.*chosen when packing'):
        SeCo(root)
    with pytest.raises(ConfigError, match=r'Copy the pack to the local disk before the run'):
        SeCo(root, local_copy='/scratch', **some)


@pytest.mark.parametrize('codec', ['raw', 'jpeg'])
def test_workers_and_shards_change_no_byte(shared_seco_root, tmp_path, codec):
    one = pack_seco(shared_seco_root, tmp_path / 'one', codec=codec)
    two = pack_seco(shared_seco_root, tmp_path / 'two', codec=codec, workers=2, shard_bytes=1)
    here = pack_seco(shared_seco_root, tmp_path / 'here', codec=codec, workers=1, shard_bytes=1)
    assert content(two) == content(here)
    files = content(two)
    shards = [files[f'shard-{number:05d}.npy'] for number in range(6)]
    assert b''.join(shard[128:] for shard in shards) == content(one)['shard-00000.npy'][128:]
    assert len(np.load(os.path.join(one, 'shard-00000.npy'), mmap_mode='r')) == sum(
        len(shard) - 128 for shard in shards
    )


@pytest.mark.parametrize(
    'scene',
    [
        dict(type='LocationScene'),
        dict(type='TileScene'),
        dict(type='DistanceScene', metres=5_000.0),
        dict(type='BlockScene', metres=20_000.0),
    ],
)
def test_scenes_are_those_of_the_archive(tmp_path, scene):
    places = [(35.0, 20.0), (35.03, 20.0), (36.0, 20.0), (36.0, -60.02)]
    tree = write_tree(tmp_path / 'seco', locations=4, bands=('B4',), places=places)
    root = pack_seco(tree, tmp_path / 'pack', bands=['B04'])
    options = dict(bands=['B04'], scene=scene)
    raw = SeCo(str(tree), **options).scene_ids()
    np.testing.assert_array_equal(SeCo(root, **options).scene_ids(), raw)


def test_georeference_is_kept(pack, shared_seco_root):
    dataset = SeCo(pack, bands=('B05',))
    index = (dataset.full_init(), dataset.index)[1]
    for row in range(len(index)):
        for band, stem in (('B02', 'B2'), ('B05', 'B5'), ('B01', 'B1'), (None, 'B2')):
            file = gdal.Open(f'{shared_seco_root}/{index.paths[row]}/{stem}.tif')
            transform, system = dataset.source.georeference(row, band)
            np.testing.assert_allclose(transform, file.GetGeoTransform(), rtol=0, atol=1e-12)
            assert same_system(system, file.GetSpatialRef().ExportToWkt())
    np.testing.assert_allclose(index.centres[0], [35.012, 19.988], atol=1e-9)


def test_archive_without_georeference(tmp_path):
    tree = write_tree(tmp_path / 'seco', locations=1, dates=1, bands=('B4',))
    path = next(tree.rglob('B4.tif'))
    dataset = gdal.GetDriverByName('GTiff').Create(str(path), 264, 264, 1, gdal.GDT_Byte)
    dataset.WriteRaster(0, 0, 264, 264, pattern(0, 0, 'B4').tobytes())
    del dataset
    found = SeCo(pack_seco(tree, tmp_path / 'pack', bands=['B04']), bands=['B04'], pipeline=LOAD)
    assert found[0]['scene_id'] == 0 and np.isnan(found.index.centres).all()
    assert found.source.georeference(0) is None


def test_jpeg_keeps_what_decoding_and_encoding_would_lose(tmp_path):
    """Clipped noise does not survive being encoded again; the strips are kept then."""
    rng = np.random.default_rng(0)
    shapes = dict(smooth=(264, 264), clipped=(264, 264), odd=(132, 132), tiny=(7, 44))
    sizes = {}
    for name, shape in shapes.items():
        pixels = pattern(0, 0, 'B4')[: shape[0], : shape[1]]
        if name == 'clipped':
            pixels = np.clip(rng.normal(0, 60, shape), 0, 255).astype(np.uint8)
        path = tmp_path / f'{name}.tif'
        write_band(path, pixels, 35, 20)
        plane = gdal.Open(str(path)).ReadAsArray()
        blob = encode_jpeg(str(path), plane)
        sizes[name] = blob[:2] == b'\xff\xd8', len(blob) < plane.size
        np.testing.assert_array_equal(decode_jpeg(np.frombuffer(blob, np.uint8), shape), plane)
        assert decode_jpeg(np.frombuffer(blob[: len(blob) // 2], np.uint8), (1, 1)) is None
    assert sizes['smooth'] == (True, True) and sizes['clipped'] == (False, True)
    write_band(tmp_path / 'plain.tif', pixels, 35, 20, compress='DEFLATE')
    assert encode_jpeg(str(tmp_path / 'plain.tif'), pixels) is None
    assert encode_jpeg(str(tmp_path / 'smooth.tif'), 255 - pattern(0, 0, 'B4')) is None


def test_jpeg_falls_back_to_pixels_a_plane(tmp_path):
    tree = write_tree(tmp_path / 'seco', locations=1, dates=2, bands=('B4', 'B2'))
    write_band(next(tree.rglob('B4.tif')), pattern(0, 0, 'B4'), 35, 20, compress='LZW')
    root = pack_seco(tree, tmp_path / 'pack', bands=['B04', 'B02'], codec='jpeg')
    options = dict(bands=['B04', 'B02'], index_cache=None)
    assert_same(items(root, **options), items(tree, **options))
    lengths = PackSource(root).index.columns['lengths']
    assert (lengths == 264 * 264).sum() == 1 and lengths.max() == 264 * 264


def test_16_bit(tmp_path):
    rng = np.random.default_rng(0)
    tree = write_tree(tmp_path / 'ssl4eo', locations=2, bands=('B2', 'B1', 'B5'))
    for location in tree.iterdir():
        for path in location.glob('*/B*.tif'):
            side = gdal.Open(str(path)).RasterXSize
            pixels = rng.integers(1, 6000, (side, side)).astype(np.uint16)
            write_band(path, pixels, 35, 20, compress='DEFLATE')
        location.rename(tree / f'0{location.name}')
    options = dict(bands=('B05', 'B02', 'B01'), pipeline=LOAD)
    archive = SSL4EO(str(tree), stretch=False, **options)
    with pytest.raises(ConfigError, match='holds uint16 pixels'):
        pack_dataset(archive, tmp_path / 'no', codec='jpeg')
    root = str(tmp_path / 'pack')
    assert pack_dataset(archive, root, bands=options['bands']).dtype == 'uint16'
    for stretch in (True, False):
        ours, theirs = (SSL4EO(str(r), stretch=stretch, **options) for r in (root, tree))
        assert_same([ours[i] for i in range(4)], [theirs[i] for i in range(4)])
    with pytest.raises(ConfigError, match=r'a pack of SSL4EO-S12 L2A, .* asks for SSL4EO-S12 L1C'):
        SSL4EO(root, level='L1C', stats='s2_l2a', bands=('B05', 'B02'))
    with pytest.raises(ConfigError, match=r"a pack of the data set SSL4EO, .* Set type='SSL4EO'"):
        SeCo(root)


def test_scenes_cut_into_patches(tmp_path):
    """Two dates of one place: windows, their dates and where they lie; columns of the index."""
    for number, date in enumerate(('20200101', '20210101')):
        write_bands(tmp_path / 'scenes' / f'T36QZH_{date}T075611', scene_bands(seed=number))
    options = dict(patch=24, bands=('B04', 'B05'))
    raw = RasterScenes(str(tmp_path / 'scenes'), stretch=False, pipeline=LOAD, **options)
    root = str(tmp_path / 'pack')
    made = pack_dataset(raw, root)
    packed = RasterScenes(root, stretch=False, pipeline=LOAD, **options)
    assert_same([packed[i] for i in range(len(packed))], [raw[i] for i in range(len(raw))])
    assert len(packed) == 8 and made.kind == 'RasterScenes'
    np.testing.assert_array_equal(packed.index.centres, raw.index.centres)
    np.testing.assert_array_equal(packed.index.columns['scene'], raw.index.columns['scene'])
    blocks = dict(scene=dict(type='BlockScene', metres=150.0))
    ids = [
        RasterScenes(str(r), **options, stretch=False, **blocks).scene_ids()
        for r in (root, raw.root)
    ]
    np.testing.assert_array_equal(*ids)
    places = []
    for row in range(len(packed.index)):
        transform, system = packed.source.georeference(row, 'B04')
        whole = gdal.Open(str(next((tmp_path / 'scenes').rglob('*B04*.tif'))))
        assert same_system(system, whole.GetSpatialRef().ExportToWkt())
        west, dx, _, north, _, dy = whole.GetGeoTransform()
        assert transform[1::4] == (dx, dy) and transform[2] == transform[4] == 0
        places.append(((transform[0] - west) / dx, (transform[3] - north) / dy))
    assert sorted(set(places)) == [(0, 0), (0, 24), (24, 0), (24, 24)]
    random = RasterScenes(str(tmp_path / 'scenes'), windows='random', stretch=False, **options)
    with pytest.raises(ConfigError, match='cuts other patches at each access'):
        pack_dataset(random, tmp_path / 'no')


@pytest.mark.parametrize('pack', ['raw'], indirect=True)
def test_options_of_the_archive_are_compared(pack, tmp_path):
    """Those that a config gives and the pack was not made with are refused, defaults are not."""
    write_bands(tmp_path / 'scenes' / 'T36QZH_20200101T075611', scene_bands())
    raw = RasterScenes(str(tmp_path / 'scenes'), patch=24, clouds=None, bands=['B04', 'B05'])
    root = str(tmp_path / 'pack')
    pack_dataset(raw, root, bands=['B05'])
    same = dict(patch=24, stride=24, windows='grid', min_valid=0.95, patch_metres=None)
    assert len(RasterScenes(root)) == len(RasterScenes(root, **same)) == 4
    for name, value, told in (
        ('patch', 12, 24),
        ('patch_metres', 240.0, None),
        ('stride', 12, 24),
        ('windows', 'random', 'grid'),
        ('min_valid', 0.5, 0.95),
        ('unit', 'reflectance x 10000', None),
        ('include', ('T36*',), []),
    ):
        message = f'{name}={value!r} in the config, and {root} was packed with {name}={told!r}'
        with pytest.raises(ConfigError, match=re.escape(message)):
            RasterScenes(root, **{name: value})
    with pytest.raises(ConfigError, match=r"clouds=\{'band': 'SCL'.* with clouds=None"):
        RasterScenes(root, clouds='SCL')
    assert len(SeCo(pack, patch_size=264)) == 6
    with pytest.raises(ConfigError, match=r'patch_size=128 in the config.* with patch_size=264'):
        SeCo(pack, patch_size=128)


@pytest.mark.parametrize('size', [100, 264])
def test_patch_size_of_a_pack_of_coarse_bands(tmp_path, size):
    """A side that 6 does not divide is the size that it was packed with all the same."""
    tree = write_tree(tmp_path / 'seco', locations=1, dates=1, bands=('B1',))
    write_band(next(tree.rglob('B1.tif')), pattern(0, 0, 'B1')[: size // 6, : size // 6], 35, 20)
    root = str(tmp_path / 'pack')
    pack_dataset(SeCo(str(tree), bands=['B01'], patch_size=size), root, bands=['B01'])
    assert len(SeCo(root, bands=['B01'], patch_size=size)) == len(SeCo(root, bands=['B01'])) == 1
    with pytest.raises(ConfigError, match='patch_size=200 in the config'):
        SeCo(root, bands=['B01'], patch_size=200)


def test_a_pack_is_not_packed_again(pack, tmp_path):
    with pytest.raises(ConfigError, match=r'is a pack already\. Name the archive'):
        pack_dataset(SeCo(pack, bands=None), tmp_path / 'again', bands=RGB)
    assert not (tmp_path / 'again').exists()


def _read(dataset):
    return [dataset[i]['img'] for i in range(len(dataset))]


@pytest.mark.parametrize('pack', ['raw'], indirect=True)
def test_other_processes_read_it(pack):
    """Sent to a spawned process: the index by name, no open file; and after a fork as it is."""
    dataset = SeCo(pack, pipeline=LOAD)
    expected = _read(dataset)
    assert len(pickle.dumps(dataset.source)) < 10_000
    for method in ('spawn', 'fork'):
        with ProcessPoolExecutor(1, get_context(method)) as pool:
            for ours, theirs in zip(pool.submit(_read, dataset).result(), expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    assert dataset.index.columns['lengths'].base is not None


@pytest.mark.parametrize('pack', ['jpeg'], indirect=True)
def test_without_gdal(pack, shared_seco_root):
    """Reading, scenes by distance and all registries, where osgeo cannot be imported."""
    code = """
import sys
class Blocker:
    def find_spec(self, name, *_):
        if name.split('.')[0] == 'osgeo':
            raise ImportError('blocked')
sys.meta_path.insert(0, Blocker())
from swimdiff.datasets import SSL4EO, RasterScenes, SeCo
dataset = SeCo(sys.argv[1], scene=dict(type='DistanceScene', metres=1000.0),
               pipeline=[dict(type='LoadPatch')])
print(sum(int(item['img'].sum()) for item in dataset), dataset.scene_ids().tolist())
from swimdiff.registry import DATASETS, TASK_UTILS, TRANSFORMS
assert DATASETS.get('SeCo') and TRANSFORMS.get('LoadPatch') and TASK_UTILS.get('TileScene')
assert 'osgeo' not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, '-c', code, pack], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    total = sum(int(item['img'].sum()) for item in items(shared_seco_root))
    assert done.stdout.split('\n')[0] == f'{total} [0, 0, 1, 1, 2, 2]'


def test_what_cannot_be_packed(shared_seco_root, tmp_path):
    dataset = SeCo(str(shared_seco_root), bands=None)
    for options, message in (
        (dict(codec='zip'), "codec='zip': expected one of"),
        (dict(max_unreadable=1.0), 'expected a share below 1'),
        (dict(shard_bytes=0), 'expected a number of bytes above 0'),
    ):
        with pytest.raises(ConfigError, match=message):
            pack_dataset(dataset, tmp_path / 'pack', **options)
    with pytest.raises(ConfigError, match='lies in the archive'):
        pack_dataset(dataset, shared_seco_root / 'pack')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'thesis.tex').write_text('x')
    with pytest.raises(ConfigError, match=r'no pack and not empty: it holds thesis\.tex'):
        pack_dataset(dataset, tmp_path / 'mine')


def test_patches_of_several_sizes(tmp_path):
    tree = write_tree(tmp_path / 'seco', locations=2, dates=1, bands=('B4',))
    dataset = SeCo(str(tree), bands=['B04'])
    dataset.full_init()
    read = dataset.source.read

    def smaller(rows, bands):
        return [[plane[rows[0] :] for plane in planes] for planes in read(rows, bands)]

    dataset.source.read = smaller
    with pytest.raises(OSError, match=r'264 x 263 pixels of uint8\. Expected 264 x 264'):
        pack_dataset(dataset, tmp_path / 'pack', bands=['B04'])


def test_rows_left_out_are_left_out(tmp_path):
    """Unreadable files when packing: refused, or left out where that was allowed."""
    tree = write_tree(tmp_path / 'seco', locations=3, dates=2, bands=('B4',))
    first, second = sorted((tree / '000001').glob('*/B4.tif'))
    first.write_bytes(first.read_bytes()[:400])
    third = sorted((tree / '000002').glob('*/B4.tif'))[0]
    third.unlink()
    options = dict(bands=['B04'], workers=1, shard_bytes=200_000)
    with pytest.raises(OSError, match=r'000001.*B4\.tif cannot be read'):
        pack_seco(tree, tmp_path / 'pack', **options)
    first.unlink()
    with pytest.raises(LayoutError, match=r'000001.*B4\.tif is missing'):
        pack_seco(tree, tmp_path / 'pack', **options)
    second.unlink()
    with pytest.raises(
        UnreadableSamplesError, match=r'3 rows cannot be read, and 2\.4 may be left out'
    ):
        pack_seco(tree, tmp_path / 'some', max_unreadable=0.4, **options)
    root = pack_seco(tree, tmp_path / 'some', max_unreadable=0.6, **options)
    dataset = SeCo(root, bands=['B04'], pipeline=LOAD)
    assert [item['location'] for item in dataset] == ['000000', '000000', '000002']
    assert len(dataset.source.manifest.unreadable) == 3
    raw = SeCo(str(tree), bands=['B04'], pipeline=LOAD)
    np.testing.assert_array_equal(dataset[2]['img'], raw[5]['img'])


def test_decoding_in_grey_only():
    """A colour JPEG in place of a plane is no plane."""
    colour = cv2.imencode('.jpg', np.zeros((8, 9, 3), np.uint8))[1]
    assert decode_jpeg(colour, (9, 8)) is None
