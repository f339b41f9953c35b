"""What a work dir tells about its run: scalars, warnings, config, stack."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from swimdiff.errors import DataError

__all__ = ['Curve', 'RunRecord', 'read_run']

#: A line of the engine's log: date, name of the logger, level, for errors the place, text.
_LINE = re.compile(
    r'^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - \S+ - ([A-Z]+) - (?:/\S+ - \S+ - \d+ - )?(.*)$'
)
_COUNTERS = ('step', 'epoch', 'iter')


@dataclass(frozen=True)
class Curve:
    """Hold one logged scalar.

    Args:
        steps: Iterations, or epochs where it was logged once per epoch; ascending.
        values: As many numbers.
    """

    steps: np.ndarray
    values: np.ndarray

    @property
    def last(self) -> float:
        """Return the newest value."""
        return float(self.values[-1])


@dataclass
class RunRecord:
    """Hold everything the report is made from.

    Args:
        work_dir: Where the run wrote.
        train: Curves over iterations, by name.
        evaluation: Curves over epochs (probe, validation), by name.
        messages: Time, level and text of warnings and errors in the log.
        config: The config as it ran, None where it cannot be read.
        facts: ``run.json`` of the newest start (stack, command, state), empty where it is missing.
        starts: How often the run was started.
        seconds: Time over all starts that the log covers.
    """

    work_dir: Path
    train: dict[str, Curve] = field(default_factory=dict)
    evaluation: dict[str, Curve] = field(default_factory=dict)
    messages: list[tuple[str, str, str]] = field(default_factory=list)
    config: Config | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    starts: int = 0
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """Return the config's name where it is known, else that of the folder."""
        dumped_configs = sorted(self.work_dir.glob('*.py'), key=lambda path: path.stat().st_mtime)
        return dumped_configs[-1].stem if dumped_configs else self.work_dir.resolve().name


def _read_scalars(files: list[Path]) -> tuple[list[dict], list[dict]]:
    """Rows of training and of evaluation, those of a later start over those of an earlier one."""
    train: dict[int, dict] = {}
    evaluation: dict[int, dict] = {}
    for path in files:
        fresh = True
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # the last line of a run that was killed while it wrote
            if 'step' not in row:
                continue
            into, step = (train if 'loss' in row else evaluation), int(row['step'])
            if into is train and fresh:
                # What an earlier start did after the checkpoint that this one resumed is void.
                train = into = {key: value for key, value in train.items() if key < step}
                fresh = False
            into[step] = {**into.get(step, {}), **row}
    return [train[key] for key in sorted(train)], [evaluation[key] for key in sorted(evaluation)]


def _curves(rows: list[dict]) -> dict[str, Curve]:
    names = dict.fromkeys(key for row in rows for key in row if key not in _COUNTERS)
    curves = {}
    for name in names:
        pairs = [(row['step'], row[name]) for row in rows if isinstance(row.get(name), int | float)]
        if pairs:
            curves[name] = Curve(*(np.array(column, float) for column in zip(*pairs, strict=True)))
    return curves


def _messages(files: list[Path]) -> list[tuple[str, str, str]]:
    """Warnings and errors of the logs, each text once, at its last time."""
    messages: dict[str, tuple[str, str, str]] = {}
    for path in files:
        for line in path.read_text(errors='replace').splitlines():
            match = _LINE.match(line)
            if match and match[2] in ('WARNING', 'ERROR', 'CRITICAL'):
                messages.pop(match[3], None)
                messages[match[3]] = (match[1], match[2], match[3])
    return list(messages.values())


def read_run(work_dir: str | Path) -> RunRecord:
    """Read what ``tools/train.py`` left in a work dir.

    Raises:
        DataError: There is no log of a run.
    """
    root = Path(work_dir)
    starts = sorted(path.parent for path in root.glob('*/vis_data'))
    if not starts:
        raise DataError(
            f'{root}: expected the logs of a run at */vis_data, found none; give the work dir of '
            'tools/train.py'
        )
    record = RunRecord(root, starts=len(starts))
    scalars = [path for start in starts for path in start.glob('vis_data/scalars.json')]
    train, evaluation = _read_scalars(scalars)
    record.train, record.evaluation = _curves(train), _curves(evaluation)
    record.messages = _messages([path for start in starts for path in start.glob('*.log')])
    for start in starts:
        log = sorted(start.glob('*.log'))
        facts = start / 'run.json'
        if facts.is_file():
            record.facts = json.loads(facts.read_text())
        if log:
            record.seconds += _duration(log[0])
        config = start / 'vis_data' / 'config.py'
        if config.is_file():
            record.config = Config.fromfile(config, import_custom_modules=False)
            object.__setattr__(record.config, '_format_python_code', False)  # yapf is slow
    return record


def _duration(log: Path) -> float:
    """Seconds from the first to the last line of a log."""
    times = [match[1] for line in log.open(errors='replace') if (match := _LINE.match(line))]
    if len(times) < 2:
        return 0.0
    first, last = (datetime.strptime(text, '%Y/%m/%d %H:%M:%S') for text in (times[0], times[-1]))
    return (last - first).total_seconds()
