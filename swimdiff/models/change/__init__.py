"""Change detection: the parts that mmsegmentation's ``EncoderDecoder`` lacks for two dates."""

from swimdiff.models.change.change_preprocessor import ChangePreprocessor
from swimdiff.models.change.change_segmentor import ChangeSegmentor
from swimdiff.models.change.change_unet_head import ChangeUNetHead
from swimdiff.models.change.difference import FeatureDifference
from swimdiff.models.change.siamese_encoder import SiameseEncoder

__all__ = [
    'ChangePreprocessor',
    'ChangeSegmentor',
    'ChangeUNetHead',
    'FeatureDifference',
    'SiameseEncoder',
]
