"""Lists of labelled rasters: a CSV or JSON file with one row per raster or pair."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swimdiff.errors import ConfigError, DatasetNotFoundError, LayoutError

__all__ = ['ListedRasters', 'choose_rows', 'locate', 'read_list']

#: Beginnings of names that GDAL resolves itself.
_VIRTUAL = ('/vsi', 'http://', 'https://', 's3://', 'gs://')


@dataclass(frozen=True)
class ListedRasters:
    """Hold one row of a list: the rasters of some ground and its labels.

    Args:
        name: Name of the row, unique in the list; files of predictions are called so.
        images: Path of the raster of each date, absolute or a name that GDAL resolves.
        labels: Path of the labels, a mask raster or a vector file.
        split: Name of the split; empty where the list does not say.
        place: The list and the row in it, for messages.
    """

    name: str
    images: tuple[str, ...]
    labels: str
    split: str
    place: str


def locate(text: str, folder: Path) -> str:
    """Return the absolute path of a file that a list names.

    Args:
        text: As written: relative to the list, absolute, with ``~``, or a GDAL name (``/vsi...``).
        folder: Folder of the list.
    """
    name = text.strip()
    if name.startswith(_VIRTUAL[1:]):
        return f'/vsicurl/{name}' if name.startswith('http') else f'/vsi{name.replace("://", "/")}'
    if name.startswith(_VIRTUAL[0]):
        return name
    return os.path.abspath(folder / os.path.expanduser(name))


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a list file as dictionaries."""
    try:
        text = path.read_text(encoding='utf-8-sig')
        if path.suffix.lower() == '.json':
            content = json.loads(text)
            rows = content.get('rows', content) if isinstance(content, dict) else content
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise LayoutError(f'{path}: expected a JSON list of objects, one per row.')
            return [dict(row, _line=number) for number, row in enumerate(rows, 1)]
        first = text.split('\n', 1)[0]
        separator = next((mark for mark in (',', ';', '\t') if mark in first), ',')
        table = csv.DictReader(text.splitlines(), delimiter=separator, skipinitialspace=True)
        return [
            dict({(key or '').strip(): value for key, value in row.items()}, _line=table.line_num)
            for row in table
        ]
    except (ValueError, csv.Error) as error:
        raise LayoutError(f'{path} cannot be read as a list: {error}.') from error


def read_list(
    given: str | Path | Sequence[Mapping[str, Any]], columns: Sequence[str], owner: str
) -> list[ListedRasters]:
    """Read a list of rasters with their labels.

    Args:
        given: A CSV file (comma, semicolon or tab), a JSON file with a list of objects, or such a
            list in the config itself; paths in it are relative to the file, or to the working
            directory. Columns beside those asked for are ``labels``, and where wanted ``split``
            and ``name``.
        columns: Columns of the images, e.g. ``before`` and ``after``.
        owner: Name of the data set, for messages.

    Raises:
        DatasetNotFoundError: The file is not there.
        LayoutError: A column is missing, a row is incomplete, or a name occurs twice.
    """
    needed_columns = (*columns, 'labels')
    if isinstance(given, str | Path):
        path = Path(given).expanduser()
        if not path.is_file():
            raise DatasetNotFoundError(
                f'{owner}: no list {path.absolute()}. Expected a CSV or JSON file with the columns '
                f'{", ".join(needed_columns)} and, if wanted, split and name; paths relative to '
                'it. Then name it: list_file in the config.'
            )
        rows, where, folder = _read_rows(path), str(path), path.parent
    else:
        rows = [dict(row, _line=number) for number, row in enumerate(given, 1)]
        where, folder = f'{owner}: list_file', Path()
    if not rows:
        raise LayoutError(
            f'{where} is empty. Expected rows with the columns {", ".join(needed_columns)}.'
        )
    there = [key for key in rows[0] if key != '_line']
    missing_columns = [column for column in needed_columns if column not in there]
    if missing_columns:
        raise LayoutError(
            f'{where} has no column {", ".join(missing_columns)}; it has '
            f'{", ".join(there) or "none"}. Expected {", ".join(needed_columns)} and, if wanted, '
            'split and name.'
        )
    return _parse_rows(rows, columns, where, folder)


def _parse_rows(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], where: str, folder: Path
) -> list[ListedRasters]:
    """Rows with absolute paths and names of their own."""
    listed_rasters: list[ListedRasters] = []
    for row in rows:
        place = f'{where}, row {row["_line"]}'
        cells = {key: str(value or '').strip() for key, value in row.items()}
        empty = [column for column in (*columns, 'labels') if not cells[column]]
        if empty:
            raise LayoutError(f'{place}: {", ".join(empty)} is empty. Expected a path.')
        images = tuple(locate(cells[column], folder) for column in columns)
        stem = os.path.splitext(os.path.basename(images[0].rstrip('/')))[0]
        name = cells.get('name') or _make_unique(stem, [other.name for other in listed_rasters])
        if name in (other.name for other in listed_rasters):
            raise LayoutError(f'{place}: the name {name!r} occurs twice. Expected one per row.')
        labels = locate(cells['labels'], folder)
        listed_rasters.append(ListedRasters(name, images, labels, cells.get('split', ''), place))
    return listed_rasters


def _make_unique(stem: str, taken: Sequence[str]) -> str:
    """Return the stem, with a number behind it where another row has the same."""
    number, name = 1, stem
    while name in taken:
        number += 1
        name = f'{stem}_{number}'
    return name


def choose_rows(
    rows: Sequence[ListedRasters], split: str, by_ground: bool, owner: str
) -> list[ListedRasters]:
    """Return the rows that a split is made of.

    Args:
        rows: All rows of the list.
        split: Name of the split; ``all`` is every row.
        by_ground: Whether blocks of ground divide every row, so that the list does not.
        owner: Name of the data set, for messages.

    Raises:
        ConfigError: Both or neither of list and blocks say what the splits are.
        LayoutError: No row has this split.
    """
    split_names = sorted({row.split for row in rows if row.split})
    if by_ground and split_names:
        raise ConfigError(
            f'{owner}: the list has a column split ({", ".join(split_names)}) and blocks= is given '
            'too. Expected one of the two: leave blocks away, or empty the column.'
        )
    if by_ground or split == 'all':
        return list(rows)
    if not split_names:
        raise ConfigError(
            f'{owner}: split={split!r}, but nothing says which ground is of which split. Add a '
            "column split to the list (train, val, test), or blocks=2000 (metres), or split='all'."
        )
    chosen_rows = [row for row in rows if row.split == split]
    if not chosen_rows:
        counts = ', '.join(
            f'{name} ({sum(row.split == name for row in rows)})' for name in split_names
        )
        raise LayoutError(
            f'{owner}: the split {split!r} is empty: no row of the list has it; there are {counts}.'
        )
    return chosen_rows
