"""The self-supervisor and its parts, one idea a file."""

from swimdiff.environment.diagnosis import quiet

with quiet():  # the engine prints, when first imported, which optional parts are not there
    from swimdiff.models.change import (
        ChangePreprocessor,
        ChangeUNetHead,
        FeatureDifference,
        SiameseEncoder,
    )
    from swimdiff.models.classification.band_classifier import BandClassifier
    from swimdiff.models.classification.multilabel_loss import MultiLabelSoftMarginLoss
    from swimdiff.models.diffusion.denoising_decoder import DenoisingDecoder
    from swimdiff.models.diffusion.diffusion_branch import DiffusionBranch
    from swimdiff.models.diffusion.diffusion_loss import DiffusionLoss
    from swimdiff.models.diffusion.noise_schedule import NoiseSchedule
    from swimdiff.models.landcover import CoverSegmentor
    from swimdiff.models.preprocessors.device_views import DeviceViews
    from swimdiff.models.preprocessors.multi_band_preprocessor import MultiBandPreprocessor
    from swimdiff.models.selfsup.label_rules import LabelRule
    from swimdiff.models.selfsup.momentum_encoder import MomentumEncoder
    from swimdiff.models.selfsup.projection_neck import ProjectionNeck
    from swimdiff.models.selfsup.scene_matching_head import SceneMatchingHead
    from swimdiff.models.selfsup.scene_queue import SceneQueue
    from swimdiff.models.selfsup.swimdiff import SwiMDiff
    from swimdiff.weights.pretrained import Pretrained

__all__ = [
    'BandClassifier',
    'ChangePreprocessor',
    'ChangeUNetHead',
    'CoverSegmentor',
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
