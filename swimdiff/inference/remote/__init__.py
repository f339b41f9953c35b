"""Inputs that are not on a disk: rasters by address, items of STAC catalogues."""

from swimdiff.inference.remote.addresses import (
    describe_remote,
    explain_failure,
    is_remote,
    shown_name,
)
from swimdiff.inference.remote.preparing import prepare_input
from swimdiff.inference.remote.stac import is_item

__all__ = [
    'describe_remote',
    'explain_failure',
    'is_item',
    'is_remote',
    'prepare_input',
    'shown_name',
]
