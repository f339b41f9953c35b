"""GeoTIFFs of a table of embeddings, one pixel per patch: vectors, components, clusters."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from swimdiff.datasets.geo import GDAL_ERRORS, gdal_modules, spatial_reference
from swimdiff.errors import LayoutError, RasterError
from swimdiff.files import partial_name, replace_file
from swimdiff.inference.embedding.clusters import Clusters
from swimdiff.inference.embedding.components import Components
from swimdiff.inference.embedding.table import EmbeddingTable
from swimdiff.inference.embedding.writing import SceneEntry

__all__ = ['choose_colours', 'name_maps', 'write_cluster_maps', 'write_vector_maps']

#: Bytes of the planes that are held at once.
_MOST_BYTES = 256 << 20


def name_maps(table: EmbeddingTable, out: str | Path) -> list[tuple[SceneEntry, Path]]:
    """Return the file of each scene's map: ``out``, or ``out_SCENE`` for several.

    Args:
        table: The table.
        out: The file wanted.

    Raises:
        LayoutError: The table does not say where its patches lie.
    """
    if not table.scenes:
        raise LayoutError(
            f'{table.path} has no metadata of its scenes (it may have been written again by '
            'another program). Expected a table as tools/embed.py writes it.'
        )
    path = Path(out).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    if len(table.scenes) == 1:
        return [(table.scenes[0], path)]
    stems = [Path(scene.file) for scene in table.scenes]
    labels = [stem.stem if stem.suffix else stem.name for stem in stems]
    if len(set(labels)) < len(labels):  # of several folders
        labels = ['_'.join(stem.with_suffix('').parts[-2:]).replace('/', '_') for stem in stems]
    if len(set(labels)) < len(labels):
        labels = [f'{number:05d}_{label}' for number, label in enumerate(labels)]
    suffix = path.suffix or '.tif'
    return [
        (scene, path.with_name(f'{path.stem}_{label}{suffix}'))
        for scene, label in zip(table.scenes, labels, strict=True)
    ]


def write_vector_maps(
    table: EmbeddingTable, out: str | Path, components: int | None = None
) -> list[Path]:
    """Write the vectors of each scene as a float32 GeoTIFF, NaN without a patch.

    Args:
        table: The table.
        out: The file, see :func:`name_maps`.
        components: Bands are the first so many principal components of the whole table; None: the
            numbers of the vectors as they are.

    Returns:
        The files written.

    Raises:
        ConfigError: More components than the vectors have.
        LayoutError: The table does not say where its patches lie.
    """
    maps = name_maps(table, out)
    basis = Components.fit(table, components) if components else None
    names = [f'dimension {number}' for number in range(table.dims)]
    if basis is not None:
        shares = enumerate(basis.shares.tolist(), 1)
        names = [f'component {number} ({share:.1%} of variance)' for number, share in shares]
    compute = basis.project if basis is not None else lambda vectors: vectors
    for scene, path in maps:
        _write_map(table, scene, path, names, compute)
    return [path for _, path in maps]


def _write_map(
    table: EmbeddingTable,
    scene: SceneEntry,
    path: Path,
    names: Sequence[str],
    compute: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Write some bands at a time: all numbers of a large scene would not fit the memory."""
    grid = scene.grid
    each = max(1, _MOST_BYTES // (4 * grid.rows * grid.columns))

    def write(raster: Any) -> None:
        for first in range(0, len(names), each):
            subset = names[first : first + each]
            planes = np.full((len(subset), grid.rows, grid.columns), np.nan, np.float32)
            for rows, columns, vectors in table.scene_rows(scene):
                planes[:, rows, columns] = compute(vectors)[:, first : first + each].T
            for number, (name, plane) in enumerate(zip(subset, planes, strict=True), first + 1):
                band = raster.GetRasterBand(number)
                band.SetDescription(name)
                band.SetNoDataValue(float('nan'))
                band.WriteRaster(0, 0, grid.columns, grid.rows, plane.tobytes())

    _create(path, scene, len(names), 'Float32', ('PREDICTOR=3', 'INTERLEAVE=BAND'), write)


def choose_colours(count: int) -> np.ndarray:
    """Return colours that are easy to tell apart, N x 3 uint8, strongest first."""
    if count <= 20:
        table = matplotlib.colormaps['tab20'](np.arange(20))[:, :3]
        table = np.concatenate([table[::2], table[1::2]])[:count]
    else:
        hues = np.arange(count) * 0.618_034 % 1  # the golden ratio: neighbours lie far apart
        values = 0.55 + 0.45 * (np.arange(count) % 3) / 2
        table = matplotlib.colors.hsv_to_rgb(np.stack([hues, 0 * hues + 0.75, values], axis=1))
    return (table * 255).round().astype(np.uint8)


def write_cluster_maps(table: EmbeddingTable, out: str | Path, clusters: Clusters) -> list[Path]:
    """Write the cluster of each patch as a uint8 GeoTIFF with a colour table.

    0 is a pixel without a patch.

    Args:
        table: The table.
        out: The file, see :func:`name_maps`.
        clusters: Of the table.

    Returns:
        The files written.

    Raises:
        LayoutError: The table does not say where its patches lie.
    """
    gdal, _ = gdal_modules()
    maps = name_maps(table, out)
    colours = choose_colours(len(clusters.centres))
    for scene, path in maps:
        plane = np.zeros((scene.grid.rows, scene.grid.columns), np.uint8)
        for rows, columns, vectors in table.scene_rows(scene):
            plane[rows, columns] = clusters.assign(vectors) + 1

        def write(raster: Any, plane: np.ndarray = plane) -> None:
            band = raster.GetRasterBand(1)
            entries = gdal.ColorTable()
            entries.SetColorEntry(0, (0, 0, 0, 0))
            for number, colour in enumerate(colours.tolist(), 1):
                entries.SetColorEntry(number, (*colour, 255))
            band.SetColorTable(entries)
            band.SetNoDataValue(0)
            band.WriteRaster(0, 0, plane.shape[1], plane.shape[0], plane.tobytes())

        _create(path, scene, 1, 'Byte', (), write)
    return [path for _, path in maps]


def _create(
    path: Path,
    scene: SceneEntry,
    count: int,
    kind: str,
    options: Sequence[str],
    write: Callable[[Any], None],
) -> None:
    """Create a GeoTIFF on the grid of a scene, whole or not at all."""
    gdal, _ = gdal_modules()
    partial = path.with_name(partial_name(path.name))
    try:
        raster = gdal.GetDriverByName('GTiff').Create(
            str(partial),
            scene.grid.columns,
            scene.grid.rows,
            count,
            gdal.GetDataTypeByName(kind),
            ['COMPRESS=DEFLATE', 'BIGTIFF=IF_SAFER', *options],
        )
        raster.SetSpatialRef(spatial_reference(scene.grid.system))
        raster.SetGeoTransform(list(scene.grid.transform))
        raster.SetMetadataItem('SCENE', scene.file)
        write(raster)
        raster.FlushCache()
        del raster
        replace_file(partial, path)
    except GDAL_ERRORS as error:
        raise RasterError(
            f'{path} cannot be written: {error}. Expected a folder that may be written to, with '
            'space on its disk.'
        ) from error
    finally:
        partial.unlink(missing_ok=True)
