"""Which products are made of a map, and what their files are called."""

from dataclasses import dataclass
from pathlib import Path

from swimdiff.errors import ConfigError
from swimdiff.inference.products.polygon_files import check_polygon_file

__all__ = ['POLYGON_FORMATS', 'ProductOptions']

#: Endings of files of polygons, as the command line names them.
POLYGON_FORMATS = ('gpkg', 'geojson', 'parquet')


@dataclass(frozen=True)
class ProductOptions:
    """Choose products of a map; each lies beside it, with another ending.

    Args:
        polygons: Formats of polygons, of ``POLYGON_FORMATS``.
        minimum_area: Smaller polygons are left out, square metres.
        polygon_classes: Names or values of classes. Defaults to None: of a map of change what has
            changed, otherwise all.
        quicklook: Whether a PNG is written.
        page: Whether a web page is written.
        picture_bands: One or three bands of the model for both, red first. Defaults to None, red,
            green and blue where the model has them, otherwise its first three, or the first.
        qgis_style: Whether the legend is written as a style file of QGIS.

    Raises:
        ConfigError: An option that cannot be, or a package that is missing.
    """

    polygons: tuple[str, ...] = ()
    minimum_area: float = 0.0
    polygon_classes: tuple[str, ...] | None = None
    quicklook: bool = False
    page: bool = False
    picture_bands: tuple[str, ...] | None = None
    qgis_style: bool = False

    def __post_init__(self) -> None:
        for ending in self.polygons:
            check_polygon_file(f'map.{ending}')
        if not self.minimum_area >= 0:
            raise ConfigError(
                f'--minimum-area {self.minimum_area}: expected 0 or more square metres.'
            )
        if self.picture_bands is not None and len(self.picture_bands) not in (1, 3):
            raise ConfigError(
                f'--picture-bands {" ".join(self.picture_bands)}: expected one band, or three '
                '(red, green, blue).'
            )

    @property
    def draws(self) -> bool:
        """Return whether pictures of the inputs are needed."""
        return self.quicklook or self.page

    def list_files(self, out: Path) -> dict[str, Path]:
        """Return the files by kind: an ending of polygons, ``png``, ``html``, ``qml``."""
        others = dict(png=self.quicklook, html=self.page, qml=self.qgis_style)
        kinds = [*self.polygons, *(kind for kind, is_wanted in others.items() if is_wanted)]
        return {kind: out.with_suffix(f'.{kind}') for kind in kinds}
