"""An exploration at work: batches of trials go to workers, results are kept and told, the front is synthesised."""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from s2nn_hw.errors import UserError
from s2nn_hw.explore import front
from s2nn_hw.explore.evaluate import code_digest, work
from s2nn_hw.explore.networks import Networks, Variant
from s2nn_hw.explore.objectives import RESOURCES
from s2nn_hw.explore.page import write_page
from s2nn_hw.explore.rows import FITS, Entry, Files, RefusedRow, Row, Told, VariantNote
from s2nn_hw.explore.space import Choice
from s2nn_hw.explore.study import Kept, Study, unusable
from s2nn_hw.explore.summary import Summary
from s2nn_hw.explore.tasks import (
    Candidate,
    CandidateTask,
    Failed,
    Refused,
    Result,
    Synthesised,
    SynthesisTask,
    Task,
    TaskBoard,
)
from s2nn_hw.explore.workers import Job, Workers
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.plan.plan import parse_plan

IMAGES = "images.npy"


class Exploration:
    """A :class:`~s2nn_hw.explore.study.Study` at work: batches of trials go to workers, results are kept and told."""

    def __init__(self, study: Study, networks: Networks, board: BoardFacts, folder: Path, console: Console) -> None:
        self.study, self.networks, self.board, self.folder, self.console = study, networks, board, folder, console
        self.settings = study.settings
        self.kept = Kept(folder / "results")
        self.loaded: dict[str, Network] = {}  # by digest, for the plans that are read again

    def search(self, trials: int, workers: Workers) -> None:
        """Work until ``trials`` were told; what was asked before comes first."""
        done = len(self.study.trials())
        with _progress(self.console) as bar:
            line = bar.add_task("", total=trials, completed=min(done, trials))
            while done < trials:
                batch = self.study.batch(min(self.settings.population, trials - done))
                self._make_networks([self.study.space.complete(trial.params) for trial in batch], bar)
                self._batch(batch, workers, lambda: bar.advance(line))
                done = len(self.study.trials())
                rows = front.rows_of(self.study)
                best = front.pareto(rows, self.settings.objectives)
                text = f"{len(best)} on the front, {sum(row.state == FITS for row in rows)} within the budget"
                bar.update(line, completed=min(done, trials), description=text)
                if not bar.console.is_terminal:
                    bar.console.print(f"{done} of {trials} trials, {text}")

    def _make_networks(self, choices: Sequence[Choice], bar: Progress) -> None:
        wanted = {(choice.input_bits, choice.weight_bits) for choice in choices}
        if all(self.networks.has(*bits) for bits in wanted):
            return
        bar.stop()  # a training has a bar of its own
        for bits in sorted(wanted, reverse=True):
            self.networks.get(*bits)
        bar.start()

    def _batch(self, batch: Sequence[Any], workers: Workers, advance: Callable[[], None]) -> None:
        """Work ``batch``, trials of Optuna, out, and tell what came."""
        choices = [self.study.space.complete(trial.params) for trial in batch]
        variants = [self._variant(choice) for choice in choices]
        tasks = [self._candidate(*pair) for pair in zip(choices, variants, strict=True)]
        results: dict[int, Result] = {}
        missing: dict[Path, list[int]] = {}
        for number, task in enumerate(tasks):
            found = self._known(task, variants[number])
            if found is None:
                missing.setdefault(self.kept.path(task), []).append(number)  # two trials may ask for the same
            else:
                results[number] = found
                advance()
        first = [numbers[0] for numbers in missing.values()]
        jobs = [Job(work, tasks[n], (variants[n].path, self.folder / IMAGES)) for n in first]
        for k, result in workers.run(jobs):
            self.kept.keep(tasks[first[k]], result)
            for number in missing[self.kept.path(tasks[first[k]])]:
                results[number] = result
                advance()
        for number, trial in enumerate(batch):
            self._tell(trial, results[number], variants[number])

    def _known(self, task: CandidateTask, variant: Variant) -> Result | None:
        """Return the result of ``task`` that was kept, None without one or if its plan is none of ``variant``."""
        found = self.kept.find(task)
        try:
            if isinstance(found, Candidate):
                self._check_plan(found.plan, variant, "result")
        except UserError:
            return None
        return found

    def _check_plan(self, plan: dict[str, Any], variant: Variant, where: str) -> None:
        """Raise :class:`UserError` unless ``plan`` is one of ``variant``."""
        if variant.digest not in self.loaded:
            self.loaded[variant.digest] = load(variant.path)
        parse_plan(plan, self.loaded[variant.digest], where)

    def _tell(self, trial: Any, result: Result, variant: Variant) -> None:
        if isinstance(result, Refused):
            self.study.refuse(trial, result.refused)
            return
        assert isinstance(result, Candidate)
        known = {} if variant.accuracy is None else {"accuracy": variant.accuracy}
        note = VariantNote(variant.path.name, variant.name, variant.digest)
        self.study.tell(trial, Told(known | result.figures, note, result.plan))

    def _task_board(self) -> TaskBoard:
        budget = {name: self.settings.budget[name] for name in RESOURCES}
        return TaskBoard(self.board.family, self.board.baud, budget)

    def _task_images(self) -> tuple[str, int]:
        return self.settings.images.digest, self.settings.images.frames

    def _candidate(self, choice: Choice, variant: Variant) -> CandidateTask:
        code = code_digest(CandidateTask.kind)
        return CandidateTask(code, variant.digest, self._task_board(), self._task_images(), choice.values)

    def _synthesis(self, row: Row) -> SynthesisTask:
        code, digest = code_digest(SynthesisTask.kind), self._variant(row.choice).digest
        return SynthesisTask(code, digest, self._task_board(), self._task_images(), row.plan, row.choice.clock_mhz)

    def finish(self, count: int, workers: Workers) -> Summary:
        """Write the front's files, synthesise ``count`` of it, write and return the summary."""
        rows = front.rows_of(self.study)
        best = front.pareto(rows, self.settings.objectives)
        files = {row.trial: self._save(row) for row in best}
        chosen = front.spread(best, self.settings.objectives, count) if count else []
        self._write(rows, best, files, {})
        return self._write(rows, best, files, self._synthesise(chosen, workers))

    def _save(self, row: Row) -> Files:
        try:
            self._check_plan(row.plan, self._variant(row.choice), f"trial {row.trial}")
        except UserError as error:
            raise unusable(self.study.path, error) from None
        return front.save_files(row, self.folder / "front", self._variant(row.choice).path, self.board)

    def _synthesise(self, chosen: Sequence[Row], workers: Workers) -> dict[int, Synthesised | Failed]:
        """Return what synthesis says of the ``chosen``, by trial; what is known is not asked again."""
        tasks: dict[int, Task] = {row.trial: self._synthesis(row) for row in chosen}
        results: dict[int, Synthesised | Failed] = {}
        for trial, task in tasks.items():
            found = self.kept.find(task)
            if isinstance(found, Synthesised | Failed):
                results[trial] = found
        missing = [row for row in chosen if row.trial not in results]
        with _progress(self.console) as bar:
            line = bar.add_task("synthesis", total=len(chosen), completed=len(results), visible=bool(missing))
            jobs = [
                Job(work, tasks[row.trial], (self._variant(row.choice).path, self.folder / IMAGES)) for row in missing
            ]
            for k, result in workers.run(jobs):
                trial = missing[k].trial
                if isinstance(result, Synthesised):  # a tool that failed may be mended
                    self.kept.keep(tasks[trial], result)
                results[trial] = result
                bar.advance(line)
                if not bar.console.is_terminal:
                    bar.console.print(f"synthesised {len(results)} of {len(chosen)}")
        return results

    def _variant(self, choice: Choice) -> Variant:
        return self.networks.get(choice.input_bits, choice.weight_bits)

    def _write(
        self,
        rows: Sequence[Row | RefusedRow],
        best: Sequence[Row],
        files: dict[int, Files],
        results: dict[int, Synthesised | Failed],
    ) -> Summary:
        created = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        budget = self.settings.budget
        entries = [Entry(row, files[row.trial], results.get(row.trial), budget) for row in best]
        summary = Summary(self.settings, rows, entries, created)
        summary.write(self.folder)
        write_page(self.folder, summary, self.board.title)
        return summary


def _progress(console: Console) -> Progress:
    return Progress(
        BarColumn(24),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        redirect_stdout=False,
    )
