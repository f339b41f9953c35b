"""Putting the report together."""

import time
from collections.abc import Callable
from html import escape
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmpretrain.models.selfsup.base import BaseSelfSupervisor
from torch import nn

from swimdiff.environment.diagnosis import first_line
from swimdiff.evaluation.undisturbed import undisturbed
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.version import __version__
from swimdiff.visualization.report import sections
from swimdiff.visualization.report.pictures import denoising_pictures, view_pictures
from swimdiff.visualization.report.record import RunRecord, read_run
from swimdiff.visualization.report.style import CSS

__all__ = ['write_report']

_STATES = {
    'finished': ('good', 'finished'),
    'stopped': ('bad', 'stopped by a guard'),
    'interrupted': ('warn', 'ended before its last iteration'),
    'running': ('none', 'running, or ended without notice'),
}


def write_report(
    work_dir: str | Path,
    out: str | Path | None = None,
    model: nn.Module | None = None,
    dataset: BaseDataset | None = None,
) -> Path:
    """Write one HTML file about a run, which needs nothing beside itself.

    A section that cannot be made says why; the rest is written.

    Args:
        work_dir (str | Path): Work dir of ``tools/train.py``.
        out (str | Path, optional): The file. Defaults to None, ``report.html`` in the work dir.
        model (nn.Module, optional): The trained model, for the pictures. Its modes and the random
            states are as before afterwards. Defaults to None, no pictures.
        dataset (BaseDataset, optional): What it was trained on. Defaults to None, no pictures.

    Returns:
        Path: The file.

    Raises:
        DataError: The work dir has no log.
    """
    record = read_run(work_dir)
    parts: list[Callable[[], str]] = [
        lambda: sections.tiles_section(record),
        lambda: sections.guards_section(record),
        lambda: sections.charts_section(record),
        lambda: sections.probe_section(record),
        lambda: _pictures(record, model, dataset),
        lambda: sections.throughput_section(record),
        lambda: sections.messages_section(record),
        lambda: sections.stack_section(record),
        lambda: sections.config_section(record),
    ]
    body = ''.join(map(_safely, parts))
    path = Path(out or record.work_dir / 'report.html')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_PAGE.format(name=escape(record.name), css=CSS, head=_head(record), body=body))
    return path


_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<title>{name}: report</title><style>{css}</style></head><body><main>{head}{body}</main></body>'
    '</html>\n'
)


def _safely(part: Callable[[], str]) -> str:
    try:
        return part()
    except Exception as error:
        return f'<p class="sub">A section could not be made: {escape(first_line(error))}</p>'


def _head(record: RunRecord) -> str:
    kind, words = _STATES.get(str(record.facts.get('state')), ('none', 'state unknown'))
    written = time.strftime('%Y-%m-%d %H:%M')
    version = (record.facts.get('stack') or {}).get('swimdiff', __version__).split(' (')[0]
    reason = str(record.facts.get('reason') or '')
    banner = f'<p class="banner bad">{escape(reason)}</p>' if reason else ''
    return (
        f'<header><h1>{escape(record.name)}</h1><span class="state {kind}">{words}</span></header>'
        f'<p class="sub">{escape(str(record.work_dir))} &middot; swimdiff {escape(version)} '
        f'&middot; report written {written}</p>{banner}'
    )


def _pictures(record: RunRecord, model: nn.Module | None, dataset: BaseDataset | None) -> str:
    """Views and denoising, of a self-supervisor that the caller has at hand."""
    if not isinstance(model, BaseSelfSupervisor) or dataset is None:
        return ''
    if not isinstance(model.data_preprocessor, MultiBandPreprocessor):
        return ''
    bands = model.data_preprocessor.bands
    with undisturbed(model):
        made = _safely(lambda: sections.views_section(view_pictures(model, dataset, bands)))
        if getattr(model, 'diffusion', None) is not None:
            made += _safely(
                lambda: sections.denoising_section(denoising_pictures(model, dataset, bands))
            )
    return made
