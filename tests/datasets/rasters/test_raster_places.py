"""Dates of one place in a folder of scenes: found by their ground, cut to the same ground."""

import numpy as np
import pytest
from fixtures.rasters import noise, write
from fixtures.tools import load_tool
from osgeo import gdal, osr

from swimdiff.datasets import BlockScene, RasterScenes
from swimdiff.datasets.rasters import RasterScenesSource
from swimdiff.datasets.rasters.opening import BandFile, SceneRasters
from swimdiff.datasets.rasters.places import group_scenes, overlap


def transformation(source, target):
    systems = []
    for code in (source, target):
        system = osr.SpatialReference()
        system.ImportFromEPSG(code)
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        systems.append(system)
    return osr.CoordinateTransformation(*systems)


def grid(west, north, pixel, side):
    """Coordinates of the pixel centres, H x W x 2."""
    steps = (np.arange(side) + 0.5) * pixel
    return np.stack(np.meshgrid(west + steps, north - steps), axis=-1)


def field(points, epsg):
    """A smooth picture that hangs on the ground: waves of about 500 m in longitude and latitude."""
    lonlat = transformation(epsg, 4326).TransformPoints(points.reshape(-1, 2).tolist())
    lon, lat, _ = np.array(lonlat).T.reshape(3, *points.shape[:2])
    return (
        1500 + 500 * np.sin(900 * np.radians(lon) * 57) + 500 * np.cos(800 * np.radians(lat) * 57)
    )


def test_shifted_dates_share_their_pixels(tmp_path):
    """Two dates some pixels apart, and a third off by a part of a pixel: whole pixels, no blur."""
    big = noise(70, 70)
    write(tmp_path / 'a_20200101_B04.tif', big[:48, :48])
    write(tmp_path / 'b_20200201_B04.tif', big[3:51, 5:53], 600_050, 5_699_970)
    write(tmp_path / 'c_20200301_B04.tif', big[:48, :48], 600_004, 5_700_004)
    data = RasterScenes(str(tmp_path), patch=20, stretch=False, scene=dict(type='FileScene'))
    index, source = data.index if data.full_init() is None else None, data.source
    assert len(index.about['places']) == 1 and set(data.scene_ids()) == {0}
    assert len(index.locations) == 4 and len(index) == 12
    for location in range(4):
        row, column = divmod(location, 2)
        expected = big[3 + 20 * row :, 5 + 20 * column :][:20, :20]
        planes = source.read(index.rows(location), ['B04'])
        for (plane,) in planes:
            np.testing.assert_array_equal(plane, expected)
    dates = [source.date(index.paths[row]) for row in index.rows(0)]
    assert dates == ['20200101', '20200201', '20200301']


def test_one_place_in_two_utm_zones(tmp_path):
    """On the border of zones 32 and 33: one place, one ground, one scene by every definition."""
    corners = {32: (709_000, 5_655_000), 33: (288_000, 5_655_100)}
    for zone, (west, north) in corners.items():
        picture = field(grid(west, north, 10, 200), 32600 + zone).round().astype('uint16')
        write(tmp_path / f'z{zone}_B04.tif', picture, west, north, epsg=32600 + zone)
    source = RasterScenesSource(str(tmp_path), patch=48)
    index = source.index
    assert len(index.about['places']) == 1
    both = [i for i in range(len(index.locations)) if len(index.rows(i)) == 2]
    assert len(both) >= 4
    place = index.about['places'][0]
    epsg = 32632 if 'z32' in place[0] else 32633
    for location in both:
        row = index.rows(location)[0]
        left, top = index.columns['left'][row], index.columns['top'][row]
        expected = field(grid(left, top, 10, 48), epsg)
        for (plane,) in source.read(index.rows(location), ['B04']):
            # A tenth of a pixel; at the edge of a file half a pixel more.
            error = np.abs(plane - expected)
            assert error[1:-1, 1:-1].max() < 12 and error.max() < 40
    for scene in ('FileScene', dict(type='BlockScene', metres=50_000), 'LocationScene'):
        scene = dict(type=scene) if isinstance(scene, str) else scene
        data = RasterScenes(str(tmp_path), patch=48, stretch=False, scene=scene)
        assert len(data) == len(index)
        for location in both:
            rows = index.rows(location)
            assert len(set(data.scene_ids()[rows.start : rows.stop])) == 1
    # Opened apart, each file in its own zone, the same ground still is of the same block.
    blocks = []
    for zone in corners:
        alone = RasterScenesSource(str(tmp_path), patch=48, include=f'z{zone}*').build()
        blocks.append(BlockScene(50_000).blocks(alone.centres[:1]).tolist())
    assert blocks[0] == blocks[1]


