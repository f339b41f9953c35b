"""A type that is not registered: the engine's error, and the message with the nearest names."""

import runpy
from pathlib import Path

import pytest
from fixtures.runs import TRAIN, options

from swimdiff.launch.unknown_names import explain_unknown_name
from swimdiff.registry import DATASETS, HOOKS, MODELS


@pytest.mark.parametrize(
    'registry, wrong, nearest',
    [
        (MODELS, 'SwiMDif', 'SwiMDiff'),
        (MODELS, 'ProjectionNek', 'ProjectionNeck'),
        (DATASETS, 'RasterScene', 'RasterScenes'),
        (HOOKS, 'ColapseHook', 'CollapseHook'),
        (HOOKS, 'swimdiff.LogerHook', 'LoggerHook'),  # of the engine
    ],
)
def test_nearest_names_of_the_right_registry(registry, wrong, nearest):
    with pytest.raises(KeyError) as error:
        registry.build(dict(type=wrong))
    message = explain_unknown_name(error.value)
    assert f"as '{wrong.removeprefix('swimdiff.')}'" in message.replace('swimdiff.', '')
    assert nearest in message.partition('Nearest: ')[2].partition('. ')[0].split(', ')
    assert 'custom_imports' in message


def test_a_name_like_no_other_has_no_hint_and_other_errors_no_message():
    with pytest.raises(KeyError) as error:
        MODELS.build(dict(type='Xyzzy'))
    assert 'Nearest' not in explain_unknown_name(error.value)
    assert explain_unknown_name(KeyError('bands')) is None
    assert explain_unknown_name(ValueError('X is not in the swimdiff::model registry')) is None


def test_a_part_within_a_part_ends_training_in_one_message(shared_seco_root, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(TRAIN).parents[1])
    more = options(shared_seco_root, **{'model.neck.type': 'ProjectionNek'})
    train = runpy.run_path(str(TRAIN))['main']
    with pytest.raises(
        SystemExit, match=r"ConfigError: No model is .* 'ProjectionNek'.*ProjectionNeck"
    ):
        train(['configs/swimdiff_r18_seco.py', '--work-dir', str(tmp_path), *more])
