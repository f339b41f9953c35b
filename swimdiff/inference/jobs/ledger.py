"""The ledger of a list of scenes: one JSON line per attempt, in a file that many write to."""

import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from swimdiff.files import append_line
from swimdiff.inference.jobs.scene_list import ListedScene

__all__ = ['FAILED', 'FINISHED', 'Entry', 'Ledger', 'measure_files']

FINISHED, FAILED = 'finished', 'failed'


@dataclass(frozen=True)
class Entry:
    """Hold one line: what became of a scene.

    Args:
        out: The map.
        status: ``finished`` or ``failed``.
        hash: Of all that decides it, see :func:`swimdiff.inference.jobs.fingerprint.hash_scene`.
        inputs: As named in the list.
        files: Size in bytes of each file that was written, by its path.
        message: Why it failed.
        seconds: Time it took.
        about: More of what the map holds, such as pixels per class.
        host: Machine and process that made it.
        written: ISO 8601 in UTC.
    """

    out: str
    status: str
    hash: str
    inputs: tuple[str, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    message: str = ''
    seconds: float = 0.0
    about: Mapping[str, Any] = field(default_factory=dict)
    host: str = field(default_factory=lambda: f'{socket.gethostname()}:{os.getpid()}')
    written: str = field(
        default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec='seconds')
    )

    def is_whole(self) -> bool:
        """Return whether all files are there as they were written."""
        return bool(self.files) and measure_files(self.files) == dict(self.files)


def measure_files(paths: Any) -> dict[str, int]:
    """Return the sizes of the files that are there, in bytes, by path."""
    return {str(path): os.path.getsize(path) for path in paths if os.path.isfile(path)}


class Ledger:
    """Keep lines that are only ever added; the newest of a map counts.

    Args:
        path: The file; it need not be there.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._entries: dict[str, Entry] = {}
        self._read = 0
        self._locks: IO[bytes] | None = None

    def read(self) -> Mapping[str, Entry]:
        """Return the newest whole line of each map by its path; only new lines are read."""
        if not self.path.is_file():
            return {}
        with self.path.open('rb') as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b'\n') + 1]
        self._read += len(whole)
        known_fields = set(Entry.__dataclass_fields__)
        for line in whole.splitlines():
            try:
                content = json.loads(line)
                entry = Entry(**{k: v for k, v in content.items() if k in known_fields})
            except (ValueError, TypeError, AttributeError):
                continue  # cut by a kill
            self._entries[entry.out] = entry
        return self._entries

    def add(self, entry: Entry) -> None:
        """Add a line; it is on the disk when this returns."""
        append_line(self.path, json.dumps(asdict(entry)))

    @property
    def _begun(self) -> Path:
        return self.path.with_name(f'.{self.path.name}.begun')

    def begin(self, scene: ListedScene) -> None:
        """Note that a map is begun where nothing was: what a kill leaves there is ours."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        append_line(self._begun, str(scene.out))

    def has_begun(self, scene: ListedScene) -> bool:
        """Return whether a map was begun where nothing was, since the ledger is there."""
        if not (self.path.is_file() and self._begun.is_file()):
            return False
        return str(scene.out) in self._begun.read_text().splitlines()

    @contextmanager
    def claim(self, scene: ListedScene) -> Iterator[bool]:
        """Claim a map, so that no other process of any machine writes it as well.

        Each map is one byte of a lock file beside the ledger; a process that dies gives it up.

        Yields:
            Whether it was free.
        """
        if self._locks is None:
            # Kept open: closing it would give up all that this process has claimed.
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._locks = self.path.with_name(f'.{self.path.name}.lock').open('a+b')
        digest = hashlib.sha256(os.fsencode(scene.out)).digest()
        place = int.from_bytes(digest[:7], 'big')
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, place)
