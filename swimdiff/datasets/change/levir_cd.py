"""LEVIR-CD (Chen & Shi, Remote Sensing 2020): building change in 637 aerial pairs at 0.5 m."""

from swimdiff.datasets.change.pairs import ChangePairs
from swimdiff.registry import DATASETS

__all__ = ['LEVIRCD']


@DATASETS.register_module()
class LEVIRCD(ChangePairs):
    """Serve LEVIR-CD in its layout ``{train,val,test}/{A,B,label}/*.png``.

    445, 64 and 128 pairs of 1024 x 1024; ``tile=256`` makes the usual 7120, 1024 and 2048 samples
    of them. Pre-cut copies of 256 x 256 are read as they are, in the same layout or as most
    projects share them: ``A``, ``B`` and ``label`` for all splits, ``list/{split}.txt`` for each.

    Args: those of ``ChangePairs``.

    Examples:
        >>> dataset = dict(
        ...     type='LEVIRCD',
        ...     data_root='data/levir-cd',
        ...     split='train',
        ...     tile=256,
        ...     pipeline=[dict(type='LoadChangePair'), dict(type='mmseg.PackSegInputs')],
        ... )
    """

    METAINFO = dict(ChangePairs.METAINFO, dataset_type='LEVIR-CD')
    VARIABLE = 'LEVIR_CD_ROOT'
    SOURCE = (
        "for each of train, val and test. Get it from the authors' page, "
        'justchenhao.github.io/LEVIR (637 pairs).'
    )
