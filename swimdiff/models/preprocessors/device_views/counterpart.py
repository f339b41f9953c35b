"""What a transform of the workers needs so that it can run in batches on the device."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from mmcv.transforms import BaseTransform
from torch import Tensor

from swimdiff.errors import ConfigError
from swimdiff.models.preprocessors.device_views.plan import ViewPlan
from swimdiff.registry import DEVICE_TRANSFORMS, TRANSFORMS

__all__ = ['Counterpart', 'find_counterpart']


class Counterpart(ABC):
    """Decide a transform of the workers on the host for a whole batch at once.

    It is made from the transform that the config builds, so options, their defaults and their
    checks are those of the workers. A view is drawn as a row of uniform numbers; :meth:`plan` turns
    the rows of a batch into small tables, and the device only carries out the tables.

    Args:
        transform: The transform as built for the workers.
        bands: Canonical names in the order of the channels.
    """

    #: Type of the transform it represents, as a config names it.
    replaces: ClassVar[str]
    #: Uniform numbers that a view takes.
    numbers: int

    def __init__(self, transform: Any, bands: Sequence[str]) -> None:
        self.transform = transform
        self.bands = tuple(bands)

    @abstractmethod
    def plan(self, drawn: Tensor, plan: ViewPlan) -> None:
        """Enter what is to be done to each view.

        Args:
            drawn: N x ``numbers`` float64 in [0, 1), on the host.
            plan: Of N views, changed in place.
        """


def find_counterpart(step: dict | BaseTransform, bands: Sequence[str]) -> Counterpart:
    """Return the counterpart of a transform.

    Args:
        step: The transform or its config, as in the list that ``TwoViews`` takes.
        bands: Canonical names in the order of the channels.

    Raises:
        ConfigError: It has none.
    """
    transform = TRANSFORMS.build(step) if isinstance(step, dict) else step
    counterpart = DEVICE_TRANSFORMS.get(type(transform).__name__)
    # By the class itself: a subclass, or another library's class of that name, does other things.
    if counterpart is None or TRANSFORMS.get(counterpart.replaces) is not type(transform):
        known_names = sorted(each.replaces for each in DEVICE_TRANSFORMS.module_dict.values())
        raise ConfigError(
            f'DeviceViews: no counterpart on the device for {step}; there are some for '
            f'{", ".join(known_names)}. Leave it out, let the workers make the views (TwoViews in '
            "the pipeline and data_preprocessor=dict(type='MultiBandPreprocessor')), or register a "
            'Counterpart of your own in DEVICE_TRANSFORMS.'
        )
    return counterpart(transform, bands)
