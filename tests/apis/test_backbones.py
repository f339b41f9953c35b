import doctest

import numpy as np
import pytest
import xarray
import yaml
from fixtures.embeddings import write_backbone, write_scene
from fixtures.runs import ROOT

from swimdiff import apis
from swimdiff.apis import backbones
from swimdiff.datasets.rasters.options import RasterOptions
from swimdiff.errors import BandError, ConfigError, LayoutError, RasterError

BANDS = ('B04', 'B03', 'B02')


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_backbone(tmp_path / 'epoch_200.pth')
    write_scene(tmp_path / 'scene.tif')
    return tmp_path


def test_the_examples_of_the_documentation_run(folder):
    outcome = doctest.testmod(backbones)
    assert (outcome.failed, outcome.attempted > 6) == (0, True)


def test_a_raster_an_array_and_a_data_array_give_the_same(folder):
    backbone = apis.load_backbone('epoch_200.pth')
    found = apis.embed(backbone, folder / 'scene.tif', patch=32, stride=16)
    pixels = write_scene(folder / 'again.tif')
    assert found.vectors.shape == (5, 7, 64)
    patches = np.stack([pixels[:, 16:48, 32:64], pixels[:, 64:96, 96:128]])
    wanted = apis.embed(backbone, patches)
    np.testing.assert_allclose(found.vectors[[1, 4], [2, 6]], wanted, rtol=1e-4, atol=1e-5)
    array = xarray.DataArray(
        pixels[::-1],
        dims=('band', 'y', 'x'),
        coords=dict(
            band=['B02', 'B03', 'B04'],
            y=5_700_000 - 5 - 10 * np.arange(96),
            x=600_000 + 5 + 10 * np.arange(128),
        ),
    )
    labelled = apis.embed(backbone, array.transpose('y', 'x', 'band'), patch=32, stride=16)
    np.testing.assert_allclose(labelled.values, found.vectors, rtol=1e-4, atol=1e-5)
    same = found.to_xarray()
    for side in ('y', 'x'):
        np.testing.assert_allclose(labelled.coords[side], same.coords[side])
    assert same.dims == labelled.dims == ('y', 'x', 'feature')


def test_what_cannot_be_embedded_is_said(folder):
    backbone = apis.load_backbone('epoch_200.pth')
    cube = xarray.DataArray(np.zeros((2, 3, 8, 8)), dims=('time', 'band', 'y', 'x'))
    with pytest.raises(ConfigError, match='choose one date'):
        apis.embed(backbone, cube)
    with pytest.raises(BandError, match='does not name its bands'):
        apis.embed(backbone, cube[0])
    with pytest.raises(ConfigError, match='at most the 8 x 8 pixels'):
        apis.embed(backbone, cube[0], bands=BANDS)
    write_scene(folder / 'second.tif')
    with pytest.raises(LayoutError, match='holds 2 scenes'):
        apis.embed(backbone, folder)
    write_scene(folder / 'empty.tif', change=lambda pixels: pixels * 0)
    with pytest.raises(RasterError, match='no patch has data enough'):
        apis.embed(backbone, 'empty.tif', patch=32, options=RasterOptions(min_valid=0.5))


def test_every_model_of_the_metafile_has_its_config():
    written = yaml.safe_load((ROOT / 'configs/metafile.yml').read_text())['Models']
    models = apis.list_models()
    assert {entry['Name'] for entry in written} <= {model.name for model in models}
    assert all(model.config.is_file() for model in models)
    assert all(model.weights is None or '://' in model.weights for model in models)
    assert len({model.name for model in models}) == len(models)
    assert apis.list_models('no such model') == []
