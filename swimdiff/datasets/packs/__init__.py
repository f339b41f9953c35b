"""Packed archives: format, reader, builder."""

from swimdiff.datasets.packs.builder import PackOptions, make_pack
from swimdiff.datasets.packs.codecs import decode_jpeg, encode_jpeg, own_strips
from swimdiff.datasets.packs.format import CODECS, Manifest, checksum, read_manifest
from swimdiff.datasets.packs.source import PackSource, is_pack, open_source
from swimdiff.datasets.packs.verify import verify_pack

__all__ = [
    'CODECS',
    'Manifest',
    'PackOptions',
    'PackSource',
    'checksum',
    'decode_jpeg',
    'encode_jpeg',
    'is_pack',
    'make_pack',
    'open_source',
    'own_strips',
    'read_manifest',
    'verify_pack',
]
