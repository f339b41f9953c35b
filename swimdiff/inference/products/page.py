"""A map as one web page that needs nothing beside itself."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from swimdiff.files import replace_text
from swimdiff.inference.products.ground_area import measure_class_areas
from swimdiff.inference.products.pictures import Source, draw_imagery, draw_map, shrink_size
from swimdiff.inference.products.written_map import WrittenMap
from swimdiff.pages import embed_picture, render_template
from swimdiff.version import __version__

__all__ = ['write_page']


@dataclass(frozen=True)
class _Row:
    """A line of the legend."""

    name: str
    colour: str
    area: str
    share: str


def _format_area(square_metres: float) -> str:
    if square_metres >= 1e6:
        return f'{square_metres / 1e6:,.2f} km²'
    if square_metres >= 1e4:
        return f'{square_metres / 1e4:,.2f} ha'
    return f'{square_metres:,.0f} m²'


def _list_classes(made: WrittenMap) -> list[_Row]:
    """Return the legend; shares alone where a map without georeference has no areas."""
    if made.crs:
        amounts: Mapping[int, float] = measure_class_areas(made)
    else:
        counts = np.zeros(256)
        for _, values in made.read_strips():
            counts += np.bincount(values.ravel(), minlength=256)
        amounts = {one.value: float(counts[one.value]) for one in made.classes}
    total = sum(amounts.values()) or 1.0
    return [
        _Row(
            one.name,
            one.hexadecimal,
            _format_area(amounts[one.value]) if made.crs else '',
            f'{100 * amounts[one.value] / total:.2f} %',
        )
        for one in made.classes
    ]


def _measure_width(made: WrittenMap) -> float:
    """Return the width of the map on the ground in metres, along its middle row; 0 if unknown."""
    if not made.crs or made.transform is None:
        return 0.0
    from pyproj import Geod, Transformer

    x0, dx, rx, y0, ry, dy = made.transform
    columns, row = np.linspace(0, made.width, 65), made.height / 2
    to_lonlat = Transformer.from_crs(made.crs, 'EPSG:4326', always_xy=True)
    lon, lat = to_lonlat.transform(x0 + columns * dx + row * rx, y0 + columns * ry + row * dy)
    return float(Geod(ellps='WGS84').line_length(lon, lat))


def _describe_grid(made: WrittenMap) -> str:
    if not made.crs or made.transform is None:
        return f'{made.width:,} x {made.height:,} pixels, without georeference'
    from pyproj import CRS

    system = CRS.from_wkt(made.crs)
    side = float(np.hypot(made.transform[1], made.transform[4]))
    unit = system.axis_info[0].unit_name if system.axis_info else 'unit'
    unit = 'm' if unit in ('metre', 'meter') else unit
    return f'{made.width:,} x {made.height:,} pixels of {side:g} {unit}, {system.name}'


def write_page(
    made: WrittenMap,
    out: str | Path,
    imagery: Mapping[str, Source],
    title: str | None = None,
    bands: Sequence[str] | None = None,
    unpainted: Sequence[str] = (),
    edge: int = 1600,
) -> Path:
    """Write one HTML file: swipe, legend, scale bar, areas per class.

    Imagery and map lie under the swipe.

    Pictures are embedded, nothing is loaded from elsewhere. The swipe is a slider: it is moved by
    pointer, by touch and with the arrow keys.

    Args:
        made: The map.
        out: The file.
        imagery: Rasters by the name shown, one or two dates in order: ``{'Before': ['a.tif'],
            'After': ['b.tif']}``; each one file, one per band, or bands as file and number.
        title: Heading. Defaults to None, the name of the map's file.
        bands: One or three bands for the pictures. Defaults to None, red, green and blue where they
            can be found.
        unpainted: Names of classes that are left transparent, such as what has not changed.
        edge: Longest side of the pictures in pixels. Defaults to 1600.

    Returns:
        The file.

    Raises:
        BandError: A raster has no such band.
        ConfigError: The map has no such class.
        RasterError: A raster cannot be read or lies elsewhere.
    """
    out = Path(out)
    size = shrink_size(made, edge)
    colours = draw_map(made, size, unpainted)
    pictures = draw_imagery(made, list(imagery.values()), size, bands)
    page = render_template(
        Path(__file__).parent,
        'page.html.jinja',
        title=title or made.path.stem,
        pictures=[
            dict(name=name, uri=embed_picture(Image.fromarray(picture)))
            for name, picture in zip(imagery, pictures, strict=True)
        ],
        map_uri=embed_picture(Image.fromarray(colours)),
        size=size,
        metres=_measure_width(made),
        rows=_list_classes(made),
        grid=_describe_grid(made),
        file=made.path.name,
        written=time.strftime('%Y-%m-%d %H:%M'),
        version=__version__,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    replace_text(out, page)
    return out
