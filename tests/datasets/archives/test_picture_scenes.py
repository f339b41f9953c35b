"""Pictures as scenes: grid, pixels and scenes against naive loops; damage; what is kept."""

import pickle

import numpy as np
import pytest
from fixtures.pictures import CLASSES, cut_short, noise, write_classes, write_picture
from fixtures.tools import load_tool
from PIL import Image

from swimdiff.bands import get_stats
from swimdiff.datasets import PictureScenes
from swimdiff.datasets.pictures import source as picture_source
from swimdiff.datasets.pictures.reading import read_picture
from swimdiff.datasets.pictures.source import place_patches
from swimdiff.errors import (
    BandError,
    ConfigError,
    DatasetNotFoundError,
    LayoutError,
    RasterError,
    UnreadableSamplesError,
)

LOAD = [dict(type='LoadPatch')]
SHARES = dict(pretrain=0.5, train=0.3, val=0.05, test=0.15)


@pytest.fixture
def root(tmp_path):
    """Three pictures of different sizes, at two depths."""
    write_picture(tmp_path / 'pictures' / 'A' / 'one.png', noise(40, 52, 1))
    write_picture(tmp_path / 'pictures' / 'A' / 'two.png', noise(16, 16, 2))
    write_picture(tmp_path / 'pictures' / 'B' / 'deep' / 'three.png', noise(33, 16, 3))
    return tmp_path / 'pictures'


def naive_starts(length, patch, stride):
    starts, at = [], 0
    while True:
        if at + patch >= length:
            starts.append(length - patch)
            return starts
        starts.append(at)
        at += stride


@pytest.mark.parametrize('patch', [1, 5, 16])
@pytest.mark.parametrize('stride', [1, 3, 5, 16, 40])
def test_places_against_a_naive_loop(patch, stride):
    for length in range(patch, 60):
        starts = place_patches(length, patch, stride)
        assert starts == naive_starts(length, patch, stride)
        if stride <= patch:
            assert {p for s in starts for p in range(s, s + patch)} == set(range(length))


def test_samples_pixels_and_scenes_against_a_naive_loop(root):
    dataset = PictureScenes(str(root), patch=16, stride=10, pipeline=LOAD)
    expected = []
    for scene, (name, key) in enumerate((('A/one', 1), ('A/two', 2), ('B/deep/three', 3))):
        pixels = noise(*((40, 52), (16, 16), (33, 16))[scene], key)
        for y in naive_starts(pixels.shape[0], 16, 10):
            for x in naive_starts(pixels.shape[1], 16, 10):
                place = f'{name}.png/{y:05d}_{x:05d}'
                expected.append((scene, place, pixels[y : y + 16, x : x + 16]))
    assert len(dataset) == len(expected) == 4 * 5 + 1 + 3
    assert dataset.scene_ids().tolist() == [scene for scene, _, _ in expected]
    for item, (scene, place, pixels) in zip(dataset, expected, strict=True):
        assert (item['scene_id'], item['location']) == (scene, place)
        assert item['img_path'] == f'{root}/{place.rpartition("/")[0]}' and item['date'] == ['']
        assert item['img'].dtype == np.uint8 and np.array_equal(item['img'], pixels)


def test_pixels_are_those_of_pillow_and_bands_are_chosen_by_name(tmp_path):
    path = write_picture(tmp_path / 'a.jpg', noise(32, 32, 4), quality=70)
    with Image.open(path) as picture:
        pixels = np.asarray(picture)
    image = PictureScenes(str(tmp_path), patch=32, pipeline=LOAD)[0]['img']
    assert np.array_equal(image, pixels)
    swapped = PictureScenes(str(tmp_path), patch=32, bands=('B2', 'B4'), pipeline=LOAD)[0]['img']
    assert np.array_equal(swapped, pixels[..., [2, 0]])
    stretched = PictureScenes(str(tmp_path), patch=32, stretch=True, pipeline=LOAD)[0]['img']
    assert np.array_equal(stretched, pixels)  # the stretch of the table 'pictures' changes nothing
    with pytest.raises(BandError, match='has no B08'):
        PictureScenes(str(tmp_path), bands=('B08',))


def test_parts_hold_whole_pictures_once(tmp_path):
    root = write_classes(tmp_path, per_class=20)
    parts = {
        part: PictureScenes(str(root), patch=32, part=part, shares=SHARES, split_seed=7)
        for part in SHARES
    }
    pictures = {part: {info['img_path'] for info in data} for part, data in parts.items()}
    assert sum(map(len, pictures.values())) == len(set().union(*pictures.values())) == 60
    for label in CLASSES:
        counts = {part: sum(label in p for p in paths) for part, paths in pictures.items()}
        assert counts == dict(pretrain=10, train=6, val=1, test=3)
    assert all(len(data) == 4 * len(pictures[part]) for part, data in parts.items())
    assert len(PictureScenes(str(root), patch=32)) == 240
    with pytest.raises(LayoutError, match=r"the part 'b' of .* is empty; there are 60 pictures"):
        len(PictureScenes(str(root), part='b', shares=dict(a=0.999, b=0.001)))


