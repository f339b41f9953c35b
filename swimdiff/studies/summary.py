"""Means over seeds, and differences of pairs that share a seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from scipy import stats

from swimdiff.studies.cells import Cell
from swimdiff.studies.results import FINISHED, Record

__all__ = ['Interval', 'Scores', 'collect_scores', 'summarise']


@dataclass(frozen=True)
class Interval:
    """Hold mean and spread of some numbers.

    Args:
        count: How many.
        mean: Their mean.
        deviation: Sample standard deviation; NaN for one number.
        low: Lower end of the interval of the mean, NaN for one number.
        high: Upper end.
    """

    count: int
    mean: float
    deviation: float
    low: float
    high: float


def summarise(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """Return mean, deviation and the t-interval of the mean; None of no numbers.

    Args:
        values (Sequence[float]): Taken as independent and about normal.
        confidence (float): Of the interval, 0 to 1. Defaults to 0.95.
    """
    if not values:
        return None
    mean, count = fmean(values), len(values)
    if count == 1:
        return Interval(1, mean, math.nan, math.nan, math.nan)
    deviation = stdev(values)
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * deviation / math.sqrt(count)
    return Interval(count, mean, deviation, mean - half, mean + half)


@dataclass
class Scores:
    """Hold the results of a plan, for a table or a picture.

    Args:
        rows: Labels of floors and variants, in order.
        columns: Names of scores by measurement, in order.
        values: By row, measurement and score, the value of each seed.
        seeds: Seeds wanted by row.
        floors: Rows without a training.
        fixed: Rows of which nothing is random: their one value is that of every seed.
        remarks: Cells that are missing, diverged or failed, and what does not fit together.
    """

    rows: list[str]
    columns: dict[str, list[str]] = field(default_factory=dict)
    values: dict[tuple[str, str, str], dict[int, float]] = field(default_factory=dict)
    seeds: dict[str, list[int]] = field(default_factory=dict)
    floors: set[str] = field(default_factory=set)
    fixed: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)

    def get(self, row: str, measurement: str, score: str) -> dict[int, float]:
        """Return the values by seed, {} where there are none.

        Args:
            row: Name of a variant or a floor.
            measurement: Name of a measurement.
            score: Name of a score of it.
        """
        return self.values.get((row, measurement, score), {})

    def subtract(self, row: str, baseline: str, measurement: str, score: str) -> dict[int, float]:
        """Return the difference of a row to the baseline, of each seed that both have.

        Args:
            row: Name of a variant or a floor.
            baseline: Name of the row that is subtracted.
            measurement: Name of a measurement.
            score: Name of a score of it.
        """
        values, against = (self.get(one, measurement, score) for one in (row, baseline))
        if row in self.fixed and values:
            values = dict.fromkeys(against, next(iter(values.values())))
        return {seed: values[seed] - against[seed] for seed in values if seed in against}


def collect_scores(cells: Sequence[Cell], lines: Sequence[Record]) -> Scores:
    """Gather what the results hold of the cells of a plan.

    Args:
        cells (Sequence[Cell]): Of the plan.
        lines (Sequence[Record]): Of the file of results.
    """
    records = {record.config_hash: record for record in lines}
    floors = dict.fromkeys(cell.label for cell in cells if cell.kind != 'trained')
    trained_labels = dict.fromkeys(cell.label for cell in cells if cell.kind == 'trained')
    scores = Scores([*floors, *trained_labels], floors=set(floors))
    scores.fixed = {cell.label for cell in cells if cell.kind == 'statistics'}
    used_records = []
    for cell in cells:
        scores.seeds.setdefault(cell.label, []).append(cell.seed)
        record = records.get(cell.config_hash)
        if record is None:
            scores.remarks.append(f'{cell}: missing')
            continue
        used_records.append((cell, record))
        if record.status != FINISHED:
            scores.remarks.append(f'{cell}: {record.status}, {record.message}')
        missing_names = []
        for name, digest in cell.measurements.items():
            values = record.find_scores(digest)
            if values is None and record.status == FINISHED:
                missing_names.append(name)
            for score, value in (values or {}).items():
                columns = scores.columns.setdefault(name, [])
                if score not in columns:
                    columns.append(score)
                scores.values.setdefault((cell.label, name, score), {})[cell.seed] = value
        if missing_names:
            scores.remarks.append(f'{cell}: not measured yet: {", ".join(missing_names)}')
    scores.remarks += _find_differences(used_records) + _find_stale(cells, lines)
    return scores


def _find_differences(used: Sequence[tuple[Cell, Record]]) -> list[str]:
    """Say what should be the same for all cells and is not."""
    trained = [record for cell, record in used if cell.kind == 'trained']
    found: dict[str, list[str]] = {
        'commit': [record.commit or 'unknown' for _, record in used],
        'gpu': [str(record.hardware.get('gpu') or 'CPU') for record in trained],
        'views': [record.views or 'unknown' for record in trained],
    }
    remarks = []
    for what, values in found.items():
        kinds = list(dict.fromkeys(values))
        if len(kinds) > 1:
            remarks.append(f'cells differ in {what}: {", ".join(kinds)}')
    data = [item for _, record in used for item in record.data.items()]
    kinds = [f'{name} {digest}' for name, digest in dict.fromkeys(data)]
    if len(kinds) > len({name for name, _ in data}):
        remarks.append(f'cells differ in data: {", ".join(kinds)}')
    return remarks


def _find_stale(cells: Sequence[Cell], lines: Sequence[Record]) -> list[str]:
    """Say how many results are of the same names but of another config."""
    names = {(cell.label, cell.seed): cell.config_hash for cell in cells}
    hashes = {cell.config_hash for cell in cells}
    stale = {
        (line.variant, line.seed)
        for line in lines
        if line.config_hash not in hashes and (line.variant, line.seed) in names
    }
    done_hashes = {line.config_hash for line in lines}
    stale = {key for key in stale if names[key] not in done_hashes}
    return [f'{label} seed {seed}: the result there is of another config' for label, seed in stale]
