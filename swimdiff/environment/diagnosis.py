"""What a look at the environment finds, and the few ways of looking that never raise."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType
from typing import Literal

__all__ = [
    'Finding',
    'Report',
    'first_line',
    'load_module',
    'pip_line',
    'quiet',
    'release',
    'version',
]


@dataclass(frozen=True)
class Finding:
    """Describe one thing that does not fit: what, how bad, why, and the remedy."""

    subject: str
    status: Literal['warning', 'error']
    problem: str
    remedy: str


@dataclass
class Report:
    """Hold the stack by name and what was found wrong with it."""

    stack: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Return whether everything required works; warnings do not count."""
        return all(finding.status != 'error' for finding in self.findings)

    def warn(self, subject: str, problem: str, remedy: str) -> None:
        """Note something that limits what can be done.

        Args:
            subject: The part of the stack.
            problem: The limit, in words.
            remedy: The command or setting that removes it.
        """
        self.findings.append(Finding(subject, 'warning', problem, remedy))

    def fail(self, subject: str, problem: str, remedy: str) -> None:
        """Note something required that is broken.

        Args:
            subject: The part of the stack.
            problem: The fault, in words.
            remedy: The command or setting that removes it.
        """
        self.findings.append(Finding(subject, 'error', problem, remedy))


def pip_line(*arguments: str) -> str:
    """Return the command that calls pip of this very Python, quoted for a shell."""
    return shlex.join([sys.executable, '-m', 'pip', *arguments])


def version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def release(number: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, ``(2, 12)`` for ``2.12rc1+cpu``."""
    parts = number.split('+')[0].split('.')
    return tuple(int(part) for part in parts[:2] if part.isdigit())


def first_line(error: BaseException) -> str:
    """Return an error as one line: its kind and the first line of its message."""
    # torch colours some of its messages.
    message = re.sub(r'\x1b\[\d*m', '', str(error)).strip()
    return f'{type(error).__name__}: {(message or "no message").splitlines()[0]}'


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what imported packages print and warn about out of the report."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        yield


def load_module(name: str) -> tuple[ModuleType | None, str]:
    """Import a module; return it, or None and why not."""
    # Any exception: packages refuse with assertions, and broken ones raise what they like.
    try:
        with quiet():
            return importlib.import_module(name), ''
    except Exception as error:
        return None, first_line(error)
