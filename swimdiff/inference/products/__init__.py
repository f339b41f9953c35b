"""What people open, made from a written map: polygons, a picture, a page."""

from swimdiff.inference.products.ground_area import measure_class_areas
from swimdiff.inference.products.options import ProductOptions
from swimdiff.inference.products.page import write_page
from swimdiff.inference.products.polygon_files import check_polygon_file
from swimdiff.inference.products.polygons import write_polygons
from swimdiff.inference.products.qgis_style import write_qgis_style
from swimdiff.inference.products.quicklook import write_quicklook
from swimdiff.inference.products.written_map import MapClass, WrittenMap, read_map

__all__ = [
    'MapClass',
    'ProductOptions',
    'WrittenMap',
    'check_polygon_file',
    'measure_class_areas',
    'read_map',
    'write_page',
    'write_polygons',
    'write_qgis_style',
    'write_quicklook',
]
