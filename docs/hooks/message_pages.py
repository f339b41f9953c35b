"""Make the page of all messages that the toolkit stops with, read from the code.

Each message says by itself what to do; the page makes them searchable.
"""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict

from site_pages import ROOT, first_sentence

__all__ = ['make_message_page', 'read_messages']

_INTRO = """# Messages

Every message that the toolkit stops with, as it is in the code; names in `<angle brackets>` are
filled in when it is printed. Each names the file or option, what was expected, what was found and
what to do. Search this page for a few words of the message you got, without its numbers and
names. Frequent ones are explained in the [FAQ](../faq.md)."""
#: Shorter texts are pieces that other code completes.
_SHORTEST = 25


def make_message_page() -> dict[str, str]:
    """Return the page of messages, by class of the error and module."""
    errors = {
        node.name: first_sentence(ast.get_docstring(node))
        for node in ast.parse((ROOT / 'swimdiff' / 'errors.py').read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted((ROOT / 'swimdiff').rglob('*.py')):
        module = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
        for kind, message in read_messages(ast.parse(path.read_text()), set(errors)):
            found[kind].append((message, module))
    blocks = [_INTRO]
    for kind in sorted(found):
        blocks.append(f'## {kind}\n\n{errors[kind]}.')
        blocks += [f'```text\n{message}\n```\n`{module}`' for message, module in found[kind]]
    return {'reference/messages.md': '\n\n'.join(blocks) + '\n'}


def read_messages(tree: ast.Module, kinds: set[str]) -> list[tuple[str, str]]:
    """Return class and text of each error that a module makes.

    Args:
        tree: The module.
        kinds: Names of the classes of errors.
    """
    messages = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
            continue
        if node.func.id in kinds and not hasattr(builtins, node.func.id):
            text = read_text(node.args[0])
            if text is not None and len(text.strip('<> ')) >= _SHORTEST:
                messages.append((node.func.id, text))
    return messages


def read_text(node: ast.expr) -> str | None:
    """Return a string of the code with its expressions in angle brackets, None for other values.

    Args:
        node: Expression.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return ''.join(
            f'<{name_value(value.value)}>'
            if isinstance(value, ast.FormattedValue)
            else str(ast.literal_eval(value))
            for value in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = read_text(node.left), read_text(node.right)
        return None if left is None or right is None else left + right
    return None


def name_value(node: ast.expr) -> str:
    """Return a short name of an expression: its last name, or ``...``.

    Args:
        node: Expression within an f-string.
    """
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call) and node.args:
        return name_value(node.args[-1])
    return '...'
