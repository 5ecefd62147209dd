"""What ``s2nn-hw explore`` does: options checked, trials in batches on workers, the front synthesised and written."""

import datetime
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from s2nn_hw import __version__
from s2nn_hw.errors import UserError
from s2nn_hw.explore import front
from s2nn_hw.explore.evaluate import code_digest, work
from s2nn_hw.explore.networks import FromNetwork, FromRecipe, Pictures, recipe_images
from s2nn_hw.explore.objectives import parse_budget, parse_objectives, with_board
from s2nn_hw.explore.page import write_page
from s2nn_hw.explore.space import Space, parse_numbers
from s2nn_hw.explore.study import VERSION, Kept, Study
from s2nn_hw.explore.workers import HereWorkers, LocalWorkers, RayWorkers, usable_cores
from s2nn_hw.files import held
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.board.clocking import system_clock
from s2nn_hw.hw.facts import board_facts
from s2nn_hw.terminal import Terminal

POPULATION = 16
FRAMES = 50
DATABASE, IMAGES = "study.db", "images.npy"


@dataclass(frozen=True)
class Options:
    """What the command was asked for; see its help. None takes the default that docs/explore.md gives."""

    budget: str | None = None
    objectives: str | None = None
    input_bits: str | None = None
    weight_bits: str | None = None
    clocks: str | None = None
    trials: int = 64
    population: int = POPULATION
    seed: int = 0
    jobs: int | None = None
    ray: str | None = None
    synthesise: int = 8
    epochs: int | None = None
    frames: int = FRAMES
    output: Path | None = None
    fresh: bool = False


def explore_designs(source, board, options, *, test_images=None):
    """Explore the designs of ``source`` (``.s2nn`` or recipe) for ``board``; write and print the front.

    ``test_images``: function without arguments to ``(images, labels or None, source)``; None takes the test set of the
    recipe. :class:`UserError` for bad options, a clock that the board can't make, images without labels, a database of
    something else, Ctrl-C.
    """
    source = Path(source)
    # the file is named: Ray's workers take standard output for themselves
    console = Terminal(file=sys.stdout, soft_wrap=True, width=None if sys.stdout.isatty() else 140)
    limits, objectives = parse_budget(options.budget), parse_objectives(options.objectives)
    record = board_facts(find_board(board))
    clocks = parse_numbers(options.clocks, "--clocks", (record.clock_mhz,))
    for mhz in clocks:
        system_clock(find_board(board), round(mhz * 1e6))
    budget = with_board(limits, record)
    pictures = Pictures(*(test_images() if test_images else recipe_images(source)))
    if pictures.labels is None and "accuracy" in (*objectives, *budget):
        raise UserError("accuracy needs the classes of the images: give --labels Y.npy, or --objectives without it")
    if len(pictures.images) < 2:
        raise UserError("exploration needs two images or more, for cycles from one frame to the next")
    networks = _networks(source, pictures, options, console)
    folder = Path(options.output or Path("runs") / "explore" / f"{networks.name}-{board.replace(':', '.')}")
    networks.folder = folder / "variants"
    input_bits, weight_bits = networks.bits(options.input_bits, options.weight_bits)
    space = Space(input_bits, weight_bits, clocks, networks.layers)
    frames = min(options.frames, len(pictures.images))
    settings = {
        "version": VERSION,
        "tool": __version__,
        "source": networks.identity(),
        "board": record.name,
        "objectives": objectives,
        "budget": budget,
        "space": space.to_json(),
        "images": {
            "source": pictures.source,
            "digest": pictures.digest,
            "count": len(pictures.images),
            "frames": frames,
        },
        "seed": options.seed,
        "population": options.population,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder, "exploration is at work in"):
        if options.fresh:
            (folder / DATABASE).unlink(missing_ok=True)
            shutil.rmtree(folder / "front", ignore_errors=True)
        study = Study(folder / DATABASE, settings, space)
        pictures.save_first(frames, folder / IMAGES)
        exploration = Exploration(study, networks, record, folder, console)
        with _workers(options) as workers:
            console.print(
                f"exploring {networks.name} for {record.title} in {folder}, {workers.title}: "
                f"{len(study.trials())} of {options.trials} trials done"
            )
            try:
                exploration.search(options.trials, workers)
                data = exploration.finish(options.synthesise, workers)
            except KeyboardInterrupt:
                raise UserError(
                    f"interrupted after {len(study.trials())} of {options.trials} trials; nothing is lost, "
                    "the same command goes on"
                ) from None
    front.show(data, record, console)
    console.print(
        f"everything is in {folder}: front.html, front.json, pareto.csv, {DATABASE}, and in front/ a network "
        "and a plan of each"
    )
    if data["front"]:
        files, values = data["front"][0]["files"], data["front"][0]["parameters"]
        console.print(
            f"next: s2nn-hw bitstream {folder / files['network']} --plan {folder / files['plan']} --board "
            f"{board} --freq {values['clock_mhz']:g}"
        )


def _networks(source, pictures, options, console):
    if source.suffix == ".toml":
        return FromRecipe(source, pictures, console, options.epochs)
    if options.epochs:
        raise UserError("--epochs is for recipes; a .s2nn is not trained")
    return FromNetwork(source, pictures, console)


