"""Quick-look and page: colours in place, nothing loaded, a real browser moves the swipe."""

import re

import numpy as np
import pytest
from fixtures.browser import find_browser, open_browser
from fixtures.maps import COLOURS, write_class_map
from fixtures.rasters import WEST, noise, write
from PIL import Image

from swimdiff.errors import BandError, ConfigError, RasterError
from swimdiff.inference.products import read_map, write_page, write_quicklook

BANDS = ('B02', 'B03', 'B04', 'B08')


@pytest.fixture
def made(tmp_path):
    """A change map: a square of 100 x 100 pixels has changed, the last rows hold no data."""
    values = np.zeros((240, 300), np.uint8)
    values[50:150, 100:200] = 1
    values[230:] = 255
    write_class_map(tmp_path / 'change.tif', values)
    for name, seed in (('before', 1), ('after', 2)):
        planes = np.stack([noise(240, 300, seed + n) for n in range(4)])
        planes[2, :, :150] += 6000  # the western half is red
        write(tmp_path / f'{name}.tif', planes, names=BANDS)
    return read_map(tmp_path / 'change.tif')


def test_quicklook_lays_colours_over_grey(made, tmp_path):
    out = write_quicklook(made, tmp_path / 'q.png', [str(tmp_path / 'after.tif')], edge=150)
    picture = np.asarray(Image.open(out)).astype(int)
    assert picture.shape == (120, 150, 3)
    changed, rest = picture[30:70, 55:95].reshape(-1, 3), picture[80:110].reshape(-1, 3)
    assert np.abs(changed - 0.6 * np.array(COLOURS[1])).max() <= 0.4 * 255 + 1
    assert (changed[:, 0] > changed[:, 1] + 60).all()
    assert np.ptp(rest, axis=1).max() <= 1  # grey under a grey class
    bare = write_quicklook(made, tmp_path / 'bare.png', unpainted=['unchanged'])
    pixels = np.asarray(Image.open(bare))
    assert pixels.shape == (240, 300, 4)
    assert (pixels[50:150, 100:200] == (*COLOURS[1], 255)).all()
    assert pixels[..., 3].astype(bool).sum() == 10_000


def test_imagery_of_another_grid_is_laid_under_the_map(made, tmp_path):
    # Of another zone and pixel size; white where the map has changed, black elsewhere.
    from osgeo import gdal

    planes = np.zeros((1, 240, 300), np.uint16)
    planes[0, 50:150, 100:200] = 1000
    write(tmp_path / 'one.tif', planes)
    gdal.Warp(str(tmp_path / 'other.tif'), str(tmp_path / 'one.tif'), dstSRS='EPSG:4326')
    out = write_quicklook(
        made, tmp_path / 'q.png', [str(tmp_path / 'other.tif')], unpainted=['unchanged', 'changed']
    )
    grey = np.asarray(Image.open(out))[..., 0]
    assert (grey[55:145, 105:195] > 240).all()
    assert (grey[160:225, :] < 15).all()


def test_files_of_a_band_each_and_bands_by_name(made, tmp_path):
    for name, value in (('B02', 0), ('B03', 500), ('B04', 1000)):
        plane = np.full((240, 300), value, np.uint16)
        plane[:, ::2] = 250 if name == 'B04' else 1000
        write(tmp_path / f'scene_{name}_10m.tif', plane)
    files = [str(tmp_path / f'scene_{name}_10m.tif') for name in ('B02', 'B03', 'B04')]
    page = write_page(made, tmp_path / 'p.html', {'Scene': files}, bands=['B04'])
    assert page.read_text().count('data:image/jpeg') == 1
    with pytest.raises(BandError, match='described as B11'):
        write_page(made, tmp_path / 'p.html', {'Scene': files}, bands=['B11'])
    with pytest.raises(ConfigError, match='no class town'):
        write_page(made, tmp_path / 'p.html', {'Scene': files}, unpainted=['town'])
    far = write(tmp_path / 'far.tif', noise(9, 9), west=WEST + 90_000)
    with pytest.raises(RasterError, match='no pixels where'):
        write_page(made, tmp_path / 'p.html', {'Scene': [str(far)]})


