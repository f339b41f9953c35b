"""Import of ``pyarrow``, which writes and reads the tables of embeddings."""

from types import ModuleType

from swimdiff.errors import MissingExtraError

__all__ = ['import_arrow']


def import_arrow() -> tuple[ModuleType, ModuleType]:
    """Import ``pyarrow`` and ``pyarrow.parquet``.

    Raises:
        MissingExtraError: The extra ``maps`` is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            'Tables of embeddings are GeoParquet, which pyarrow writes and reads, and it does not '
            f"load ({error}): pip install 'swimdiff[maps]'"
        ) from error
    return pyarrow, parquet
