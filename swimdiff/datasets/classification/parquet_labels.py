"""The table of BigEarthNet v2: labels and split of every patch, in one parquet file."""

from pathlib import Path
from typing import NamedTuple

from swimdiff.datasets.classification.corine import CLASSES_19
from swimdiff.errors import ConfigError, LayoutError

__all__ = ['Row', 'read_rows']

_NEEDED = ('patch_id', 'labels', 'split')
#: Columns that mark patches which the authors advise to leave out.
_COVERS = ('contains_seasonal_snow', 'contains_cloud_or_shadow')
_NUMBER = {name: number for number, name in enumerate(CLASSES_19)}


class Row(NamedTuple):
    """Describe one patch.

    Args:
        labels: Indices into ``CLASSES_19``, sorted, each once.
        split: As the table has it: ``train``, ``validation`` or ``test``.
        covered: Whether it shows snow, cloud or shadow.
    """

    labels: tuple[int, ...]
    split: str
    covered: bool


def read_rows(path: Path) -> dict[str, Row]:
    """Read the table.

    Args:
        path: The parquet file.

    Returns:
        Rows by name of the patch, in the order of the file.

    Raises:
        ConfigError: pyarrow is not installed.
        LayoutError: The file is damaged, or columns or labels are not those of BigEarthNet v2.
    """
    columns = _read_columns(path)
    patches = columns['patch_id']
    if len(set(patches)) != len(patches):
        twice = next(name for name in patches if patches.count(name) > 1)
        raise LayoutError(f'{path} names {twice!r} more than once. Expected every patch once.')
    covers = [columns[name] for name in _COVERS if name in columns]
    rows: dict[str, Row] = {}
    for number, (patch, labels) in enumerate(zip(patches, columns['labels'], strict=True)):
        unknown_labels = [str(label) for label in labels or [] if label not in _NUMBER]
        if unknown_labels or not labels:
            problem = f'the label {unknown_labels[0]!r}' if unknown_labels else 'no labels'
            raise LayoutError(
                f'{path}: {patch} has {problem}. Expected one or more of the 19 classes of '
                'BigEarthNet; use the table as released.'
            )
        rows[patch] = Row(
            tuple(sorted({_NUMBER[label] for label in labels})),
            str(columns['split'][number]),
            any(cover[number] for cover in covers),
        )
    if not rows:
        raise LayoutError(f'{path} has no rows. Use the table as released.')
    return rows


def _read_columns(path: Path) -> dict[str, list]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError(
            f'{path} is read by pyarrow, which is not installed or does not load ({error}): '
            "pip install 'swimdiff[maps]'"
        ) from error
    expectation = (
        f'Expected the columns {", ".join(_NEEDED)}, as metadata.parquet of BigEarthNet v2.'
    )
    try:
        names = parquet.read_schema(path).names
        absent = [name for name in _NEEDED if name not in names]
        if absent:
            raise LayoutError(
                f'{path} has no {", ".join(absent)}; it has {", ".join(names)}. {expectation}'
            )
        wanted_columns = [*_NEEDED, *(name for name in _COVERS if name in names)]
        return parquet.read_table(path, columns=wanted_columns).to_pydict()
    except (pyarrow.ArrowException, OSError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LayoutError(
            f'{path} ({path.stat().st_size} bytes) cannot be read: {what}. {expectation} Get it '
            'again.'
        ) from error
