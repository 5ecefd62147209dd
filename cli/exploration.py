"""What ``s2nn-hw explore`` does: options checked, a search on workers, its front told."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from s2nn_hw import __version__
from s2nn_hw.cli.frames import frames_for
from s2nn_hw.errors import UserError
from s2nn_hw.explore.networks import FromNetwork, FromRecipe, Networks, Pictures, recipe_images
from s2nn_hw.explore.objectives import parse_budget, parse_objectives, with_board
from s2nn_hw.explore.search import IMAGES, Exploration
from s2nn_hw.explore.settings import ImageSet, Settings
from s2nn_hw.explore.show import show
from s2nn_hw.explore.space import Numbers, Space, parse_numbers
from s2nn_hw.explore.study import VERSION, Study
from s2nn_hw.explore.summary import Summary
from s2nn_hw.explore.workers import HereWorkers, LocalWorkers, RayWorkers, Workers, usable_cores
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.files import held
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.board.clocking import hertz, system_clock
from s2nn_hw.hw.facts import board_facts
from s2nn_hw.terminal import Terminal

POPULATION = 16
FRAMES = 50
DATABASE = "study.db"


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
    images: Path | None = None
    labels: Path | None = None
    frames: int = FRAMES
    output: Path | None = None
    fresh: bool = False


def explore_designs(source: Path, board: str, options: Options) -> None:
    """Explore the designs of ``source`` (``.s2nn`` or recipe) for ``board``; write and print the front.

    :class:`UserError` for bad options, a clock that the board can't make, images without labels, a database of
    something else, Ctrl-C.
    """
    # the file is named: Ray's workers take standard output for themselves
    console = Terminal(file=sys.stdout, soft_wrap=True, width=None if sys.stdout.isatty() else 140)
    limits, objectives = parse_budget(options.budget), parse_objectives(options.objectives)
    facts = board_facts(find_board(board))
    clocks = _clocks(board, options.clocks, facts)
    budget = with_board(limits, facts)
    pictures = _pictures(source, options)
    if pictures.labels is None and "accuracy" in (*objectives, *budget):
        raise UserError("accuracy needs the classes of the images: give --labels Y.npy, or --objectives without it")
    if len(pictures.images) < 2:
        raise UserError("exploration needs two images or more, for cycles from one frame to the next")
    networks = _networks(source, pictures, options, console)
    folder = options.output or Path("runs") / "explore" / f"{networks.name}-{board.replace(':', '.')}"
    networks.folder = folder / "variants"
    space = Space(*networks.bits(options.input_bits, options.weight_bits), clocks, networks.layers)
    settings = Settings(
        version=VERSION,
        tool=__version__,
        source=networks.identity(),
        board=facts.name,
        objectives=objectives,
        budget=budget,
        space=space.to_json(),
        images=_image_set(pictures, options.frames),
        seed=options.seed,
        population=options.population,
    )
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder, "exploration is at work in"):
        if options.fresh:
            if (folder / DATABASE).is_dir():
                shutil.rmtree(folder / DATABASE)
            (folder / DATABASE).unlink(missing_ok=True)
            shutil.rmtree(folder / "front", ignore_errors=True)
        study = Study(folder / DATABASE, settings, space)
        pictures.save_first(settings.images.frames, folder / IMAGES)
        summary = _explore(Exploration(study, networks, facts, folder, console), options)
    show(summary, networks.name, facts, console)
    _last_words(summary, folder, board, console)


def _clocks(board: str, wanted: str | None, facts: BoardFacts) -> Numbers:
    """Return the clocks to choose from, each of which the board can make."""
    clocks = parse_numbers(wanted, "--clocks", (facts.clock_mhz,))
    for mhz in clocks:
        system_clock(find_board(board), hertz(mhz))
    return clocks


def _pictures(source: Path, options: Options) -> Pictures:
    """Return the images given, else the test set of the recipe or of the network in ``source``."""
    if source.suffix == ".toml" and options.images is options.labels is None:
        return Pictures(*recipe_images(source))
    return Pictures(*frames_for(source, options.images, options.labels))


def _image_set(pictures: Pictures, frames: int) -> ImageSet:
    count = len(pictures.images)
    return ImageSet(pictures.source, pictures.digest, count, min(frames, count))


def _networks(source: Path, pictures: Pictures, options: Options, console: Terminal) -> Networks:
    if source.suffix == ".toml":
        return FromRecipe(source, pictures, console, options.epochs)
    if options.epochs:
        raise UserError("--epochs is for recipes; a .s2nn is not trained")
    return FromNetwork(source, pictures, console)


def _workers(options: Options) -> Workers:
    if options.ray is not None:
        return RayWorkers(options.ray)
    count = options.jobs or usable_cores()
    return LocalWorkers(count) if count > 1 else HereWorkers()


def _explore(exploration: Exploration, options: Options) -> Summary:
    """Search and synthesise on workers; say what is done, also after Ctrl-C."""
    study = exploration.study
    with _workers(options) as workers:
        exploration.console.print(
            f"exploring {exploration.networks.name} for {exploration.board.title} in {exploration.folder}, "
            f"{workers.title}: {len(study.trials())} of {options.trials} trials done"
        )
        try:
            exploration.search(options.trials, workers)
            return exploration.finish(options.synthesise, workers)
        except KeyboardInterrupt:
            raise UserError(
                f"interrupted after {len(study.trials())} of {options.trials} trials; nothing is lost, "
                "the same command goes on"
            ) from None


def _last_words(summary: Summary, folder: Path, board: str, console: Terminal) -> None:
    """Print where everything is, and how to build the first circuit of the front."""
    console.print(
        f"everything is in {folder}: front.html, front.json, pareto.csv, {DATABASE}, and in front/ a network "
        "and a plan of each"
    )
    if summary.entries:
        first = summary.entries[0]
        console.print(
            f"next: s2nn-hw bitstream {folder / first.files.network} --plan {folder / first.files.plan} --board "
            f"{board} --freq {first.row.choice.clock_mhz:g}"
        )
