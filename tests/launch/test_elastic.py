"""What a process leaves for its launcher, and exits with."""

import argparse
import sys

import pytest
from fixtures.tiny import write_config
from fixtures.tools import load_tool
from torch import distributed

from swimdiff.launch.elastic import EXIT_STOPPED, Launch, _fit_options


def test_a_stop_exits_with_0_below_our_launcher_only(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'x')
    monkeypatch.delenv('SWIMDIFF_EXIT_FILE', raising=False)
    assert Launch(None, False).end(EXIT_STOPPED) == EXIT_STOPPED
    assert Launch(None, False).end(1) == 1
    monkeypatch.setenv('SWIMDIFF_EXIT_FILE', str(tmp_path / 'exit'))
    assert Launch(None, False).end(EXIT_STOPPED) == 0
    assert (tmp_path / 'exit').read_text() == '75'


def test_the_time_to_stop_is_left_out_where_the_launcher_does_not_know_it():
    parser = argparse.ArgumentParser()  # torch 2.11
    parser.add_argument('--max-restarts')
    argv = ['--max-restarts', '3', '--shutdown-timeout', '300', 'train.py', 'c.py']
    assert _fit_options(argv, parser) == ['--max-restarts', '3', 'train.py', 'c.py']
    parser.add_argument('--shutdown-timeout')  # torch 2.12
    assert _fit_options(argv, parser) == argv


BROKEN = {
    'a = ': (SyntaxError, True),
    'x = 1 / 0': (ZeroDivisionError, True),
    "model = dict(type='NoSuchModel')": (SystemExit, True),
    "raise RuntimeError('Connection closed by peer')": (RuntimeError, False),
}


@pytest.mark.parametrize('line', BROKEN)
def test_an_error_before_training_ends_the_launch(line, tmp_path, monkeypatch):
    error, ends = BROKEN[line]
    path = write_config(tmp_path / 'c.py')
    path.write_text(path.read_text() + line + '\n')
    launch = Launch(distributed.HashStore(), False)
    main = load_tool('train.py').main
    monkeypatch.setitem(main.__globals__, 'current_launch', lambda: launch)
    monkeypatch.setattr(sys, 'argv', ['train.py'])
    with pytest.raises(error):
        main([str(path)])
    assert launch.ended is ends
