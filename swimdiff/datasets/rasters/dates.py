"""The date of a raster by its name: by month and day, or by the day of the year."""

import re
from collections.abc import Iterator
from datetime import datetime

__all__ = ['find_date']

_CALENDAR = re.compile(r'(?<!\d)((?:19|20)\d\d)-?(\d\d)-?(\d\d)(?!\d)')
#: Before the collections a Landsat scene was named by satellite, path and row, year and day of the
#: year, station and version: LT50350322008110PAC01.
_LANDSAT = re.compile(r'(?<![A-Za-z0-9])L[COTEM]\d{7}((?:19|20)\d{5})[A-Z]{3}\d\d', re.I)
#: Year and day of the year alone: HLS.L30.T18TYN.2022015T153249, MOD09A1.A2020161.
_DAY_OF_YEAR = re.compile(r'(?<!\d)((?:19|20)\d{5})(?!\d)')


def _read_dates(name: str) -> Iterator[tuple[str, str]]:
    """Return what may be dates in a name, and how each is written; the surest first."""
    yield from ((digits, '%Y%j') for digits in _LANDSAT.findall(name))
    yield from ((''.join(digits), '%Y%m%d') for digits in _CALENDAR.findall(name))
    yield from ((digits, '%Y%j') for digits in _DAY_OF_YEAR.findall(name))


def find_date(name: str) -> str:
    """Return the first true date (YYYYMMDD) in a name; '' without one.

    Of a Sentinel-2 or Landsat product the first date is that of sensing.

    Args:
        name: One name, without folders.
    """
    for digits, form in _read_dates(name):
        try:
            day = datetime.strptime(digits, form)
        except ValueError:
            continue
        if day.year == int(digits[:4]):  # day 366 of other years is the first of the next
            return day.strftime('%Y%m%d')
    return ''
