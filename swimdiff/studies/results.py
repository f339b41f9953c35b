"""The results of a study: one JSON line per cell, in a file that several processes add to."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from swimdiff.files import append_line

__all__ = ['Record', 'ResultsFile']

FINISHED, DIVERGED, FAILED = 'finished', 'diverged', 'failed'


@dataclass(frozen=True)
class Record:
    """Hold one line of the results.

    Args:
        plan: Name of the plan.
        variant: Name of the variant, or of the floor.
        seed: Of the cell.
        status: ``finished``, ``diverged`` or ``failed``.
        config_hash: Of what decides the result; the same hash is the same cell.
        scores: Numbers of each measurement by name.
        measured: Hash of the config of each measurement in ``scores``.
        message: Why it is not finished.
        images: Images seen.
        iterations: Iterations of the training; 0 for a floor.
        views: Where those of the training were made, ``workers`` or ``device``; '' of a
            floor, and where nothing tells.
        data: Digest of each data set, see :func:`swimdiff.studies.provenance.digest_data`.
        commit: Of the code.
        stack: Versions of packages.
        hardware: CPU model, cores, threads, GPU.
        seconds: Of training and of each measurement.
        written: When, ISO 8601 in UTC.
    """

    plan: str
    variant: str
    seed: int
    status: str
    config_hash: str
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    measured: dict[str, str] = field(default_factory=dict)
    message: str = ''
    images: int = 0
    iterations: int = 0
    views: str = ''
    data: dict[str, str] = field(default_factory=dict)
    commit: str = ''
    stack: dict[str, str] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    written: str = ''

    def find_scores(self, measurement_hash: str) -> dict[str, float] | None:
        """Return the numbers of a measurement, whatever its name; None without any."""
        for name, known_hash in self.measured.items():
            if known_hash == measurement_hash:
                return self.scores[name]
        return None


class ResultsFile:
    """Keep lines that are only ever added; the newest of a cell counts.

    Args:
        path (Path): The file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Record]:
        """Return the newest line of each cell by its config hash."""
        return {record.config_hash: record for record in self.read_lines()}

    def read_lines(self) -> list[Record]:
        """Return all lines that are whole, in order."""
        if not self.path.is_file():
            return []
        known_fields = set(Record.__dataclass_fields__)
        records = []
        for line in self.path.read_text().splitlines():
            try:
                fields = json.loads(line)
                records.append(Record(**{k: v for k, v in fields.items() if k in known_fields}))
            except (ValueError, TypeError, AttributeError):
                continue  # of a process that was killed while it wrote, or no line of ours
        return records

    def add(self, record: Record) -> None:
        """Add a line; it is on the disk when this returns."""
        append_line(self.path, json.dumps(asdict(record)))
