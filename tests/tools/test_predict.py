"""The command line of maps, called as users call it."""

import pytest
from fixtures.map_models import write_change_model, write_cover_model
from fixtures.map_pairs import read_raster, write_pair
from fixtures.tools import load_tool


def test_maps_are_written_from_the_command_line(tmp_path, capsys):
    tool = load_tool('predict.py')
    change, cover = write_change_model(tmp_path), write_cover_model(tmp_path)
    pair = write_pair(tmp_path / 'in', (150, 170))
    out = tmp_path / 'maps' / 'change.tif'
    arguments = ['change', *map(str, change), *pair, '--out', str(out), '--size', '96']
    arguments += ['--margin', '16', '--probabilities', 'uint8', '--threshold', '0.4', '--seams']
    tool.main(arguments)
    said = capsys.readouterr().out
    labels = read_raster(out)[0]
    assert f'changed: {(labels == 1).sum()} pixels' in said
    assert 'threshold: 0.4' in said and 'seams: a step of' in said
    assert out.with_name('change_probability.tif').is_file() and f'{out}, ' in said
    with pytest.raises(SystemExit, match=r'DataError: .*change.tif is there already'):
        tool.main(arguments)
    tool.main([*arguments, '--overwrite', '--mode', 'crop'])
    scene = tmp_path / 'maps' / 'cover.tif'
    tool.main(['landcover', *map(str, cover), pair[0], '--out', str(scene)])
    said = capsys.readouterr().out
    for number, name in enumerate(('water', 'forest', 'town')):
        assert f'{name}: {(read_raster(scene) == number).sum()} pixels' in said


def test_an_interrupt_is_one_line(tmp_path, capsys, monkeypatch):
    tool = load_tool('predict.py')
    pair = write_pair(tmp_path / 'in', (64, 64))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tool, 'make_scene', interrupt)
    out = tmp_path / 'change.tif'
    with pytest.raises(SystemExit) as stopped:
        tool.main(['change', *map(str, write_change_model(tmp_path)), *pair, '--out', str(out)])
    assert stopped.value.code == 130
    assert f'stopped; {out} is not written' in capsys.readouterr().err
