"""Values of --cfg-options: the engine's own, but for spaces."""

import argparse

import pytest
from mmengine.config import DictAction

from swimdiff.launch.config_options import ConfigOptions


def parse(action, *given):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=action)
    return parser.parse_args(['--cfg-options', *given]).cfg_options


@pytest.mark.parametrize(
    'value',
    [
        *('1', '-2.5', '1e-3', 'true', 'None', 'text', 'a=b', '1,2,3', 'a,b', '[a, b]', '(1, 2)'),
        *('[(1, 2, 3), [a, b], c]', "['1', '2']", "['a', 'b']", '[]', '""', "'text'", '[True, no]'),
        '[ 1 , 2 ]',
    ],
)
def test_values_are_those_of_the_engine(value):
    assert parse(ConfigOptions, f'key={value}') == parse(DictAction, f'key={value}')


@pytest.mark.parametrize(
    ('value', 'wanted'),
    [
        ('/data/OSCD - Images', '/data/OSCD - Images'),
        ("'/data/OSCD - Images'", '/data/OSCD - Images'),
        ('reflectance x 10000', 'reflectance x 10000'),
        ('(2020) my scenes', '(2020) my scenes'),
        ("['new building', 'road', 3]", ['new building', 'road', 3]),
        ("[('a b', '1'), 'c']", [('a b', 1), 'c']),
    ],
)
def test_spaces_within_a_text_stay(value, wanted):
    assert parse(ConfigOptions, f'key={value}', 'other=1') == {'key': wanted, 'other': 1}
