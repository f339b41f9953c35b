"""A map as a small picture: its colours over the grey image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from swimdiff.files import open_whole
from swimdiff.inference.products.pictures import Source, draw_imagery, draw_map, shrink_size
from swimdiff.inference.products.written_map import WrittenMap

__all__ = ['write_quicklook']

#: Share of the map's colour over the image.
_OPACITY = 0.6


def write_quicklook(
    made: WrittenMap,
    out: str | Path,
    imagery: Source = (),
    bands: Sequence[str] | None = None,
    unpainted: Sequence[str] = (),
    edge: int = 2048,
) -> Path:
    """Write a map as a PNG.

    Args:
        made: The map.
        out: The file.
        imagery: Raster below it: one file, one per band, or bands as file and number. Defaults to
            none: colours alone, transparent where there is no class.
        bands: One or three bands of the raster that make the grey. Defaults to None, red, green
            and blue where they can be found.
        unpainted: Names of classes that show the image alone, such as what has not changed.
        edge: Longest side in pixels. Defaults to 2048.

    Returns:
        The file.

    Raises:
        BandError: The raster has no such band.
        ConfigError: The map has no such class.
        RasterError: The raster cannot be read or lies elsewhere.
    """
    out = Path(out)
    size = shrink_size(made, edge)
    colours = draw_map(made, size, unpainted)
    if imagery:
        grey = draw_imagery(made, [imagery], size, bands)[0].mean(axis=2, keepdims=True)
        share = np.where(colours[..., 3:] == 0, 0.0, _OPACITY)
        colours = ((1 - share) * grey + share * colours[..., :3]).round().astype(np.uint8)
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_whole(out) as file:
        Image.fromarray(colours).save(file, format='PNG', optimize=True)
    return out
