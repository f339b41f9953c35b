"""Lists of scenes as people write them."""

import json

import pytest

from swimdiff.errors import ConfigError, DatasetNotFoundError
from swimdiff.inference.jobs import read_scene_list


def _csv(folder, text):
    path = folder / 'scenes.csv'
    path.write_text(text, encoding='utf-8')
    return path


def test_csv_relative_to_the_list(tmp_path):
    path = _csv(
        tmp_path,
        '\ufeffbefore,after,out,note\n'
        'a/1.tif, a/2.tif, maps/a.tif, "first, of two"\n'
        'https://host/x.tif?sig=1,/data/y.tif,b.tif,\n',
    )
    one, two = read_scene_list(path, 'change')
    assert one.inputs == (f'{tmp_path}/a/1.tif', f'{tmp_path}/a/2.tif')
    assert one.out == tmp_path / 'maps' / 'a.tif'
    assert two.inputs == ('https://host/x.tif?sig=1', '/data/y.tif')
    assert read_scene_list(path, 'change', tmp_path / 'o')[1].out == tmp_path / 'o' / 'b.tif'


def test_json_with_names_from_inputs_and_cloud_masks(tmp_path):
    path = tmp_path / 'scenes.json'
    path.write_text(
        json.dumps(
            [
                dict(scene='s.tif', cloud_masks=['m.tif', '/vsis3/b/n.tif']),
                dict(inputs=['https://host/dir/item.json?x=1']),
            ]
        )
    )
    one, two = read_scene_list(path, 'landcover', tmp_path / 'maps')
    assert one.out == tmp_path / 'maps' / 's.tif'
    assert one.cloud_masks == (f'{tmp_path}/m.tif', '/vsis3/b/n.tif')
    assert (two.inputs, two.out.name) == (('https://host/dir/item.json?x=1',), 'item.tif')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            'scene,out\na.tif,b.tif\n',
            r'needs before and after; found scene=',
        ),
        ('before,after,out\na.tif,,b.tif\n', 'line 2: a map of change needs before and after'),
        ('before,after\na.tif,b.tif\n', 'line 2: no out'),
        ('before,after,out\na,b,c.tif\na,b,d.tif\nx,y,c.tif\n', 'line 2 and line 4 write the same'),
        ('before,after,out\na,b,c.png\n', r'out=c\.png: a map is a GeoTIFF'),
        ('before,after,out\n', 'lists no scene'),
    ],
)
def test_mistakes_name_their_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read_scene_list(_csv(tmp_path, text), 'change')


def test_lists_that_are_none(tmp_path):
    with pytest.raises(DatasetNotFoundError, match='no such list'):
        read_scene_list(tmp_path / 'none.csv', 'change')
    path = tmp_path / 'scenes.json'
    for text in ('{"before": 1}', '[1]', '['):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r'scenes\.json'):
            read_scene_list(path, 'change')
    path = tmp_path / 'latin.csv'
    path.write_bytes('before,after,out\nMünchen.tif,b,c.tif\n'.encode('latin-1'))
    with pytest.raises(ConfigError, match='no CSV file in UTF-8'):
        read_scene_list(path, 'change')
