"""Embedding many scenes into one table: in parts that survive a kill, in shards, each once."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from swimdiff.datasets.geo import same_system
from swimdiff.datasets.rasters import RasterOptions
from swimdiff.errors import ConfigError, DataError, SwiMDiffError
from swimdiff.files import clean_partials, hold_lock, replace_text
from swimdiff.inference.embedding.cells import LONLAT
from swimdiff.inference.embedding.embedder import Embedder
from swimdiff.inference.embedding.reading import PatchReader, read_batches
from swimdiff.inference.embedding.scenes import SceneFiles
from swimdiff.inference.embedding.table import EmbeddingTable
from swimdiff.inference.embedding.writing import SceneEntry, TableWriter, rows_of_group
from swimdiff.progress import track

__all__ = ['EmbeddingOptions', 'EmbeddingRun', 'Outcome']


@dataclass(frozen=True)
class EmbeddingOptions:
    """Describe how scenes become rows of a table.

    Args:
        patch: Side of a patch in pixels of the finest band.
        stride: Pixels from one patch to the next; by default ``patch``.
        unit: Of the pixels of the files, see :meth:`Embedder.choose_unit`.
        max_nodata: Largest share of a patch without data, 0 to 1.
        half: Whether vectors are kept as float16.
        system: Coordinate system of the geometry, or ``scene`` for that of the scenes.
        rasters: How scenes are found and judged.
        threads: Blocks that are read at once; by default one per core, up to four.

    Raises:
        ConfigError: A share or a size that is none.
    """

    patch: int = 64
    stride: int | None = None
    unit: str | None = None
    max_nodata: float = 0.5
    half: bool = False
    system: str = LONLAT
    rasters: RasterOptions = field(default_factory=RasterOptions)
    threads: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.max_nodata < 1:
            raise ConfigError(f'max_nodata={self.max_nodata}: expected a share from 0 to below 1.')
        stride = self.patch if self.stride is None else self.stride
        object.__setattr__(self, 'stride', stride)
        if self.patch < 1 or stride < 1:
            raise ConfigError(f'patch={self.patch}, stride={stride}: expected 1 pixel or more.')
        if self.system not in (LONLAT, 'scene'):
            raise ConfigError(f"crs={self.system!r}: expected {LONLAT!r} or 'scene'.")
        valid = replace(self.rasters, min_valid=1 - self.max_nodata, patch=self.patch)
        object.__setattr__(self, 'rasters', valid)

    def key(self) -> dict[str, Any]:
        """Return the options that decide the rows, for JSON."""
        options = {k: v for k, v in vars(self).items() if k not in ('threads', 'rasters')}
        return dict(options, rasters=self.rasters.key())


@dataclass
class Outcome:
    """Describe what a run did.

    Args:
        done: Scenes embedded by this run.
        kept: Scenes that were finished before.
        failed: Message of each scene that could not be embedded, by name.
        waiting: Scenes that other shards still have to do.
        joined: Whether the table is there with all finished scenes.
    """

    done: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    waiting: int = 0
    joined: bool = False


class EmbeddingRun:
    """Embed scenes into parts beside the table, and join them when all are there.

    A part takes its place when its scene is finished, under the hash of its files, the weights and
    the options: a run that starts again goes on with the scenes that have none.

    Args:
        embedder: The backbone.
        scenes: What to embed.
        out: The table.
        options: How.
        overwrite: Whether a table of other scenes or settings may be replaced.
        say: Gets lines for the user.

    Raises:
        ConfigError: The table is there and would lose what it holds.
    """

    def __init__(
        self,
        embedder: Embedder,
        scenes: Sequence[SceneFiles],
        out: str | Path,
        options: EmbeddingOptions,
        overwrite: bool = False,
        say: Callable[[str], None] = print,
    ) -> None:
        self.embedder, self.scenes, self.options, self.say = embedder, scenes, options, say
        self.out = Path(out).expanduser()
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self.parts = self.out.with_name(f'{self.out.name}.parts')
        self.about: dict[str, Any] = dict(
            version=1,
            checkpoint=dict(embedder.describe()),
            **options.key(),
        )
        self.about['unit'] = embedder.choose_unit(options.unit)
        self.settings = _digest([embedder.key, options.key()])
        self.about['settings'] = self.settings
        self.dims = embedder.embed_stretched(
            np.zeros((1, len(embedder.bands), options.patch, options.patch), np.float32)
        ).shape[1]
        self._refuse_loss(overwrite)

    def _refuse_loss(self, overwrite: bool) -> None:
        if overwrite or not self.out.exists():
            return
        advice = 'choose another file (--out), or replace it (--overwrite)'
        try:
            table = EmbeddingTable(self.out)
        except DataError as error:
            raise ConfigError(
                f'{self.out} is there and is no table of embeddings: {advice}. ({error})'
            ) from error
        if table.about.get('settings') != self.settings:
            raise ConfigError(
                f'{self.out} was made with another checkpoint or other options '
                f'({_describe(table.about)}). Expected {_describe(self.about)}: {advice}.'
            )
        scene_names = {scene.name for scene in self.scenes}
        lost_files = [entry.file for entry in table.scenes if entry.file not in scene_names]
        if lost_files:
            more = f' and {len(lost_files) - 3} more' if len(lost_files) > 3 else ''
            raise ConfigError(
                f'{self.out} holds scenes that are not asked for: '
                f'{", ".join(lost_files[:3])}{more}. Name them too, {advice}.'
            )

    def scene_key(self, scene: SceneFiles) -> str:
        """Return the hash of a scene's files, the weights and the options.

        Raises:
            LayoutError: A file is gone.
        """
        return _digest([self.settings, scene.name, scene.stamps()])

    def run(self, shard: tuple[int, int] = (0, 1)) -> Outcome:
        """Embed the unfinished scenes of a shard; join when all shards are done.

        Args:
            shard: Which of how many shares, the first is 0.

        Returns:
            What was done. A scene that fails does not stop the others.
        """
        self.parts.mkdir(exist_ok=True)
        for folder in (self.parts, self.out.parent):
            clean_partials(folder)
        outcome = Outcome()
        finished_keys = self._finished_keys()
        for scene in self.scenes[shard[0] :: shard[1]]:
            self._marker(scene).unlink(missing_ok=True)
            start_time = time.monotonic()
            try:
                key = self.scene_key(scene)
                if key in finished_keys or self._part(key).exists():
                    outcome.kept += 1
                    continue
                entry = self._embed(scene, key)
            except SwiMDiffError as error:
                outcome.failed[scene.name] = str(error)
                replace_text(self._marker(scene), str(error))
                self.say(f'{scene.name}: failed: {error}')
                continue
            outcome.done += 1
            self.say(
                f'{scene.name}: {entry.patches} patches, {entry.skipped} with too little data, '
                f'{time.monotonic() - start_time:.1f} s'
            )
        self._join(outcome)
        return outcome

    def _part(self, key: str) -> Path:
        return self.parts / f'{key}.parquet'

    def _marker(self, scene: SceneFiles) -> Path:
        """File that says that a scene failed, so that other shards do not wait for it."""
        return self.parts / f'{_digest([self.settings, scene.name])}.failed'

    def _open_out(self) -> EmbeddingTable | None:
        """The table as an earlier run left it, None where it is of no use."""
        if not self.out.exists():
            return None
        try:
            table = EmbeddingTable(self.out)
        except DataError:  # to be overwritten
            return None
        return table if table.about.get('settings') == self.settings else None

    def _finished_keys(self) -> set[str]:
        table = self._open_out()
        return {entry.key for entry in table.scenes} if table else set()

    def _embed(self, scene: SceneFiles, key: str) -> SceneEntry:
        """Embed one scene into its part."""
        options = self.options
        assert options.stride is not None
        reader = PatchReader.open(
            scene, self.embedder, options.patch, options.stride, options.unit, options.rasters
        )
        grid = reader.grid
        entry = SceneEntry(scene.name, scene.date, key, grid)
        system = grid.system if options.system == 'scene' else options.system
        blocks = sum(1 for _ in grid.blocks(len(self.embedder.bands)))
        batches = track(read_batches(reader, options.threads), blocks, scene.name)
        most, buffer, groups = rows_of_group(self.dims), _Held(), 0
        with TableWriter(self._part(key), self.dims, options.half, system, self.about) as writer:
            for batch in batches:
                entry = replace(entry, skipped=entry.skipped + batch.skipped)
                if len(batch.rows):
                    buffer.add(
                        batch.rows, batch.columns, self.embedder.embed_stretched(batch.images)
                    )
                while buffer.count >= most:
                    writer.write_patches(entry, *buffer.take(most))
                    groups += 1
            entry = replace(entry, patches=groups * most + buffer.count)
            if buffer.count:
                writer.write_patches(entry, *buffer.take(most))
                groups += 1
            writer.end_scene(entry, groups)
        return entry

    def _join(self, outcome: Outcome) -> None:
        """Write the table of all finished scenes, once every scene is finished or has failed."""
        with hold_lock(self.parts / 'lock'):
            table = self._open_out()
            known_entries = {entry.key: (table, entry) for entry in table.scenes} if table else {}
            sources: list[tuple[EmbeddingTable, SceneEntry]] = []
            for scene in self.scenes:
                try:
                    key = self.scene_key(scene)
                except DataError:  # said by the shard that it belongs to
                    key = ''
                if key not in known_entries and key and self._part(key).exists():
                    part = EmbeddingTable(self._part(key))
                    known_entries[key] = part, part.scenes[0]
                if key in known_entries:
                    sources.append(known_entries[key])
                elif not self._marker(scene).exists():
                    outcome.waiting += 1
            if outcome.waiting or not sources:
                return
            if table is None or [entry for _, entry in sources] != table.scenes:
                self._write(sources)
            outcome.joined = True
            for path in [*self.parts.glob('*.parquet'), *self.parts.glob('*.failed')]:
                path.unlink(missing_ok=True)
            (self.parts / 'lock').unlink(missing_ok=True)
        if not any(self.parts.iterdir()):
            self.parts.rmdir()

    def _write(self, sources: Sequence[tuple[EmbeddingTable, SceneEntry]]) -> None:
        system = self.options.system
        if system == 'scene':
            system = sources[0][1].grid.system
            for _, entry in sources:
                if not same_system(entry.grid.system, system):
                    raise ConfigError(
                        f'--crs scene: {entry.file} is in another coordinate system than '
                        f'{sources[0][1].file}, and a table has one. Take --crs {LONLAT}, or a '
                        'table for each system.'
                    )
        with TableWriter(self.out, self.dims, self.options.half, system, self.about) as writer:
            for table, entry in sources:
                first, count = entry.groups
                for group in range(first, first + count):
                    writer.write_group(table.read_group(group))
                writer.end_scene(entry, count)


class _Held:
    """Patches that wait for a row group to be full."""

    def __init__(self) -> None:
        self.parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.count = 0

    def add(self, rows: np.ndarray, columns: np.ndarray, vectors: np.ndarray) -> None:
        self.parts.append((rows, columns, vectors))
        self.count += len(rows)

    def take(self, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        whole = [np.concatenate(column) for column in zip(*self.parts, strict=True)]
        rows, columns, vectors = (column[:most] for column in whole)
        rest = tuple(column[most:] for column in whole)
        self.parts, self.count = [(rest[0], rest[1], rest[2])], len(rest[0])
        return rows, columns, vectors


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _describe(about: Mapping[str, Any]) -> str:
    """The settings that users give, in words."""
    checkpoint = about.get('checkpoint', {})
    names = ('patch', 'stride', 'max_nodata', 'half', 'system')
    rest = ', '.join(f'{name} {about[name]}' for name in names if name in about)
    return f'{checkpoint.get("path")} {checkpoint.get("key")}, unit {about.get("unit")!r}, {rest}'
