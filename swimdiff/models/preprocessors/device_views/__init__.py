"""Views of whole batches on the device, with the semantics of the workers' transforms."""

from swimdiff.models.preprocessors.device_views.blur import DeviceBlur
from swimdiff.models.preprocessors.device_views.colour import DeviceColorJitter, DeviceGrey
from swimdiff.models.preprocessors.device_views.counterpart import Counterpart
from swimdiff.models.preprocessors.device_views.crop import DeviceRandomResizedCrop
from swimdiff.models.preprocessors.device_views.preprocessor import DeviceViews
from swimdiff.models.preprocessors.device_views.turns import DeviceQuarterTurn, DeviceRandomFlip

__all__ = [
    'Counterpart',
    'DeviceBlur',
    'DeviceColorJitter',
    'DeviceGrey',
    'DeviceQuarterTurn',
    'DeviceRandomFlip',
    'DeviceRandomResizedCrop',
    'DeviceViews',
]
