"""Folders that are there whole or not at all."""

import os
from pathlib import Path

import pytest

from swimdiff.files import partial_name, stage_folder


def fill(folder: Path, text: str) -> None:
    with stage_folder(folder) as partial:
        (partial / 'deep').mkdir()
        (partial / 'deep' / 'a.txt').write_text(text)


def test_the_first_writer_of_a_folder_wins(tmp_path):
    folder = tmp_path / 'new' / 'folder'
    with stage_folder(folder) as slow:
        (slow / 'b.txt').write_text('slow')
        assert not folder.exists()
        slow = slow.rename(slow.with_name('elsewhere'))  # another process has another name
        fill(folder, 'quick')
        slow.rename(slow.with_name(partial_name('folder')))
    assert (folder / 'deep' / 'a.txt').read_text() == 'quick'
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['folder']
    assert [path.name for path in folder.iterdir()] == ['deep']


def test_a_folder_that_was_not_filled_never_appears(tmp_path):
    with pytest.raises(KeyError), stage_folder(tmp_path / 'folder') as partial:
        (partial / 'a.txt').write_text('x')
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_content_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    done, flush, rename = [], os.fsync, os.rename

    def note_flush(handle):
        done.append(Path(os.readlink(f'/proc/self/fd/{handle}')).name)
        flush(handle)

    def note_rename(source, target):
        done.append('rename')
        rename(source, target)

    monkeypatch.setattr(os, 'fsync', note_flush)
    monkeypatch.setattr(os, 'rename', note_rename)
    fill(tmp_path / 'folder', 'x')
    assert 'a.txt' in done[: done.index('rename')] and done[-1] == tmp_path.name


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / 'folder').write_text('mine')
    with pytest.raises(NotADirectoryError):
        fill(tmp_path / 'folder', 'x')
    assert [path.name for path in tmp_path.iterdir()] == ['folder']
