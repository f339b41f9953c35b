"""Writing Sentinel-2 scenes in SeCo's true layout, atomically and resumably.

A scene is cut into patches; each patch becomes a location folder, each date a product folder with
the bands at their three sizes, uint8 (reflectance x 255, fraction cut off), JPEG in GeoTIFF, in
longitude and latitude, with a ``metadata.json``: what the SeCo release holds.
"""

import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.bands import SECO_BANDS, SENTINEL2, seco_stem
from swimdiff.datasets.geo import LonLatGrid, lonlat_grid, raster_size, read_on_grid, write_geotiff
from swimdiff.errors import ConfigError, LayoutError

__all__ = ['Acquisition', 'Scene', 'WriteReport', 'seco_uint8', 'write_seco']

#: Says what a tree holds and whether it is complete; SeCo ignores it.
MANIFEST = 'layout.json'


@dataclass(frozen=True)
class Acquisition:
    """One date of a scene.

    Args:
        product: Product id, e.g. ``20200713T075609_20200713T081050_T36QZH``.
        rasters: Path of each band by canonical name.
        about: What else goes into ``metadata.json``.
        channels: Number of each band in its file, from 0; 0 for those not named.
        scale: Value that stands for a reflectance of 1.
    """

    product: str
    rasters: Mapping[str, Path]
    about: Mapping[str, Any] = field(default_factory=dict)
    channels: Mapping[str, int] = field(default_factory=dict)
    scale: float = 10_000

    @property
    def reference(self) -> Path:
        """The raster that gives the grid: B04 where it is there."""
        return self.rasters.get('B04', next(iter(self.rasters.values())))

    def origin(self, band: str) -> str:
        """Where a band comes from, for the manifest."""
        name, channel = Path(self.rasters[band]).name, self.channels.get(band, 0)
        if channel == 0 and self.scale == 10_000:
            return name
        return f'{name}, channel {channel}, scale {self.scale:g}'


@dataclass(frozen=True)
class Scene:
    """One place at one or more dates; the first date gives the grid.

    Args:
        name: For messages and ``metadata.json``.
        dates: At least one, each with B04 (the 10 m grid) or with all bands in one file.
    """

    name: str
    dates: Sequence[Acquisition]


@dataclass
class WriteReport:
    """What a call did.

    Args:
        root: The tree.
        locations: Number of locations it holds.
        products: Number of product folders (locations times dates).
        written: Product folders written by this call; 0 if all were there.
        left_out: Reasons for scenes that gave no patch.
    """

    root: Path
    locations: int = 0
    products: int = 0
    written: int = 0
    left_out: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        done = f'wrote {self.written}' if self.written else 'already complete, nothing to write'
        lines = [f'{self.root}: {self.locations} locations, {self.products} products ({done})']
        return '\n'.join(lines + [f'  left out: {reason}' for reason in self.left_out])


def seco_uint8(values: np.ndarray, scale: float = 10_000) -> np.ndarray:
    """Reflectance x scale to SeCo's uint8: reflectance x 255, clipped, fraction cut off."""
    return (np.clip(values.astype(np.float64) / scale, 0, 1) * 255).astype(np.uint8)


def _starts(length: int, patch: int, stride: int) -> list[int]:
    """First pixels of patches along one side, as many as fit, centred."""
    if length < patch:
        return []
    count = (length - patch) // stride + 1
    margin = (length - patch - (count - 1) * stride) // 2
    return [margin + i * stride for i in range(count)]


def _read_patch(scene: Scene, grid: LonLatGrid, patch: int) -> list[dict[str, np.ndarray]] | None:
    """Bands of every date on the grid of one patch; None where one does not cover it."""
    dates = []
    for acquisition in scene.dates:
        planes = {}
        for band in SECO_BANDS:
            if band not in acquisition.rasters:
                continue
            factor = SENTINEL2[band].resolution_m // 10
            channel = acquisition.channels.get(band, 0)
            values = read_on_grid(acquisition.rasters[band], grid, patch, factor, channel)
            if values is None:
                return None
            planes[band] = seco_uint8(values, acquisition.scale)
        dates.append(planes)
    return dates


def _write_product(
    folder: Path,
    scene: Scene,
    date: Acquisition,
    planes: Mapping[str, np.ndarray],
    grid: LonLatGrid,
) -> None:
    """One product folder, whole or not at all."""
    partial = folder.parent / f'.{folder.name}.{uuid.uuid4().hex}'
    partial.mkdir(parents=True)
    try:
        west, north, width, height = grid
        for band, plane in planes.items():
            factor = SENTINEL2[band].resolution_m // 10
            write_geotiff(
                partial / f'{seco_stem(band)}.tif',
                plane,
                (west, width * factor, 0.0, north, 0.0, -height * factor),
                options=('COMPRESS=JPEG',),
            )
        about = dict(id=date.product, scene=scene.name, bands=list(planes), **date.about)
        (partial / 'metadata.json').write_text(json.dumps(about, indent=1))
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _save_manifest(root: Path, manifest: dict[str, Any]) -> None:
    partial = root / f'.{MANIFEST}.{uuid.uuid4().hex}'
    partial.write_text(json.dumps(manifest, indent=1))
    os.replace(partial, root / MANIFEST)


