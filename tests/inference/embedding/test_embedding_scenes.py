import os

import numpy as np
import pytest
from fixtures.embeddings import write_scene
from fixtures.rasters import noise, write, write_bands

from swimdiff.datasets.rasters.options import RasterOptions
from swimdiff.errors import DatasetNotFoundError, LayoutError
from swimdiff.inference.embedding.cells import CellGrid
from swimdiff.inference.embedding.scenes import find_scene, list_scenes, open_files

OPTIONS = RasterOptions()


def names(*given):
    return [scene.name for scene in list_scenes(given, ('B04',), OPTIONS)]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path / 'data/whole_20240305.tif', height=8, width=8)
    planes = {'B04': noise(8, 8), 'B05': noise(4, 4)}
    write_bands(tmp_path / 'data/split/s_2024-06-07', planes)
    granule = 'S2A_MSIL1C_20240708T101010_N0500_R1_T33UUU_20240708T1.SAFE/GRANULE/L1C_X/IMG_DATA'
    write_bands(tmp_path / 'data/safe' / granule / 'T33UUU_20240708T101010', planes, '.jp2')
    return tmp_path


def test_folders_files_products_and_patterns_name_scenes(tree):
    safe = 'data/safe/S2A_MSIL1C_20240708T101010_N0500_R1_T33UUU_20240708T1.SAFE'
    everything = [safe, 'data/split/s_2024-06-07', 'data/whole_20240305.tif']
    assert sorted(names('data')) == everything
    assert names(safe) == names(f'{safe}/') == [safe]
    assert names('data/split/*.tif') == ['data/split/s_2024-06-07']
    assert names('data/**/*.tif') == everything[1:]
    assert names('data/whole_20240305.tif', './data', 'data')[0] == everything[2]
    # As a shell expands a pattern: the bands of a scene are arguments of their own.
    files = [f'data/split/s_2024-06-07_{band}.tif' for band in ('B05', 'B04')]
    (split,) = list_scenes(files, ('B04', 'B05'), OPTIONS)
    assert sorted(split.found.bands) == ['B04', 'B05']
    # Each once, whatever it was named by.
    assert len(names('data', safe, 'data/split')) == 3
    found = list_scenes(['data'], ('B04',), OPTIONS)
    assert sorted(scene.date for scene in found) == ['20240305', '20240607', '20240708']


def test_a_scene_is_found_again_by_its_name(tree):
    for scene in list_scenes(['data'], ('B04',), OPTIONS):
        again = find_scene(scene.name, ('B04',), OPTIONS)
        assert again.name == scene.name
        first, second = (open_files(files, ('B04',), OPTIONS) for files in (scene, again))
        assert first.bands['B04'][1:] == second.bands['B04'][1:]
        # ESA's offset is known by the name of the product.
        assert first.offset == 0
    offset = open_files(scene, ('B04',), RasterOptions(unit='reflectance x 10000')).offset
    assert offset == (1000 if '.SAFE' in scene.name else 0)
    with pytest.raises(DatasetNotFoundError, match='--root'):
        find_scene('data/gone.tif', ('B04',), OPTIONS)


def test_what_is_not_there_is_said(tree):
    with pytest.raises(DatasetNotFoundError, match=r'nothing\*: no file fits this pattern'):
        names('nothing*')
    with pytest.raises(DatasetNotFoundError, match='it does not exist'):
        names('data/none.tif')
    (tree / 'empty').mkdir()
    with pytest.raises(LayoutError, match='empty holds no scene'):
        names('empty')
    (tree / 'notes.txt').touch()
    with pytest.raises(LayoutError, match='is no raster'):
        names('notes.txt')
    scene = list_scenes(['data/whole_20240305.tif'], ('B04',), OPTIONS)[0]
    os.unlink('data/whole_20240305.tif')
    with pytest.raises(LayoutError, match='put it back'):
        scene.stamps()


def test_cells_lie_on_the_pixels_that_all_bands_cover(tmp_path):
    write(tmp_path / 's_B04.tif', noise(70, 100), west=600_000)
    write(tmp_path / 's_B05.tif', noise(50, 50), west=600_040, pixel=20)
    (files,) = list_scenes([str(tmp_path)], ('B04', 'B05'), OPTIONS)
    grid = CellGrid.lay(open_files(files, ('B04', 'B05'), OPTIONS), 32, 16)
    assert (grid.west, grid.north, grid.rows, grid.columns) == (600_040, 5_700_000, 3, 5)
    extent = grid.extents(np.array([2]), np.array([1]))[0].tolist()
    assert extent == [600_200, 5_699_360, 600_520, 5_699_680]
    # A pixel of the map is a stride wide, around the middle of its patch.
    west, dx, _, north, _, dy = grid.transform
    middle = west + 1.5 * dx, north + 2.5 * dy
    assert middle == ((extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2)


def test_blocks_hold_every_cell_once(tmp_path):
    grid = CellGrid(0, 0, 1, 1, 64, 16, 150, 131, 'EPSG:32633')
    cells = [pair for block in grid.blocks(13) for pair in zip(*map(list, block), strict=True)]
    assert len(cells) == len(set(cells)) == 150 * 131
    sizes = [len(rows) * 64 * 64 * 13 for rows, _ in grid.blocks(13)]
    assert max(sizes) <= 32 << 20


def test_outlines_across_the_date_line_stay_in_one_piece():
    # UTM zone 60: its east edge is the date line.
    grid = CellGrid(800_000, 0, 1000, 1000, 100, 100, 1, 1, 'EPSG:32660')
    outline = grid.footprints(np.array([0]), np.array([0]))[0]
    assert np.ptp(outline[:, 0]) < 1.5
    assert -180 <= outline[:4, 0].mean() <= 180
