"""The errors users of the toolkit meet, one small family.

Each message names the file or option, what was expected, what was found and what to do about it, so
that nobody has to read a traceback to repair their data or their config.
"""

__all__ = [
    'BandError',
    'CheckpointError',
    'ConfigError',
    'DataError',
    'DatasetNotFoundError',
    'DivergedError',
    'DownloadError',
    'GdalMissingError',
    'LayoutError',
    'MissingExtraError',
    'RasterError',
    'StoppedError',
    'SwiMDiffError',
    'UnreadableSamplesError',
    'readable',
]


def readable(text: str) -> str:
    """Return a text for logs and terminals: names of files need not be UTF-8."""
    return text.encode('utf-8', 'backslashreplace').decode()


class SwiMDiffError(Exception):
    """Serve as the base of all errors raised on purpose by the toolkit."""

    def __str__(self) -> str:
        # A DataLoader raises a worker's error again with the worker's traceback as its message, of
        # which the last part is what we said.
        text = readable(super().__str__())
        name = f'{type(self).__module__}.{type(self).__name__}: '
        if text.startswith(f'Caught {type(self).__name__} in ') and name in text:
            return text.rpartition(name)[2].rstrip()
        return text


class ConfigError(SwiMDiffError, ValueError):
    """Report options of a config that are unknown or do not fit together."""


class CheckpointError(SwiMDiffError, RuntimeError):
    """Report a checkpoint that is missing, damaged or of another architecture."""


class GdalMissingError(SwiMDiffError, ImportError):
    """Report that the Python bindings of GDAL are missing or do not load."""


class MissingExtraError(SwiMDiffError, ImportError):
    """Report a missing package that only this command needs.

    The message names the extra that brings it.
    """


class DivergedError(SwiMDiffError, ArithmeticError):
    """Report that training has left the numbers."""


class StoppedError(SwiMDiffError):
    """Report that a signal stopped training, with its state saved."""


class DataError(SwiMDiffError):
    """Serve as the base of everything that is wrong with data on disk."""


class DatasetNotFoundError(DataError, FileNotFoundError):
    """Report that the root of a data set is not there.

    The message says the layout expected and where to get the data.
    """


class DownloadError(DataError, OSError):
    """Report an archive that cannot be downloaded or is not the one published.

    It may also not fit the disk.
    """


class LayoutError(DataError):
    """Report a data set that is not laid out as expected.

    For example, it is only partly unpacked.
    """


class MissingBandsError(LayoutError):
    """Report that a raster lacks bands that are wanted.

    Args:
        fact: What is missing and what is there; for a caller that has another advice.
        advice: What to do.
    """

    def __init__(self, fact: str, advice: str = '') -> None:
        super().__init__(f'{fact} {advice}'.rstrip())
        self.fact = fact


class BandError(DataError, ValueError):
    """Report a band name that the sensor or the data set does not have."""


class RasterError(DataError, OSError):
    """Report a raster that cannot be read, or has another size or type."""


class UnreadableSamplesError(DataError):
    """Report that more samples could not be read than the config allows."""
