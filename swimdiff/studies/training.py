"""Training a cell in its folder, and going on with one that was stopped."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mmengine.config import Config

from swimdiff.engine.checkpointing.last_checkpoint import find_checkpoint
from swimdiff.files import replace_text
from swimdiff.launch.config_reading import read_config_file
from swimdiff.studies.cells import Cell
from swimdiff.studies.child import Outcome, run_tool
from swimdiff.studies.device_views import makes_views

__all__ = ['CellFolder']


@dataclass(frozen=True)
class CellFolder:
    """Name what the folder of a cell holds.

    Config, log, checkpoints and measurements.

    Args:
        path: The folder.
        cell: Whose it is.
    """

    path: Path
    cell: Cell

    @property
    def run_dir(self) -> Path:
        """Work dir of the training."""
        return self.path / 'run'

    @property
    def _config(self) -> Path:
        return self.path / 'config.py'

    def prepare(self) -> str:
        """Make the folder; what another config has left there is moved aside.

        Returns:
            What was moved, in words; '' if nothing was.
        """
        note = self.path / 'cell.json'
        move_note = ''
        if note.is_file():
            before = json.loads(note.read_text())['config_hash']
            if before != self.cell.config_hash:
                aside = self.path.with_name(f'{self.path.name}_{before}')
                number = 2
                while aside.exists():
                    aside = self.path.with_name(f'{self.path.name}_{before}_{number}')
                    number += 1
                self.path.rename(aside)
                move_note = f'its config changed; the earlier one is kept in {aside}'
        self.path.mkdir(parents=True, exist_ok=True)
        replace_text(note, json.dumps(dict(config_hash=self.cell.config_hash)))
        return move_note

    def find_trained(self, iterations: int) -> Path | None:
        """Return the checkpoint of the whole training, None where it is not there yet."""
        if not self.run_dir.is_dir():
            return None
        good = find_checkpoint(self.run_dir, optimizer=False).good
        return good.path if good and good.iteration >= iterations else None

    def train(self, cfg: Config, threads: int, lock: IO | None) -> Outcome:
        """Train, from the newest checkpoint where there is one.

        Args:
            cfg (Config): Of the cell.
            threads (int): Computing threads.
            lock (IO, optional): Of the cell.
        """
        cfg.dump(self._config)
        arguments = [str(self._config), '--work-dir', str(self.run_dir), '--resume']
        return run_tool('train', arguments, self.path / 'train.log', threads, lock)

    @property
    def has_begun(self) -> bool:
        """Return whether there is a checkpoint to go on from."""
        return any(self.run_dir.glob('*.pth'))

    def find_views(self) -> str:
        """Return where views are made, ``workers`` or ``device``; '' if unknown."""
        if not self._config.is_file():
            return ''
        preprocessor = read_config_file(self._config).get('data_preprocessor') or {}
        return 'device' if makes_views(preprocessor) else 'workers'

    def read_measured(self, name: str, digest: str) -> dict[str, float] | None:
        """Return what a measurement has found, None where it has not been taken.

        Args:
            name: Of the measurement.
            digest: Of its options; scores taken with others do not count.
        """
        file = self._measured(name, digest)
        return json.loads(file.read_text()) if file.is_file() else None

    def keep_measured(self, name: str, digest: str, scores: dict[str, float]) -> None:
        """Keep what a measurement has found.

        Args:
            name: Of the measurement.
            digest: Of its options.
            scores: Values by the name of the score.
        """
        file = self._measured(name, digest)
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, json.dumps(scores))

    def _measured(self, name: str, digest: str) -> Path:
        return self.path / 'measurements' / f'{name}-{digest}.json'
