"""The self-supervisor and its parts, one idea a file."""

from swimdiff.utils.diagnosis import quiet

with quiet():  # the engine prints, when first imported, which optional parts are not there
    from swimdiff.models.band_classifier import BandClassifier
    from swimdiff.models.change import (
        ChangePreprocessor,
        ChangeUNetHead,
        FeatureDifference,
        SiameseEncoder,
    )
    from swimdiff.models.data_preprocessor import MultiBandPreprocessor
    from swimdiff.models.denoising_decoder import DenoisingDecoder
    from swimdiff.models.device_views import DeviceViews
    from swimdiff.models.diffusion_branch import DiffusionBranch
    from swimdiff.models.diffusion_loss import DiffusionLoss
    from swimdiff.models.label_rules import LabelRule
    from swimdiff.models.momentum_encoder import MomentumEncoder
    from swimdiff.models.multilabel_loss import MultiLabelSoftMarginLoss
    from swimdiff.models.noise_schedule import NoiseSchedule
    from swimdiff.models.pretrained import Pretrained
    from swimdiff.models.projection_neck import ProjectionNeck
    from swimdiff.models.scene_matching_head import SceneMatchingHead
    from swimdiff.models.scene_queue import SceneQueue
    from swimdiff.models.swimdiff import SwiMDiff
    from swimdiff.utils.engine_loading import guard_engine

__all__ = [
    'BandClassifier',
    'ChangePreprocessor',
    'ChangeUNetHead',
    'DenoisingDecoder',
    'DeviceViews',
    'DiffusionBranch',
    'DiffusionLoss',
    'FeatureDifference',
    'LabelRule',
    'MomentumEncoder',
    'MultiBandPreprocessor',
    'MultiLabelSoftMarginLoss',
    'NoiseSchedule',
    'Pretrained',
    'ProjectionNeck',
    'SceneMatchingHead',
    'SceneQueue',
    'SiameseEncoder',
    'SwiMDiff',
]

# Whoever builds our models loads their weights without running code from the file.
guard_engine()
