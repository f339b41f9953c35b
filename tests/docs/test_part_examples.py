"""Each registered part shows a config example, and the example is one that its class takes."""

import ast
import doctest
import importlib
import inspect
import re
import textwrap
from dataclasses import fields

import pytest
from fixtures.runs import ROOT
from part_pages import find_parts

from swimdiff.datasets.rasters.options import RasterOptions

PARTS = find_parts(ROOT / 'swimdiff')
#: A line that opens a block of code, and the block: all that is indented below it.
BLOCK = re.compile(r'^( *)[^\n]*::(?: python)?\n\n((?:\1 +\S[^\n]*\n|\n)+)', re.MULTILINE)


#: Options that another than the class's own ``__init__`` takes.
TAKEN_ELSEWHERE = {
    'MEASUREMENTS': {'name'},  # what the scores are filed under
    'RasterScenes': {field.name for field in fields(RasterOptions)},
    'ZeroOptimizer': {'lr', 'weight_decay'},  # of the optimiser that it divides
}


def read_examples(docstring):
    """Code of the doctests and of the literal blocks of a docstring that name a type or a rule."""
    codes = [example.source for example in doctest.DocTestParser().get_examples(docstring)]
    codes += [textwrap.dedent(match[2]) for match in BLOCK.finditer(docstring + '\n')]
    parsed = []
    for code in codes:
        try:
            parsed.append(ast.parse(code))
        except SyntaxError:  # a formula
            continue
    return parsed


def load(part):
    module, _, name = part.path.rpartition('.')
    return getattr(importlib.import_module(module), name)


def list_names(trees):
    """All strings of the examples, without a scope in front."""
    constants = [
        node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)
    ]
    return {node.value.rpartition('.')[2] for node in constants if isinstance(node.value, str)}


def list_options(trees):
    """Name and options of each ``dict(type=...)``."""
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'dict':
            words = {word.arg: word.value for word in node.keywords}
            if isinstance(words.get('type'), ast.Constant):
                name = words.pop('type').value
                yield name, {word for word in words if word and word != '_delete_'}


def list_accepted(part_class):
    """Options of a class and of those it hands ``**options`` on to; None where any may come."""
    accepted = set()
    for owner in inspect.getmro(part_class):
        if '__init__' not in vars(owner):
            continue
        parameters = inspect.signature(owner.__init__).parameters.values()
        accepted |= {parameter.name for parameter in parameters}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return accepted
    return None


@pytest.mark.parametrize('part', PARTS, ids=lambda part: f'{part.registry}-{part.names[0]}')
def test_each_part_shows_an_example_of_its_own(part):
    examples = read_examples(inspect.getdoc(load(part)))
    assert set(part.names) & list_names(examples), 'no example in a config in its docstring'


def find_owners(name):
    """The parts that a ``type`` may mean; none for one of the engine's."""
    scope, _, bare = name.rpartition('.')
    return [part for part in PARTS if bare in part.names] if scope in ('', 'swimdiff') else []


def takes(part, options):
    accepted, elsewhere = list_accepted(load(part)), TAKEN_ELSEWHERE.get(part.names[0], set())
    elsewhere = elsewhere | TAKEN_ELSEWHERE.get(part.registry, set())
    return accepted is None or options - elsewhere <= accepted


def test_examples_give_options_that_there_are():
    wrong = []
    for part in PARTS:
        for name, options in list_options(read_examples(inspect.getdoc(load(part)))):
            owners = [owner for owner in find_owners(name) if owner.is_class]
            if owners and not any(takes(owner, options) for owner in owners):
                wrong.append(f'{part.path}: {name} does not take all of {sorted(options)}')
    assert not wrong, '\n'.join(wrong)


def test_examples_are_found_in_each_way_of_writing():
    ways = [
        "Examples:\n    >>> hook = dict(\n    ...     type='Near'\n    ... )\n",
        "Example::\n\n    hook = dict(type='Near')\n",
        "Words of it::\n\n    l = a^T / b\n\nPlan:\n\n.. code:: python\n\n    dict(type='a.Near')",
    ]
    assert all(list_names(read_examples(way)) == {'Near'} for way in ways)
    assert list_names(read_examples("Speaks of dict(type='Near') only.")) == set()
