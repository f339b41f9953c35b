"""What a checkpoint says of its images is what the run did to them."""

import logging
import re
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from swimdiff.bands import RGB, get_stats, stats_from_mapping
from swimdiff.engine.guards.input_statistics_hook import InputStatisticsHook
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.weights.input_statistics import META_KEY


def make_runner(stretch, **preprocessor):
    model = nn.Module()
    model.data_preprocessor = MultiBandPreprocessor(RGB, **preprocessor)
    stats = get_stats(stretch) if stretch else None
    wrapped = SimpleNamespace(dataset=SimpleNamespace(stats=stats))  # as RepeatDataset wraps one
    loader = SimpleNamespace(dataset=wrapped)
    logger = logging.getLogger('input statistics')
    return SimpleNamespace(model=model, train_dataloader=loader, logger=logger)


def written(runner):
    checkpoint = dict(meta={})
    InputStatisticsHook().before_save_checkpoint(runner, checkpoint)
    return stats_from_mapping(checkpoint['meta'][META_KEY])


def test_numbers_of_the_run_are_written():
    mean, std = dict(B04=1.0, B03=2.0, B02=3.0), dict(B04=4.0, B03=5.0, B02=6.0)
    stats = written(make_runner('s2_l1c', mean=mean, std=std))
    table = get_stats('s2_l1c')
    assert (stats.mean, stats.std) == (mean, std) and stats.unit == table.unit
    assert stats.high == {band: table.high[band] for band in RGB}


@pytest.mark.parametrize(('table', 'unit'), [('pictures', 'picture'), ('seco', 'as stored')])
def test_pixels_without_a_stretch(table, unit):
    stats = written(make_runner(None, stats=table))
    assert set(stats.low.values()) == {0} and set(stats.high.values()) == {255}
    assert stats.unit.startswith(unit)


def test_a_model_without_bands_says_nothing():
    runner = make_runner('seco')
    runner.model = nn.Module()
    checkpoint = {}
    InputStatisticsHook().before_save_checkpoint(runner, checkpoint)
    InputStatisticsHook().before_train(runner)
    assert checkpoint == {}


def test_two_tables_in_one_run_are_warned_of_and_the_advice_ends_it(caplog):
    InputStatisticsHook().before_train(make_runner('s2_l1c', stats='s2_l2a'))
    (record,) = caplog.records
    (advice,) = re.findall(r'data_preprocessor\.stats=(\S+)', record.getMessage())
    InputStatisticsHook().before_train(make_runner('s2_l1c', stats=advice))
    assert len(caplog.records) == 1
    assert torch.is_tensor(make_runner('s2_l1c', stats=advice).model.data_preprocessor.mean)
