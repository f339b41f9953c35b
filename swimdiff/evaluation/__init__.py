"""Scores over whole splits."""

from swimdiff.evaluation.change_metric import ChangeMetric
from swimdiff.evaluation.classification_metrics import MultiLabelAP, SplitAccuracy
from swimdiff.evaluation.cover_metric import SplitIoU

__all__ = ['ChangeMetric', 'MultiLabelAP', 'SplitAccuracy', 'SplitIoU']
