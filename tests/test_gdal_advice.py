"""Each command of GDAL that a message prints is run once, with its words in capitals filled in."""

import ast
import re

import pytest
from fixtures.advice import ROOT, find_messages
from fixtures.rasters import noise, write
from osgeo import gdal, ogr
from osgeo_utils import gdal_edit

_PROGRAMS = r'(?:gdal_translate|gdalwarp|gdal_edit\.py|ogr2ogr)'
_WORDS = r'(?: (?:-[a-z_]+|EPSG:\.\.\.|[A-Z]+|\d+|\.\.\.|Byte|Float32|\{\}(?:-scale)?)(?![\w{]))*'
_COMMAND = re.compile(_PROGRAMS + _WORDS)
_FILLED = {
    '-a_srs ...': '-a_srs EPSG:32633',
    'EPSG:...': 'EPSG:32633',
    '-a_ullr ...': '-a_ullr 0 40 40 0',
    'WEST NORTH EAST SOUTH': '0 40 40 0',
    'LOW HIGH': '0 6000',
    '{}-scale': '-scale',
    '-ot {}': '-ot UInt16',
    '-srcwin': '-srcwin 0 0 2 2',
}
_FILES = re.compile(r' (?:IN|OUT|SRC|DST)\b')


def find_commands():
    found = set()
    for path in sorted((ROOT / 'swimdiff').rglob('*.py')):
        for text in find_messages(ast.parse(path.read_text())):
            found |= {_FILES.sub('', command) for command in _COMMAND.findall(text)}
    # The beginning of a text that is put together is no command yet; a name alone is a mention.
    return sorted(one for one in found if not one.endswith(('-ot', 'gdal_translate')))


def run(command, folder):
    """Run a command by the bindings, which take the words of the programs; return what it wrote."""
    for word, value in _FILLED.items():
        command = command.replace(word, value)
    assert not re.search(r'[A-Z]{3,}(?!:)|\{|\.\.\.', command.replace('EPSG:32633', '')), command
    program, *words = command.split()
    planes = noise(4, 4)[None].repeat(3, 0)
    bare = program == 'gdal_edit.py' or '-a_srs' in words
    source = write(folder / 'in.tif', planes, epsg=None if bare else 32633)
    if program == 'ogr2ogr':
        layer = ogr.GetDriverByName('GeoJSON').CreateDataSource(str(folder / 'in.json'))
        layer.CreateLayer('ground')
        layer = None
        written = gdal.VectorTranslate(
            str(folder / 'out.gpkg'), str(folder / 'in.json'), options=' '.join(words)
        )
        return written.GetLayer(0).GetSpatialRef().GetAuthorityCode(None)
    if program == 'gdal_edit.py':
        assert gdal_edit.gdal_edit([program, *words, str(source)]) in (0, None)
        return gdal.Open(str(source))
    work = gdal.Translate if program == 'gdal_translate' else gdal.Warp
    return work(str(folder / 'out.tif'), str(source), options=' '.join(words))


@pytest.mark.parametrize('command', find_commands())
def test_the_command_runs_and_does_what_it_says(tmp_path, command):
    written = run(command, tmp_path)
    if command.startswith('ogr2ogr'):
        assert written == '32633'
        return
    if '-a_srs' in command:
        assert written.GetSpatialRef().GetAuthorityCode(None) == '32633'
    if '-a_ullr' in command:
        assert written.GetGeoTransform() == (0, 10, 0, 40, 0, -10)
    kinds = {'Byte': gdal.GDT_Byte, 'Float32': gdal.GDT_Float32, '{}': gdal.GDT_UInt16}
    if kind := re.search(r'-ot (\S+)', command):
        assert written.GetRasterBand(1).DataType == kinds[kind[1]]


def test_a_rotated_raster_is_north_up_after_gdalwarp(tmp_path):
    turned = (600_000, 8, 6, 5_700_000, 6, -8)
    source = write(tmp_path / 'in.tif', noise(8, 8), transform=turned)
    written = gdal.Warp(str(tmp_path / 'out.tif'), str(source)).GetGeoTransform()
    assert written[2] == written[4] == 0