def _write(made, tmp_path):
    dates = {'Before': [str(tmp_path / 'before.tif')], 'After': [str(tmp_path / 'after.tif')]}
    return write_page(made, tmp_path / 'page.html', dates, 'A <b> town', unpainted=['unchanged'])


def test_page_needs_nothing_beside_itself(made, tmp_path):
    text = _write(made, tmp_path).read_text()
    assert 'A &lt;b&gt; town' in text
    assert not re.findall(r'(?:src|href)=["\'](?!data:)', text)
    assert 'http://' not in text and 'https://' not in text
    assert text.count('data:image/jpeg') == 2 and text.count('data:image/png') == 1
    # 100 x 100 pixels of 10 m, 1 km2 in the plane; 0.9986 of it on the ground there.
    assert re.search(r'changed</td><td>(1\.00 km²|99\.\d\d ha|100\.\d\d ha)', text)


def test_page_of_a_map_without_georeference(tmp_path):
    values = np.zeros((20, 40))
    values[:5] = 1
    made = read_map(write_class_map(tmp_path / 'm.tif', values, epsg=None))
    image = write(tmp_path / 'i.tif', noise(20, 40), epsg=None)
    text = write_page(made, tmp_path / 'p.html', {'Scene': [str(image)]}).read_text()
    assert '25.00 %' in text and 'km²' not in text and 'const metres = 0.0' in text


def _look(tab, folder):
    shot = Image.open(tab.take_picture(folder / 'shot.png')).convert('RGB')
    return np.asarray(shot).astype(int)


@pytest.mark.skipif(find_browser() is None, reason='needs chromium or google-chrome')
def test_browser_moves_the_swipe(made, tmp_path):
    page = _write(made, tmp_path)
    with open_browser(tmp_path / 'profile') as tab:
        tab.open(page)
        at = "getComputedStyle(document.getElementById('stage')).getPropertyValue('--at')"
        assert tab.run(at) == '50%'
        box = tab.run(
            '(({x, y, width, height}) => [x, y, width, height])'
            "(document.getElementById('stage').getBoundingClientRect())"
        )
        middle = box[1] + box[3] / 2
        tab.drag((box[0] + box[2] / 2, middle), (box[0] + box[2] / 4, middle))
        assert float(tab.run(at).rstrip('%')) == pytest.approx(25, abs=2)
        tab.press('ArrowRight')
        moved = float(tab.run(at).rstrip('%'))
        tab.press('ArrowRight')
        assert float(tab.run(at).rstrip('%')) == moved + 0.5
        tab.press('Home')
        assert tab.run(at) == '0%'
        # All is right of the line now: the changed square shows the map's red over the picture.
        shot = np.asarray(Image.open(tab.take_picture(tmp_path / 's.png')).convert('RGB')).astype(
            int
        )
        x, y = round(box[0] + box[2] * 0.6), round(box[1] + box[3] * 0.5)
        inside = shot[y - 9 : y + 9, x - 9 : x + 9].reshape(-1, 3)
        assert (inside[:, 0] > inside[:, 1] + 60).mean() > 0.9
        tab.press('End')
        shot = np.asarray(Image.open(tab.take_picture(tmp_path / 's.png')).convert('RGB')).astype(
            int
        )
        inside = shot[y - 9 : y + 9, x - 9 : x + 9].reshape(-1, 3)
        assert (inside[:, 0] > inside[:, 1] + 60).mean() < 0.5
        bar = tab.run("document.querySelector('#scale i').getBoundingClientRect().width")
        said = tab.run("document.querySelector('#scale span').textContent")
        metres = float(said.split()[0]) * (1000 if said.endswith('km') else 1)
        assert metres / bar == pytest.approx(3000 / box[2], rel=0.01)
        tab.run("document.getElementById('right-map').click()")
        assert tab.run("document.getElementById('right-tag').textContent") == 'After'
        light = tab.run('getComputedStyle(document.body).backgroundColor')
        tab.open(page, width=400, height=700, dark=True)
        assert tab.run('getComputedStyle(document.body).backgroundColor') != light
        assert tab.run('document.documentElement.scrollWidth <= 400')
        assert not [url for url in tab.requests if not url.startswith(('file:', 'data:'))]
        assert tab.errors == []
