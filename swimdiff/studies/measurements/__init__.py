"""What a study measures of a cell: registered parts, named by ``type`` in the plan."""

from swimdiff.studies.measurements.base import Measurement, Subject
from swimdiff.studies.measurements.change import ChangeMeasurement
from swimdiff.studies.measurements.log import LogMeasurement
from swimdiff.studies.measurements.probe import ProbeMeasurement
from swimdiff.studies.measurements.rank import RankMeasurement

__all__ = [
    'ChangeMeasurement',
    'LogMeasurement',
    'Measurement',
    'ProbeMeasurement',
    'RankMeasurement',
    'Subject',
]
