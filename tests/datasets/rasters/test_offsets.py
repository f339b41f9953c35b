"""What is taken off the numbers of a product: said by the user, its files, metadata or name."""

import re

import numpy as np
import pytest
from fixtures.rasters import noise, write
from osgeo import gdal

from swimdiff.datasets.labels.sources import open_image
from swimdiff.datasets.rasters import RasterScenesSource
from swimdiff.datasets.rasters.offsets import find_offset
from swimdiff.errors import RasterError

UNIT = 'reflectance x 10000'
PRODUCT = 'S2A_MSIL2A_20170613T101031_{}_R022_T33UUP_20170613T101031'
METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product><n1:General_Info><Product_Image_Characteristics>
<BOA_ADD_OFFSET_VALUES_LIST>{}</BOA_ADD_OFFSET_VALUES_LIST>
</Product_Image_Characteristics></n1:General_Info></n1:Level-2A_User_Product>"""
ENTRY = '<BOA_ADD_OFFSET band_id="{}">{}</BOA_ADD_OFFSET>'


def _declare(path, scale, offset, number=1):
    opened = gdal.OpenEx(str(path), gdal.OF_UPDATE)
    opened.GetRasterBand(number).SetScale(scale)
    opened.GetRasterBand(number).SetOffset(offset)
    opened.FlushCache()
    return path


@pytest.mark.parametrize(
    ('baseline', 'expected'),
    [('N0204', 0), ('N0301', 0), ('N0400', 1000), ('N0500', 1000), ('N0511', 1000)],
)
def test_baselines_of_esa(baseline, expected):
    path = f'/data/{PRODUCT.format(baseline)}.SAFE/GRANULE/x_B04.jp2'
    assert find_offset(path, UNIT) == expected
    assert find_offset(path, None) == find_offset(path, 'reflectance') == 0
    assert find_offset(path, UNIT, given=7) == 7


@pytest.mark.parametrize('level', ['1C', '2A'])
@pytest.mark.parametrize(('values', 'expected'), [([], 0), ([0, 0], 0), ([-1000] * 13, 1000)])
def test_metadata_are_believed_before_the_name(tmp_path, values, expected, level):
    folder = tmp_path / f'{PRODUCT.format("N9999")}.SAFE'.replace('L2A', f'L{level}')
    image = folder / 'GRANULE' / 'L2A_T33UUP' / 'IMG_DATA' / 'T33UUP_B04_10m.jp2'
    text = METADATA.format(''.join(ENTRY.format(*pair) for pair in enumerate(values)))
    folder.mkdir()
    name = 'RADIO_ADD_OFFSET' if level == '1C' else 'BOA_ADD_OFFSET'
    (folder / f'MTD_MSIL{level}.xml').write_text(text.replace('BOA_ADD_OFFSET', name))
    assert find_offset(str(image), UNIT) == find_offset(str(folder), UNIT) == expected


def test_metadata_that_differ_by_band_are_refused(tmp_path):
    folder = tmp_path / f'{PRODUCT.format("N0511")}.SAFE'
    folder.mkdir()
    values = ENTRY.format(0, -1000) + ENTRY.format(1, -900)
    (folder / 'MTD_MSIL2A.xml').write_text(METADATA.format(values))
    with pytest.raises(RasterError, match=r'offsets -900, -1000.*offset=0'):
        find_offset(str(folder), UNIT)


def test_a_product_of_sen2cor_asks_for_its_offset(tmp_path):
    """BigEarthNet's N9999 products of 2017 have no offset; one of 2023 has: the name says none."""
    array = noise(48, 48)
    folder = tmp_path / PRODUCT.format('N9999')
    path = write(folder / 'patch_B04.tif', array)
    with pytest.raises(RasterError, match=r'N9999 is not one of ESA.*MTD_MSIL2A\.xml') as caught:
        RasterScenesSource(str(tmp_path), patch=24, unit=UNIT)
    for advised in re.findall(r'\boffset=(\d+)', str(caught.value)):
        offset = int(advised)
        source = RasterScenesSource(str(tmp_path), patch=48, unit=UNIT, offset=offset)
        plane = source.read([0], ['B04'])[0][0]
        assert (plane == np.maximum(array.astype(int) - offset, 0)).all()
        layer = open_image(str(path), ('B04',), ('B04',), UNIT, offset)
        assert (layer.read((0, 0, 48, 48))[0] == np.maximum(array - float(offset), 1)).all()
    assert set(re.findall(r'\boffset=(\d+)', str(caught.value))) == {'0', '1000'}
    with pytest.raises(RasterError, match='N9999 is not one of ESA'):
        open_image(str(path), ('B04',), ('B04',), UNIT)


@pytest.mark.parametrize(
    ('scale', 'offset', 'expected'),
    [(1e-4, -0.1, 1000), (1e-4, 0, 0), (9.99999974e-05, -0.1, 1000), (1, -1000, 1000)],
)
def test_what_files_declare_is_taken_off_once(tmp_path, scale, offset, expected):
    """Also where the name says 1000 as well, and where it says 1000 and the file nothing."""
    array = noise(48, 48)
    for baseline in ('N0204', 'N0511'):
        folder = tmp_path / baseline / PRODUCT.format(baseline)
        _declare(write(folder / 'x_B04.tif', array), scale, offset)
        source = RasterScenesSource(str(tmp_path / baseline), patch=48, unit=UNIT)
        plane = source.read([0], ['B04'])[0][0]
        assert (plane == np.maximum(array.astype(int) - expected, 0)).all()
        for path in (folder, folder / 'x_B04.tif'):
            assert open_image(str(path), ('B04',), ('B04',), UNIT).offset == expected


@pytest.mark.parametrize(
    ('scale', 'offset', 'message'),
    [
        (2.75e-5, -0.2, r'reflectance = number x 2.75e-05 \+ -0.2. Expected a scale of 0.0001'),
        (1e-4, 0.1, '1000 would be added to its numbers'),
        (1e-4, -0.10005, '-1000.5 would be added'),
    ],
)
def test_other_declarations_are_refused_and_the_advice_is_taken(tmp_path, scale, offset, message):
    array = noise(48, 48).astype('uint16')
    path = _declare(write(tmp_path / 'x_B04.tif', array), scale, offset)
    with pytest.raises(RasterError, match=message) as caught:
        RasterScenesSource(str(tmp_path), patch=24, unit=UNIT)
    options = re.search(r'gdal_translate (.*) IN OUT', str(caught.value))[1]
    made = tmp_path / 'out' / 'x_B04.tif'
    made.parent.mkdir()
    gdal.Translate(str(made), str(path), options=options)
    source = RasterScenesSource(str(made.parent), patch=48, unit='reflectance')
    plane = source.read([0], ['B04'])[0][0]
    np.testing.assert_allclose(plane, array * scale + offset, rtol=1e-5)


def test_bands_that_declare_different_numbers_are_refused(tmp_path):
    path = write(tmp_path / 'x.tif', np.stack([noise(48, 48)] * 2), names=('B04', 'B03'))
    _declare(_declare(path, 1e-4, -0.1), 1e-4, 0, number=2)
    with pytest.raises(
        RasterError, match=r'its bands declare different numbers: scale 0\.0001 and'
    ):
        RasterScenesSource(str(tmp_path), patch=24, unit=UNIT)
