"""Sensors whose products tell by their names what they are: a band name belongs to a sensor.

``B3`` is green for Sentinel-2 and red for Landsat 7. A raster whose name, or a folder above it, is
named like a product of another sensor has no bands of Sentinel-2: its bands carry the name of their
sensor, ``TM_B3``.

Sources of the names: USGS, Landsat Collection 1 and 2 product identifiers and pre-collection scene
identifiers; NASA, MODIS file naming; HLS User Guide v2.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from swimdiff.errors import ConfigError

__all__ = ['SENSORS', 'Sensor', 'find_sensor']


@dataclass(frozen=True)
class Sensor:
    """Hold one sensor, or several whose bands are numbered alike.

    Args:
        name: Short name, which its bands begin with.
        title: Name for messages.
        products: Regular expression of the beginning of its products' names.
        bands: Number of its bands.
    """

    name: str
    title: str
    products: str
    bands: int

    def name_band(self, text: str) -> str:
        """Return the name of a band, ``B3`` or ``b03`` as ``TM_B3``; '' for no such band."""
        match = re.fullmatch(r'b(?:and)?_?0?(\d{1,2})', text.strip(), re.I)
        is_known = match is not None and 1 <= int(match[1]) <= self.bands
        return f'{self.name}_B{int(match[1])}' if match and is_known else ''


def _landsat(letters: str, satellites: str) -> str:
    """Return the names of Landsat products: of collections, before them, and of the GLCF."""
    return (
        rf'L[{letters}]0[{satellites}]_[A-Z0-9]{{2,4}}_\d{{6}}_\d{{8}}'
        rf'|L[{letters}][{satellites}]\d{{13}}[A-Z]{{3}}\d{{2}}'
        rf'|L[{satellites}]\d{{7}}_\d{{11}}'
    )


#: By short name.
SENSORS: Mapping[str, Sensor] = {
    sensor.name: sensor
    for sensor in (
        Sensor('MSS', 'Landsat MSS', _landsat('M', '1-5'), 8),
        Sensor('TM', 'Landsat 4, 5 or 7 (TM, ETM+)', _landsat('TE', '457'), 8),
        Sensor('OLI', 'Landsat 8 or 9 (OLI)', rf'{_landsat("COT", "89")}|HLS\.L30\.', 11),
        Sensor('MODIS', 'MODIS', r'M[OYC]D\w+\.A\d{7}\.', 36),
    )
}


def find_sensor(path: str, given: str | None = None) -> Sensor | None:
    """Return the sensor of a file; None for Sentinel-2, the usual one.

    Args:
        path: The file with its folders.
        given: Name of the sensor, or ``Sentinel-2``, where it is known.

    Raises:
        ConfigError: No such sensor.
    """
    if given is not None:
        if given != 'Sentinel-2' and given not in SENSORS:
            raise ConfigError(
                f'sensor={given!r}: expected one of Sentinel-2, {", ".join(SENSORS)}, or None to '
                'take it from the names of the files.'
            )
        return SENSORS.get(given)
    for part in reversed(path.split('/')):
        for sensor in SENSORS.values():
            if re.match(rf'(?:{sensor.products})', part, re.I):
                return sensor
    return None
