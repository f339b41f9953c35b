"""The sample scene as a tree in the layout of SeCo, for comparisons with other readers of it."""

from pathlib import Path

from swimdiff.bands import SECO_BANDS, SENTINEL2, seco_stem
from swimdiff.datasets.archives import find_sample_scene
from swimdiff.datasets.geo import gdal_modules

__all__ = ['write_sample_tree']

PATCH = 264  # 10 m pixels, as in the release


def write_sample_tree(root: str | Path, stride: int = PATCH) -> str:
    """Write patches of the sample scene as the release has them: uint8 JPEG in TIFF per band.

    Args:
        root: The folder to write.
        stride: 10 m pixels between patches; a multiple of 6 cuts coarse bands at whole pixels.

    Returns:
        A line that says how many patches there are.
    """
    gdal, _ = gdal_modules()
    sources = {
        band: gdal.Open(str(next(find_sample_scene().glob(f'*_{band}.jp2')))) for band in SECO_BANDS
    }
    fine = sources['B04']
    corners = [
        (left, top)
        for top in range(0, fine.RasterYSize - PATCH + 1, stride)
        for left in range(0, fine.RasterXSize - PATCH + 1, stride)
    ]
    for number, (left, top) in enumerate(corners):
        folder = Path(root, f'{number:06d}', '20170216T102101_20170216T102101_T33UUU')
        folder.mkdir(parents=True)
        for band, source in sources.items():
            step = SENTINEL2[band].resolution_m // 10
            gdal.Translate(
                str(folder / f'{seco_stem(band)}.tif'),
                source,
                srcWin=[value // step for value in (left, top, PATCH, PATCH)],
                outputType=gdal.GDT_Byte,
                scaleParams=[[0, 10_000, 0, 255]],
                creationOptions=['COMPRESS=JPEG'],
            )
    return f'{len(corners)} patches of the sample scene in {root}'
