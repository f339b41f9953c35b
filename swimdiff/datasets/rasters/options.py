"""Options of a folder of scenes, checked once and written into the key of its index."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from swimdiff.bands.sensors import find_sensor
from swimdiff.bands.units import UNITS
from swimdiff.errors import ConfigError

__all__ = ['CloudMask', 'RasterOptions']

#: Masks known by name: Sentinel-2's scene classification (level 2A; cloud shadow, cloud of medium
#: and high probability, thin cirrus), and the cloud bits of level 1C (opaque, cirrus).
_KNOWN_MASKS: Mapping[str, Mapping[str, Any]] = {
    'SCL': dict(band='SCL', values=(3, 8, 9, 10)),
    'QA60': dict(band='QA60', bits=(10, 11)),
}


@dataclass(frozen=True)
class CloudMask:
    """Describe where the cloud mask of a scene is, and which values are cloud.

    Args:
        band: Name of the mask as if it were a band: by file name, by description in a multi-band
            file, or in ``file_bands``.
        file: Instead of ``band``: path of the mask beside the scene, with ``{stem}`` for the name
            of the scene without suffix, e.g. ``{stem}_clouds.tif`` or ``../masks/{stem}.tif``.
        values: Values that are cloud.
        bits: Bits of which any one set is cloud.
        above: Values above this are cloud (a probability).
    """

    band: str | None = None
    file: str | None = None
    values: tuple[int, ...] = ()
    bits: tuple[int, ...] = ()
    above: float | None = None

    @classmethod
    def of(cls, given: 'str | Mapping[str, Any] | CloudMask') -> 'CloudMask':
        """Build from a config: ``SCL``, ``QA60``, or the arguments as a dictionary.

        Raises:
            ConfigError: An unknown name, or arguments that do not fit together.
        """
        if isinstance(given, CloudMask):
            return given
        if isinstance(given, str):
            if given not in _KNOWN_MASKS:
                raise ConfigError(
                    f'clouds={given!r}: known by name are {", ".join(_KNOWN_MASKS)}. Describe '
                    "another mask: clouds=dict(file='{stem}_clouds.tif', values=[1])."
                )
            return cls(**_KNOWN_MASKS[given])
        try:
            mask = cls(**given)
        except TypeError as error:
            raise ConfigError(f'clouds={dict(given)}: {error}.') from None
        if (mask.band is None) == (mask.file is None):
            raise ConfigError(f'clouds={dict(given)}: expected either band or file.')
        if not (mask.values or mask.bits or mask.above is not None):
            raise ConfigError(
                f'clouds={dict(given)}: expected values, bits or above, to know what is cloud.'
            )
        return cls(mask.band, mask.file, tuple(mask.values), tuple(mask.bits), mask.above)


@dataclass(frozen=True)
class RasterOptions:
    """Describe how scenes are found and cut into patches.

    Args:
        file_bands: Names of the bands of every file in their order (None for one not wanted), or
            the number of each name, from 1 as GDAL counts; files then are scenes, whatever their
            names. By default bands are known by file name or by description.
        sensor: The sensor that bands named B1, B2, ... are of: ``Sentinel-2``, or a name in
            :data:`swimdiff.bands.sensors.SENSORS`; None: read from the names of files and folders,
            and Sentinel-2 where these say nothing.
        include: Patterns (``fnmatch``) of paths below ``data_root`` that are taken; all by default.
        exclude: Patterns of paths that are not taken.
        patch: Side of a patch in pixels of the finest band wanted.
        patch_metres: Side of a patch on the ground, instead of ``patch``.
        pixel_metres: Ground size of a pixel of the finest band; files of other pixels are
            resampled. By default pixels are as in the files: with ``patch`` whatever they measure,
            with ``patch_metres`` as in the first scene.
        windows: ``grid``: fixed windows side by side. ``random``: at each access a window at
            random within a cell of the grid.
        stride: Side of a cell of the grid in pixels; by default ``patch`` for windows on a grid,
            twice that for random ones.
        stride_metres: The same on the ground.
        min_valid: Smallest share of a window with data.
        zeros_are_nodata: Whether a pixel that is zero in every band looked at is without data, as
            at the edges of Sentinel-2, which declares nothing.
        clouds: The cloud mask, see :class:`CloudMask`; None: clouds are not judged.
        min_clear: Smallest share of the data in a window that is free of cloud.
        same_place: Share of the smaller of two footprints that must lie in the other for the two
            to be dates of one place.
        unit: What a pixel says, see :mod:`swimdiff.bands.units`; None: nothing is checked. With
            ``reflectance x 10000`` the 1000 that Sentinel-2 products (``..._N0400_...`` and later)
            add to their numbers are taken off.
        offset: What is taken off the numbers of all files, 0 or above; None: what files declare
            (scale and offset of their bands), or the metadata or name of a Sentinel-2 product says.

    Raises:
        ConfigError: Options that do not fit together.
    """

    file_bands: tuple[str | None, ...] | Mapping[str, int] | None = None
    sensor: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    patch: int | None = None
    patch_metres: float | None = None
    pixel_metres: float | None = None
    windows: str = 'grid'
    stride: int | None = None
    stride_metres: float | None = None
    min_valid: float = 0.95
    zeros_are_nodata: bool = True
    clouds: CloudMask | None = None
    min_clear: float = 0.0
    same_place: float = 0.5
    unit: str | None = None
    offset: int | None = None

    def __post_init__(self) -> None:
        for name in ('file_bands', 'include', 'exclude'):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Mapping):
                words = (value,) if isinstance(value, str) else tuple(value)
                object.__setattr__(self, name, words)
        if self.clouds is not None:
            object.__setattr__(self, 'clouds', CloudMask.of(self.clouds))
        self._check_sizes()
        find_sensor('', self.sensor)
        if self.unit is not None:
            # The command line of the engine drops spaces.
            units = {name.replace(' ', ''): name for name in UNITS}
            if self.unit.replace(' ', '') not in units:
                raise ConfigError(
                    f'unit={self.unit!r}: expected one of {", ".join(UNITS)}, or None for others.'
                )
            object.__setattr__(self, 'unit', units[self.unit.replace(' ', '')])
        if self.offset is not None and self.offset < 0:
            raise ConfigError(f'offset={self.offset}: expected a number of 0 or above.')
        for name in ('min_valid', 'min_clear'):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f'{name}={getattr(self, name)}: expected a share from 0 to 1.')
        if not 0 <= self.same_place < 1:
            raise ConfigError(f'same_place={self.same_place}: expected a share from 0 to below 1.')
        if self.min_clear and self.clouds is None:
            raise ConfigError(
                f"min_clear={self.min_clear} needs a cloud mask: clouds='SCL', 'QA60' or "
                "dict(file='{stem}_clouds.tif', values=[1])."
            )

    def _check_sizes(self) -> None:
        if self.windows not in ('grid', 'random'):
            raise ConfigError(f"windows={self.windows!r}: expected 'grid' or 'random'.")
        for one, other in (('patch', 'patch_metres'), ('stride', 'stride_metres')):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ConfigError(f'Both {one} and {other} are given: expected one of them.')
        for name in ('patch', 'patch_metres', 'pixel_metres', 'stride', 'stride_metres'):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f'{name}={value}: expected a size above 0.')
        if self.patch is None and self.patch_metres is None:
            object.__setattr__(self, 'patch', 264)

    @property
    def on_ground(self) -> bool:
        """Return whether windows are measured in metres, not in pixels of the files."""
        return any((self.patch_metres, self.pixel_metres, self.stride_metres))

    @property
    def mask_names(self) -> Sequence[str]:
        """Return the band names beside those wanted: that of the cloud mask."""
        return (self.clouds.band,) if self.clouds and self.clouds.band else ()

    def key(self) -> dict[str, Any]:
        """Return the options for JSON."""
        return asdict(self)
