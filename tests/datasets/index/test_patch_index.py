"""The index: columns against plain lists, the cache against a tree that changes under it."""

import os
import pickle
from multiprocessing import get_context

import numpy as np
import pytest
from fixtures.seco import DATES, write_tree

from swimdiff import files
from swimdiff.datasets import SeCo
from swimdiff.datasets.archives.band_folders import BandFolders
from swimdiff.datasets.index import cache as index_cache
from swimdiff.datasets.index.patch_index import PatchIndex, Strings
from swimdiff.errors import LayoutError


def small_index() -> PatchIndex:
    return PatchIndex(
        locations=Strings.of(['a', 'ü', 'c']),
        paths=Strings.of(['a/1', 'a/2', 'ü/7', 'c/1']),
        first=np.array([0, 2, 3, 4]),
        centres=np.array([[1.0, 2.0], [3.0, 4.0], [np.nan, np.nan]]),
        columns=dict(window=np.arange(8).reshape(4, 2)),
        watched=Strings.of(['']),
        times=np.array([7]),
        about=dict(left_out=['x']),
    )


def test_columns_come_back_as_written(tmp_path):
    index = small_index()
    index.save(tmp_path / 'index')
    found = PatchIndex.load(tmp_path / 'index')
    assert list(found.paths) == ['a/1', 'a/2', 'ü/7', 'c/1'] and list(found.locations) == list(
        'aüc'
    )
    assert found.location_of_rows().tolist() == [0, 0, 1, 2]
    assert [found.products(i) for i in range(3)] == [('1', '2'), ('7',), ('1',)]
    assert np.array_equal(found.columns['window'], index.columns['window'])
    assert np.array_equal(found.centres, index.centres, equal_nan=True)
    assert found.about == {'left_out': ['x']} and found.times.tolist() == [7]
    with pytest.raises(IndexError):
        found.paths[4]
    # In memory it is sent whole, from a file by its place.
    assert list(pickle.loads(pickle.dumps(index)).paths) == list(index.paths)
    assert len(pickle.dumps(found)) < 500


@pytest.mark.parametrize('harm', ['missing', 'cut', 'text', 'format', 'lengths'])
def test_damaged_index_says_so(tmp_path, harm):
    folder = tmp_path / 'index'
    small_index().save(folder)
    if harm == 'missing':
        (folder / 'first.npy').unlink()
    elif harm == 'cut':
        os.truncate(folder / 'paths.text.npy', 130)
    elif harm == 'text':
        (folder / 'index.json').write_text('{')
    elif harm == 'format':
        text = (folder / 'index.json').read_text()
        (folder / 'index.json').write_text(text.replace('"format": 1', '"format": 0'))
    else:
        np.save(folder / 'first.npy', np.array([0, 2, 3]))
    with pytest.raises(LayoutError, match='index holds no index that can be read'):
        PatchIndex.load(folder)


def builds(monkeypatch):
    """Count how often a tree is read."""
    from swimdiff.datasets.archives.band_folders import BandFolders

    calls, real = [], BandFolders.build
    monkeypatch.setattr(BandFolders, 'build', lambda self: calls.append(1) or real(self))
    return calls


def test_index_is_made_once_and_anew_when_the_tree_changed(tmp_path, monkeypatch):
    root = write_tree(tmp_path / 'seco', locations=2, dates=1, bands=('B4',))
    calls = builds(monkeypatch)
    for _ in range(3):
        assert len(SeCo(str(root), ['B4'])) == 2
    assert len(calls) == 1 and (root / '.swimdiff').is_dir()
    os.rename(root / '000001' / DATES[0], root / '000001' / DATES[2])
    assert SeCo(str(root), ['B4']).index.paths[1].endswith(DATES[2])
    (root / '000002').mkdir()
    with pytest.raises(LayoutError, match='000002 has no dates'):
        SeCo(str(root), ['B4'])
    (root / '000002').rmdir()
    assert len(SeCo(str(root), ['B4'])) == 2 and len(calls) == 4
    SeCo(str(root), ['B4'], scene=dict(type='TileScene'))
    assert len(calls) == 4


def test_index_goes_where_told_or_nowhere(tmp_path, monkeypatch):
    root = write_tree(tmp_path / 'seco', locations=1, dates=1, bands=('B4',))
    calls = builds(monkeypatch)
    for _ in range(2):
        SeCo(str(root), ['B4'], index_cache=str(tmp_path / 'cache'))
    assert len(calls) == 1
    for _ in range(2):
        SeCo(str(root), ['B4'], index_cache=None)
    assert len(calls) == 3 and not (root / '.swimdiff').exists()


def test_data_that_may_not_be_written_to_uses_the_home(tmp_path, monkeypatch):
    root = write_tree(tmp_path / 'seco', locations=1, dates=1, bands=('B4',))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'home'))
    real = os.access
    # As root every folder may be written to, so the answer is made up.
    monkeypatch.setattr(
        index_cache.os, 'access', lambda path, mode: str(root) not in str(path) and real(path, mode)
    )
    SeCo(str(root), ['B4'])
    assert list((tmp_path / 'home' / 'swimdiff' / 'indexes').glob('*/index-*/paths.text.npy'))


