"""Pictures of change results, written while testing (``tools/test.py --show-dir``)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from PIL import Image
from torch import Tensor

from swimdiff.engine.evaluation.tile_canvas import TileCanvas, gather_canvases
from swimdiff.errors import ConfigError
from swimdiff.evaluation.change_metric import change_counts, change_scores
from swimdiff.registry import HOOKS
from swimdiff.visualization.change_picture import change_picture, show_rgb

__all__ = ['ChangePictureHook']

_UNKNOWN = 255


@HOOKS.register_module()
class ChangePictureHook(Hook):
    """Write one picture per test image: dates, mask, prediction and errors.

    Tiles are put together to whole images, across processes too; each picture is written as soon as
    its image is complete.

    Args:
        out_dir (str, optional): Folder of the pictures. Defaults to None.
        enable (bool): Whether anything is written. Defaults to False; ``tools/test.py --show-dir``
            sets both.

    Raises:
        ConfigError: If it is enabled without a folder, or the pipeline keeps back what it needs.

    Example::

        default_hooks = dict(
            visualization=dict(type='ChangePictureHook', enable=True, out_dir='pictures')
        )
    """

    priority = 'LOW'

    def __init__(self, out_dir: str | None = None, enable: bool = False) -> None:
        if enable and not out_dir:
            raise ConfigError(
                'ChangePictureHook: enable=True needs out_dir, the folder to write to.'
            )
        self.out_dir = Path(out_dir or '.')
        self.enable = enable
        self._canvases: dict[str, TileCanvas] = {}
        self._written = 0

    def before_test(self, runner: Runner) -> None:
        """Start with no image."""
        self._canvases, self._written = {}, 0

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Paste the tiles of a batch."""
        if not self.enable or outputs is None or not isinstance(data_batch, dict):
            return
        for pixels, sample in zip(data_batch['inputs'], outputs, strict=True):
            self._paste(pixels, sample)

    def _paste(self, pixels: Tensor, sample: SegDataSample) -> None:
        needed_keys = ('image_id', 'full_shape', 'window', 'band_names')
        missing_keys = [key for key in needed_keys if key not in sample]
        if missing_keys:
            raise ConfigError(
                f'ChangePictureHook: put {missing_keys} into meta_keys of PackSegInputs.'
            )
        image = pixels.permute(1, 2, 0).cpu().numpy()
        dates = [show_rgb(date, sample.band_names) for date in np.split(image, 2, axis=2)]
        prediction = sample.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8)
        layers = dict(first=dates[0], second=dates[1], prediction=prediction)
        if 'gt_sem_seg' in sample:
            layers['mask'] = sample.gt_sem_seg.data[0].cpu().numpy().astype(np.uint8)
        name = str(sample.image_id)
        fill = dict(prediction=_UNKNOWN, mask=_UNKNOWN)
        canvas = self._canvases.setdefault(name, TileCanvas(tuple(sample.full_shape), fill))
        canvas.paste(sample.window, layers)
        if canvas.is_whole:
            self._write(name, self._canvases.pop(name))

    def _write(self, name: str, canvas: TileCanvas) -> None:
        prediction, mask = canvas.layers['prediction'], canvas.layers.get('mask')
        title = name
        if mask is not None:
            scores = change_scores(change_counts(prediction, mask))
            title += '   this image alone: ' + '  '.join(
                f'{key} {scores[key]:.1f}' for key in ('precision', 'recall', 'F1')
            )
        picture = change_picture(
            (canvas.layers['first'], canvas.layers['second']), prediction, mask, title
        )
        self.out_dir.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(self.out_dir / f'{name}.png')
        self._written += 1

    def after_test(self, runner: Runner) -> None:
        """Put together what is spread over the processes, and say where the pictures are."""
        if not self.enable:
            return
        canvases = gather_canvases(self._canvases)
        count = sum(all_gather_object(self._written))
        if not is_main_process():
            return
        for name, canvas in canvases.items():
            self._write(name, canvas)
        runner.logger.info(f'{count + len(canvases)} pictures in {self.out_dir.absolute()}')
