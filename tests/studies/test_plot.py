"""The picture of a study: charts where there is something to draw."""

from matplotlib.figure import Figure

from swimdiff.studies.plot import draw_plot
from swimdiff.studies.summary import Scores


def test_no_differences_to_a_baseline_without_the_score(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, 'savefig', lambda figure, *_, **__: figures.append(figure))
    scores = Scores(
        rows=['moco', 'diffusion'],
        columns={'log': ['loss', 'loss_diffusion']},
        values={
            ('moco', 'log', 'loss'): {0: 2.0, 1: 3.0},
            ('diffusion', 'log', 'loss'): {0: 2.5, 1: 3.25},
            ('diffusion', 'log', 'loss_diffusion'): {0: 0.5, 1: 0.25},
        },
    )
    draw_plot(scores, 'moco', 'a study', tmp_path / 'study.png')
    values, differences, more_values, no_differences = figures[0].axes
    assert [line.get_xdata().tolist() for line in values.lines[::2]] == [[2.0, 3.0], [2.5, 3.25]]
    assert differences.lines[1].get_xdata().tolist() == [0.5, 0.25]
    assert more_values.axison and not no_differences.axison
    assert not no_differences.lines and not no_differences.get_title(loc='left')
