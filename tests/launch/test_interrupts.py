"""Ctrl-C before a command can answer it, while it does, and from the program that started it."""

import signal
import subprocess
import sys

import pytest
from fixtures.runs import environment

from swimdiff.launch.command_line import CommandParser
from swimdiff.launch.interrupts import answer_interrupts, hold_interrupts, raise_interrupts

PROGRAM = """
import sys
from swimdiff.launch.interrupts import (
    answer_interrupts,
    is_answered_by_caller,
    raise_interrupts,
)

with answer_interrupts():
    try:
        print('importing', flush=True)
        sys.stdin.readline()
    except BaseException:  # as packages do that try an optional part
        pass
    raise_interrupts()
    try:
        print('ready', flush=True)
        sys.stdin.readline()
    except KeyboardInterrupt:
        if 'own' in sys.argv:
            sys.exit(1 if is_answered_by_caller() else 'my own answer')
        raise
"""


def start(*arguments):
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    command = [sys.executable, '-c', PROGRAM, *arguments]
    return subprocess.Popen(command, env=environment(), **pipes)


def interrupt(process, after):
    while process.stdout.readline().strip() != after:
        process.stdin.write('\n')
        process.stdin.flush()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize('after', ['importing', 'ready'])
def test_one_line_and_130_at_every_moment(after):
    code, errors = interrupt(start(), after)
    assert code == 130
    assert errors.strip() == 'Stopped by Ctrl-C. Run the same command again to start over.'


def test_a_command_that_is_ready_answers_itself():
    assert interrupt(start('own'), 'ready') == (1, 'my own answer\n')


def test_held_until_the_started_program_can_answer_which_then_says_nothing():
    with hold_interrupts():
        process = start()
    process.send_signal(signal.SIGINT)  # no Python runs in it yet
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, '')
    with hold_interrupts():
        process = start('own')
    assert interrupt(process, 'ready') == (1, '')


def test_held_interrupt_comes_afterwards():
    with pytest.raises(KeyboardInterrupt), hold_interrupts():
        signal.raise_signal(signal.SIGINT)
        reached = True
    assert reached


def test_a_parsed_command_line_ends_the_quiet_time():
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with answer_interrupts():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            CommandParser('Do a thing.').parse_args([])
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # in the background
        with answer_interrupts():
            raise_interrupts()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