def _load_manifest(root: Path, recipe: dict[str, Any]) -> dict[str, Any]:
    """The manifest of a tree, new or of an earlier call with the same recipe.

    Raises:
        LayoutError: The folder holds something else.
    """
    root.mkdir(parents=True, exist_ok=True)
    path = root / MANIFEST
    if path.exists():
        manifest = json.loads(path.read_text())
        if manifest['recipe'] != recipe:
            raise LayoutError(
                f'{root} holds a data set made with other options or from other files (see '
                f'{path}). Choose another output folder, or delete this one.'
            )
        return manifest
    if any(root.iterdir()):
        raise LayoutError(
            f'{root} is not empty and was not written by this tool (no {MANIFEST}). '
            'Choose an empty or new output folder.'
        )
    manifest = dict(recipe=recipe, complete=False)
    _save_manifest(root, manifest)
    return manifest


def _recipe(scenes: Sequence[Scene], **options: Any) -> dict[str, Any]:
    """What decides the content of a tree, as JSON gives it back."""
    content = {
        scene.name: {
            date.product: {band: date.origin(band) for band in sorted(date.rasters)}
            for date in scene.dates
        }
        for scene in scenes
    }
    return json.loads(json.dumps(dict(options, scenes=content)))


def write_seco(
    root: str | Path,
    scenes: Sequence[Scene],
    patch: int = 264,
    stride: int | None = None,
    max_patches: int | None = None,
) -> WriteReport:
    """Write scenes as a data set in SeCo's layout.

    A second call with the same arguments finds the tree complete; after an interruption it writes
    what is missing.

    Args:
        root: The folder to write, new or of an earlier call.
        scenes: The scenes, in order; locations are numbered through them.
        patch: Side of a patch in 10 m pixels, a multiple of 6 (SeCo: 264).
        stride: Step between patches in 10 m pixels; by default ``patch`` (no overlap).
        max_patches: Most patches taken of one scene, spread evenly.

    Raises:
        ConfigError: A patch that 20 m and 60 m pixels do not divide, or a stride below 1.
        LayoutError: ``root`` holds something else, or no scene gave a patch.
    """
    stride = stride or patch
    if patch % 6 or patch <= 0 or stride < 1:
        raise ConfigError(f'patch={patch}, stride={stride}: expected a multiple of 6, and >= 1.')
    root = Path(root)
    manifest = _load_manifest(
        root, _recipe(scenes, patch=patch, stride=stride, max_patches=max_patches)
    )
    if manifest['complete']:
        return WriteReport(
            root, manifest['locations'], manifest['products'], 0, manifest['left_out']
        )
    for stale in root.glob('*/.*'):
        shutil.rmtree(stale, ignore_errors=True)
    report = WriteReport(root)
    number = 0
    for scene in scenes:
        number = _write_scene(report, scene, number, patch, stride, max_patches)
    if not report.locations:
        raise LayoutError(
            f'No patch of {patch} x {patch} pixels fits into any scene: '
            f'{"; ".join(report.left_out)}. Choose a smaller patch.'
        )
    counts = dict(locations=report.locations, products=report.products, left_out=report.left_out)
    _save_manifest(root, dict(manifest, complete=True, **counts))
    return report


def _write_scene(
    report: WriteReport,
    scene: Scene,
    start: int,
    patch: int,
    stride: int,
    max_patches: int | None,
) -> int:
    """Write the patches of a scene as locations from number ``start`` on; the next free number."""
    reference = scene.dates[0].reference
    height, width = raster_size(reference)
    windows = [
        (column, row)
        for row in _starts(height, patch, stride)
        for column in _starts(width, patch, stride)
    ]
    if max_patches is not None and len(windows) > max_patches:
        chosen = np.linspace(0, len(windows) - 1, max_patches).round().astype(int)
        windows = [windows[i] for i in chosen]
    first = report.locations
    for number, (column, row) in enumerate(windows, start=start):
        # Numbered by window: after an interruption every patch gets the number it had.
        location = report.root / f'{number:06d}'
        folders = [location / date.product for date in scene.dates]
        if not all(folder.exists() for folder in folders):
            grid = lonlat_grid(reference, column, row, patch)
            dates = _read_patch(scene, grid, patch)
            if dates is None:
                continue
            for folder, date, planes in zip(folders, scene.dates, dates, strict=True):
                if not folder.exists():
                    _write_product(folder, scene, date, planes, grid)
                    report.written += 1
        report.locations += 1
        report.products += len(folders)
    if report.locations == first:
        report.left_out.append(
            f'{scene.name} ({width} x {height} pixels, no full patch of {patch} at all dates)'
        )
    return start + len(windows)
