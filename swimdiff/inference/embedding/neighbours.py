"""What a search found, for people: GeoJSON, and a contact sheet cut from the scenes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from PIL import Image, ImageDraw, ImageFont

from swimdiff.bands import RGB
from swimdiff.datasets.geo import carry, same_system
from swimdiff.datasets.index import stack_planes
from swimdiff.datasets.rasters import CloudMask, RasterOptions, SceneRasters, cut
from swimdiff.errors import DataError, LayoutError
from swimdiff.files import open_whole, replace_text
from swimdiff.inference.embedding.cells import LONLAT
from swimdiff.inference.embedding.places import read_outlines
from swimdiff.inference.embedding.scenes import find_scene, open_files
from swimdiff.inference.embedding.search import Match
from swimdiff.inference.embedding.table import EmbeddingTable
from swimdiff.inference.embedding.writing import SceneEntry

__all__ = ['PatchPictures', 'write_geojson', 'write_sheet']

#: Sizes of the sheet in pixels: a picture, the lines below it, what lies between two.
_PICTURE, _LINE, _GAP, _FONT = 160, 15, 8, 11
_COLUMNS = 7


def write_geojson(
    table: EmbeddingTable, matches: Sequence[Match], path: str | Path, query: int | None = None
) -> None:
    """Write neighbours as GeoJSON with rank, score, file and date.

    Coordinates are longitude and latitude.

    Args:
        table: The table.
        matches: The rows found.
        path: The file.
        query: Row that was searched for; it gets the rank 0.
    """
    first = [] if query is None else [Match(query, 1.0)]
    hits = [*first, *matches]
    rows = [match.row for match in hits]
    outlines = read_outlines(table, rows) if rows else np.zeros(0, object)
    if not same_system(table.system, LONLAT):
        outlines = shapely.transform(outlines, lambda xy: carry(xy, table.system, LONLAT))
    features = []
    records = table.take(rows, ['file', 'date', 'row', 'col'])
    for rank, (match, record) in enumerate(zip(hits, records, strict=True), 1 - len(first)):
        day = record['date']
        properties = dict(
            rank=rank,
            score=round(match.score, 6),
            file=record['file'],
            date=day.isoformat() if day else None,
            row=record['row'],
            col=record['col'],
            table_row=match.row,
        )
        geometry = json.loads(shapely.to_geojson(outlines[rank - 1 + len(first)]))
        features.append(dict(type='Feature', properties=properties, geometry=geometry))
    replace_text(Path(path), json.dumps(dict(type='FeatureCollection', features=features)))


@dataclass
class PatchPictures:
    """Cut pictures of patches out of the scenes that a table names.

    Args:
        table: The table.
        root: Folder that the names of scenes are relative to.
    """

    table: EmbeddingTable
    root: Path = Path('.')

    def __post_init__(self) -> None:
        if not self.table.scenes:
            raise LayoutError(
                f'{self.table.path} has no metadata of its scenes, so no picture can be cut. '
                'Expected a table as tools/embed.py writes it.'
            )
        self._entries = {scene.file: scene for scene in self.table.scenes}
        self._opened: dict[str, SceneRasters] = {}
        self.failures: dict[str, str] = {}
        self.options = _read_options(self.table.about)
        self.bands = tuple(self.table.about['checkpoint']['bands'])

    def cut_patches(self, rows: Sequence[int]) -> list[np.ndarray | None]:
        """Cut the patches of some rows, in natural colour where the scene has it.

        Args:
            rows: Numbers of rows.

        Returns:
            H x W x 3 pixels as in the files for each row; None where the scene cannot be read,
            which ``failures`` explain.
        """
        pictures: list[np.ndarray | None] = []
        for record in self.table.take(rows, ['file', 'row', 'col']):
            name = record['file']
            if name in self.failures:
                pictures.append(None)
                continue
            try:
                pictures.append(self._cut(self._entries[name], record['row'], record['col']))
            except DataError as error:
                self.failures[name] = str(error)
                pictures.append(None)
        return pictures

    def _open(self, name: str) -> SceneRasters:
        """Open a scene with natural colour if it has it, else with what the network takes."""
        if name not in self._opened:
            files = find_scene(str(self.root / name), self.bands, self.options)
            plain = self.bands[:3] if len(self.bands) >= 3 else self.bands[:1]
            try:
                scene = open_files(files, RGB, self.options, whole=False)
            except DataError:
                scene = open_files(files, plain, self.options, whole=False)
            self._opened[name] = scene
            self._roots = {**getattr(self, '_roots', {}), name: str(files.root)}
        return self._opened[name]

    def _cut(self, entry: SceneEntry, row: int, column: int) -> np.ndarray:
        scene = self._open(entry.file)
        west, south, east, north = entry.grid.extents(np.array([row]), np.array([column]))[0]
        patch = entry.grid.patch
        side = dict.fromkeys(scene.bands, patch)
        ground = (float(west), float(south), float(east), float(north))
        root, bands = self._roots[entry.file], list(scene.bands)
        planes = cut(root, scene, bands, ground, scene.system, side)
        return np.repeat(stack_planes(planes), 3 // len(planes), axis=2)


def _read_options(about: Any) -> RasterOptions:
    """The options that the scenes of a table were found with."""
    text = dict(about.get('rasters', {}))
    if text.get('clouds'):
        clouds = text['clouds']
        lists = {name: tuple(clouds[name]) for name in ('values', 'bits')}
        text['clouds'] = CloudMask(**{**clouds, **lists})
    return RasterOptions(**{name: value for name, value in text.items() if value is not None})


def _stretch(pictures: Sequence[np.ndarray | None]) -> list[np.ndarray | None]:
    """Pictures as uint8, all with one stretch, so that brightness can be compared."""
    there = [picture for picture in pictures if picture is not None]
    if not there:
        return list(pictures)
    pixels = np.concatenate([picture.reshape(-1, 3) for picture in there]).astype(float)
    data = pixels[(pixels != 0).any(axis=1)] if (pixels != 0).any() else pixels
    low, high = np.percentile(data, [1, 99], axis=0)
    span = np.maximum(high - low, 1e-9)
    return [
        None if picture is None else (np.clip((picture - low) / span, 0, 1) * 255).astype(np.uint8)
        for picture in pictures
    ]


def write_sheet(
    pictures: Sequence[np.ndarray | None], captions: Sequence[Sequence[str]], path: str | Path
) -> None:
    """Draw pictures in rows, the first one framed: what was searched for.

    Args:
        pictures: H x W x 3 pixels of any range; None is drawn grey.
        captions: Lines below each picture.
        path: PNG to write.
    """
    lines = max(len(caption) for caption in captions)
    wide, high = _PICTURE + _GAP, _PICTURE + _GAP + lines * _LINE
    columns = min(_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = Image.new('RGB', (columns * wide + _GAP, rows * high + _GAP), 'white')
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT)
    captioned_pictures = zip(_stretch(pictures), captions, strict=True)
    for number, (picture, caption) in enumerate(captioned_pictures):
        left = number % columns * wide + _GAP
        top = number // columns * high + _GAP
        if picture is None:
            tile = Image.new('RGB', (_PICTURE, _PICTURE), 'lightgrey')
        else:
            scale = _PICTURE / max(picture.shape[:2])
            size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
            tile = Image.fromarray(picture).resize((size[0], size[1]), Image.Resampling.NEAREST)
        sheet.paste(tile, (left, top))
        if not number:
            frame = (left - 3, top - 3, left + _PICTURE + 2, top + _PICTURE + 2)
            pen.rectangle(frame, outline='red', width=3)
        for place, line in enumerate(caption):
            while len(line) > 4 and pen.textlength(line, font) > _PICTURE:
                line = f'{line[:-4]}...'
            where = (left, top + _PICTURE + 2 + place * _LINE)
            pen.text(where, line, fill='black', font=font)
    with open_whole(Path(path)) as file:
        sheet.save(file, 'PNG')
