"""The results of a study as a table, in text or Markdown."""

import math
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch

from swimdiff.studies.summary import Interval, Scores, summarise

__all__ = ['choose_digits', 'list_columns', 'write_table']

#: Scores side by side; more are continued below.
_WIDE = 2
_NOTE = (
    'mean +- sample standard deviation over the seeds; differences are paired by seed: mean +- '
    'deviation [95 % interval of the mean, Student t]'
)


def list_columns(scores: Scores, patterns: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """List measurement and name of the scores to show.

    Args:
        scores (Scores): All there are.
        patterns (Sequence[str], optional): Of ``measurement.score``, with ``*``; None shows all.
    """
    all_columns = [(name, score) for name, columns in scores.columns.items() for score in columns]
    if patterns is None:
        return all_columns
    return [
        one for one in all_columns if any(fnmatch('.'.join(one), pattern) for pattern in patterns)
    ]


def choose_digits(values: Sequence[float]) -> int:
    """Return the decimals that show about four digits of the largest number."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 4 if largest == 0 else min(6, max(0, 3 - math.floor(math.log10(largest))))


def write_table(
    scores: Scores,
    baseline: str | None,
    title: str,
    markdown: bool = False,
    patterns: Sequence[str] | None = None,
) -> str:
    """Write means, deviations and paired differences, and say what is missing.

    Args:
        scores (Scores): Of a plan.
        baseline (str, optional): The row that the others are compared with.
        title (str): Stands above.
        markdown (bool): Whether to write Markdown instead of text. Defaults to False.
        patterns (Sequence[str], optional): See :func:`list_columns`.
    """
    columns = list_columns(scores, patterns)
    blocks = []
    for name in dict.fromkeys(name for name, _ in columns):
        own = [column for column in columns if column[0] == name]
        for start in range(0, len(own), _WIDE):
            rows = _list_rows(scores, own[start : start + _WIDE], baseline)
            blocks.append('\n'.join(_lay_out(rows, markdown)))
    lines = [title, '', f'{_NOTE}.', '']
    lines.append('\n\n'.join(blocks) if blocks else 'There is nothing to show yet.')
    if scores.remarks:
        lines += ['', *(f'- {remark}' for remark in scores.remarks)]
    return '\n'.join(lines)


def _list_rows(
    scores: Scores, columns: Sequence[tuple[str, str]], baseline: str | None
) -> list[list[str]]:
    """The head, and a row for each label that has one of the scores or should have."""
    name = columns[0][0]
    head = [name, 'seeds']
    for _, score in columns:
        head += [score] + [f'{score} - {baseline}'] * (baseline is not None)
    rows = [head]
    digits = {
        score: choose_digits(
            [value for row in scores.rows for value in scores.get(row, name, score).values()]
        )
        for _, score in columns
    }
    for row in scores.rows:
        cells = []
        most = 0
        for _, score in columns:
            values = scores.get(row, name, score)
            most = max(most, len(values))
            cells.append(_show(summarise(list(values.values())), digits[score]))
            if baseline is not None:
                each = {} if row == baseline else scores.subtract(row, baseline, name, score)
                pair = summarise(list(each.values()))
                count = len(each) if row in scores.fixed else len(values)
                cells.append(_show_difference(pair, digits[score], count))
        if most:
            seed_count = len(scores.seeds[row])
            rows.append(
                [row, str(most) if most == seed_count else f'{most} of {seed_count}', *cells]
            )
    return rows


def _show(values: Interval | None, digits: int) -> str:
    if values is None:
        return ''
    spread = f' +- {values.deviation:.{digits}f}' if values.count > 1 else ''
    return f'{values.mean:.{digits}f}{spread}'


def _show_difference(pair: Interval | None, digits: int, count: int) -> str:
    if pair is None:
        return ''
    text = f'{pair.mean:+.{digits}f}'
    if pair.count > 1:
        ends = f'{pair.low:+.{digits}f}, {pair.high:+.{digits}f}'
        text += f' +- {pair.deviation:.{digits}f} [{ends}]'
    return text if pair.count == count else f'{text} ({pair.count} pairs)'


def _lay_out(rows: Sequence[Sequence[str]], markdown: bool) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        padded_cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield f'| {" | ".join(padded_cells)} |' if markdown else '  '.join(padded_cells).rstrip()
        if number == 0:
            rules = ['-' * width for width in widths]
            yield f'| {" | ".join(rules)} |' if markdown else '  '.join(rules)
