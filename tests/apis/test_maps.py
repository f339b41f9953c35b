"""Maps from Python: of arrays, of arrays with coordinates, of files; the examples of the docs."""

import doctest

import numpy as np
import pytest
from fixtures.map_models import write_change_model, write_cover_model
from fixtures.map_pairs import NAMES, SHAPE, read_raster, write_pair

import swimdiff.apis
from swimdiff.apis import maps, predict_change, predict_landcover
from swimdiff.errors import BandError, ConfigError, RasterError
from swimdiff.inference import build_predictor


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Config and checkpoint of a change model."""
    return write_change_model(tmp_path_factory.mktemp('model'))


@pytest.fixture(scope='module')
def model(files):
    """The change model, opened."""
    return build_predictor(*files)


@pytest.fixture(scope='module')
def pair(tmp_path_factory):
    """Two dates."""
    return write_pair(tmp_path_factory.mktemp('pair'))


def test_the_examples_run(model, pair, tmp_path, monkeypatch):
    names = dict(
        model=model,
        cover_model=build_predictor(*write_cover_model(tmp_path)),
        before_path=pair[0],
        after_path=pair[1],
        folder=tmp_path,
    )
    for function in (predict_change, predict_landcover):
        found = doctest.DocTestFinder().find(function, globs=dict(vars(maps), **names))
        assert sum(len(test.examples) for test in found) >= 3
        for test in found:
            assert doctest.DocTestRunner().run(test).failed == 0


def test_arrays_give_the_map_of_the_files_they_came_from(model, pair, tmp_path):
    result = predict_change(
        model, *pair, out=tmp_path / 'map.tif', probabilities='float32', size=128, margin=16
    )
    before, after = (read_raster(path) for path in pair)
    options = dict(bands=NAMES, size=128, margin=16)
    found = predict_change(model, before, after, **options)
    np.testing.assert_array_equal(found, read_raster(result.path)[0])
    found = predict_change(model, before, after, probabilities=True, **options)
    np.testing.assert_array_equal(found, read_raster(result.probability_path))


def test_a_data_array_comes_back_with_its_coordinates(model, pair):
    xarray = pytest.importorskip('xarray')
    axes = dict(x=600_005 + 10.0 * np.arange(SHAPE[1]), y=5_699_995 - 10.0 * np.arange(SHAPE[0]))
    arrays = [
        xarray.DataArray(
            read_raster(path).transpose(1, 2, 0).copy(),
            dict(axes, band=list(NAMES), spatial_ref=32633, time=date),
            ('y', 'x', 'band'),
        )
        for date, path in enumerate(pair)
    ]
    arrays[1][:, 4:9] = 0
    found = predict_change(model, *arrays)
    assert found.dims == ('y', 'x') and int(found.spatial_ref) == 32633
    np.testing.assert_array_equal(found.x, axes['x'])
    planes = [array.values.transpose(2, 0, 1) for array in arrays]
    np.testing.assert_array_equal(found, predict_change(model, *planes, bands=NAMES))
    assert (
        (found == 255).values == (np.arange(SHAPE[1]) // 1 >= 4) & (np.arange(SHAPE[1]) < 9)
    ).all()
    shares = predict_change(model, *arrays, probabilities=True)
    assert shares.dims == ('band', 'y', 'x') and list(shares.band.values) == ['changed']
    moved = arrays[1].assign_coords(x=axes['x'] + 10)
    with pytest.raises(ConfigError, match='different coordinates x'):
        predict_change(model, arrays[0], moved)
    with pytest.raises(BandError, match='does not name its 2 bands'):
        predict_change(model, *(array[..., :2].drop_vars('band') for array in arrays))


def test_a_checkpoint_alone_carries_its_config(files, model, pair):
    before, after = (read_raster(path)[:, :64, :64] for path in pair)
    expected = predict_change(model, before, after, probabilities=True)
    for given in (files[1], str(files[1]), files):
        found = swimdiff.apis.predict_change(given, before, after, probabilities=True)
        np.testing.assert_array_equal(found, expected)


def test_reflectance_gives_the_map_of_its_numbers(model, pair):
    before, after = (read_raster(path) for path in pair)
    fractions = [date / np.float32(10_000) for date in (before, after)]
    expected = predict_change(model, before, after)
    found = predict_change(model, *fractions, unit='reflectance')
    assert len(np.unique(expected)) > 1
    # A number that rounding puts beside its place in the table may change a pixel or two.
    assert (found != expected).mean() < 1e-3


def test_what_cannot_be_a_map_is_refused(model, pair, tmp_path):
    before, after = (read_raster(path) for path in pair)
    for call, kind, message in (
        (lambda: predict_landcover(model, before), ConfigError, 'call predict_change'),
        (lambda: predict_change(model, *pair), ConfigError, r'name it with out=\.\.\.'),
        (lambda: predict_change(model, before, pair[1]), ConfigError, 'in one form'),
        (lambda: predict_change(model, before, after[:, 1:]), ConfigError, '236 x 301'),
        (lambda: predict_change(model, before[:2], after[:2]), BandError, 'with 3 bands'),
        (
            lambda: predict_change(model, before, after, bands=('B02', 'B03', 'B08')),
            BandError,
            'the model also takes B04',
        ),
        (
            lambda: predict_change(model, *((d // 16).astype('uint8') for d in (before, after))),
            RasterError,
            'The array holds uint8',
        ),
        (
            lambda: predict_change(model, *((d / np.float32(1e4)) for d in (before, after))),
            RasterError,
            "98 % quantile of 260 to 20000. Declare unit='reflectance'",
        ),
        (
            lambda: predict_change(model, before, after, out=tmp_path / 'a.tif'),
            ConfigError,
            'are for maps of files|is for maps of files',
        ),
    ):
        with pytest.raises(kind, match=message):
            call()
