"""Options of one map, and the result of writing it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from swimdiff.errors import ConfigError

__all__ = ['CLOUD_VALUES', 'DATES', 'MapJob', 'MapResult', 'Seams']

#: Dates that each kind of map is made of.
DATES: Mapping[str, int] = {'change': 2, 'landcover': 1}

#: Cloud shadow, cloud of medium and of high probability, thin cirrus, in the scene classification
#: (SCL) of Sentinel-2 level 2A.
CLOUD_VALUES = (3, 8, 9, 10)

#: Types that probabilities are written as.
_PROBABILITIES = (None, 'uint8', 'float32')


@dataclass(frozen=True)
class MapJob:
    """Hold one map to write.

    Args:
        kind (str): ``change`` (two dates) or ``landcover`` (one).
        inputs (tuple[str, ...]): Each date: a raster with all bands, or a folder with one file per
            band (a Sentinel-2 product too).
        out (Path): The GeoTIFF to write.
        bands (tuple[str, ...], optional): Names of the bands of every input file in their order.
            Defaults to None, as the files describe them.
        unit (str, optional): Unit of the pixels, one of :data:`swimdiff.bands.units.UNITS`.
            Defaults to None, found from the type of the pixels and checked by their values.
        offset (int, optional): What is taken off the numbers of the files, 0 or above. Defaults to
            None, as the files, the product's metadata or its name say.
        grid (Path, optional): A raster whose grid the map gets. Defaults to None, the grid of the
            first date.
        resolution (float, optional): Side of a pixel in units of the grid's system. Defaults to
            None, as the grid has it.
        bounds (tuple, optional): West, south, east and north edge in units of the grid's system,
            moved to the nearest edges of pixels. Defaults to None, the whole grid.
        cloud_masks (tuple[str, ...]): Rasters on any grid; where one says cloud, the map has no
            data.
        cloud_values (tuple[int, ...]): Values of them that are cloud. Defaults to
            :data:`CLOUD_VALUES`.
        size (int): Side of a window in pixels. Defaults to 512.
        margin (int): Pixels at each side of a window that are cut, or blended with the window
            beside it. Defaults to 64.
        align (int): Windows begin at multiples of this, so that a convolutional network whose
            strides divide it sees pixels as in one pass; the last window of a row is up to
            ``align - 1`` pixels longer. With 1 all windows have exactly the size, as some
            transformers want. Defaults to 32.
        mode (str): ``blend`` or ``crop``. Defaults to ``blend``.
        batch_size (int): Windows per pass of the network. Defaults to 4.
        threshold (float, optional): Probability above which a pixel is changed, 0 to 1. Defaults
            to None, as the checkpoint says, else 0.5.
        probabilities (str, optional): Type of a second file of probabilities, ``uint8`` or
            ``float32``. Defaults to None, no such file.
        overwrite (bool): True replaces files that are there. Defaults to False.
        seams (bool): True measures seams. Defaults to False.

    Raises:
        ConfigError: Options that do not fit together.
    """

    kind: str
    inputs: tuple[str, ...]
    out: Path
    bands: tuple[str, ...] | None = None
    unit: str | None = None
    offset: int | None = None
    grid: Path | None = None
    resolution: float | None = None
    bounds: tuple[float, float, float, float] | None = None
    cloud_masks: tuple[str, ...] = ()
    cloud_values: tuple[int, ...] = CLOUD_VALUES
    size: int = 512
    margin: int = 64
    align: int = 32
    mode: str = 'blend'
    batch_size: int = 4
    threshold: float | None = None
    probabilities: str | None = None
    overwrite: bool = False
    seams: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, 'inputs', tuple(str(path) for path in self.inputs))
        object.__setattr__(self, 'out', Path(self.out).expanduser())
        if self.kind not in DATES:
            raise ConfigError(f'kind={self.kind!r}: expected one of {", ".join(DATES)}.')
        if len(self.inputs) != DATES[self.kind]:
            raise ConfigError(
                f'A map of {self.kind} is made of {DATES[self.kind]} input(s); found '
                f'{len(self.inputs)}: {", ".join(self.inputs) or "none"}.'
            )
        if self.out.suffix.lower() not in ('.tif', '.tiff'):
            raise ConfigError(f'{self.out}: a map is a GeoTIFF; name a file that ends in .tif.')
        if self.probabilities not in _PROBABILITIES:
            raise ConfigError(
                f'probabilities={self.probabilities!r}: expected uint8, float32 or none.'
            )
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError(f'threshold={self.threshold}: expected a probability, 0 to 1.')
        if self.resolution is not None and not self.resolution > 0:
            raise ConfigError(f'resolution={self.resolution}: expected a size above 0.')

    @property
    def probability_path(self) -> Path | None:
        """Return the file of probabilities; None where none is asked for."""
        if self.probabilities is None:
            return None
        return self.out.with_name(f'{self.out.stem}_probability{self.out.suffix}')


@dataclass(frozen=True)
class Seams:
    """Hold the mean difference of probabilities of two neighbouring pixels.

    Args:
        border (float): Where two windows meet; NaN where none do.
        elsewhere (float): Anywhere else.
    """

    border: float
    elsewhere: float

    def describe(self) -> str:
        """Return one line for a terminal."""
        if self.border != self.border:
            return 'seams: one window, nothing to compare'
        ratio = self.border / self.elsewhere if self.elsewhere else float('nan')
        return (
            f'seams: a step of {self.border:.5f} where windows meet, {self.elsewhere:.5f} '
            f'elsewhere ({ratio:.2f} times)'
        )


@dataclass(frozen=True)
class MapResult:
    """Hold a map that is written.

    Args:
        path (Path): The GeoTIFF.
        probability_path (Path, optional): The file of probabilities: one band of the probability
            of change, or one per class.
        classes (tuple[str, ...]): Names of the values 0, 1, ... of the map.
        colours (tuple): Red, green and blue of each, 0 to 255.
        counts (tuple[int, ...]): Pixels of each class.
        nodata_count (int): Pixels without data.
        seconds (float): Time it took, with reading and writing.
        threshold (float, optional): Probability above which a pixel is changed; None for land
            cover.
        seams (Seams, optional): The measure of seams, where it was asked for.
    """

    path: Path
    probability_path: Path | None
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    counts: tuple[int, ...]
    nodata_count: int = 0
    seconds: float = 0.0
    threshold: float | None = None
    seams: Seams | None = field(default=None)
