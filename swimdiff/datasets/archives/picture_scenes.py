"""Any folder of pictures without georeference: each picture a scene, its patches the samples."""

from collections.abc import Mapping, Sequence
from typing import Any

from swimdiff.bands import RGB
from swimdiff.datasets.archives.scene_patches import ScenePatches
from swimdiff.registry import DATASETS

__all__ = ['PictureScenes']


@DATASETS.register_module()
class PictureScenes(ScenePatches):
    """Cut the pictures in a folder into patches; each picture is a scene.

    For aerial photos and scene classification sets (RSSCN7, AID) without georeference: JPEG, PNG
    and TIFF of 8 bits, in folders of any depth. The pixels are not stretched, as they are 0..255
    already; statistics for the preprocessor are in the table ``pictures``.

    Args:
        data_root: The folder, or a pack made of it.
        patch: Side of a patch in pixels.
        stride: Distance between patches in pixels; ``patch`` by default. The last row and column
            are moved inwards, so that the whole picture is used.
        bands: Red, green and blue by the names of Sentinel-2's bands, in the order of the channels.
        part: Use one part of the division by ``shares`` only; all pictures by default.
        shares: Share of each part, with a sum of 1; see
            :func:`swimdiff.datasets.pictures.parts.divide_pictures`.
        split_seed: Seed of the division.
        keep: Bytes of decoded pictures that a process keeps in memory; 0 keeps none. Every worker
            of the loader has its own.
        **kwargs: Options of :class:`ScenePatches`. ``max_unreadable`` is also the share of
            pictures that may be left out as damaged or smaller than a patch.

    Raises:
        DatasetNotFoundError: ``data_root`` is not there.
        LayoutError: No picture in it, or one that is left out while none may be.
        BandError: A band beside red, green and blue.
        ConfigError: Options that do not fit together, or a pack made with others.
        RasterError: A picture that cannot be read.

    Examples:
        >>> train_dataloader = dict(
        ...     dataset=dict(
        ...         type='PictureScenes',
        ...         data_root='data/RSSCN7',
        ...         patch=96,
        ...         stride=32,
        ...         part='pretrain',
        ...         shares=dict(pretrain=0.5, train=0.3, val=0.05, test=0.15),
        ...     ),
        ... )
    """

    METAINFO = dict(dataset_type='PictureScenes', task_name='pre-training')

    def __init__(
        self,
        data_root: str,
        patch: int = 96,
        stride: int | None = None,
        bands: Sequence[str] = RGB,
        part: str | None = None,
        shares: Mapping[str, float] | None = None,
        split_seed: int = 0,
        keep: int = 256 * 2**20,
        **kwargs: Any,
    ) -> None:
        source = dict(
            type='PictureSource',
            patch=patch,
            stride=stride,
            part=part,
            shares=shares,
            split_seed=split_seed,
            keep=keep,
        )
        options = {
            'scene': dict(type='FileScene'),
            'stretch': False,
            'stats': 'pictures',
            **kwargs,
        }
        super().__init__(data_root, source, bands=bands, **options)
