"""Packs: archives written once into a few large files, read by position.

A pack is a folder with ``pack.json``; ``tools/dataset_converters/pack.py`` makes one.
"""

from pathlib import Path

from swimdiff.datasets.patch_source import PatchSource
from swimdiff.errors import LayoutError

__all__ = ['PackSource', 'is_pack']


def is_pack(root: str | Path) -> bool:
    """Whether a folder is a pack, finished or not."""
    return (Path(root) / 'pack.json').is_file()


class PackSource(PatchSource):
    """An archive in a pack."""

    def __init__(self, root: str | Path, kind: str, local_copy: str | None = None) -> None:
        raise LayoutError(f'{root}: packs cannot be read yet.')
