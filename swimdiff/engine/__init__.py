"""Hooks, loops, optimisers and samplers."""

from swimdiff.engine.batch_recipe import BatchRecipeHook
from swimdiff.engine.change_picture_hook import ChangePictureHook
from swimdiff.engine.checkpoint_hook import AtomicCheckpointHook
from swimdiff.engine.collapse_hook import CollapseHook
from swimdiff.engine.compiled_step_hook import CompiledStepHook
from swimdiff.engine.feature_reliance_hook import FeatureRelianceHook
from swimdiff.engine.finite_loss_hook import FiniteLossHook
from swimdiff.engine.gradient_share_hook import GradientShareHook
from swimdiff.engine.input_statistics_hook import InputStatisticsHook
from swimdiff.engine.knn_hook import OnlineKNNHook
from swimdiff.engine.lazy_info_hook import LazyRuntimeInfoHook
from swimdiff.engine.loops import ResumableEpochLoop, ResumableIterLoop
from swimdiff.engine.optimizers import LARS, AutocastOptimWrapper, ZeroOptimizer
from swimdiff.engine.progress_bar_hook import ProgressBarHook
from swimdiff.engine.report_hook import ReportHook
from swimdiff.engine.samplers import SceneSampler
from swimdiff.engine.scene_mates_hook import SceneMatesHook
from swimdiff.engine.scene_sampler_hook import SceneSamplerHook
from swimdiff.engine.sharding import ShardedStrategy, encoder_units
from swimdiff.engine.starvation_hook import LoaderStarvationHook
from swimdiff.engine.stop_hook import StopSignalHook
from swimdiff.engine.test_output_hook import TestOutputHook
from swimdiff.engine.throughput_hook import ThroughputHook
from swimdiff.engine.trend_hook import TrendHook
from swimdiff.utils.engine_loading import guard_engine

__all__ = [
    'LARS',
    'AtomicCheckpointHook',
    'AutocastOptimWrapper',
    'BatchRecipeHook',
    'ChangePictureHook',
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

# Runs that use our hooks load checkpoints without running code from them.
guard_engine()
