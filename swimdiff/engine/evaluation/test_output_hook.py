"""Files of what a test predicts (``tools/test.py --out``): masks, probabilities, scores."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image

from swimdiff.engine.evaluation.tile_canvas import TileCanvas, gather_canvases
from swimdiff.errors import ConfigError, DataError
from swimdiff.evaluation.change_metric import change_counts, change_scores
from swimdiff.registry import HOOKS

__all__ = ['TestOutputHook']

_IGNORED = 255
_COUNTS = ('true_positives', 'false_positives', 'false_negatives', 'true_negatives')
_SCORES = ('precision', 'recall', 'F1', 'IoU', 'kappa')


@HOOKS.register_module()
class TestOutputHook(Hook):
    """Write what a test predicts, per image.

    Change detection: ``masks/{image}.png`` (0 no change, 255 change), ``probabilities/{image}.tif``
    (float32, 0 to 1) and ``scores.csv`` with the counts of pixels and the scores of each image in
    percent, empty without a mask. Tiles are put together to whole images, across processes too.

    Classification: ``predictions.csv`` with the path, the true class where it is known, the
    predicted class and the probability of every class.

    Args:
        out_dir (str): Folder of the files; it must be empty or not there yet, so that nothing of an
            older test is taken for this one's.

    Raises:
        DataError: If the folder holds files.
        ConfigError: If the pipeline keeps back what is needed.

    Examples:
        >>> custom_hooks = [dict(type='TestOutputHook', out_dir='predictions')]
    """

    __test__ = False  # not a test, whatever its name
    priority = 'LOW'

    def __init__(self, out_dir: str) -> None:
        self.out_dir = Path(out_dir).expanduser()
        self._canvases: dict[str, TileCanvas] = {}
        self._rows: list[dict[str, Any]] = []
        self._classes: Sequence[str] = ()

    def before_test(self, runner: Runner) -> None:
        """Start with nothing, in an empty folder."""
        self._canvases, self._rows = {}, []
        self._classes = runner.test_dataloader.dataset.metainfo.get('classes') or ()
        if is_main_process() and self.out_dir.is_dir() and any(self.out_dir.iterdir()):
            raise DataError(
                f'{self.out_dir} is not empty: files of another test would be mixed with those of '
                'this one. Name a new folder with --out, or delete it.'
            )

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Take over the predictions of a batch."""
        for sample in outputs or ():
            if 'pred_sem_seg' in sample:
                self._paste(sample)
            elif 'pred_score' in sample:
                self._rows.append(self._classify(sample))
            else:
                raise ConfigError(
                    f'TestOutputHook: a prediction without pred_sem_seg or pred_score '
                    f'({sample.keys()}). Expected the model of a change or classification config.'
                )

    def _paste(self, sample: Any) -> None:
        missing_keys = [key for key in ('image_id', 'full_shape', 'window') if key not in sample]
        if missing_keys:
            raise ConfigError(
                f'TestOutputHook: put {missing_keys} into meta_keys of PackSegInputs.'
            )
        logits = sample.seg_logits.data
        if len(logits) > 2:
            raise ConfigError(
                f'TestOutputHook: a prediction of {len(logits)} classes per pixel. Expected change '
                'detection or classification; tools/predict.py landcover writes such maps.'
            )
        # One channel has gone through the sigmoid already; two are logits of both classes.
        change = logits[0] if len(logits) == 1 else logits.softmax(dim=0)[1]
        layers = dict(
            probability=change.float().cpu().numpy(),
            prediction=sample.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8),
        )
        if 'gt_sem_seg' in sample:
            layers['mask'] = sample.gt_sem_seg.data[0].cpu().numpy().astype(np.uint8)
        name = str(sample.image_id)
        shape = tuple(sample.full_shape)
        fill = dict(mask=_IGNORED, probability=float('nan'))
        canvas = self._canvases.setdefault(name, TileCanvas(shape, fill))
        canvas.paste(sample.window, layers)
        if canvas.is_whole:
            self._write_image(name, self._canvases.pop(name))

    def _write_image(self, name: str, canvas: TileCanvas) -> None:
        prediction = canvas.layers['prediction']
        for folder, suffix, pixels in (
            ('masks', 'png', np.where(prediction == 1, 255, 0).astype(np.uint8)),
            ('probabilities', 'tif', canvas.layers['probability']),
        ):
            path = self.out_dir / folder / f'{name}.{suffix}'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
        row: dict[str, Any] = dict(image=name)
        if 'mask' in canvas.layers:
            counts = change_counts(prediction, canvas.layers['mask'])
            row.update(zip(_COUNTS, counts.tolist(), strict=True), **change_scores(counts))
        self._rows.append(row)

    def _classify(self, sample: Any) -> dict[str, Any]:
        scores = sample.pred_score.float().cpu().tolist()
        names = list(self._classes) or [str(i) for i in range(len(scores))]
        row: dict[str, Any] = dict(image=sample.get('img_path'), true='')
        if 'gt_label' in sample:
            row['true'] = '; '.join(names[i] for i in sample.gt_label.tolist())
        row['predicted'] = '; '.join(names[i] for i in sample.pred_label.tolist())
        return row | dict(zip(names, scores, strict=True))

    def after_test(self, runner: Runner) -> None:
        """Join what is spread over the processes, write the table, say where it is."""
        parts = all_gather_object(self._rows)
        # A sampler fills up the last round with samples that another process has already.
        rows = {row['image']: row for part in parts for row in part}
        rest = gather_canvases(self._canvases)
        if not is_main_process():
            return
        for name, canvas in rest.items():
            if name not in rows:
                self._write_image(name, canvas)
                rows[name] = self._rows[-1]
        if not rows:
            return
        first = next(iter(rows.values()))
        is_change = 'predicted' not in first
        fields = ['image', *_COUNTS, *_SCORES] if is_change else list(first)
        self.out_dir.mkdir(parents=True, exist_ok=True)
        path = self.out_dir / ('scores.csv' if is_change else 'predictions.csv')
        with path.open('w', newline='') as file:
            table = csv.DictWriter(file, fields)
            table.writeheader()
            table.writerows(rows[name] for name in sorted(rows))
        what = 'masks, probabilities and scores' if is_change else 'predictions'
        runner.logger.info(f'{what} of {len(rows)} images in {self.out_dir.absolute()}')
