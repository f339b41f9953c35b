"""Scores over whole splits."""

from swimdiff.evaluation.change_metric import ChangeMetric
from swimdiff.evaluation.classification_metrics import MultiLabelAP, SplitAccuracy

__all__ = ['ChangeMetric', 'MultiLabelAP', 'SplitAccuracy']
