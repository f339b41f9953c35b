"""Lists of scenes to map: CSV for people, JSON for programs."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swimdiff.errors import ConfigError, DatasetNotFoundError

__all__ = ['INPUT_COLUMNS', 'ListedScene', 'read_scene_list']

#: Columns of the inputs by kind of map.
INPUT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    'change': ('before', 'after'),
    'landcover': ('scene',),
}
#: What is no file of this machine and stays as it is written.
_REMOTE = ('/vsi', 'http://', 'https://', 's3://', 'gs://', 'az://')


@dataclass(frozen=True)
class ListedScene:
    """Hold one line of a list: one map.

    Args:
        inputs: Each date as it is written in the list; files are relative to its folder.
        out: The map.
        cloud_masks: Rasters of clouds on any grid.
    """

    inputs: tuple[str, ...]
    out: Path
    cloud_masks: tuple[str, ...] = ()


def read_scene_list(
    path: str | Path, kind: str, out_folder: str | Path | None = None
) -> list[ListedScene]:
    """Read a list of scenes.

    A CSV file has the columns ``before,after,out`` (change) or ``scene,out`` (land cover). A JSON
    file is a list of objects with these names, or with ``inputs`` (a list) and ``out``. Files are
    relative to the folder of the list; ``http(s)://``, ``s3://`` and ``/vsi...`` stay as they are.
    ``cloud_masks`` may name rasters of clouds, divided by semicolons (JSON: a list). Other columns
    are left alone.

    Args:
        path: The list, ``.csv`` or ``.json``.
        kind: ``change`` or ``landcover``.
        out_folder: Folder of the maps; then ``out`` is relative to it, and may be missing: the name
            of the last input with ``.tif``. Defaults to None, the folder of the list.

    Raises:
        DatasetNotFoundError: There is no such list.
        ConfigError: It cannot be read; the message names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise DatasetNotFoundError(
            f'{path}: no such list. Expected a .csv or .json file with '
            f'{", ".join(INPUT_COLUMNS[kind])} and out.'
        )
    rows = _read_json(path) if path.suffix.lower() == '.json' else _read_csv(path)
    folder = path.parent.absolute()
    outs = folder if out_folder is None else Path(out_folder).absolute()
    scenes = [
        _read_row(row, f'{path}, {place}', kind, folder, outs, out_folder is not None)
        for place, row in rows
    ]
    if not scenes:
        raise ConfigError(f'{path} lists no scene. Expected one line (CSV) or object (JSON) each.')
    _refuse_doubles(path, [place for place, _ in rows], scenes)
    return scenes


def _read_csv(path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            return [(f'line {reader.line_num}', row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigError(f'{path} is no CSV file in UTF-8: {error}.') from error


def _read_json(path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ConfigError(f'{path} is no JSON file: {error}.') from error
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise ConfigError(f'{path}: expected a list of objects, [{{"before": ..., "out": ...}}].')
    return [(f'object {number}', row) for number, row in enumerate(content)]


def _read_row(
    row: Mapping[str, Any], place: str, kind: str, folder: Path, outs: Path, may_lack_out: bool
) -> ListedScene:
    columns = INPUT_COLUMNS[kind]
    inputs = row.get('inputs') or [row.get(name) or '' for name in columns]
    if isinstance(inputs, str) or len(inputs) != len(columns) or not all(inputs):
        row_text = ', '.join(f'{key}={value}' for key, value in row.items() if value) or 'nothing'
        raise ConfigError(
            f'{place}: a map of {kind} needs {" and ".join(columns)}; found {row_text}. Name '
            'each in a column of this name (JSON: or a list "inputs").'
        )
    input_paths = [_locate(str(one).strip(), folder) for one in inputs]
    out = str(row.get('out') or '').strip()
    if not out and not may_lack_out:
        raise ConfigError(f'{place}: no out. Name the map to write, or a folder with --out.')
    out = out or f'{_stem(input_paths[-1])}.tif'
    if Path(out).suffix.lower() not in ('.tif', '.tiff'):
        raise ConfigError(f'{place}: out={out}: a map is a GeoTIFF; name a file that ends in .tif.')
    masks = row.get('cloud_masks') or ()
    masks = masks.split(';') if isinstance(masks, str) else masks
    clouds = tuple(_locate(str(one).strip(), folder) for one in masks if str(one).strip())
    return ListedScene(tuple(input_paths), outs / Path(out).expanduser(), clouds)


def _locate(name: str, folder: Path) -> str:
    return name if name.startswith(_REMOTE) else str(folder / Path(name).expanduser())


def _stem(name: str) -> str:
    return Path(name.split('?')[0].rstrip('/')).stem


def _refuse_doubles(path: Path, places: Sequence[str], scenes: Sequence[ListedScene]) -> None:
    first: dict[Path, str] = {}
    for place, scene in zip(places, scenes, strict=True):
        if scene.out in first:
            raise ConfigError(
                f'{path}: {first[scene.out]} and {place} write the same map, {scene.out}. Give '
                'each an out of its own.'
            )
        first[scene.out] = place
