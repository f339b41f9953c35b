"""Putting the report together."""

import time
from collections.abc import Callable
from pathlib import Path

from markupsafe import Markup
from mmengine.dataset import BaseDataset
from mmpretrain.models.selfsup.base import BaseSelfSupervisor
from torch import nn

from swimdiff.environment.diagnosis import first_line
from swimdiff.evaluation.undisturbed import undisturbed
from swimdiff.files import replace_text
from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
from swimdiff.version import __version__
from swimdiff.visualization.report import sections
from swimdiff.visualization.report.pictures import denoising_pictures, view_pictures
from swimdiff.visualization.report.record import read_run

__all__ = ['write_report']


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
    parts: list[Callable[[], Markup]] = [
        lambda: sections.tiles_section(record),
        lambda: sections.guards_section(record),
        lambda: sections.charts_section(record),
        lambda: sections.probe_section(record),
        lambda: _show_pictures(model, dataset),
        lambda: sections.throughput_section(record),
        lambda: sections.messages_section(record),
        lambda: sections.stack_section(record),
        lambda: sections.config_section(record),
    ]
    facts = record.facts
    page = sections.render_part(
        'report',
        name=record.name,
        state=facts.get('state'),
        reason=facts.get('reason') or '',
        work_dir=record.work_dir,
        version=(facts.get('stack') or {}).get('swimdiff', __version__).split(' (')[0],
        written=time.strftime('%Y-%m-%d %H:%M'),
        sections=[_render_safely(part) for part in parts],
    )
    path = Path(out or record.work_dir / 'report.html')
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, page)
    return path


def _render_safely(part: Callable[[], Markup]) -> Markup:
    try:
        return part()
    except Exception as error:
        return sections.render_part('failed', reason=first_line(error))


def _show_pictures(model: nn.Module | None, dataset: BaseDataset | None) -> Markup:
    """Show views and denoising of a self-supervisor that the caller has at hand."""
    if not isinstance(model, BaseSelfSupervisor) or dataset is None:
        return Markup()
    if not isinstance(model.data_preprocessor, MultiBandPreprocessor):
        return Markup()
    bands = model.data_preprocessor.bands
    with undisturbed(model):
        markup = _render_safely(
            lambda: sections.views_section(view_pictures(model, dataset, bands))
        )
        if getattr(model, 'diffusion', None) is not None:
            markup += _render_safely(
                lambda: sections.denoising_section(denoising_pictures(model, dataset, bands))
            )
    return markup
