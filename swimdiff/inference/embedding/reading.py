"""Reading the patches of a scene, judged and stretched as in pre-training, by several threads."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from swimdiff.bands.units import UNITS, convert_pixels
from swimdiff.datasets.index import check_pixels, stack_planes
from swimdiff.datasets.rasters import (
    BandNames,
    RasterOptions,
    RasterTree,
    SceneRasters,
    cut,
    is_judged,
    look,
    measure,
)
from swimdiff.environment.cores import count_cores
from swimdiff.errors import LayoutError, MissingBandsError, RasterError
from swimdiff.inference.embedding.cells import CellGrid
from swimdiff.inference.embedding.embedder import Embedder
from swimdiff.inference.embedding.scenes import SceneFiles, open_files

__all__ = ['PatchBatch', 'PatchReader', 'read_batches']

#: Patches that are read to judge the unit of a scene.
_JUDGED = 16
#: Blocks that are read at once.
_READERS = 4


class PatchBatch(NamedTuple):
    """Hold patches of a scene that have data enough.

    Args:
        rows: N numbers of rows of the grid of cells.
        columns: N numbers of columns.
        images: N x C x H x W, 0..255, ready for :meth:`Embedder.embed_stretched`.
        skipped: Patches of the same block that have too little data.
    """

    rows: np.ndarray
    columns: np.ndarray
    images: np.ndarray
    skipped: int


@dataclass(frozen=True)
class PatchReader:
    """Read patches of one scene; made by :meth:`open`.

    Args:
        root: Folder of the scene.
        scene: The scene, opened.
        grid: Its patches.
        options: What counts as no data and as cloud.
        side: Side of a patch by band, in pixels of that band.
        prepare: From the planes of the bands to C x H x W, 0..255.
    """

    root: str
    scene: SceneRasters
    grid: CellGrid
    options: RasterOptions
    side: Mapping[str, int]
    prepare: Callable[[list[np.ndarray]], np.ndarray]

    @classmethod
    def open(
        cls,
        files: SceneFiles,
        embedder: Embedder,
        patch: int,
        stride: int,
        unit: str | None = None,
        options: RasterOptions | None = None,
    ) -> 'PatchReader':
        """Open a scene and check that its pixels are of the unit that the network needs.

        Args:
            files: The scene.
            embedder: Says bands, stretch and unit.
            patch: Side of a patch in pixels of the finest band.
            stride: Pixels from one patch to the next.
            unit: Of the pixels, see :meth:`Embedder.choose_unit`; one that is given is believed.
            options: How bands are recognised, what is no data and what is cloud.

        Raises:
            DataError: The scene cannot be read, or is of another unit.
            ConfigError: No patch fits into it.
        """
        chosen_unit = embedder.choose_unit(unit)
        options = replace(
            options or RasterOptions(),
            patch=patch,
            stride=stride,
            unit=chosen_unit if chosen_unit in UNITS else None,
        )
        try:
            scene = open_files(files, embedder.bands, options)
        except MissingBandsError as error:
            raise LayoutError(
                f'{error.fact} The backbone takes {" ".join(embedder.bands)}. Give a scene that '
                'has them; where only its names are wrong, name its bands in their order: '
                '--file-bands NAME ...'
            ) from error
        grid = CellGrid.lay(scene, patch, stride)
        sizes = measure(scene, options)
        converts = chosen_unit in UNITS and chosen_unit != embedder.stats.unit
        stretch_tables = embedder.stretch_tables(
            chosen_unit, 'float32' if converts else scene.dtype
        )
        tables = None if stretch_tables is None else list(stretch_tables)

        def prepare(planes: list[np.ndarray]) -> np.ndarray:
            if converts:
                planes = [
                    convert_pixels(plane, chosen_unit, embedder.stats).astype(np.float32)
                    for plane in planes
                ]
            zeros = options.zeros_are_nodata
            return stack_planes(planes, patch, tables, zeros).transpose(2, 0, 1)

        reader = cls(str(files.root), scene, grid, options, sizes.side, prepare)
        if unit is None and chosen_unit in UNITS:
            reader._check_unit(files.name, chosen_unit)
        return reader

    def read(self, rows: np.ndarray, columns: np.ndarray) -> PatchBatch:
        """Read patches that have data enough.

        Args:
            rows: N numbers of rows, of patches close to each other.
            columns: N numbers of columns.

        Raises:
            DataError: A file is damaged, missing or was replaced.
        """
        extents = self.grid.extents(rows, columns)
        fit = self._judge(extents)
        images = [self.prepare(self._cut(extent)) for extent in extents[fit]]
        shape = (0, len(self.scene.bands), self.grid.patch, self.grid.patch)
        stacked_images = np.stack(images) if images else np.zeros(shape, np.uint8)
        return PatchBatch(rows[fit], columns[fit], stacked_images, int((~fit).sum()))

    def _judge(self, extents: np.ndarray) -> np.ndarray:
        """Which patches have data, and sky that is clear, enough."""
        if not is_judged(self.scene, self.options):
            return np.ones(len(extents), bool)
        west, south = extents[:, :2].min(axis=0).tolist()
        east, north = extents[:, 2:].max(axis=0).tolist()
        size = self.grid.patch * self.grid.dx, self.grid.patch * self.grid.dy
        tree = RasterTree(Path(self.root), BandNames(), self.options)
        quality = look(tree, self.scene, (west, south, east, north), size)
        valid, clear = quality.shares(extents)
        return (valid >= self.options.min_valid) & (clear >= self.options.min_clear)

    def _cut(self, extent: np.ndarray) -> list[np.ndarray]:
        west, south, east, north = extent.tolist()
        return cut(
            self.root,
            self.scene,
            list(self.scene.bands),
            (west, south, east, north),
            self.scene.system,
            dict(self.side),
            self.options.zeros_are_nodata,
        )

    def _check_unit(self, name: str, unit: str) -> None:
        """Refuse a scene whose values are of another unit than the statistics."""
        option = 'the unit of the files: --unit '
        if self.scene.dtype == 'uint8' and unit != 'reflectance x 255':
            raise RasterError(
                f'{name} holds uint8 pixels, 0 to 255, which cannot be {unit!r}, the unit of the '
                f"statistics. Declare {option}'reflectance x 255', or '0..255' for pictures that "
                'are stretched already.'
            )
        if self.scene.dtype == 'uint8':
            return
        cell_numbers = np.linspace(0, self.grid.rows * self.grid.columns - 1, _JUDGED).astype(int)
        rows, columns = np.divmod(np.unique(cell_numbers), self.grid.columns)
        extents = self.grid.extents(rows, columns)
        planes = [plane for extent in extents for plane in self._cut(extent)]
        check_pixels(np.concatenate([plane.ravel() for plane in planes]), unit, name, option)


def read_batches(reader: PatchReader, threads: int | None = None) -> Iterator[PatchBatch]:
    """Read all patches of a scene, block by block, while those before are computed.

    Args:
        reader: Of the scene.
        threads: Blocks that are read at once, up to 32 MB each; by default one per core, up to 4.

    Yields:
        The patches of a block, in the order of the blocks.

    Raises:
        DataError: A file is damaged, missing or was replaced.
    """
    threads = threads or min(_READERS, count_cores())
    blocks = reader.grid.blocks(len(reader.scene.bands))
    waiting_batches: deque[Future[PatchBatch]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for rows, columns in blocks:
                waiting_batches.append(pool.submit(reader.read, rows, columns))
                if len(waiting_batches) > threads:
                    yield waiting_batches.popleft().result()
            while waiting_batches:
                yield waiting_batches.popleft().result()
        finally:
            for job in waiting_batches:
                job.cancel()
