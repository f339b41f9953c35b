"""The command line of a tool: help that ends with examples, hints for names that are wrong."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import Any, NoReturn

from swimdiff.launch.interrupts import raise_interrupts

__all__ = ['CommandParser', 'split_examples']


#: Indented commands, with the line that announces them.
_EXAMPLES = re.compile(
    r'^(?:Examples?:\n)?((?: {4}(?:python|bash) .*\n(?: {5,}.*\n| {4}\S.*\n)*)+)', re.MULTILINE
)


def split_examples(docstring: str) -> tuple[str, str]:
    """Split the docstring of a tool into what it is for and its examples.

    Args:
        docstring: Text with blocks of indented commands, ``python ...`` or ``bash ...``; a line
            ``Examples:`` may announce a block.

    Returns:
        The text without the blocks, and the examples with their heading; ``''`` without any.
    """
    text = docstring.strip('\n') + '\n'
    blocks = [match[1].rstrip() for match in _EXAMPLES.finditer(text)]
    if not blocks:
        return text.strip(), ''
    about = re.sub(r'\n{3,}', '\n\n', _EXAMPLES.sub('', text)).strip()
    return about, 'examples:\n' + '\n'.join(blocks)


class CommandParser(argparse.ArgumentParser):
    """Show a tool's purpose before the options of its help, and examples after.

    A wrong option or choice is answered with the nearest right one.

    Args:
        docstring: ``__doc__`` of the tool, see :func:`split_examples`.
        **options: Options of ``argparse.ArgumentParser``; the parsers of commands within a tool
            (``add_subparsers``) are made with them alone.
    """

    def __init__(self, docstring: str = '', **options: Any) -> None:
        options.setdefault('formatter_class', argparse.RawDescriptionHelpFormatter)
        if docstring:
            options['description'], options['epilog'] = split_examples(docstring)
        super().__init__(**options)

    def parse_args(self, *arguments: Any, **options: Any) -> Any:
        """Parse a command line; from here on the tool answers Ctrl-C itself.

        Args:
            *arguments: Of ``argparse.ArgumentParser.parse_args``.
            **options: Likewise.
        """
        namespace = super().parse_args(*arguments, **options)
        raise_interrupts()
        return namespace

    def error(self, message: str) -> NoReturn:
        """Print usage and message with the nearest names, and end with exit code 2.

        Args:
            message: What argparse found.
        """
        super().error(message + self._suggest(message))

    def _suggest(self, message: str) -> str:
        wrong_words: list[str] = []
        known_words: list[str] = []
        if message.startswith('unrecognized arguments:'):
            wrong_words = [
                word.partition('=')[0] for word in message.split() if word.startswith('-')
            ]
            known_words = [name for name in self._list_options() if name.startswith('--')]
        elif choice := re.search(r"invalid choice: '(.+?)' \(choose from (.+)\)", message):
            wrong_words, known_words = [choice[1]], re.findall(r'[\w.-]+', choice[2])
        near = [
            hit
            for word in wrong_words
            for hit in difflib.get_close_matches(word, known_words, n=1, cutoff=0.6)
        ]
        return f'\nNearest: {", ".join(near)}' if near else ''

    def _list_options(self) -> list[str]:
        """Return the options of this parser and of the commands within it."""
        names = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for command in action.choices.values():
                    names += command._option_string_actions
        return names
