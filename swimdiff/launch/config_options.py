"""``--cfg-options key=value``: values as the engine reads them, with their spaces."""

from __future__ import annotations

import ast
from argparse import ArgumentParser
from typing import Any

from mmengine.config import DictAction

__all__ = ['ConfigOptions', 'add_config_options']


class ConfigOptions(DictAction):
    """Read ``key=value`` as the engine does, and keep the spaces within a text.

    The engine removes every space, and a folder such as OSCD's ``... - Images`` is not found.
    Numbers, lists and tuples are read as the engine reads them.
    """

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        """Parse one value; called by the engine."""
        whole = val.strip().strip('\'"')
        if ' ' in whole and whole[0] + whole[-1] in ('()', '[]'):
            return _parse_quoted(whole)
        if ' ' in whole and ',' not in whole:
            return DictAction._parse_int_float_bool(whole)
        return DictAction._parse_iterable(val)


def _parse_quoted(text: str) -> Any:
    """Parse a list or tuple; texts in quotes keep their spaces, all else is the engine's."""
    try:
        return _convert(ast.literal_eval(text))
    except (ValueError, SyntaxError):  # texts without quotes: [a, b]
        return DictAction._parse_iterable(text)


def _convert(value: Any) -> Any:
    """Read texts within a list as the engine does: a number in quotes is a number."""
    if isinstance(value, list | tuple):
        return type(value)(_convert(item) for item in value)
    return DictAction._parse_int_float_bool(value) if isinstance(value, str) else value


def add_config_options(parser: ArgumentParser) -> None:
    """Add ``--cfg-options`` to a tool that opens a finished run.

    Args:
        parser: Of the tool.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        help='options of the config, e.g. where the data is now: '
        'train_dataloader.dataset.data_root=DIR',
    )
