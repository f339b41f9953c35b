"""Studies: variants of a config trained with several seeds, measured, and held side by side."""

from swimdiff.environment.cores import count_cores
from swimdiff.studies.plan import Plan, Variant, read_plan
from swimdiff.studies.plot import draw_plot
from swimdiff.studies.results import Record, ResultsFile
from swimdiff.studies.study import Study
from swimdiff.studies.summary import collect_scores
from swimdiff.studies.table import write_table
from swimdiff.studies.workers import run_workers

__all__ = [
    'Plan',
    'Record',
    'ResultsFile',
    'Study',
    'Variant',
    'collect_scores',
    'count_cores',
    'draw_plot',
    'read_plan',
    'run_workers',
    'write_table',
]
