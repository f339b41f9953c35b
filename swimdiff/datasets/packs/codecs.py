"""Encoded planes of a pack: the JPEG streams of the archive's own files.

SeCo's files are JPEG inside: a tenth of the pixels. Decoding and encoding again would lose, so the
streams themselves are kept, in the first of three ways that gives back GDAL's pixels to the bit:
one JPEG for the plane with the file's own quantisation (encoding what was decoded mostly finds the
same coefficients again; decodes fastest), the file's strips as they are, or the pixels.
"""

import io
import struct

import cv2
import numpy as np

from swimdiff.datasets.geo import open_raster

__all__ = ['decode_jpeg', 'encode_jpeg', 'own_strips']

_SOI = b'\xff\xd8'
#: Fewer than 0xd8ff, so that a number of strips is never taken for the start of a JPEG.
_MOST_STRIPS = 0x7FFF


def encode_jpeg(path: str, plane: np.ndarray) -> bytes | None:
    """Return the JPEG streams of a file, if they give back its pixels.

    Args:
        path: GeoTIFF of one band.
        plane: H x W uint8 pixels as GDAL decodes them.

    Returns:
        Bytes for :func:`decode_jpeg`, or None where the file holds no such streams.
    """
    try:
        strips = _strips(path)
    except (OSError, RuntimeError, ValueError, TypeError):
        return None
    if strips is None:
        return None
    for blob in (_encode_whole(*strips, plane), _join(*strips)):
        if len(blob) < plane.size and _gives(blob, plane):
            return blob
    return None


def own_strips(path: str) -> bytes | None:
    """Return the JPEG strips of a file for :func:`decode_jpeg`, or None."""
    strips = _strips(path)
    return None if strips is None else _join(*strips)


def _gives(blob: bytes, plane: np.ndarray) -> bool:
    decoded_plane = decode_jpeg(np.frombuffer(blob, np.uint8), plane.shape)
    return decoded_plane is not None and np.array_equal(decoded_plane, plane)


def _strips(path: str) -> tuple[bytes, list[bytes]] | None:
    """Tables shared by the strips of a file, and the strips; neither with its start marker."""
    dataset = open_raster(path)
    band = dataset.GetRasterBand(1)
    width, rows = band.GetBlockSize()
    compression = dataset.GetMetadataItem('COMPRESSION', 'IMAGE_STRUCTURE')
    if compression != 'JPEG' or dataset.RasterCount != 1 or width != dataset.RasterXSize:
        return None
    tables = bytes.fromhex(band.GetMetadataItem('JPEGTABLES', 'TIFF') or _SOI.hex())
    strips = []
    count = -(-dataset.RasterYSize // rows)
    if count > _MOST_STRIPS:
        return None
    with open(path, 'rb') as file:
        for number in range(count):
            file.seek(int(band.GetMetadataItem(f'BLOCK_OFFSET_0_{number}', 'TIFF')))
            strip = file.read(int(band.GetMetadataItem(f'BLOCK_SIZE_0_{number}', 'TIFF')))
            if not strip.startswith(_SOI):
                return None
            strips.append(strip.removeprefix(_SOI))
    return tables.removeprefix(_SOI).removesuffix(b'\xff\xd9'), strips


def _encode_whole(tables: bytes, strips: list[bytes], plane: np.ndarray) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(_SOI + tables + strips[0])) as first:
        quantisation = first.quantization  # type: ignore[attr-defined]
    buffer = io.BytesIO()
    Image.fromarray(plane).save(buffer, 'JPEG', qtables=quantisation, optimize=True)
    return buffer.getvalue()


def _join(tables: bytes, strips: list[bytes]) -> bytes:
    """Number of strips, length of the tables and of each strip, then these."""
    lengths = [len(tables), *(len(strip) for strip in strips)]
    return b''.join(
        [struct.pack(f'<H{len(lengths)}I', len(strips), *lengths), tables, *strips],
    )


def decode_jpeg(blob: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Decode the pixels of an encoded plane.

    Args:
        blob: uint8 bytes of :func:`encode_jpeg`.
        shape: Height and width of the plane.

    Returns:
        H x W uint8, or None where the bytes are damaged.
    """
    try:
        if blob[:2].tobytes() == _SOI:
            plane = cv2.imdecode(blob, cv2.IMREAD_GRAYSCALE)
        else:
            plane = _decode_strips(blob.tobytes(), shape)
    except (cv2.error, struct.error, ValueError):
        return None
    return plane if plane is not None and plane.shape == shape else None


def _decode_strips(blob: bytes, shape: tuple[int, ...]) -> np.ndarray | None:
    (count,) = struct.unpack_from('<H', blob)
    lengths = struct.unpack_from(f'<{count + 1}I', blob, 2)
    if 2 + 4 * (count + 1) + sum(lengths) != len(blob):
        return None
    at = 2 + 4 * (count + 1) + lengths[0]
    head = _SOI + blob[at - lengths[0] : at]
    plane, top = np.empty(shape, np.uint8), 0
    for length in lengths[1:]:
        stream = np.frombuffer(head + blob[at : at + length], np.uint8)
        strip = cv2.imdecode(stream, cv2.IMREAD_GRAYSCALE)
        if strip is None:
            return None
        plane[top : top + len(strip)] = strip  # raises where the strip is too wide or too high
        at, top = at + length, top + len(strip)
    return plane if top == shape[0] else None
