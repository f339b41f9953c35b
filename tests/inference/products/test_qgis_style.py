"""The legend for QGIS: the classes of the map and no others."""

from xml.etree import ElementTree

import numpy as np
import pytest
from fixtures.maps import COLOURS, write_class_map

from swimdiff.errors import ConfigError
from swimdiff.inference.products import read_map, write_qgis_style


def test_classes_have_the_names_and_colours_of_the_map(tmp_path):
    values = np.zeros((32, 32), np.uint8)
    path = write_class_map(tmp_path / 'map.tif', values, names=('bare & "dry"', 'forêt', 'water'))
    made = read_map(path)
    out = write_qgis_style(made, path.with_suffix('.qml'), unpainted=['water'])
    root = ElementTree.fromstring(out.read_text(encoding='utf-8'))
    assert root.find('pipe/rasterrenderer').get('type') == 'paletted'
    entries = [entry.attrib for entry in root.iter('paletteEntry')]
    assert [(entry['value'], entry['label'], entry['alpha']) for entry in entries] == [
        ('0', 'bare & "dry"', '255'),
        ('1', 'forêt', '255'),
        ('2', 'water', '0'),
    ]
    colours = [bytes.fromhex(entry['color'][1:]) for entry in entries]
    assert colours == [bytes(colour) for colour in COLOURS[:3]]
    with pytest.raises(ConfigError, match='no class sea'):
        write_qgis_style(made, out, unpainted=['sea'])
