"""One division of a folder of pictures into parts, for pre-training and for probes alike.

Both data sets of pictures divide by this function, so that a network is never probed on pictures
that it was pre-trained on.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping

from swimdiff.errors import ConfigError

__all__ = ['check_part', 'divide_pictures']


def check_part(part: str | None, shares: Mapping[str, float] | None) -> None:
    """Check that the shares are a division and that it has the part.

    Args:
        part: Name of the part, or None for all pictures.
        shares: Share of each part, above 0, with a sum of 1.

    Raises:
        ConfigError: Shares that are no division, or a part that they do not name.
    """
    if shares is not None:
        total = sum(shares.values())
        if not shares or min(shares.values()) <= 0 or abs(total - 1) > 1e-6:
            raise ConfigError(
                f'shares={dict(shares)}: expected shares above 0 with a sum of 1, found a sum of '
                f'{total:g}. Name what is left as a part of its own.'
            )
    if part is not None and part not in (shares or {}):
        expectation = (
            f'one of {", ".join(shares)}' if shares else 'shares=dict(NAME=SHARE, ...) with it'
        )
        raise ConfigError(
            f'part={part!r}: expected {expectation}. Correct part, or add it to shares.'
        )


def divide_pictures(
    names: Iterable[str], shares: Mapping[str, float], seed: int = 0
) -> dict[str, tuple[str, ...]]:
    """Divide pictures into parts, with the same shares of every class.

    The class is the folder that a picture lies in, by its own name only: whether the data root is
    the folder of the classes or one above it, the division is the same. Within a class the pictures
    are ordered by a hash of seed, class and file name, a permutation that no version of a random
    generator can change, and cut at the shares. The parts are cut in the order of their names, so
    that configs that list them in another order agree.

    Args:
        names: Paths of the pictures relative to the data root, in any order.
        shares: Share of each part, above 0, with a sum of 1.
        seed: Seed of the permutations.

    Returns:
        Paths by part, sorted; each picture is in exactly one. The number of pictures of a part in a
        class differs from its share by less than 1.

    Raises:
        ConfigError: Shares that are no division.

    Examples:
        >>> divide_pictures(['Grass/a.jpg', 'Grass/b.jpg'], dict(test=0.5, train=0.5), seed=0)
        {'test': ('Grass/a.jpg',), 'train': ('Grass/b.jpg',)}
    """
    check_part(None, shares)
    classes: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        classes[os.path.dirname(name)].append(name)
    parts: dict[str, list[str]] = {part: [] for part in sorted(shares)}
    for folder, members in classes.items():
        own = os.path.basename(folder)
        ordered_names = sorted(
            members, key=lambda name: _hash_name(seed, own, os.path.basename(name))
        )
        first, reached_share = 0, 0.0
        for part, part_names in parts.items():
            reached_share += shares[part]
            # Rounded first: sums of floats must not decide on which side of a half a cut falls.
            last = int(round(reached_share * len(ordered_names), 6) + 0.5)
            part_names += ordered_names[first:last]
            first = last
    return {part: tuple(sorted(part_names)) for part, part_names in parts.items()}


def _hash_name(seed: int, own: str, name: str) -> bytes:
    return hashlib.sha256(os.fsencode(f'{seed}:{own}/{name}')).digest()
