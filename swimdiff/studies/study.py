"""Running a plan: cell after cell, by any number of processes, from where it was stopped."""

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from swimdiff.environment.diagnosis import first_line
from swimdiff.errors import StoppedError, SwiMDiffError
from swimdiff.files import hold_lock
from swimdiff.studies.cell_config import build_cell_config, find_roots
from swimdiff.studies.cells import Cell, build_measurements, list_cells, read_backbone
from swimdiff.studies.child import run_tool
from swimdiff.studies.device_views import move_views
from swimdiff.studies.measurements import Subject
from swimdiff.studies.plan import Plan
from swimdiff.studies.provenance import (
    describe_commit,
    describe_hardware,
    describe_now,
    describe_stack,
    digest_data,
)
from swimdiff.studies.results import DIVERGED, FAILED, FINISHED, Record, ResultsFile
from swimdiff.studies.training import CellFolder
from swimdiff.visualization.report.record import read_run

__all__ = ['STARTED', 'Study']

#: Variable by which several processes of one start know when that was.
STARTED = 'SWIMDIFF_STUDY_STARTED'


class Study:
    """Run a plan in a folder, with a file of results.

    Args:
        plan (Plan): What to do.
        work_dir (Path): Folder of the cells.
        results (Path, optional): File of the results. Defaults to None, ``results.jsonl`` in the
            work dir.
        threads (int): Computing threads of a cell. Defaults to 1.
        views (str): Where views are made, ``workers`` or ``device``; ``auto`` takes the device
            where there is a GPU. Defaults to ``auto``.
        say (Callable): Takes a line for each event. Defaults to ``print``.
    """

    def __init__(
        self,
        plan: Plan,
        work_dir: Path,
        results: Path | None = None,
        threads: int = 1,
        views: str = 'auto',
        say: Callable[[str], None] = print,
    ) -> None:
        init_default_scope('swimdiff')
        self.plan, self.work_dir, self.threads, self.say = plan, work_dir, threads, say
        self._has_gpu = torch.cuda.is_available()
        self._moves_views = views == 'device' or (views == 'auto' and self._has_gpu)
        self.results = ResultsFile(results or work_dir / 'results.jsonl')
        self.measurements = build_measurements(plan)
        self.cells = list_cells(plan, self.measurements)
        self._started = ''

    # -------------------------------------------------------------------------------- states

    def describe_state(self, cell: Cell, records: dict[str, Record]) -> str:
        """Return the state of a cell in words; '' where there is nothing left to do.

        Args:
            cell (Cell): The cell.
            records (dict): What the file of results holds.
        """
        record = records.get(cell.config_hash)
        if record is not None and record.status == DIVERGED:
            return ''
        missing_names = [
            name
            for name, digest in cell.measurements.items()
            if record is None or record.find_scores(digest) is None
        ]
        if record is not None and record.status == FINISHED and not missing_names:
            return ''
        what = f'measure {", ".join(missing_names)}' if missing_names else 'write the result'
        if cell.kind != 'trained':
            return what
        folder = self._folder(cell)
        iterations = self._build_config(cell).train_cfg.max_iters
        if folder.find_trained(iterations) is None:
            what = 'go on with the training' if folder.has_begun else 'train'
        if record is not None and record.status == FAILED:
            what += f' (failed before: {record.message})'
        return what

    def _folder(self, cell: Cell) -> CellFolder:
        return CellFolder(self.work_dir / cell.folder, cell)

    def _build_config(self, cell: Cell) -> Config:
        return build_cell_config(self.plan, cell.variant, cell.seed, on_gpu=self._has_gpu)

    def list_open(self, cells: Sequence[Cell] | None = None) -> list[Cell]:
        """List the cells that something is left to do for, in order."""
        records = self.results.read()
        return [cell for cell in cells or self.cells if self._is_open(cell, records)]

    def _is_open(self, cell: Cell, records: dict[str, Record]) -> bool:
        record = records.get(cell.config_hash)
        if record is None:
            return True
        if record.status == FAILED:  # tried again, but once per start, by whichever process
            return not self._started or record.written < self._started
        is_incomplete = any(
            record.find_scores(digest) is None for digest in cell.measurements.values()
        )
        return record.status == FINISHED and is_incomplete

    # ------------------------------------------------------------------------------- running

    def run(self, shard: tuple[int, int] = (0, 1), patience: float = 60.0) -> int:
        """Run what is open, each cell by one process.

        Args:
            shard (tuple[int, int]): Which of how many shares of the open cells to take. Defaults to
                ``(0, 1)``, all.
            patience (float): Seconds to wait for cells that other processes hold, in case one of
                them is about to be given up. Defaults to 60.

        Returns:
            Number of cells that failed here.

        Raises:
            StoppedError: A signal has ended a training, with its state saved.
            KeyboardInterrupt: The same for a signal to this process.
        """
        mine = self.cells[shard[0] :: shard[1]]
        # One start may have several processes.
        self._started = os.environ.get(STARTED) or describe_now()
        failures, waiting_since = 0, time.monotonic()
        while mine and (open_cells := self.list_open(mine)):
            for cell in open_cells:
                record = self._claim(cell)
                if record is not None:
                    failures += record.status == FAILED
                    self._report(cell, record)
                    waiting_since = time.monotonic()
                    break
            else:
                if time.monotonic() - waiting_since > patience:
                    self.say(f'{len(open_cells)} cells are being run by other processes')
                    break
                time.sleep(0.5)
        return failures

    def _claim(self, cell: Cell) -> Record | None:
        """Run a cell unless another process has it, or has just done it."""
        name = f'{cell.folder.parent}_{cell.folder.name}.lock'
        with hold_lock(self.work_dir / 'locks' / name, wait=False) as lock:
            if lock is None or not self._is_open(cell, self.results.read()):
                return None
            record = self._run_cell(cell, lock)
            self.results.add(record)
            return record

    def _report(self, cell: Cell, record: Record) -> None:
        records = self.results.read()
        done_cells = [one for one in self.cells if not self._is_open(one, records)]
        seconds_spent = [
            sum(records[one.config_hash].seconds.values())
            for one in done_cells
            if one.kind == 'trained'
        ]
        cells_left = sum(self._is_open(one, records) for one in self.cells if one.kind == 'trained')
        line = f'[{len(done_cells)}/{len(self.cells)}] {cell}: {record.status}'
        if record.message:
            line += f', {record.message}'
        for name, scores in record.scores.items():
            score_text = ' '.join(f'{key} {value:.4g}' for key, value in list(scores.items())[:4])
            line += f'; {name}: {score_text}'
        if seconds_spent and cells_left:
            minutes = cells_left * sum(seconds_spent) / len(seconds_spent) / 60
            line += f'; {minutes:.0f} min of one process left'
        self.say(line)

    def _run_cell(self, cell: Cell, lock: IO[str]) -> Record:
        folder = self._folder(cell)
        move_note = folder.prepare()
        if move_note:
            self.say(f'{cell}: {move_note}')
        cfg = self._build_config(cell)
        record = self._describe(cell, cfg)
        checkpoint = None
        if cell.kind == 'trained':
            checkpoint = folder.find_trained(cfg.train_cfg.max_iters)
            if checkpoint is None:
                self.say(
                    f'{cell}: training, {record.images} images, log in {folder.path}/train.log'
                )
                self._place_views(cell, folder, cfg)
                outcome = folder.train(cfg, self.threads, lock)
                if outcome.stopped:
                    raise StoppedError(f'a signal to the training of {cell}; its state is saved')
                checkpoint = folder.find_trained(cfg.train_cfg.max_iters)
                record = dataclasses.replace(record, views=folder.find_views())
                if outcome.code or checkpoint is None:
                    has_diverged = outcome.error == 'DivergedError'
                    status = DIVERGED if has_diverged else FAILED
                    return dataclasses.replace(record, status=status, message=str(outcome))
            record.seconds['training'] = read_run(folder.run_dir).seconds
            record = dataclasses.replace(record, views=folder.find_views())
        return self._measure(cell, record, folder, cfg, checkpoint, lock)

    def _place_views(self, cell: Cell, folder: CellFolder, cfg: Config) -> None:
        """Let the device make the views where it should; what has begun goes on as it did."""
        wanted = 'device' if self._moves_views else 'workers'
        place = (folder.find_views() if folder.has_begun else '') or wanted
        if place != wanted:
            self.say(f'{cell}: goes on with views of the {place}, as it began')
        if place == 'device':
            reason = move_views(cfg)
            if reason:
                self.say(f'{cell}: the workers make the views: {reason}')

    def _describe(self, cell: Cell, cfg: Config) -> Record:
        """Return the line of a cell that has no scores yet."""
        is_trained = cell.kind == 'trained'
        iterations = cfg.train_cfg.max_iters if is_trained else 0
        roots = [('pre-training', cfg.train_dataloader.to_dict())] if is_trained else []
        roots += [(name, self.plan.measurements[name]) for name in cell.measurements]
        return Record(
            plan=self.plan.name,
            variant=cell.label,
            seed=cell.seed,
            status=FINISHED,
            config_hash=cell.config_hash,
            images=iterations * (cfg.train_dataloader.get('batch_size') or 0),
            iterations=iterations,
            data={
                name: '+'.join(dict.fromkeys(digest_data(root) for root in find_roots(options)))
                for name, options in roots
            },
            commit=describe_commit(),
            stack=describe_stack(),
            hardware=describe_hardware(self.threads),
            written=describe_now(),
        )

    def _measure(
        self,
        cell: Cell,
        record: Record,
        folder: CellFolder,
        cfg: Config,
        checkpoint: Path | None,
        lock: IO[str],
    ) -> Record:
        """Take every measurement that is not there yet."""
        earlier = self.results.read().get(cell.config_hash)
        if earlier and record.views not in (earlier.views, ''):
            earlier = None  # scores of other weights
        failures = []
        for name, digest in cell.measurements.items():
            scores = earlier.find_scores(digest) if earlier else None
            scores = scores or folder.read_measured(name, digest)
            if scores is None:
                start = time.perf_counter()
                subject = self._make_subject(
                    cell, folder, cfg, checkpoint, f'{name}-{digest}', lock
                )
                try:
                    scores = self.measurements[name].measure(subject)
                except (StoppedError, KeyboardInterrupt):
                    raise
                except Exception as error:  # the other measurements are worth having
                    failures.append(f'{name}: {first_line(error)}')
                    continue
                folder.keep_measured(name, digest, scores)
                record.seconds[name] = time.perf_counter() - start
            record.scores[name], record.measured[name] = scores, digest
        if failures:
            record = dataclasses.replace(record, status=FAILED, message='; '.join(failures))
        return dataclasses.replace(record, written=describe_now())

    def _make_subject(
        self,
        cell: Cell,
        folder: CellFolder,
        cfg: Config,
        checkpoint: Path | None,
        place: str,
        lock: IO[str],
    ) -> Subject:
        def run(tool: str, arguments: Sequence[str], log: Path) -> None:
            outcome = run_tool(tool, arguments, log, self.threads, lock)
            if outcome.stopped:
                raise StoppedError(f'a signal to tools/{tool}.py for {cell}')
            if outcome.code:
                raise SwiMDiffError(f'tools/{tool}.py: {outcome} (see {log})')

        return Subject(
            title=str(cell),
            kind=cell.kind,
            seed=cell.seed,
            config=cfg,
            backbone=read_backbone(cfg, cell.variant),
            checkpoint=checkpoint,
            run_dir=folder.run_dir,
            folder=folder.path / 'measurements' / place,
            run_tool=run,
        )