def test_damaged_cache_is_made_anew(tmp_path, monkeypatch):
    root = write_tree(tmp_path / 'seco', locations=1, dates=2, bands=('B4',))
    assert len(SeCo(str(root), ['B4'])) == 2
    (entry,) = (root / '.swimdiff').glob('index-*')
    os.truncate(entry / 'paths.offsets.npy', 40)
    calls = builds(monkeypatch)
    assert len(SeCo(str(root), ['B4'])) == 2 and len(calls) == 1
    for scenes in entry.glob('scenes-*.npy'):
        os.truncate(scenes, 20)
    assert SeCo(str(root), ['B4']).scene_ids().tolist() == [0, 0]


def test_processes_that_start_together_build_once(tmp_path):
    root = write_tree(tmp_path / 'seco', locations=3, dates=1, bands=('B4',))
    fork = get_context('fork')
    ready, found = fork.Barrier(3), fork.SimpleQueue()

    def open_archive():
        real, built = BandFolders.build, []
        BandFolders.build = lambda self: built.append(self) or real(self)
        ready.wait()
        found.put((len(SeCo(str(root), ['B4'])), len(built)))

    jobs = [fork.Process(target=open_archive) for _ in range(3)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert sorted(found.get() for _ in jobs) == [(3, 0), (3, 0), (3, 1)]


def test_a_sample_that_vanished_is_named(tmp_path):
    root = write_tree(tmp_path / 'seco', locations=1, dates=1, bands=('B4',))
    dataset = SeCo(str(root), ['B4'], pipeline=[dict(type='LoadPatch')])
    path = root / '000000' / DATES[0] / 'B4.tif'
    path.unlink()
    with pytest.raises(LayoutError, match=f'{path} is missing'):
        dataset[0]


def test_subsets_share_the_index(tmp_path):
    root = write_tree(tmp_path / 'seco', locations=3, dates=2, bands=('B4',))
    whole = SeCo(str(root), ['B4'])
    some = whole.get_subset([5, 0])
    assert [some.get_data_info(i)['location'] for i in range(2)] == ['000002', '000000']
    assert some.index is whole.index and len(whole) == 6
    assert some.scene_ids().tolist() == [2, 0]
    assert len(SeCo(str(root), ['B4'], indices=4)) == 4
    last = SeCo(str(root), ['B4'], indices=-1)
    assert last.get_data_info(0)['location'] == '000002'


def test_an_older_index_stays_what_it_was(tmp_path):
    """A run that goes on, and a worker that it sends its data set to, keep rows, names and ids."""
    root = write_tree(tmp_path / 'seco', locations=2, dates=1, bands=('B4',))
    old = SeCo(str(root), ['B4'])
    sent = pickle.dumps(old)
    (root / '000000').rename(root / '000009')
    new = SeCo(str(root), ['B4'])
    assert list(new.index.locations) == ['000001', '000009']
    assert list(pickle.loads(sent).index.locations) == ['000000', '000001']
    # What the old run derives later does not get among the files of the new index.
    old._scene_key = dict(type='TileScene')
    old._assign_scenes()
    assert not list(new.index.folder.glob('scenes-*')) or old.index.folder != new.index.folder
    assert SeCo(str(root), ['B4']).index.folder == new.index.folder


def test_processes_of_one_launch_open_one_index(tmp_path, monkeypatch):
    """Also where the tree changes between two of them; the next launch sees the change."""
    root = write_tree(tmp_path / 'seco', locations=2, dates=1, bands=('B4',))
    monkeypatch.setenv('WORLD_SIZE', '2')
    monkeypatch.setenv('MASTER_PORT', '29500')
    first = SeCo(str(root), ['B4'])
    (root / '000000').rename(root / '000009')
    second = SeCo(str(root), ['B4'])
    assert second.index.folder == first.index.folder
    monkeypatch.setenv('MASTER_PORT', '29501')
    assert list(SeCo(str(root), ['B4']).index.locations) == ['000001', '000009']


def test_old_builds_and_halves_go(tmp_path):
    root = write_tree(tmp_path / 'seco', locations=1, dates=1, bands=('B4',))
    for number in range(6):
        (root / f'{number:06d}').rename(root / f'{number + 1:06d}')
        half = root / '.swimdiff'
        if half.is_dir():
            (entry,) = [path.name for path in half.glob('index-*')][:1]
            (half / f'.{entry[:22]}-0.killed').mkdir()
        SeCo(str(root), ['B4'])
    names = [path.name for path in (root / '.swimdiff').iterdir()]
    assert len([name for name in names if name.startswith('index-')]) == 3
    assert not [name for name in names if 'killed' in name]


def test_no_room_for_the_scenes_is_no_error(tmp_path, monkeypatch):
    root = write_tree(tmp_path / 'seco', locations=2, dates=1, bands=('B4',))
    SeCo(str(root), ['B4'])

    def full(*_):
        raise OSError(28, 'No space left on device')

    texts = []
    monkeypatch.setattr(files, 'replace_file', full)
    monkeypatch.setattr(index_cache, 'print_log', lambda text, **_: texts.append(text))
    dataset = SeCo(str(root), ['B4'], scene=dict(type='TileScene'))
    assert dataset.scene_ids().tolist() == [0, 0] and 'was not kept' in texts[0]
    assert not list((root / '.swimdiff').rglob('*partial*'))
