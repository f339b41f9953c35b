"""Pictures with three channels: read them, judge their depth, divide them into parts."""

from swimdiff.datasets.pictures.checksums import check_sums
from swimdiff.datasets.pictures.depth import PictureHeader, explain_depth, has_depth, read_header
from swimdiff.datasets.pictures.parts import check_part, divide_pictures
from swimdiff.datasets.pictures.reading import (
    PICTURE_SUFFIXES,
    find_pictures,
    read_picture,
    read_picture_size,
)
from swimdiff.datasets.pictures.source import PictureSource

__all__ = [
    'PICTURE_SUFFIXES',
    'PictureHeader',
    'PictureSource',
    'check_part',
    'check_sums',
    'divide_pictures',
    'explain_depth',
    'find_pictures',
    'has_depth',
    'read_header',
    'read_picture',
    'read_picture_size',
]
