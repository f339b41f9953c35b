"""Hooks and samplers."""

from swimdiff.engine.change_picture_hook import ChangePictureHook
from swimdiff.engine.collapse_hook import CollapseHook
from swimdiff.engine.finite_loss_hook import FiniteLossHook
from swimdiff.engine.knn_hook import OnlineKNNHook
from swimdiff.engine.progress_bar_hook import ProgressBarHook
from swimdiff.engine.report_hook import ReportHook
from swimdiff.engine.scene_mates_hook import SceneMatesHook
from swimdiff.engine.starvation_hook import LoaderStarvationHook
from swimdiff.engine.throughput_hook import ThroughputHook

__all__ = [
    'ChangePictureHook',
    'CollapseHook',
    'FiniteLossHook',
    'LoaderStarvationHook',
    'OnlineKNNHook',
    'ProgressBarHook',
    'ReportHook',
    'SceneMatesHook',
    'ThroughputHook',
]
