"""Colours of classes in pictures and maps."""

import colorsys
from collections.abc import Mapping, Sequence

__all__ = ['make_palette']

#: Colours that people expect of common kinds of ground, by a word in the name.
_KNOWN: Mapping[str, tuple[int, int, int]] = {
    'water': (66, 133, 200),
    'wetland': (120, 170, 190),
    'forest': (30, 110, 50),
    'meadow': (150, 200, 90),
    'grass': (180, 215, 120),
    'farm': (235, 205, 120),
    'crop': (235, 205, 120),
    'scrub': (140, 130, 60),
    'residential': (200, 60, 60),
    'built': (200, 60, 60),
    'bare': (190, 170, 150),
}


def make_palette(
    names: Sequence[str], given: Mapping[str, Sequence[int]] | None = None
) -> list[list[int]]:
    """Return a colour for every class: the one given, the usual one, or a new one.

    Args:
        names: Names of the classes.
        given: Colours by name, three numbers from 0 to 255.
    """
    colours = []
    for number, name in enumerate(names):
        usual = next((rgb for word, rgb in _KNOWN.items() if word in name.lower()), None)
        # Hues a golden section apart stay apart, however many there are.
        new_rgb = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.55, 0.85)
        rgb = (given or {}).get(name) or usual or [round(255 * part) for part in new_rgb]
        colours.append([int(value) for value in rgb])
    return colours
