"""What is wrong with inputs and outputs of a map is said in one message, and leaves nothing."""

import dataclasses
import os
import re
import resource
import subprocess
import sys
import threading

import numpy as np
import pytest
from fixtures.map_pairs import NAMES, read_raster, write_pair
from fixtures.rasters import NORTH, WEST, noise, write

from swimdiff.errors import BandError, ConfigError, DataError, LayoutError, RasterError
from swimdiff.files import partial_name
from swimdiff.inference import MapJob, write_map

SHAPE = (96, 128)


@pytest.fixture
def job(tmp_path):
    """A map that can be written."""
    return MapJob('change', write_pair(tmp_path / 'in', SHAPE), tmp_path / 'out' / 'map.tif')


def _planes(count=3, dtype='uint16'):
    return np.stack([noise(*SHAPE, seed) for seed in range(count)]).astype(dtype)


def _elsewhere(path):
    return write(path, _planes(), WEST + 50_000, NORTH, names=NAMES)


def _without_system(path):
    return write(path, _planes(), epsg=None, names=NAMES)


def _truncated(path):
    write(path, _planes(), names=NAMES)
    path.write_bytes(path.read_bytes()[:40_000])
    return path


def _damaged_inside(path):
    """A tiled file whose middle is overwritten: its header and its last block are whole."""
    options = ('TILED=YES', 'BLOCKXSIZE=16', 'BLOCKYSIZE=16', 'COMPRESS=DEFLATE')
    write(path, _planes(), names=NAMES, options=options)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    return path


BAD = {
    'missing': (lambda path: path, LayoutError, 'bad.tif is missing'),
    'elsewhere': (_elsewhere, RasterError, r'bad.tif shares no ground with the map: it covers 128'),
    'no system': (_without_system, RasterError, 'bad.tif has no georeference'),
    'truncated': (_truncated, RasterError, r'bad.tif cannot be read.*damaged'),
    'damaged': (_damaged_inside, RasterError, r'bad.tif cannot be read.*damaged'),
    'other bands': (
        lambda path: write(path, _planes(), names=('B02', 'B03', 'B08')),
        LayoutError,
        r'bad.tif has no B04; it has B02, B03, B08. The model takes B04 B03 B02.*--bands NAME',
    ),
    'unnamed bands': (
        lambda path: write(path, _planes()),
        BandError,
        r'does not say which bands its 3 are. The model takes B04 B03 B02.*--bands',
    ),
    'uint8': (
        lambda path: write(path, _planes(dtype='uint8'), names=NAMES),
        RasterError,
        "holds uint8 pixels. The model was trained on 'reflectance x 10000'",
    ),
    'reflectance': (
        lambda path: write(path, _planes(dtype='float32') / 10_000, names=NAMES),
        RasterError,
        r'98 % .* 0\.2.* Expected a 98 % quantile of 260 to 20000. Declare --unit .reflectance.',
    ),
    'empty folder': (
        lambda path: path.mkdir() or path,
        LayoutError,
        'expected one scene .*found 0: no raster',
    ),
}


@pytest.mark.parametrize('name', BAD)
@pytest.mark.parametrize('date', (0, 1))
def test_a_bad_input_is_named_and_nothing_is_left(job, change_model, tmp_path, name, date):
    make, kind, message = BAD[name]
    inputs = list(job.inputs)
    inputs[date] = str(make(tmp_path / 'bad.tif'))
    job = dataclasses.replace(job, inputs=tuple(inputs))
    before = set(threading.enumerate())
    if name == 'elsewhere' and date == 0:  # then the other one is elsewhere
        message = message.replace('bad.tif', 'date1.tif')
    with pytest.raises(kind, match=re.compile(message, re.S)):
        write_map(job, change_model, None)
    assert set(threading.enumerate()) <= before
    assert not job.out.parent.exists() or os.listdir(job.out.parent) == []


def test_two_scenes_in_a_folder_are_listed(job, change_model, tmp_path):
    for name in 'ab':
        write(tmp_path / 'two' / f'{name}.tif', _planes(), names=NAMES)
    job = dataclasses.replace(job, inputs=(tmp_path / 'two', job.inputs[1]))
    with pytest.raises(LayoutError, match=r'found 2: a.tif, b.tif. Name the file'):
        write_map(job, change_model, None)


