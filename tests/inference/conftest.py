"""Models that the tests of maps share."""

import pytest
from fixtures.map_models import write_change_model, write_cover_model

from swimdiff.inference import build_predictor


@pytest.fixture(scope='session')
def change_files(tmp_path_factory):
    """Config and checkpoint of a small change model."""
    return write_change_model(tmp_path_factory.mktemp('change'))


@pytest.fixture(scope='session')
def change_model(change_files):
    """The change model, opened."""
    return build_predictor(*change_files)


@pytest.fixture(scope='session')
def cover_model(tmp_path_factory):
    """A land-cover model of three classes, opened."""
    return build_predictor(*write_cover_model(tmp_path_factory.mktemp('cover')))
