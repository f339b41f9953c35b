"""Hooks and samplers."""

from swimdiff.engine.change_picture_hook import ChangePictureHook
from swimdiff.engine.finite_loss_hook import FiniteLossHook
from swimdiff.engine.knn_hook import OnlineKNNHook
from swimdiff.engine.throughput_hook import ThroughputHook

__all__ = ['ChangePictureHook', 'FiniteLossHook', 'OnlineKNNHook', 'ThroughputHook']