def test_small_and_damaged_pictures_stop_or_are_counted(tmp_path):
    root = write_classes(tmp_path, per_class=4)
    write_picture(root / 'Field' / 'small.png', noise(40, 31, 9))
    with pytest.raises(LayoutError, match=r'small.png has 31 x 40 pixels.*at least 32 x 32'):
        len(PictureScenes(str(root), patch=32, index_cache=None))
    (root / 'Forest' / 'zero.jpg').touch()
    # Two of fourteen pictures; of their patches it would be fewer than 1 in 20.
    with pytest.raises(UnreadableSamplesError, match='2 of 14 pictures cannot'):
        len(PictureScenes(str(root), patch=32, max_unreadable=0.1))
    dataset = PictureScenes(str(root), patch=32, max_unreadable=0.2, pipeline=LOAD)
    assert len(dataset) == 12 * 4
    assert not any('small.png' in info['img_path'] for info in dataset)

    cut_short(root / 'Field' / 'a000.jpg')  # its header is whole
    again = PictureScenes(str(root), patch=32, max_unreadable=0.2, pipeline=LOAD)
    assert len(again) == 48
    assert 'Field/a000' not in again[0]['img_path'] and again.skips.failures > 0
    with pytest.raises(RasterError, match=r'a000.jpg .*cannot be read'):
        again.source.read([0], again.bands)


def test_a_link_to_nothing_stops_or_is_counted_and_is_found_again(tmp_path):
    root = write_classes(tmp_path / 'data', per_class=2)
    kept = tmp_path / 'kept.jpg'
    path = root / 'Forest' / 'b001.jpg'
    path.rename(kept)
    path.symlink_to(tmp_path / 'gone.jpg')
    with pytest.raises(LayoutError, match=r'b001\.jpg is a link to .*gone\.jpg'):
        len(PictureScenes(str(root), patch=32, index_cache=None))
    options = dict(patch=32, max_unreadable=0.5)
    assert len(PictureScenes(str(root), **options)) == 5 * 4
    kept.rename(tmp_path / 'gone.jpg')
    assert len(PictureScenes(str(root), **options)) == 6 * 4


def test_a_picture_replaced_in_place_is_seen(tmp_path):
    path = write_picture(tmp_path / 'a.png', noise(32, 32, 1))
    dataset = PictureScenes(str(tmp_path), patch=16, keep=0)
    assert len(dataset) == 4
    write_picture(path, noise(48, 16, 2))
    with pytest.raises(RasterError, match=r'has 16 x 48 pixels, and had 32 x 32 when'):
        dataset.source.read([0], dataset.bands)
    assert len(PictureScenes(str(tmp_path), patch=16)) == 3


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r'does not exist\. Expected pictures'):
        PictureScenes(str(tmp_path / 'no'))
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(LayoutError, match=r'holds no picture; found notes.txt\. Expected'):
        PictureScenes(str(tmp_path))
    for options in (dict(patch=0), dict(stride=0), dict(keep=-1)):
        with pytest.raises(ConfigError, match='expected pixels of at least 1'):
            PictureScenes(str(tmp_path), **options)


def test_kept_pictures_are_the_same_and_stay_within_their_room(root, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        picture_source, 'read_picture', lambda path: decoded.append(path) or read_picture(path)
    )
    room = 3 * (40 * 52 + 16 * 16)  # two of the three pictures
    plain = PictureScenes(str(root), patch=16, keep=0, pipeline=LOAD)
    kept = PictureScenes(str(root), patch=16, keep=room, pipeline=LOAD)
    rng = np.random.default_rng(0)
    for i in rng.integers(0, len(plain), 60).tolist():
        first = kept[i]['img']
        assert np.array_equal(first, plain[i]['img'])
        first[:] = 0  # changes no picture that is kept
        assert kept.source._kept.used <= room
    held = kept.source._kept._arrays
    assert kept.source._kept.used == sum(p.nbytes for p in held.values()) > 0

    decoded.clear()
    rows = [0, 1, 2, 0]  # all of one picture
    kept.source.read(rows, kept.bands)
    assert len(decoded) <= 1
    plain.source.read(rows, plain.bands)
    assert len(decoded) in (4, 5)
    assert pickle.loads(pickle.dumps(kept.source))._kept.used == 0


def test_a_pack_of_pictures(root, tmp_path):
    pack = tmp_path / 'pack'
    config = tmp_path / 'config.py'
    data = dict(type='PictureScenes', data_root=str(root), patch=16)
    config.write_text(f'train_dataloader = dict(dataset={data!r})')
    load_tool('dataset_converters/pack.py').main([str(config), str(pack), '--workers', '1'])
    packed = PictureScenes(str(pack), patch=16, pipeline=LOAD)
    plain = PictureScenes(str(root), patch=16, pipeline=LOAD)
    assert packed.scene_ids().tolist() == plain.scene_ids().tolist()
    assert all(np.array_equal(a['img'], b['img']) for a, b in zip(packed, plain, strict=True))
    with pytest.raises(ConfigError, match=r"part='train' in the config, and .* part=None"):
        PictureScenes(str(pack), patch=16, part='train', shares=dict(train=0.5, test=0.5))
    with pytest.raises(ConfigError, match='patch=96'):
        PictureScenes(str(pack))


def test_statistics_of_pictures():
    table = get_stats('pictures')
    assert table.select('low', ('B4',)) == (0.0,) and table.select('high', ('B2',)) == (255.0,)
    assert all(0 < value < 255 for value in table.select('mean', ('B04', 'B03', 'B02')))
