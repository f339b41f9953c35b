"""What both versions of BigEarthNet share: names of products, bands, items, missing patches."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from swimdiff.bands import SECO_BANDS, canonical_bands
from swimdiff.errors import BandError, LayoutError

__all__ = ['PRODUCT', 'choose_bands', 'describe_patch', 'refuse_absent']

#: Folder of a product in v2: with its baseline, orbit and tile.
PRODUCT = re.compile(r'S2[AB]_MSIL2A_\d+T\d+_N\d+_R\d+_T\w{5}')


def choose_bands(bands: Iterable[str]) -> tuple[str, ...]:
    """Return the canonical names of the bands wanted, in the order given.

    Raises:
        BandError: A band that level-2A products do not have.
    """
    names = canonical_bands(bands)
    absent = [name for name in names if name not in SECO_BANDS]
    if absent:
        raise BandError(f'BigEarthNet has no {", ".join(absent)}; it has {", ".join(SECO_BANDS)}.')
    return names


def describe_patch(
    folder: str | Path, bands: Sequence[str], labels: Sequence[int]
) -> dict[str, Any]:
    """Return the item of a patch in the data list.

    Args:
        folder: Folder of its band files.
        bands: Bands to read.
        labels: Indices of its classes.
    """
    path = str(folder)
    return dict(patch_dir=path, img_path=path, band_names=bands, gt_label=list(labels))


def refuse_absent(
    names: Sequence[str], present: Sequence[str], where: str, root: Path, advice: str
) -> None:
    """Refuse a part of which patches are not on disk.

    Args:
        names: Patches of the part.
        present: Those that are there.
        where: What names them, for the message.
        root: Where they were looked for.
        advice: What to do beside unpacking the archive, with its punctuation before it.

    Raises:
        LayoutError: One is missing.
    """
    missing_names = set(names).difference(present)
    if missing_names:
        first = next(name for name in names if name in missing_names)
        raise LayoutError(
            f'{where} names {len(missing_names)} of {len(names)} patches that are not in {root}, '
            f'for example {first}. Unpack the archive completely{advice}.'
        )
