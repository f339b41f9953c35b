"""Leaving out of the output what the engine says to its own developers.

Nothing is changed by an import: tools ask for it, for their own process.
"""

import contextlib
import importlib
import logging

import torch
from mmengine.logging import MMLogger

from swimdiff.environment.diagnosis import quiet

__all__ = ['EngineNoise', 'import_engine_quietly', 'start_quietly']

#: Packages that print, when they are imported, which optional parts they do not find.
_CHATTY = ('mmcv.cnn', 'mmpretrain.datasets', 'mmseg.datasets')


def import_engine_quietly() -> None:
    """Import what a run imports anyway, without lines about optional parts.

    A package that cannot be imported is left to the part that needs it, with its error.
    """
    for name in _CHATTY:
        with contextlib.suppress(Exception), quiet():
            importlib.import_module(name)


#: What the engine warns of in code of its own.
_OF_DEVELOPERS = ('"FileClient" will be deprecated', 'alias of "LocalBackend"')


class EngineNoise(logging.Filter):
    """Drop lines that no user can act on, and correct one that is wrong.

    The engine warns of its own use of a deprecated class, and calls processes GPUs.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on a line; the engine's count of processes is renamed."""
        text = record.msg
        if not isinstance(text, str):
            return True
        if any(mark in text for mark in _OF_DEVELOPERS):
            return False
        if 'GPU number: ' in text and not torch.cuda.is_available():
            record.msg = text.replace('GPU number: ', 'Processes: ')
        return True


def start_quietly() -> None:
    """Begin a tool without the engine's lines to its developers.

    For tools that build models or data sets.
    """
    import_engine_quietly()
    logger = MMLogger.get_current_instance()
    if not any(isinstance(one, EngineNoise) for one in logger.filters):
        logger.addFilter(EngineNoise())
