"""A map's legend for QGIS: the style file that it loads with the map."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from swimdiff.files import replace_text
from swimdiff.inference.products.written_map import WrittenMap, choose_classes

__all__ = ['write_qgis_style']


def write_qgis_style(made: WrittenMap, out: str | Path, unpainted: Sequence[str] = ()) -> Path:
    """Write the classes of a map as a style file of QGIS.

    A colour table of GeoTIFF has 256 entries, all of which QGIS lists as classes. A file of this
    kind beside the map, with its name and the ending ``.qml``, is loaded with it and lists what
    the map has.

    Args:
        made: The map.
        out: The file.
        unpainted: Names or values of classes that are transparent, such as what has not changed.

    Returns:
        The file.

    Raises:
        ConfigError: The map has no such class.
    """
    transparent = choose_classes(made, unpainted)
    root = ElementTree.Element('qgis', version='3.22.0', styleCategories='Symbology')
    renderer = ElementTree.SubElement(
        ElementTree.SubElement(root, 'pipe'),
        'rasterrenderer',
        type='paletted',
        band='1',
        opacity='1',
        alphaBand='-1',
    )
    palette = ElementTree.SubElement(renderer, 'colorPalette')
    for one in made.classes:
        ElementTree.SubElement(
            palette,
            'paletteEntry',
            value=str(one.value),
            label=one.name,
            color=one.hexadecimal,
            alpha='0' if one in transparent else '255',
        )
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding='unicode')
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    replace_text(out, f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}\n")
    return out
