"""Lists run one by one: what is skipped, done again, written down; kills and several processes."""

import json
import multiprocessing
import time
from pathlib import Path

import pytest

from swimdiff.errors import RasterError
from swimdiff.inference.jobs import Ledger, ListedScene, Outcome, SceneQueue, run_scenes

SETTINGS = dict(weights='one', options=dict(margin=64))


def _scenes(folder, count=4):
    scenes = []
    for number in range(count):
        source = folder / f'{number}.in'
        if not source.exists():
            source.write_text(f'scene {number}')
        scenes.append(ListedScene((str(source),), folder / 'maps' / f'{number}.tif'))
    return scenes


class Runner:
    """Copies its input; notes what it was asked for; fails where told."""

    def __init__(self, bad=()):
        self.bad, self.seen, self.built = set(bad), [], 0

    def __call__(self):
        self.built += 1
        return self.run

    def run(self, scene, replace_files):
        self.seen.append((scene.out.stem, replace_files))
        if scene.out.stem in self.bad:
            raise RasterError(f'{scene.inputs[0]} is damaged.\nDownload it again.')
        scene.out.parent.mkdir(exist_ok=True)
        scene.out.write_text(Path(scene.inputs[0]).read_text())
        return Outcome([scene.out], dict(pixels=dict(changed=3)))


def _run(folder, runner, settings=SETTINGS, scenes=None, **options):
    lines = []
    queue = SceneQueue(
        scenes or _scenes(folder),
        settings,
        Ledger(folder / 'list.results.jsonl'),
        say=lines.append,
        **options,
    )
    return run_scenes(queue, runner), lines


def test_finished_scenes_are_skipped_until_something_changes(tmp_path):
    runner = Runner()
    summary, lines = _run(tmp_path, runner)
    assert (summary.finished, summary.exit_code) == (4, 0)
    assert lines[0].startswith('[1/4] 0.tif: finished in')
    entries = [json.loads(x) for x in (tmp_path / 'list.results.jsonl').read_text().splitlines()]
    assert [Path(entry['out']).name for entry in entries] == [f'{n}.tif' for n in range(4)]
    assert entries[0]['about'] == {'pixels': {'changed': 3}} and entries[0]['status'] == 'finished'

    again = Runner()
    summary, _ = _run(tmp_path, again)
    assert (summary.skipped, summary.finished, again.built) == (4, 0, 0)
    # An input that is new, a map that is gone, a map that is torn.
    (tmp_path / '1.in').write_text('another scene')
    (tmp_path / 'maps' / '2.tif').unlink()
    (tmp_path / 'maps' / '3.tif').write_text('torn')
    summary, _ = _run(tmp_path, again)
    assert again.seen == [('1', True), ('2', True), ('3', True)]
    assert (summary.skipped, summary.finished) == (1, 3)
    assert (tmp_path / 'maps' / '1.tif').read_text() == 'another scene'
    summary, _ = _run(tmp_path, again, settings=dict(SETTINGS, weights='two'))
    assert summary.finished == 4


def test_failures_are_written_down_and_the_rest_goes_on(tmp_path):
    summary, lines = _run(tmp_path, Runner(bad='13'))
    assert (summary.finished, len(summary.failed), summary.exit_code) == (2, 2, 1)
    assert lines[1].endswith('1.tif: failed: ' + f'{tmp_path}/1.in is damaged.')
    text = summary.describe()
    assert 'Download it again' in text and '--retry-failed' in text

    runner = Runner()
    summary, _ = _run(tmp_path, runner)
    assert (runner.seen, summary.exit_code, len(summary.failed)) == ([], 1, 2)
    summary, _ = _run(tmp_path, runner, retry_failed=True)
    assert [name for name, _ in runner.seen] == ['1', '3']
    assert (summary.skipped, summary.finished, summary.exit_code) == (2, 2, 0)
    summary, _ = _run(tmp_path, Runner())
    assert summary.skipped == 4


def test_errors_of_the_code_are_failures_of_the_scene(tmp_path):
    class Broken(Runner):
        def run(self, scene, replace_files):
            raise ZeroDivisionError('by zero')

    summary, _ = _run(tmp_path, Broken())
    assert all('ZeroDivisionError: by zero (test_running.py:' in m for m in summary.failed.values())

    def cannot_build():
        raise RasterError('no weights')

    with pytest.raises(RasterError, match='no weights'):
        _run(tmp_path / 'other', cannot_build, scenes=_scenes(tmp_path))


def test_lines_cut_by_a_kill_are_no_entries(tmp_path):
    _run(tmp_path, Runner())
    path = tmp_path / 'list.results.jsonl'
    path.write_text(path.read_text()[:-20])
    runner = Runner()
    summary, _ = _run(tmp_path, runner)
    assert runner.seen == [('3', True)]
    assert (summary.skipped, summary.finished) == (3, 1)
    summary, _ = _run(tmp_path, runner)
    assert summary.skipped == 4


def test_files_of_others_are_never_replaced(tmp_path):
    scenes = _scenes(tmp_path)
    (tmp_path / 'maps').mkdir()
    (tmp_path / 'maps' / '1.tif').write_text('of the user')
    (tmp_path / 'maps' / '2.gpkg').write_text('of the user')

    def list_files(scene):
        return [scene.out, scene.out.with_suffix('.gpkg')]

    runner = Runner(bad='12')
    _run(tmp_path, runner, list_files=list_files)
    assert runner.seen == [('0', True), ('1', False), ('2', False), ('3', True)]
    again = Runner(bad='12')
    _run(tmp_path, again, list_files=list_files, retry_failed=True)
    assert again.seen == [('1', False), ('2', False)]
    # Without results nothing is known to be ours; what was begun before does not count.
    (tmp_path / 'list.results.jsonl').unlink()
    last = Runner()
    _run(tmp_path, last, list_files=list_files, scenes=scenes[:1])
    assert last.seen == [('0', False)]


def _map_slowly(folder):
    """Write the first map and then sleep on it, as a process that will be killed."""

    class Slow(Runner):
        def run(self, scene, replace_files):
            found = super().run(scene, replace_files)
            (folder / 'begun').touch()
            time.sleep(600)
            return found

    _run(folder, Slow())


def _wait_for(path):
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f'{path} never came')


def test_processes_share_and_a_killed_one_gives_its_scene_up(tmp_path):
    _scenes(tmp_path)
    # Forked, as an import of everything takes long; nothing has computed in this process yet.
    killed = multiprocessing.get_context('fork').Process(target=_map_slowly, args=(tmp_path,))
    killed.start()
    _wait_for(tmp_path / 'begun')
    # While it writes the first map, another process does the others.
    summary, lines = _run(tmp_path, Runner())
    assert (summary.finished, summary.busy) == (3, 1)
    assert lines[0] == '[1/4] 0.tif: is being written by another process'
    killed.kill()
    killed.join()
    runner = Runner()
    summary, _ = _run(tmp_path, runner)
    assert (summary.finished, summary.skipped, summary.busy) == (1, 3, 0)
    assert runner.seen == [('0', True)]  # its files may be there: killed behind the map
