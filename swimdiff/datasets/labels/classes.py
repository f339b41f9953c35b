"""What the labels of a list mean: values of an attribute, or of a mask, to class numbers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swimdiff.datasets.change import IGNORE
from swimdiff.errors import ConfigError

__all__ = ['ClassTable', 'spell_value']

_UNLABELLED = 'unlabelled'
CHANGE_NAMES = ('unchanged', 'changed')


def spell_value(value: Any) -> str:
    """Return a value of an attribute as text: 3, 3.0 and '3' are one value."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _as_values(given: Any) -> tuple[str, ...]:
    """Return one value or several as texts."""
    several = isinstance(given, Sequence) and not isinstance(given, str)
    return tuple(spell_value(value) for value in (given if several else [given]))


@dataclass(frozen=True)
class ClassTable:
    """Hold classes by number, and which values belong to them.

    Args:
        names: Names of the classes, by number.
        attribute: Attribute of the polygons that holds the value; None: every polygon is the last
            class.
        numbers: Number of the class by value; 255 for values that are left out.
        rest: Number of ground without a polygon; 255 leaves it out.
    """

    names: tuple[str, ...]
    attribute: str | None
    numbers: Mapping[str, int]
    rest: int = IGNORE

    @classmethod
    def for_change(cls, given: Mapping[str, Any] | None) -> 'ClassTable':
        """Read the option ``classes`` of a data set of pairs.

        Args:
            given: ``attribute`` and ``change``; if wanted ``unchanged`` and ``ignore``, each a
                value or several, and ``rest``: ``unchanged`` or ``unlabelled``. None: every
                polygon is change, all other ground unchanged.

        Raises:
            ConfigError: A key is missing or unknown, or a value stands in two places.
        """
        if given is None:
            return cls(CHANGE_NAMES, None, {}, 0)
        known_keys = {'attribute', 'change', 'unchanged', 'ignore', 'rest'}
        if not {'attribute', 'change'} <= set(given) <= known_keys:
            raise ConfigError(
                f'classes={dict(given)}. Expected attribute and change and, if wanted, unchanged, '
                "ignore and rest: classes=dict(attribute='class', change=['new building'])."
            )
        parts = [('unchanged', 0), ('change', 1), ('ignore', IGNORE)]
        numbers = _number_values(
            ((number, _as_values(given[key])) for key, number in parts if key in given), given
        )
        rest = given.get('rest', _UNLABELLED if 'unchanged' in given else 'unchanged')
        if rest not in ('unchanged', _UNLABELLED):
            raise ConfigError(f"classes: rest={rest!r}; expected 'unchanged' or 'unlabelled'.")
        return cls(
            CHANGE_NAMES, str(given['attribute']), numbers, 0 if rest == 'unchanged' else IGNORE
        )

    @classmethod
    def for_cover(cls, given: Mapping[str, Any]) -> 'ClassTable':
        """Read the option ``classes`` of a data set of one date.

        Args:
            given: ``names``: values that are a class each, or a dictionary of the values (one or
                several) by class name; ``attribute`` where the labels are polygons; if wanted
                ``ignore``, values that are left out, and ``rest``, the class of ground without a
                polygon (``unlabelled`` leaves it out, the default).

        Raises:
            ConfigError: A key is missing or unknown, or a value stands in two places.
        """
        if not {'names'} <= set(given) <= {'attribute', 'names', 'ignore', 'rest'}:
            raise ConfigError(
                f'classes={dict(given)}. Expected names, attribute for polygons and, if wanted, '
                "ignore and rest: classes=dict(attribute='fclass', names=['forest', 'water'])."
            )
        class_entries = given['names']
        values = (
            {str(name): _as_values(of) for name, of in class_entries.items()}
            if isinstance(class_entries, Mapping)
            else {spell_value(name): (spell_value(name),) for name in class_entries}
        )
        names = tuple(values)
        if not 2 <= len(names) < IGNORE:
            raise ConfigError(f'classes: {len(names)} names. Expected 2 to {IGNORE - 1}.')
        parts = [*enumerate(values.values())]
        parts += [(IGNORE, _as_values(given['ignore']))] if 'ignore' in given else []
        rest = str(given.get('rest', _UNLABELLED))
        if rest != _UNLABELLED and rest not in names:
            raise ConfigError(
                f"classes: rest={rest!r}; expected 'unlabelled' or one of {', '.join(names)}."
            )
        attribute = given.get('attribute')
        return cls(
            names,
            None if attribute is None else str(attribute),
            _number_values(parts, given),
            IGNORE if rest == _UNLABELLED else names.index(rest),
        )

    def number(self, value: Any) -> int:
        """Return the class of a value of the attribute; 255 for one that is not listed."""
        if self.attribute is None:
            return len(self.names) - 1
        return self.numbers.get(spell_value(value), IGNORE)

    def number_pixels(self, values: np.ndarray) -> np.ndarray:
        """Return the class of every pixel of a mask, uint8."""
        classes = np.full(values.shape, IGNORE, np.uint8)
        for value in np.unique(values).tolist():
            classes[values == value] = self.numbers.get(spell_value(value), IGNORE)
        return classes

    def refuse_unmet(self, met: Iterable[str], where: str) -> None:
        """Refuse values of the config that no label has.

        Args:
            met: Values that the labels have.
            where: The labels, for messages.

        Raises:
            ConfigError: A value is never met.
        """
        there = set(met)
        absent = [value for value in self.numbers if value not in there]
        if absent:
            raise ConfigError(
                f'classes: {", ".join(map(repr, absent))} is never met in {where}; there are '
                f'{", ".join(map(repr, sorted(there)[:20])) or "none"}. Expected values that the '
                'labels have: mind spelling and capitals, or leave the class out.'
            )


def _number_values(
    parts: Iterable[tuple[int, tuple[str, ...]]], given: Mapping[str, Any]
) -> dict[str, int]:
    pairs = [(value, number) for number, values in parts for value in values]
    twice = [value for value, count in Counter(value for value, _ in pairs).items() if count > 1]
    if twice:
        raise ConfigError(f'classes={dict(given)}: {", ".join(twice)} stands in it twice.')
    return dict(pairs)