def test_warp_agrees_with_gdal(tmp_path):
    """Noise, so that every misplaced pixel shows: bilinear like GDAL's own warper."""
    write(tmp_path / 'a_B04.tif', noise(260, 260), 709_000, 5_655_000, epsg=32632)
    other = write(tmp_path / 'b_B04.tif', noise(200, 200, 1), 288_000, 5_655_100, epsg=32633)
    source = RasterScenesSource(str(tmp_path), patch=48)
    index = source.index
    assert index.about['places'][0][0] == 'a'
    seen = 0
    for location in range(len(index.locations)):
        for row in index.rows(location):
            if index.paths[row] == 'b':
                left, top = index.columns['left'][row], index.columns['top'][row]
                bounds = (left, top - 480, left + 480, top)
                more = dict(outputBounds=bounds, width=48, height=48, dstSRS='EPSG:32632')
                more |= dict(
                    format='MEM',
                    resampleAlg='bilinear',
                    errorThreshold=0,
                    warpOptions=['XSCALE=1', 'YSCALE=1'],
                )
                warped = gdal.Warp('', str(other), **more)
                plane = source.read([row], ['B04'])[0][0].astype(int)
                # OpenCV rounds positions to 1/32 of a pixel.
                assert np.abs(plane - warped.ReadAsArray()).max() < 3000 / 32
                assert np.abs(plane - warped.ReadAsArray()).mean() < 12
                seen += 1
    assert seen >= 4


def test_ground_sizes(tmp_path):
    """Pixels of another size are resampled over exactly the ground asked for: a ramp stays one."""
    ramp = np.tile(np.arange(100, dtype='uint16') * 200 + 100, (100, 1))  # east of the west edge
    write(tmp_path / 'x_B04.tif', ramp, pixel=20)
    kept = RasterScenesSource(str(tmp_path), patch_metres=500)
    assert kept.sizes.patch == 25 and kept.sizes.side == dict(B04=25)
    index = kept.index
    np.testing.assert_array_equal(kept.read([1], ['B04'])[0][0], ramp[:25, 25:50])
    finer = RasterScenesSource(str(tmp_path), patch_metres=500, pixel_metres=10)
    index = finer.index
    plane = finer.read([1], ['B04'])[0][0]
    metres = 500 + (np.arange(50) + 0.5) * 10
    assert plane.shape == (50, 50) and np.abs(plane[:, 2:-2] - metres[2:-2] * 10).max() <= 1
    with_other = tmp_path / 'both'
    write(with_other / 'a_B04.tif', np.tile(np.arange(200) * 100 + 50, (200, 1)).astype('uint16'))
    write(with_other / 'b_B04.tif', ramp, pixel=20)
    source = RasterScenesSource(str(with_other), patch=50)
    index = source.index
    assert len(index.about['places']) == 1 and len(index.rows(1)) == 2
    first, second = (rows[0].astype(int) for rows in source.read(index.rows(1), ['B04']))
    assert np.abs(first - second)[:, 2:-2].max() <= 1


def test_degrees(tmp_path):
    """Degrees of longitude are half as long at 60 north; windows are square on the ground."""
    pixel = 1e-4  # 5.6 m by 11.1 m
    write(tmp_path / 'x_B04.tif', noise(300, 300), 20.0, 60.0, pixel, epsg=4326)
    source = RasterScenesSource(str(tmp_path), patch_metres=640, pixel_metres=10)
    index = source.index
    columns, rows = 300 * 5.58 // 640, 300 * 11.14 // 640
    assert len(index) == columns * rows == 10
    assert source.read([0], ['B04'])[0][0].shape == (64, 64)
    width = np.ptp(np.unique(index.centres[:, 0].round(9)))
    assert width * 111_320 * np.cos(np.radians(59.985)) == pytest.approx(640 * 1, rel=5e-3)
    # In pixels, the file's own are cut whatever they measure.
    source = RasterScenesSource(str(tmp_path), patch=100)
    plane = source.read([1], ['B04'])[0][0]
    np.testing.assert_array_equal(plane, noise(300, 300)[:100, 100:200])


def test_across_the_date_line(tmp_path):
    picture = noise(60, 60)
    write(tmp_path / 'a_B04.tif', picture, 179.99, 10.0, 5e-4, epsg=4326)
    write(tmp_path / 'b_B04.tif', picture[:, 10:], 179.995 - 360, 10.0, 5e-4, epsg=4326)
    source = RasterScenesSource(str(tmp_path), patch=25)
    index = source.index
    assert len(index.about['places']) == 1 and np.abs(index.centres[:, 0]).min() > 179
    assert [len(index.rows(i)) for i in range(len(index.locations))] == [2, 2, 2, 2]
    for location in range(4):
        (one,), (other,) = source.read(index.rows(location), ['B04'])
        np.testing.assert_array_equal(one, other)