def _workers(options):
    if options.ray is not None:
        return RayWorkers(options.ray)
    count = options.jobs or usable_cores()
    return LocalWorkers(count) if count > 1 else HereWorkers()


class Exploration:
    """A :class:`~s2nn_hw.explore.study.Study` at work: batches of trials go to workers, results are kept and told."""

    def __init__(self, study, networks, board, folder, console):
        self.study, self.networks, self.board, self.folder, self.console = study, networks, board, folder, console
        self.kept = Kept(folder / "results")

    def search(self, trials, workers):
        """Work until ``trials`` were told; what was asked before comes first."""
        done = len(self.study.trials())
        with _progress(self.console) as bar:
            line = bar.add_task("", total=trials, completed=min(done, trials))
            while done < trials:
                batch = self.study.batch(min(self.study.settings["population"], trials - done))
                wanted = {
                    (values["input_bits"], values["weight_bits"])
                    for values in (self.study.space.complete(trial.params) for trial in batch)
                }
                if not all(self.networks.has(*bits) for bits in wanted):
                    bar.stop()  # a training has a bar of its own
                    for bits in sorted(wanted, reverse=True):
                        self.networks.get(*bits)
                    bar.start()
                self._batch(batch, workers, lambda: bar.advance(line))
                done = len(self.study.trials())
                rows = front.rows_of(self.study)
                best = front.pareto(rows, self.study.objectives)
                text = f"{len(best)} on the front, {sum(row['state'] == 'fits' for row in rows)} within the budget"
                bar.update(line, completed=min(done, trials), description=text)
                if not bar.console.is_terminal:
                    bar.console.print(f"{done} of {trials} trials, {text}")

    def _batch(self, batch, workers, advance):
        tasks, variants, results = [], [], {}
        for trial in batch:
            values = self.study.space.complete(trial.params)
            variant = self.networks.get(values["input_bits"], values["weight_bits"])
            tasks.append(self._task("candidate", variant, parameters=values))
            variants.append(variant)
        missing = {}
        for number, task in enumerate(tasks):
            results[number] = self.kept.find(task)
            if results[number] is None:
                missing.setdefault(self.kept.path(task), []).append(number)  # two trials may ask for the same
            else:
                advance()
        first = [numbers[0] for numbers in missing.values()]
        jobs = [(work, tasks[n], (variants[n].path, self.folder / IMAGES)) for n in first]
        for k, result in workers.run(jobs):
            self.kept.keep(tasks[first[k]], result)
            for number in missing[self.kept.path(tasks[first[k]])]:
                results[number] = result
                advance()
        for number, trial in enumerate(batch):
            self._tell(trial, results[number], variants[number])

    def _tell(self, trial, result, variant):
        if "refused" in result:
            self.study.refuse(trial, result["refused"])
            return
        known = {} if variant.accuracy is None else {"accuracy": variant.accuracy}
        self.study.tell(
            trial,
            known | result["figures"],
            result["plan"],
            {"file": variant.path.name, "name": variant.name, "digest": variant.digest},
        )

    def _task(self, kind, variant, **more):
        board = {
            "family": self.board.family,
            "baud": self.board.baud,
            "budget": {name: self.study.settings["budget"][name] for name in front.RESOURCES},
        }
        images = self.study.settings["images"]
        return {
            "kind": kind,
            "code": code_digest(kind),
            "network": variant.digest,
            "board": board,
            "images": [images["digest"], images["frames"]],
            **more,
        }

    def finish(self, count, workers):
        """Write the front's files, synthesise ``count`` of it, write and return the report."""
        rows = front.rows_of(self.study)
        best = front.pareto(rows, self.study.objectives)
        for row in best:
            row["files"] = front.save_files(
                row, self.folder / "front", self._file(row), row["variant"]["name"], self.board
            )
        chosen = front.spread(best, self.study.objectives, count) if count else []
        results = {}
        self._write(rows, best, results)
        tasks = {
            row["trial"]: self._task(
                "synthesis", self._variant(row), plan=row["plan"], clock_mhz=row["parameters"]["clock_mhz"]
            )
            for row in chosen
        }
        results |= {trial: found for trial, task in tasks.items() if (found := self.kept.find(task))}
        missing = [row for row in chosen if row["trial"] not in results]
        with _progress(self.console) as bar:
            line = bar.add_task("synthesis", total=len(chosen), completed=len(results), visible=bool(missing))
            jobs = [(work, tasks[row["trial"]], (self._file(row), self.folder / IMAGES)) for row in missing]
            for k, result in workers.run(jobs):
                trial = missing[k]["trial"]
                if "used" in result:  # a tool that failed may be mended
                    self.kept.keep(tasks[trial], result)
                results[trial] = result
                bar.advance(line)
                if not bar.console.is_terminal:
                    bar.console.print(f"synthesised {len(results)} of {len(chosen)}")
        return self._write(rows, best, results)

    def _variant(self, row):
        return self.networks.get(row["parameters"]["input_bits"], row["parameters"]["weight_bits"])

    def _file(self, row):
        return self._variant(row).path

    def _write(self, rows, best, results):
        created = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        data = front.report(self.study, rows, best, results, created=created)
        front.write(self.folder, data)
        write_page(self.folder, data, self.board.title)
        return data


def _progress(console):
    return Progress(
        BarColumn(24),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        redirect_stdout=False,
    )
