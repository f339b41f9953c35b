"""Scenes of a list, one after another: finished ones are skipped, failures are written down."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from swimdiff.errors import SwiMDiffError
from swimdiff.inference.jobs.fingerprint import hash_scene
from swimdiff.inference.jobs.ledger import FAILED, FINISHED, Entry, Ledger, measure_files
from swimdiff.inference.jobs.scene_list import ListedScene

__all__ = ['Outcome', 'RunOne', 'SceneQueue', 'Summary', 'attempt_scene', 'run_scenes']


@dataclass(frozen=True)
class Outcome:
    """Hold a map that was written.

    Args:
        files: All files of it.
        about: More for the ledger, for JSON.
    """

    files: Sequence[Path]
    about: Mapping[str, Any] = field(default_factory=dict)


#: Writes the map of a scene and all that is made of it, each file whole or not at all. The flag
#: says whether the files may replace others.
RunOne = Callable[[ListedScene, bool], Outcome]


@dataclass
class Summary:
    """Describe what became of a list.

    Args:
        finished: Maps written now.
        skipped: Maps that were finished before.
        busy: Maps that another process is writing.
        failed: Message by path of the map, of this run and of earlier ones.
    """

    finished: int = 0
    skipped: int = 0
    busy: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """Return 1 where a scene has failed, otherwise 0."""
        return int(bool(self.failed))

    def describe(self) -> str:
        """Return the end of a run in words: the counts, then each failure."""
        lines = [
            f'{self.finished} finished, {self.skipped} were finished before, '
            f'{len(self.failed)} failed' + (f', {self.busy} in other hands' if self.busy else '')
        ]
        lines += [f'  {out}\n    {_indent(text)}' for out, text in self.failed.items()]
        if self.failed:
            lines.append('Failed scenes are tried again with --retry-failed.')
        return '\n'.join(lines)


def _indent(text: str) -> str:
    return text.strip().replace('\n', '\n    ')


class SceneQueue:
    """Describe which scenes are to be done, and where their ends are written.

    Args:
        scenes: Of this process.
        settings: All that decides the maps beside their inputs, see :func:`hash_scene`.
        ledger: Of the whole list.
        retry_failed: Whether scenes that have failed before are tried again.
        say: Takes lines for the user.
        list_files: Names the files of a scene. Defaults to None, the map alone.
    """

    def __init__(
        self,
        scenes: Sequence[ListedScene],
        settings: Mapping[str, Any],
        ledger: Ledger,
        retry_failed: bool = False,
        say: Callable[[str], None] = print,
        list_files: Callable[[ListedScene], Sequence[Path]] | None = None,
    ) -> None:
        self.scenes, self.ledger = scenes, ledger
        self._list_files = list_files or (lambda scene: [scene.out])
        self._settings, self._retry, self._say = settings, retry_failed, say
        self.summary = Summary()
        self._told = 0

    def look(self, scene: ListedScene) -> tuple[str, bool] | None:
        """Return the hash of a scene to be done and whether files may be replaced.

        None for one that is not to be done: finished, or failed before; the summary says which.
        Files may be replaced where we wrote them: an earlier run, one that was killed between the
        map and what is made of it, or a worker that is lost in this run. Others are the user's.
        """
        before = self.ledger.read().get(str(scene.out))
        try:
            scene_hash = hash_scene(scene, self._settings)
        except SwiMDiffError as error:
            self.record(Entry(str(scene.out), FAILED, '', scene.inputs, message=str(error)))
            return None
        same = before is not None and before.hash == scene_hash
        if before is not None and same and before.status == FINISHED and before.is_whole():
            self.summary.skipped += 1
            self._tell(scene.out, 'was finished before')
            return None
        if before is not None and same and before.status == FAILED and not self._retry:
            self.summary.failed[before.out] = before.message
            self._tell(scene.out, 'has failed before (see below)')
            return None
        if not any(path.exists() for path in self._list_files(scene)):
            self.ledger.begin(scene)
            return scene_hash, True
        ours = before is not None and before.status == FINISHED
        return scene_hash, ours or self.ledger.has_begun(scene)

    def record(self, entry: Entry) -> None:
        """Write the end of a scene down."""
        self.ledger.add(entry)
        if entry.status == FINISHED:
            self.summary.finished += 1
            self._tell(Path(entry.out), f'finished in {entry.seconds:.1f} s')
        else:
            self.summary.failed[entry.out] = entry.message
            self._tell(Path(entry.out), f'failed: {entry.message.strip().splitlines()[0]}')

    def note_busy(self, scene: ListedScene) -> None:
        """Count a scene that another process has claimed."""
        self.summary.busy += 1
        self._tell(scene.out, 'is being written by another process')

    def _tell(self, out: Path, words: str) -> None:
        self._told += 1
        self._say(f'[{self._told}/{len(self.scenes)}] {out.name}: {words}')


def attempt_scene(run_one: RunOne, scene: ListedScene, found: str, replace_files: bool) -> Entry:
    """Run one scene and return what became of it; errors are part of that.

    Args:
        run_one: Writes the map.
        scene: The scene.
        found: Its hash.
        replace_files: Whether files may be replaced.
    """
    begin = time.monotonic()
    entry = Entry(str(scene.out), FAILED, found, scene.inputs)
    try:
        outcome = run_one(scene, replace_files)
    except SwiMDiffError as error:
        message = str(error)
    except Exception as error:  # one scene does not stop the others
        last = traceback.extract_tb(error.__traceback__)[-1]
        message = f'{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})'
    else:
        entry = replace(
            entry, status=FINISHED, files=measure_files(outcome.files), about=dict(outcome.about)
        )
        message = ''
    return replace(entry, message=message, seconds=round(time.monotonic() - begin, 2))


def run_scenes(queue: SceneQueue, make_run_one: Callable[[], RunOne]) -> Summary:
    """Run the scenes of a queue one by one in this process.

    Args:
        queue: The scenes.
        make_run_one: Builds what runs a scene, when the first is to be done: most restarts have
            none. Its errors end the run.

    Returns:
        What became of them; ``exit_code`` is 1 where one has failed.
    """
    run_one: RunOne | None = None
    for scene in queue.scenes:
        with queue.ledger.claim(scene) as free:
            if not free:
                queue.note_busy(scene)
                continue
            work = queue.look(scene)  # claimed: what others have finished is in the ledger
            if work is not None:
                run_one = run_one or make_run_one()
                queue.record(attempt_scene(run_one, scene, *work))
    return queue.summary