# Footprints against independent computations


def scene(name, west, south, east, north, system='EPSG:32633', pixels=100):
    size = (east - west) / pixels, (north - south) / pixels
    band = BandFile('f', 1, west, size[0], north, size[1], pixels, pixels, None, False)
    return SceneRasters(name, system, 'uint16', dict(B04=band))


def test_overlap_of_rectangles():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a, b = rng.uniform(0, 1000, (2, 2))
        (w, h), (u, v) = rng.uniform(100, 2000, (2, 2))
        a, b = np.add(a, (5e5, 5e6)), np.add(b, (5e5, 5e6))
        x = max(0, min(a[0] + w, b[0] + u) - max(a[0], b[0]))
        y = max(0, min(a[1] + h, b[1] + v) - max(a[1], b[1]))
        found = overlap(scene('a', *a, *np.add(a, (w, h))), scene('b', *b, *np.add(b, (u, v))))
        assert found == pytest.approx(x * y / min(w * h, u * v), abs=1e-9)


def test_grouping_against_brute_force_of_mixed_sizes():
    rng = np.random.default_rng(1)
    west = rng.uniform(4e5, 5e5, 80)
    south = rng.uniform(5e6, 5.1e6, 80)
    side = np.exp(rng.uniform(np.log(500), np.log(40_000), 80))
    scenes = [
        scene(f'{i:02d}', w, s, w + m, s + m)
        for i, (w, s, m) in enumerate(zip(west, south, side, strict=True))
    ]
    label = np.arange(80)
    for i in range(80):
        for j in range(i):
            if overlap(scenes[i], scenes[j]) > 0.5:
                label[label == label[i]] = label[j]
    found = np.zeros(80, int)
    for number, group in enumerate(group_scenes(scenes, 0.5)):
        found[group] = number
    assert ((found[:, None] == found) == (label[:, None] == label)).all()
    assert 5 < len(set(label)) < 75


def test_share_that_makes_one_place(tmp_path):
    """40 % of each in the other: two places by default, one where that is enough."""
    write(tmp_path / 'a_B04.tif', noise(50, 50))
    write(tmp_path / 'b_B04.tif', noise(50, 50, 1), 600_300)
    default = RasterScenesSource(str(tmp_path), patch=10).build()
    assert len(default.about['places']) == 2 and len(default.locations) == len(default) == 50
    loose = RasterScenesSource(str(tmp_path), patch=10, same_place=0.3).build()
    assert len(loose.about['places']) == 1 and len(loose) == 50 and len(loose.locations) == 40


def test_reference_is_the_finest_then_the_largest(tmp_path):
    write(tmp_path / 'a_B04.tif', noise(20, 20), pixel=40)
    write(tmp_path / 'b_B04.tif', noise(60, 60))
    write(tmp_path / 'c_B04.tif', noise(70, 70))
    index = RasterScenesSource(str(tmp_path), patch=20).build()
    assert [place[0] for place in index.about['places']] == ['c']
    assert index.locations[0].startswith('c/')


def test_every_scene_definition_from_the_folder_and_from_a_pack_of_it(tmp_path):
    """Two dates a place, three places, two tiles; a pack knows the same scenes and pixels."""
    for number, (tile, west) in enumerate((('33UUU', 6e5), ('33UUU', 604_000), ('33UVU', 640_000))):
        for date in ('20200101', '20200601'):
            name = f'{number}_T{tile}_{date}_B04.tif'
            write(tmp_path / 'scenes' / name, noise(40, 40, number + int(date[5])), west)
    pack = load_tool('dataset_converters/pack.py')
    folder, packed = str(tmp_path / 'scenes'), str(tmp_path / 'pack')
    pack.main([folder, packed, '--type', 'RasterScenes', '--dataset-options', 'patch=20'])
    options = dict(patch=20, pipeline=[dict(type='LoadPatch')])
    for scene, count in (
        (dict(type='LocationScene'), 12),
        (dict(type='FileScene'), 3),
        (dict(type='TileScene'), 2),
        (dict(type='BlockScene', metres=20_000), 3),  # an edge runs through the first place
        (dict(type='DistanceScene', metres=300), 3),
        (dict(type='DistanceScene', metres=3900), 2),
    ):
        raw = RasterScenes(folder, scene=scene, **options)
        other = RasterScenes(packed, scene=scene, **options)
        assert len(raw) == 24 and len(np.unique(raw.scene_ids())) == count
        np.testing.assert_array_equal(raw.scene_ids(), other.scene_ids())
    for i in range(24):
        np.testing.assert_array_equal(raw[i]['img'], other[i]['img'])
        assert raw[i]['date'] == other[i]['date'] and raw[i]['location'] == other[i]['location']
