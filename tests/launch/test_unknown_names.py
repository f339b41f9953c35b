"""Types, options and keys that do not exist: one message each, with the nearest names."""

import runpy
from pathlib import Path

import pytest
from fixtures.rasters import noise, write
from fixtures.runs import TRAIN, options
from mmengine.config import Config

from swimdiff.errors import ConfigError
from swimdiff.launch.unknown_names import check_config_keys, explain_unknown_name
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


@pytest.mark.parametrize(
    ('registry', 'part', 'taker', 'nearest'),
    [
        (HOOKS, dict(type='LoggerHook', intervall=5), 'LoggerHook', 'interval'),
        (MODELS, dict(type='ProjectionNeck', out_chanels=8), 'ProjectionNeck', 'out_channels'),
        (MODELS, dict(type='SwiMDiff', lamda_d=3), 'SwiMDiff', 'lambda_d'),
        # The engine's own hook would take it, and fail at the first save.
        (HOOKS, dict(type='AtomicCheckpointHook', intervall=5), 'AtomicCheckpointHook', 'interval'),
    ],
)
def test_nearest_options_of_a_part(registry, part, taker, nearest):
    with pytest.raises(TypeError) as error:
        registry.build(part)
    message = explain_unknown_name(error.value)
    assert message.startswith(f"{taker} has no option '{list(part)[1]}'. Nearest: {nearest}")
    assert message.endswith('.') and 'It takes ' in message


def test_options_that_a_data_set_hands_on(tmp_path):
    write(tmp_path / 'a.tif', noise(64, 64)[None], names=('B04',))
    part = dict(type='RasterScenes', data_root=str(tmp_path), bands=['B04'], stats='s2_l1c')
    with pytest.raises(TypeError) as error:
        DATASETS.build(dict(part, patch=32, strid=16))
    message = explain_unknown_name(error.value)
    assert message.startswith("RasterScenes has no option 'strid'. Nearest: stride. ")


def test_an_argument_of_code_is_no_option_of_a_config():
    class Helper:
        pass

    with pytest.raises(TypeError) as error:
        Helper(**dict(width=3))
    assert explain_unknown_name(error.value) is None


def test_misspelt_first_names_on_the_command_line():
    cfg = Config(dict(model=dict(type='SwiMDiff'), scale_recipe=True))
    more = ('randomness.seed', 'custom_imports.imports', 'models_of_my_own')
    for key in ('model.lambda_d', 'scale_recipe', *more):
        check_config_keys(cfg, [key])  # of the config, of the engine, of nobody
    with pytest.raises(ConfigError, match=r"--cfg-options modle\.lambda_d: .* 'modle'.*model"):
        check_config_keys(cfg, ['scale_recipe', 'modle.lambda_d'])
    with pytest.raises(ConfigError, match='train_dataloader'):
        check_config_keys(cfg, ['train_dataloder.batch_size'])


@pytest.mark.parametrize(
    ('key', 'message'),
    [
        ('train_dataloader.batchsize', r'ConfigError: DataLoader has no option .*batch_size'),
        ('modle.lambda_d', r'ConfigError: --cfg-options modle.lambda_d: .*Nearest: model\b'),
    ],
)
def test_a_misspelt_option_ends_training_in_one_message(
    shared_seco_root, tmp_path, monkeypatch, key, message
):
    monkeypatch.chdir(Path(TRAIN).parents[1])
    more = options(shared_seco_root, **{key: 3})
    train = runpy.run_path(str(TRAIN))['main']
    with pytest.raises(SystemExit, match=message):
        train(['configs/swimdiff_r18_seco.py', '--work-dir', str(tmp_path), *more])


def test_a_part_within_a_part_ends_training_in_one_message(shared_seco_root, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(TRAIN).parents[1])
    more = options(shared_seco_root, **{'model.neck.type': 'ProjectionNek'})
    train = runpy.run_path(str(TRAIN))['main']
    with pytest.raises(
        SystemExit, match=r"ConfigError: No model is .* 'ProjectionNek'.*ProjectionNeck"
    ):
        train(['configs/swimdiff_r18_seco.py', '--work-dir', str(tmp_path), *more])
