"""Leaving out of the output what the engine says to its own developers.

Nothing is changed by an import: tools ask for it, for their own process.
"""

import contextlib
import importlib
import logging

import torch
from mmengine.logging import MMLogger

from swimdiff.environment.diagnosis import quiet

__all__ = ['EngineNoise', 'LongRecords', 'import_engine_quietly', 'quiet_logger', 'start_quietly']

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


#: How the engine's records of some hundred lines begin (environment, config, order of hooks), and
#: those of one line for each weight without decay; of networks without SyncBatchNorm.
_LONG = (
    '\n' + 60 * '-' + '\nSystem environment:',
    'Config:\n',
    'Hooks will be executed in',
    'paramwise_options -- ',
    'Distributed training is not used, all SyncBatchNorm',
)
#: How those of one line for each weight that is not trained end.
_OF_WEIGHTS = ' is skipped since its requires_grad=False'


class LongRecords(logging.Filter):
    """Keep from the screen what fills it and is in the log file anyway."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on a record."""
        text = record.msg
        return not (
            isinstance(text, str) and (text.startswith(_LONG) or text.endswith(_OF_WEIGHTS))
        )


def quiet_logger(logger: MMLogger) -> None:
    """Leave noise out of the log of a run, and long records off the screen.

    The long ones go to the log file alone, which one line names. Without a file they are printed.

    Args:
        logger: Of the run, with its handlers.
    """
    logger.addFilter(EngineNoise())
    files = [one for one in logger.handlers if isinstance(one, logging.FileHandler)]
    for handler in logger.handlers:
        if files and handler not in files:
            handler.addFilter(LongRecords())
    if files:
        logger.info(f'Environment, config and order of hooks are in {files[0].baseFilename}')


def start_quietly() -> None:
    """Begin a tool without the engine's lines to its developers.

    For tools that build models or data sets.
    """
    import_engine_quietly()
    logger = MMLogger.get_current_instance()
    if not any(isinstance(one, EngineNoise) for one in logger.filters):
        logger.addFilter(EngineNoise())
