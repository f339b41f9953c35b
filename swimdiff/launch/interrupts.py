"""Ctrl-C while a command starts or ends: one line, no traceback.

A command imports for seconds before it can answer Ctrl-C itself. ``python -m swimdiff`` answers for
it until its command line is parsed, and again once it has ended.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = [
    'EXIT_INTERRUPTED',
    'answer_interrupts',
    'hold_interrupts',
    'is_answered_by_caller',
    'raise_interrupts',
]

#: As a shell reports a command that Ctrl-C has ended.
EXIT_INTERRUPTED = 128 + signal.SIGINT
_MESSAGE = '\nStopped by Ctrl-C. Run the same command again to start over.\n'
#: Set as this program starts: whether the program that started it answers Ctrl-C.
_answers = {'caller': False}


@contextlib.contextmanager
def answer_interrupts() -> Iterator[None]:
    """Answer Ctrl-C with one line wherever a command does not itself.

    For the main thread of a program that does nothing else; elsewhere nothing is changed. A program
    that was started within :func:`hold_interrupts` says nothing: the one that started it does.

    Raises:
        SystemExit: With code 130, where the command let ``KeyboardInterrupt`` pass.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _answers['caller'] = _are_interrupts_held()
    message = '' if is_answered_by_caller() else _MESSAGE
    # A shell starts programs in the background with Ctrl-C ignored: it is meant for others.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, functools.partial(_end_at_once, message))
    if hasattr(signal, 'pthread_sigmask'):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(message)
        sys.exit(EXIT_INTERRUPTED)
    finally:
        # What is left is the end of the interpreter, whose callbacks would print tracebacks.
        raise_interrupts()
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _end_at_once(message: str, _number: int, _frame: FrameType | None) -> None:
    """End without an exception, which would pass through half-imported modules."""
    os.write(2, message.encode())
    os._exit(EXIT_INTERRUPTED)


def raise_interrupts() -> None:
    """Let Ctrl-C raise ``KeyboardInterrupt`` again, as the command answers it."""
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, functools.partial) and handler.func is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def hold_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back in this thread and in programs that are started within.

    A program of ``python -m swimdiff`` gets it as soon as :func:`answer_interrupts` can answer it,
    this process at the end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_answered_by_caller() -> bool:
    """Return whether the program that started this one answers Ctrl-C."""
    return _answers['caller']


def _are_interrupts_held() -> bool:
    """Return whether the program that started this one holds Ctrl-C back."""
    if not hasattr(signal, 'pthread_sigmask'):
        return False
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set())
