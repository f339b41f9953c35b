"""What decides a map, as one hash: config, weights, options, inputs."""

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swimdiff.inference.jobs.scene_list import ListedScene
from swimdiff.inference.remote import describe_remote, is_remote, shown_name

__all__ = ['describe_input', 'digest_file', 'hash_scene']


@functools.lru_cache(maxsize=64)
def _digest(path: str, size: int, changed: int) -> str:
    """Return the digest of a file as it is; size and time tell a change."""
    hasher = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def digest_file(path: str | Path) -> str:
    """Return the SHA-256 of the content of a file; read once per process."""
    about = os.stat(path)
    return _digest(os.fspath(path), about.st_size, about.st_mtime_ns)


def describe_input(name: str) -> list[str]:
    """Return what tells whether an input is the same: sizes and times of its files.

    Pixels are not read: inputs are large. A remote file is known by size and ETag, or by size and
    time where the server has none.

    Args:
        name: A file, a folder of files, an address or an item of a catalogue.

    Raises:
        RasterError: A remote file cannot be reached.
    """
    if is_remote(name):
        # An address that is signed again is the same file.
        return [f'{shown_name(name)} {describe_remote(name)}']
    path = Path(name)
    files = sorted(p for p in path.rglob('*') if p.is_file()) if path.is_dir() else [path]
    lines = []
    for file in files:
        try:
            about = file.stat()
        except OSError:
            lines.append(f'{file} missing')  # the map says so in its own words
            continue
        lines.append(f'{file} {about.st_size} {about.st_mtime_ns}')
    return lines


def hash_scene(scene: ListedScene, settings: Mapping[str, Any]) -> str:
    """Return a hash of all that decides a map.

    Args:
        scene: Its inputs are looked at.
        settings: Everything else, for JSON: digests of config and weights, options, products.

    Raises:
        RasterError: A remote input cannot be reached.
    """
    inputs = [describe_input(name) for name in (*scene.inputs, *scene.cloud_masks)]
    text = json.dumps([inputs, settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:16]