def test_a_map_that_is_there_is_kept_unless_told(job, change_model):
    result = write_map(job, change_model, None)
    written = job.out.read_bytes()
    with pytest.raises(DataError, match=r'map.tif is there already.*--overwrite'):
        write_map(job, change_model, None)
    broken = dataclasses.replace(job, overwrite=True, inputs=(job.inputs[0], 'nothing.tif'))
    with pytest.raises(LayoutError, match=r'nothing.tif is missing'):
        write_map(broken, change_model, None)
    assert job.out.read_bytes() == written
    again = write_map(dataclasses.replace(job, overwrite=True), change_model, None)
    assert again.counts == result.counts
    assert sorted(os.listdir(job.out.parent)) == ['map.tif', 'map.tif.aux.xml']


@pytest.mark.parametrize('limit', (300, 6_000, 20_000))
def test_a_full_disk_leaves_no_file(job, change_model, limit):
    """The system ends every file at a size; smaller ones fail later, in the COG driver or before.

    What a program sees is what it sees on a full disk: a write that is cut short.
    """
    job = dataclasses.replace(job, probabilities='float32')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(RasterError, match=r'cannot be written .*room for twice the map'):
            write_map(job, change_model, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(job.out.parent) == []


def test_an_interrupt_ends_the_threads_and_leaves_no_file(job, change_model):
    def interrupt(steps, total, name):
        for number, step in enumerate(steps):
            if number == 3:
                raise KeyboardInterrupt
            yield step

    before = threading.active_count()
    job = dataclasses.replace(job, size=64, margin=16)
    with pytest.raises(KeyboardInterrupt):
        write_map(job, change_model, interrupt)
    assert threading.active_count() == before
    assert os.listdir(job.out.parent) == []


def test_what_a_killed_process_left_is_taken_away(job, change_model):
    dead = subprocess.Popen([sys.executable, '-c', 'pass'])
    dead.wait()
    name = partial_name(job.out.name).replace(f'-{os.getpid()}.', f'-{dead.pid}.')
    left = job.out.parent / name
    left.mkdir(parents=True)
    (left / 'rows.tif').write_bytes(b'torn')
    write_map(job, change_model, None)
    assert not left.exists() and job.out.exists()


def test_a_model_of_the_other_kind_is_refused(job, cover_model):
    with pytest.raises(ConfigError, match=r'a model for landcover. Expected one for change'):
        write_map(job, cover_model, None)


@pytest.mark.parametrize(
    ('options', 'message'),
    (
        (dict(inputs=('a.tif',)), r'made of 2 input\(s\); found 1: a.tif'),
        (dict(out='map.png'), 'name a file that ends in .tif'),
        (dict(threshold=40), 'threshold=40: expected a probability, 0 to 1'),
        (dict(probabilities='uint16'), "probabilities='uint16': expected uint8, float32 or none"),
        (dict(kind='cover'), "kind='cover': expected one of change, landcover"),
        (dict(resolution=-1), 'resolution=-1: expected a size above 0'),
    ),
)
def test_options_that_cannot_be_meant_are_refused(job, options, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(job, **options)


def test_options_that_fit_no_raster_are_refused(job, change_model, tmp_path):
    mask = write(tmp_path / 'mask.tif', noise(*SHAPE), WEST + 50_000, NORTH)
    for options, message in (
        (dict(bounds=(0, 0, 1, 1)), 'expected west, south, east and north'),
        (dict(bounds=(WEST + 9000, NORTH - 9100, WEST + 9100, NORTH - 9000)), 'shares no ground'),
        (dict(cloud_masks=(mask,)), r'mask.tif shares no ground with the map'),
        (dict(cloud_masks=(job.inputs[0],)), 'has 3 bands. Expected a cloud mask of one band'),
        (dict(batch_size=0), 'batch_size=0: expected 1 or more'),
        (dict(mode='fade'), "mode='fade'"),
        (dict(unit='percent'), "unit='percent': expected one of"),
    ):
        with pytest.raises((ConfigError, RasterError), match=message):
            write_map(dataclasses.replace(job, **options), change_model, None)
    assert not job.out.parent.exists() or os.listdir(job.out.parent) == []


def test_reflectance_of_any_unit_gives_the_same_map(job, change_model, tmp_path):
    found = []
    for number, (scale, unit) in enumerate(((1, None), (1e-4, 'reflectance'))):
        inputs = [
            write(
                tmp_path / f'{number}-{date}.tif',
                (read_raster(path) * scale).astype('uint16' if scale == 1 else 'float32'),
                names=NAMES,
            )
            for date, path in enumerate(job.inputs)
        ]
        out = tmp_path / f'{number}.tif'
        given = MapJob('change', inputs, out, unit=unit, probabilities='float32')
        found.append(read_raster(write_map(given, change_model, None).probability_path))
    # A stretched pixel may differ by one of 255 where a fraction is cut off.
    assert np.abs(found[0] - found[1]).mean() < 2e-3
