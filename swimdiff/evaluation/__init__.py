"""Scores over whole splits."""

from swimdiff.evaluation.change_metric import ChangeMetric

__all__ = ['ChangeMetric']
