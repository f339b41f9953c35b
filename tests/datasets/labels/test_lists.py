import json
from pathlib import Path

import pytest
from fixtures.labels import write_list

from swimdiff.datasets.labels.lists import choose_rows, read_list
from swimdiff.errors import ConfigError, DatasetNotFoundError, LayoutError

COLUMNS = ('before', 'after')


def test_paths_are_relative_to_the_list(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', '/home/me')
    row = dict(before='a/x.tif', after='~/y.tif', labels='/vsizip/z.zip/z.gpkg', split='train')
    for path in (write_list(tmp_path / 'l.csv', [row]), tmp_path / 'l.json'):
        path.suffix == '.json' and path.write_text(json.dumps([row]))
        (found,) = read_list(path, COLUMNS, 'Set')
        assert found.images == (str(tmp_path / 'a/x.tif'), '/home/me/y.tif')
        assert found.labels == '/vsizip/z.zip/z.gpkg'
        assert (found.split, found.name) == ('train', 'x')


def test_a_web_address_goes_through_gdal():
    row = dict(before='https://h/x.tif', after='s3://b/y.tif', labels='z.gpkg')
    (found,) = read_list([row], COLUMNS, 'Set')
    assert found.images == ('/vsicurl/https://h/x.tif', '/vsis3/b/y.tif')
    assert found.labels == str(Path('z.gpkg').absolute())


@pytest.mark.parametrize('mark', [';', '\t', ','])
def test_separators_and_names(tmp_path, mark):
    lines = ['before,after,labels', 'p/a.tif,b.tif,c.gpkg', 'q/a.tif,b.tif,c.gpkg']
    path = tmp_path / 'l.csv'
    path.write_text('\ufeff' + '\n'.join(lines).replace(',', mark))
    assert [row.name for row in read_list(path, COLUMNS, 'Set')] == ['a', 'a_2']


def test_what_is_wrong_with_a_list(tmp_path):
    good = dict(before='a.tif', after='b.tif', labels='c.gpkg')
    with pytest.raises(DatasetNotFoundError, match=r'no list .*none\.csv.*before, after, labels'):
        read_list(tmp_path / 'none.csv', COLUMNS, 'Set')
    path = write_list(tmp_path / 'l.csv', [{k: v for k, v in good.items() if k != 'after'}])
    with pytest.raises(LayoutError, match=r'no column after; it has before, labels'):
        read_list(path, COLUMNS, 'Set')
    path = write_list(tmp_path / 'l.csv', [good, good | dict(labels='')])
    with pytest.raises(LayoutError, match=r'row 3: labels is empty'):
        read_list(path, COLUMNS, 'Set')
    twice = [good | dict(name='n')] * 2
    with pytest.raises(LayoutError, match=r"'n' occurs twice"):
        read_list(twice, COLUMNS, 'Set')
    (tmp_path / 'l.json').write_text('{')
    with pytest.raises(LayoutError, match='cannot be read as a list'):
        read_list(tmp_path / 'l.json', COLUMNS, 'Set')
    with pytest.raises(LayoutError, match='is empty'):
        read_list([], COLUMNS, 'Set')


def test_splits_are_said_once():
    good = dict(before='a.tif', after='b.tif', labels='c.gpkg')
    rows = read_list([good | dict(split='train'), good | dict(split='val')], COLUMNS, 'Set')
    assert len(choose_rows(rows, 'train', False, 'Set')) == 1
    assert len(choose_rows(rows, 'all', False, 'Set')) == 2
    with pytest.raises(LayoutError, match=r"'test' is empty.*train \(1\), val \(1\)"):
        choose_rows(rows, 'test', False, 'Set')
    with pytest.raises(ConfigError, match='one of the two'):
        choose_rows(rows, 'train', True, 'Set')
    with pytest.raises(ConfigError, match='nothing says which ground'):
        choose_rows(read_list([good], COLUMNS, 'Set'), 'train', False, 'Set')
