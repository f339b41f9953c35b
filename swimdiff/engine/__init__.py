"""Hooks, loops, optimisers and samplers."""

from swimdiff.engine.checkpointing.checkpoint_hook import AtomicCheckpointHook
from swimdiff.engine.checkpointing.stop_hook import StopSignalHook
from swimdiff.engine.evaluation.change_picture_hook import ChangePictureHook
from swimdiff.engine.evaluation.change_threshold_hook import ChangeThresholdHook
from swimdiff.engine.evaluation.knn_hook import OnlineKNNHook
from swimdiff.engine.evaluation.test_output_hook import TestOutputHook
from swimdiff.engine.guards.collapse_hook import CollapseHook
from swimdiff.engine.guards.feature_reliance_hook import FeatureRelianceHook
from swimdiff.engine.guards.finite_loss_hook import FiniteLossHook
from swimdiff.engine.guards.gradient_share_hook import GradientShareHook
from swimdiff.engine.guards.input_statistics_hook import InputStatisticsHook
from swimdiff.engine.guards.scene_mates_hook import SceneMatesHook
from swimdiff.engine.guards.starvation_hook import LoaderStarvationHook
from swimdiff.engine.guards.trend_hook import TrendHook
from swimdiff.engine.logging.lazy_info_hook import LazyRuntimeInfoHook
from swimdiff.engine.logging.progress_bar_hook import ProgressBarHook
from swimdiff.engine.logging.report_hook import ReportHook
from swimdiff.engine.logging.throughput_hook import ThroughputHook
from swimdiff.engine.loops import ResumableEpochLoop, ResumableIterLoop
from swimdiff.engine.optimizers import AutocastOptimWrapper, ZeroOptimizer
from swimdiff.engine.samplers import SceneSampler
from swimdiff.engine.samplers.scene_sampler_hook import SceneSamplerHook
from swimdiff.engine.scaling.batch_recipe import BatchRecipeHook
from swimdiff.engine.scaling.compiled_step_hook import CompiledStepHook
from swimdiff.engine.scaling.sharding import ShardedStrategy, encoder_units

__all__ = [
    'AtomicCheckpointHook',
    'AutocastOptimWrapper',
    'BatchRecipeHook',
    'ChangePictureHook',
    'ChangeThresholdHook',
    'CollapseHook',
    'CompiledStepHook',
    'FeatureRelianceHook',
    'FiniteLossHook',
    'GradientShareHook',
    'InputStatisticsHook',
    'LazyRuntimeInfoHook',
    'LoaderStarvationHook',
    'OnlineKNNHook',
    'ProgressBarHook',
    'ReportHook',
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'SceneMatesHook',
    'SceneSampler',
    'SceneSamplerHook',
    'ShardedStrategy',
    'StopSignalHook',
    'TestOutputHook',
    'ThroughputHook',
    'TrendHook',
    'ZeroOptimizer',
    'encoder_units',
]
